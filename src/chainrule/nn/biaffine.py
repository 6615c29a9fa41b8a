"""`Biaffine`: a score for each pair of two sequences' elements, such as a word and its head.

Example: `Biaffine(64, 64)(heads, dependents)` turns two of (B, N, 64) into scores (B, N, N).
May import `tensor`.
Source: Dozat & Manning, Deep biaffine attention for neural dependency parsing (2017).
"""

from __future__ import annotations

from typing import Any

from chainrule.base.arguments import check_flag, check_whole
from chainrule.base.errors import ShapeError
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.convert import as_tensor, check_device
from chainrule.tensor.functional.creation import empty
from chainrule.tensor.tensor import Tensor


class Biaffine(Module):
    """s[n, m, o] = [x₁[n]; 1]ᵀ W[o] [x₂[m]; 1] for all pairs of rows of x₁ (…, N, ·), x₂ (…, M, ·).

    `weight` W is (out_features, in1_features + 1, in2_features + 1): its last row scores x₂ alone,
    its last column x₁ alone. Without `bias1` there is no such row, without `bias2` no such column.
    Without `out_features` there is one score for each pair, and no axis o. W starts at zero.
    """

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int | None = None,
        bias1: bool = True, bias2: bool = True, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        check_flag("Biaffine: bias1", bias1)
        check_flag("Biaffine: bias2", bias2)
        rows = check_whole("Biaffine: in1_features", in1_features, least=1) + bias1
        columns = check_whole("Biaffine: in2_features", in2_features, least=1) + bias2
        outs = 1 if out_features is None else out_features
        check_whole("Biaffine: out_features", outs, least=1)
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        self.bias1, self.bias2 = bias1, bias2
        self.weight = Parameter(empty(outs, rows, columns, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to zero."""
        init.zeros_(self.weight)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """(…, N, in1_features), (…, M, in2_features) → (…, N, M), or (…, N, M, out_features)."""
        x1, x2 = as_tensor(input1), as_tensor(input2)
        for number, x, wanted in ((1, x1, self.in1_features), (2, x2, self.in2_features)):
            if len(x.shape) < 2 or x.shape[-1] != wanted:
                raise ShapeError(
                    f"Biaffine: input{number} has shape {x.shape}, not (…, N, {wanted})"
                )
        k1, k2 = self.in1_features, self.in2_features
        left = x1.unsqueeze(-3) @ self.weight[:, :k1]  # (…, O, N, K₂)
        if self.bias1:
            left = left + self.weight[:, k1:]
        scores = left[..., :k2] @ x2.unsqueeze(-3).transpose(-1, -2)
        if self.bias2:
            scores = scores + left[..., k2:]
        return scores.squeeze(-3) if self.out_features is None else scores.movedim(-3, -1)

    def extra_repr(self) -> str:
        shown = [f"in1_features={self.in1_features}, in2_features={self.in2_features}"]
        shown += [] if self.out_features is None else [f"out_features={self.out_features}"]
        shown += [f"{name}=False" for name in ("bias1", "bias2") if not getattr(self, name)]
        return ", ".join(shown)
