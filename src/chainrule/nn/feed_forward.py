"""Feed-forward layers with gates: `SwiGLU` and `Highway`.

Example: `SwiGLU(64, 172)(x)` for x (…, 64). May import `tensor`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.base.arguments import check_whole
from chainrule.base.errors import ShapeError
from chainrule.nn import functional, init
from chainrule.nn.container import ModuleList
from chainrule.nn.linear import Linear
from chainrule.nn.module import Module
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor


class SwiGLU(Module):
    """W_down (silu(W_gate x) ⊙ W_up x): x (…, in_features) → (…, out_features).

    The width between is `hidden_features`: 8/3 of in_features has as many weights as a plain layer
    of width 4. `out_features` is in_features unless given. The parts are named `gate_proj`,
    `up_proj` and `down_proj`, as in files of Llama.
    Source: Shazeer, GLU variants improve Transformer (2020).
    """

    def __init__(
        self, in_features: int, hidden_features: int, out_features: int | None = None,
        bias: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        outs = in_features if out_features is None else out_features
        self.gate_proj = Linear(in_features, hidden_features, **made)
        self.up_proj = Linear(in_features, hidden_features, **made)
        self.down_proj = Linear(hidden_features, outs, **made)

    def forward(self, input: Tensor) -> Tensor:
        """(…, in_features) → (…, out_features)."""
        gated = functional.silu(self.gate_proj(input)) * self.up_proj(input)
        out: Tensor = self.down_proj(gated)
        return out


class Highway(Module):
    """y = g ⊙ f(A x + a) + (1 - g) ⊙ x with g = σ(B x + b), `num_layers` times; x (…, input_dim).

    Each of `layers` is one `Linear` with the rows of A above those of B. b starts at -1, so that a
    new layer passes on most of x. f is relu unless given as `activation`.
    Source: Srivastava et al., Highway networks (2015).
    """

    def __init__(
        self, input_dim: int, num_layers: int = 1,
        activation: Callable[[Tensor], Tensor] = functional.relu, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_whole("Highway: input_dim", input_dim, least=1)
        check_whole("Highway: num_layers", num_layers, least=1)
        self.input_dim = input_dim
        self.activation = activation
        self.layers = ModuleList(
            [
                Linear(input_dim, 2 * input_dim, device=device, dtype=dtype)
                for _ in range(num_layers)
            ]
        )
        with no_grad():
            for layer in self.layers:
                init.constant_(layer.bias[input_dim:], -1.0)

    def forward(self, input: Tensor) -> Tensor:
        """(…, input_dim) → the same shape."""
        x = as_tensor(input)
        if x.shape[-1:] != (self.input_dim,):
            raise ShapeError(f"Highway takes (…, {self.input_dim}), not shape {x.shape}")
        for layer in self.layers:
            new, gate = layer(x).chunk(2, -1)
            x = x + gate.sigmoid() * (self.activation(new) - x)
        return x
