"""Attention and Transformer layers with all masks, eager and compiled: PyTorch's, gradients too."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from tests.nn.twins import Twins, close

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore::UserWarning")]

COMPILED = pytest.mark.parametrize("compiled", [False, True])
RNG = np.random.default_rng(5)
FUTURE = np.triu(np.ones((5, 5), bool), 1)
AWAY = np.array([[False] * 5, [False, False, True, True, True], [False] * 4 + [True]])
NUMBERS = RNG.normal(size=(5, 5))
SOME = RNG.random((5, 7)) < 0.3
SOME[:, 0] = False


def case(text, call, *shapes, **options):
    return pytest.param(text, call, shapes, options, id=f"{text} {call}")


SAME = "m(x[0], x[0], x[0], **options)"
KV = "m(x[0], x[1], x[1], **options)"
FAST = {"need_weights": False}
ATTENTION = [
    case("N.MultiheadAttention(8, 2)", SAME, (5, 3, 8)),
    case("N.MultiheadAttention(8, 2)", SAME, (5, 3, 8), average_attn_weights=False),
    case("N.MultiheadAttention(8, 2, bias=False)", KV, (5, 3, 8), (7, 3, 8), **FAST),
    case("N.MultiheadAttention(8, 2, batch_first=True)", "m(*x)", (3, 5, 8), *[(3, 7, 8)] * 2),
    case("N.MultiheadAttention(8, 2, batch_first=True)", SAME, (3, 5, 8), **FAST,
         attn_mask=FUTURE, is_causal=True),
    case("N.MultiheadAttention(8, 2)", SAME, (5, 3, 8), **FAST, attn_mask=FUTURE,
         key_padding_mask=AWAY),
    case("N.MultiheadAttention(8, 2)", SAME, (5, 3, 8), **FAST, attn_mask=FUTURE, is_causal=True,
         key_padding_mask=AWAY),
    case("N.MultiheadAttention(8, 2)", SAME, (5, 3, 8), attn_mask=FUTURE, is_causal=True),
    case("N.MultiheadAttention(8, 2)", SAME, (5, 3, 8), **FAST, attn_mask=NUMBERS),
    case("N.MultiheadAttention(8, 2)", SAME, (5, 3, 8), **FAST,
         attn_mask=RNG.normal(size=(6, 5, 5)), key_padding_mask=RNG.normal(size=(3, 5))),
    case("N.MultiheadAttention(8, 2)", KV, (5, 3, 8), (7, 3, 8), attn_mask=SOME),
    case("N.MultiheadAttention(8, 4, kdim=6, vdim=3)", "m(*x)", (5, 3, 8), (7, 3, 6), (7, 3, 3)),
    case("N.MultiheadAttention(8, 4, kdim=6, bias=False)", "m(*x, need_weights=False)",
         (5, 3, 8), (7, 3, 6), (7, 3, 8)),
    case("N.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True)", SAME, (5, 3, 8),
         key_padding_mask=AWAY, attn_mask=FUTURE),
    case("N.MultiheadAttention(8, 2, add_bias_kv=True)", SAME, (5, 3, 8), **FAST,
         attn_mask=FUTURE),
    case("N.MultiheadAttention(8, 2, add_zero_attn=True, batch_first=True)", SAME, (3, 5, 8),
         **FAST, key_padding_mask=AWAY),
    case("N.MultiheadAttention(8, 2)", SAME, (5, 8), attn_mask=FUTURE, key_padding_mask=AWAY[1]),
    case("N.MultiheadAttention(8, 2, batch_first=True)", KV, (5, 8), (7, 8), **FAST),
]  # fmt: skip
LAYERS = [
    case("N.TransformerEncoderLayer(8, 2, 16, 0.0)", "", (5, 3, 8)),
    case("N.TransformerEncoderLayer(8, 2, 16, 0.0, N.functional.gelu, 1e-3, True, True, False)",
         "", (3, 5, 8), src_key_padding_mask=AWAY, src_mask=FUTURE, is_causal=True),
    case("N.TransformerEncoderLayer(8, 2, 16, 0.0, 'gelu', batch_first=True)", "", (3, 5, 8),
         src_mask=NUMBERS),
    case("N.TransformerDecoderLayer(8, 2, 16, 0.0)", "", (5, 3, 8), (7, 3, 8), tgt_mask=FUTURE,
         tgt_is_causal=True, memory_mask=SOME),
    case("N.TransformerDecoderLayer(8, 2, 16, 0.0, N.GELU(), norm_first=True, batch_first=True)",
         "", (3, 5, 8), (3, 5, 8), tgt_key_padding_mask=AWAY, memory_key_padding_mask=AWAY),
    case("N.TransformerEncoder(N.TransformerEncoderLayer(8, 2, 16, 0.0), 2, N.LayerNorm(8))", "",
         (5, 3, 8), mask=FUTURE),
    case("N.TransformerDecoder(N.TransformerDecoderLayer(8, 2, 16, 0.0), 2)", "", (5, 3, 8),
         (7, 3, 8), tgt_mask=FUTURE),
    case("N.Transformer(8, 2, 2, 2, 16, 0.0, batch_first=True)", "", (3, 5, 8), (3, 5, 8),
         tgt_mask=FUTURE, src_key_padding_mask=AWAY, memory_key_padding_mask=AWAY,
         tgt_is_causal=True),
    case("N.Transformer(8, 2, 1, 1, 16, 0.0, 'gelu', norm_first=True)", "", (5, 8), (5, 8)),
]  # fmt: skip


@COMPILED
@pytest.mark.parametrize(("text", "call", "shapes", "options"), ATTENTION + LAYERS)
def test_values_and_gradients(text, call, shapes, options, compiled):
    twins = Twins(text, compiled=compiled, call=call)
    ours, theirs = twins.state()
    assert list(ours) == list(theirs)
    rng = np.random.default_rng(0)
    twins.check(*(rng.normal(size=s) for s in shapes), **options)


@COMPILED
def test_float32(compiled):
    twins = Twins("N.TransformerEncoderLayer(16, 2, 32, 0.0)", dtype="float32", compiled=compiled)
    twins.check(RNG.normal(size=(20, 3, 16)), tolerance=1e-5)


def translator(lib):
    model = lib.nn.Transformer(16, 4, 2, 2, 32, dropout=0.0, batch_first=True)
    parts = {"m": model, "e": lib.nn.Embedding(11, 16), "o": lib.nn.Linear(16, 11)}
    return lib.nn.ModuleDict(parts).double()


@pytest.mark.parametrize("how", ["eager", "compiled"])
def test_ten_steps_of_training_a_transformer(how):
    import torch

    rng = np.random.default_rng(0)
    data = [(rng.integers(1, 11, (4, 7)), rng.integers(1, 11, (4, 6))) for _ in range(10)]
    for source, _ in data:
        source[1:3, 5:] = 0
    theirs = translator(torch)
    ours = translator(cr)
    ours.load_state_dict(theirs.state_dict())
    losses = []
    for lib, model in ((torch, theirs), (cr, ours)):
        losses.append(train(lib, model, data, compiled=how == "compiled" and lib is cr))
    close(losses[1], losses[0], 1e-10)
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        close(a.detach(), b.detach(), 1e-9, name)


def train(lib, model, data, *, compiled):
    F, opt = lib.nn.functional, lib.optim.AdamW(model.parameters(), lr=1e-2)

    def step(source, target):
        hidden = source == 0
        future = model["m"].generate_square_subsequent_mask(5)
        states = model["m"](
            model["e"](source), model["e"](target[:, :-1]), tgt_mask=future.double(),
            src_key_padding_mask=hidden, memory_key_padding_mask=hidden, tgt_is_causal=True,
        )  # fmt: skip
        logits = model["o"](states)
        loss = F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), label_smoothing=0.1)
        opt.zero_grad()
        loss.backward()
        lib.nn.utils.clip_grad_norm_(model.parameters(), 0.7)
        opt.step()
        return loss

    call = cr.compile(step) if compiled else step
    return [call(lib.tensor(a), lib.tensor(b)).item() for a, b in data]


def sdpa(text, *shapes, **masks):
    return pytest.param(text, shapes, masks, id=text)


Q, K = (2, 4, 5, 3), (2, 4, 7, 3)
GROUPED = "F.scaled_dot_product_attention(*x, mask, enable_gqa=True)"
PRODUCTS = [
    sdpa("F.scaled_dot_product_attention(*x)", Q, K, (2, 4, 7, 6)),
    sdpa("F.scaled_dot_product_attention(*x, scale=0.3)", (5, 3), (7, 3), (7, 3)),
    sdpa("F.scaled_dot_product_attention(*x, is_causal=True)", Q, K, K),
    sdpa("F.scaled_dot_product_attention(*x, mask)", Q, K, K, mask=~SOME),
    sdpa("F.scaled_dot_product_attention(*x, mask[:, None])", Q, K, K,
         mask=RNG.normal(size=(2, 5, 7))),
    sdpa("F.scaled_dot_product_attention(*x, mask[:, None, None])", Q, K, K,
         mask=RNG.random((2, 7)) < 0.7),
    sdpa("F.scaled_dot_product_attention(*x, mask[:, :1])", Q, K, K, mask=~SOME),
    sdpa("F.scaled_dot_product_attention(*x, attn_mask=mask)", (4, 5, 3), (4, 7, 3), (4, 7, 3),
         mask=RNG.normal(size=(4, 1, 7))),
    sdpa(GROUPED, Q, (2, 2, 7, 3), (2, 2, 7, 3), mask=~SOME),
    sdpa("F.scaled_dot_product_attention(*x, is_causal=True, enable_gqa=True)", Q, (2, 1, 5, 3),
         (2, 1, 5, 3)),
]  # fmt: skip


@COMPILED
@pytest.mark.parametrize(("text", "shapes", "masks"), PRODUCTS)
def test_scaled_dot_product_attention(text, shapes, masks, compiled):
    import torch

    rng = np.random.default_rng(2)
    arrays, found = [rng.normal(size=s) for s in shapes], []
    for lib in (torch, cr):
        leaves = [lib.tensor(a, requires_grad=True) for a in arrays]
        given = {k: lib.tensor(v, requires_grad=v.dtype != bool) for k, v in masks.items()}
        scope = {"F": lib.nn.functional, "x": leaves, **given}

        def step(scope=scope):
            out = eval(text, scope)  # noqa: S307 - the cases above
            (out * out).sum().backward()
            return out

        call = cr.compile(step, keep_grads=True) if compiled and lib is cr else step
        values = [call(), *(t.grad for t in [*leaves, *given.values()] if t.requires_grad)]
        found.append([v.detach().numpy() for v in values])
    for wanted, got in zip(*found, strict=True):
        close(got, wanted, 1e-10)
