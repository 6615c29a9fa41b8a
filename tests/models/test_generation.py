"""Choosing the next character."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import ArgumentError
from chainrule.models.generation import Sampling, generate, until

LOGITS = st.lists(st.floats(-50, 50), min_size=1, max_size=12)


@given(LOGITS, st.floats(0.05, 20), st.none() | st.integers(1, 15))
def test_probabilities(logits, temperature, top_k):
    p = Sampling(temperature, top_k).probabilities(logits)
    assert p.sum() == pytest.approx(1)
    kept = len(logits) if top_k is None else min(top_k, len(logits))
    assert np.count_nonzero(p) <= kept
    assert min(np.sort(logits)[::-1][:kept]) <= min(np.array(logits)[p > 0])
    expected = np.exp(np.array(logits, dtype=np.longdouble) / temperature)
    if kept == len(logits):
        assert np.allclose(p, (expected / expected.sum()).astype(float))


@given(LOGITS)
def test_temperature_zero_takes_the_best(logits):
    p = Sampling(0.0).probabilities(logits)
    assert p[int(np.argmax(logits))] == 1
    assert p.sum() == 1


def test_ties_do_not_widen_the_choice():
    assert np.count_nonzero(Sampling(1.0, 2).probabilities([1.0, 1.0, 1.0, 0.0])) == 2


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_p": 0},
        {"top_p": 1.5},
        {"repetition_penalty": 0},
    ],
)
def test_what_has_no_meaning_is_refused(bad):
    with pytest.raises(ArgumentError):
        Sampling(**bad)


def counting_up(window):
    """A model of ten codes that is sure of the successor of each place's code."""
    return np.eye(10)[(window + 1) % 10] * 100


@pytest.mark.parametrize("context", [1, 3, 50])
@pytest.mark.parametrize("prompt", [[3], [9, 9, 9, 9, 3]])
def test_text_goes_on_after_the_prompt(context, prompt):
    codes = generate(
        counting_up,
        np.array(prompt),
        length=12,
        context=context,
        sampling=Sampling(0.0),
        generator=np.random.default_rng(0),
    )
    assert list(codes) == [(4 + i) % 10 for i in range(12)]


def test_the_model_sees_the_last_characters_in_one_shape():
    windows = []

    def watch(window):
        windows.append(window.copy())
        return counting_up(window)

    list(
        generate(
            watch,
            np.array([1, 2]),
            length=4,
            context=4,
            sampling=Sampling(0.0),
            generator=np.random.default_rng(0),
        )
    )
    assert [w.tolist() for w in windows] == [
        [[1, 2, 0, 0]],
        [[1, 2, 3, 0]],
        [[1, 2, 3, 4]],
        [[2, 3, 4, 5]],
    ]


def test_the_seed_decides():
    def write(seed):
        return list(
            generate(
                lambda w: np.zeros((1, w.shape[1], 10)),
                np.array([0]),
                length=20,
                context=4,
                sampling=Sampling(),
                generator=np.random.default_rng(seed),
            )
        )

    assert write(1) == write(1) != write(2)


@given(LOGITS, st.floats(0.01, 1))
def test_top_p_keeps_the_fewest_codes_that_reach_it(logits, top_p):
    all_p = Sampling().probabilities(logits)
    p = Sampling(top_p=top_p).probabilities(logits)
    kept = np.flatnonzero(p)
    assert all_p[kept].sum() >= top_p - 1e-9
    assert all_p[kept].sum() - all_p[kept].min() < top_p + 1e-9
    assert all_p[kept].min() >= np.delete(all_p, kept).max(initial=0)
    np.testing.assert_allclose(p[kept], all_p[kept] / all_p[kept].sum())


def test_a_penalty_makes_the_last_codes_rarer_wherever_zero_lies():
    logits = np.array([3.0, 2.9, -1.0])
    sampling = Sampling(repetition_penalty=1.5)
    p = sampling.probabilities(logits, [0, 0])
    np.testing.assert_allclose(p, sampling.probabilities(logits + 100, [0]))
    plain = Sampling().probabilities(logits)
    assert p[0] < plain[0]
    np.testing.assert_allclose(p[1] / p[2], plain[1] / plain[2])
    np.testing.assert_allclose(p[0] / p[1], plain[0] ** 1.5 / plain[1])
    assert sampling.probabilities(logits, [0] + [1] * 64)[0] > p[0]


@given(
    st.lists(st.text("ab-", min_size=1, max_size=3), max_size=12),
    st.lists(st.text("ab-", min_size=1, max_size=3), max_size=3),
)
def test_text_ends_before_the_first_stop(pieces, stops):
    text = "".join(pieces)
    # What is read piece by piece ends with the piece in which a stop is complete.
    whole = next(
        (t for n in range(len(pieces) + 1) if any(s in (t := "".join(pieces[:n])) for s in stops)),
        None,
    )
    ends = [whole.find(stop) for stop in stops if stop in whole] if whole is not None else []
    assert "".join(until(pieces, stops)) == (whole[: min(ends)] if ends else text)


def test_text_comes_as_soon_as_no_stop_can_begin_in_it():
    given_pieces = iter(["ab", "-", "-x", "end"])
    found = until(given_pieces, ["--"])
    assert next(found) == "ab"
    assert next(given_pieces) == "-"
