"""`chainrule generate`."""

import pytest


@pytest.fixture
def run(inside, tiny):
    done = inside(*tiny)
    assert done.code == 0, done.err
    return "last"


def test_text_comes_out(inside, run):
    done = inside("generate", run, "--prompt", "the quick ", "--length", 50, "--seed", 1)
    assert done.code == 0, done.err
    assert done.out.startswith("the quick ")
    assert len(done.out) == len("the quick ") + 50 + 1
    assert set(done.out) <= set("the quick brown fox jumps over the lazy dog.\n")
    again = inside("generate", "1", "--prompt", "the quick ", "--length", 50, "--seed", 1)
    assert again.out == done.out
    sure = ["--temperature", 0, "--length", 30]
    one_kept = ["--top-k", 1, "--length", 30]
    assert inside("generate", *sure).out == inside("generate", *one_kept).out


def test_text_ends_before_a_stop(inside, run):
    options = ["--prompt", "the quick ", "--length", 200, "--seed", 1]
    whole = inside("generate", run, *options).out
    cut = inside("generate", run, *options, "--stop", "\\n", "--stop", "zzzz").out
    assert cut == whole.partition("\n")[0] + "\n"
    assert len(cut) < len(whole)


def test_the_likeliest_text_is_found_by_a_beam(inside, run):
    options = ["--prompt", "the quick ", "--length", 12]
    sure = inside("generate", run, *options, "--temperature", 0).out
    assert inside("generate", run, *options, "--beam", 1).out == sure
    wide = inside("generate", run, *options, "--beam", 6)
    assert wide.out == inside("generate", run, *options, "--beam", 6, "--seed", 3).out
    assert len(wide.out) == len(sure)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--prompt", "Ω"], 1, "has no 'Ω'"),
        (["--temperature", "-1"], 2, "not in the range"),
        (["--top-k", "0"], 2, "not in the range"),
        (["--top-p", "2"], 2, "not in the range"),
        (["--beam", "3", "--top-k", "4"], 2, "--top-k cannot go with --beam"),
        (["--length", "many"], 2, "is not a valid integer"),
    ],
)
def test_bad_requests(inside, run, arguments, code, sentence):
    done = inside("generate", run, *arguments)
    assert done.code == code
    assert sentence in done.err
    assert not done.out


def test_a_damaged_model(inside, run, tmp_path):
    path = tmp_path / "runs" / "001" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    done = inside("generate", run)
    assert done.code == 1
    assert "is not a whole safetensors file" in done.err
    assert done.err.count("\n") == 1
