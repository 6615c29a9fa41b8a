"""Conditions at a look of a flight recorder that keep a model from being trained at all.

Example: `traps(model, optimizer, parameters, seen)` → {"not registered": "6 tensors of …"}. May
import `nn`, `optim`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.optim.forgotten import not_registered, not_trained, sensitive

if TYPE_CHECKING:
    from chainrule.nn.module import Module
    from chainrule.optim.optimizer import Optimizer

REMEDIES = {
    "not registered": "assign nn.ModuleList, nn.ModuleDict or nn.Parameter to the attribute, and "
    "make the optimizer after that",
    "optimizer of another model": "make the optimizer from model.parameters(), after the model",
    "evaluation mode": "call model.train() before training and model.eval() before evaluation",
    "growing graph": "h = h.detach() for a state that is carried over; total += loss.item() for a "
    "sum of losses",
    "training mode": "call model.eval() before evaluation and model.train() after it",
    "never updated": "call optimizer.step() in each step, after loss.backward(); a learning rate "
    "of 0 changes nothing either",
}


class Seen(NamedTuple):
    """The recorder's observations of the steps."""

    trained: bool  # the model ran in training mode at the measured step
    unswitched: bool  # the model ran under no_grad() for held-out losses, in training mode only
    grown: tuple[str, ...]  # lines about growing graphs


def traps(
    model: Module, optimizer: Optimizer | None, parameters: Mapping[str, Any], seen: Seen
) -> dict[str, str]:
    """Each kind with its evidence; the remedies are in `REMEDIES`."""
    found = {}
    lost = not_trained(model)
    if lost:
        found["not registered"] = " ".join(not_registered(model, lost).split()).partition(" write")[
            0
        ]
    if optimizer is not None:
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if not any(id(p) in held for p in parameters.values()):
            found["optimizer of another model"] = (
                f"the optimizer holds {len(held)} parameters, none of which is one of the "
                f"{len(parameters)} of {type(model).__name__}"
            )
    if not (model.training or seen.trained) and (kinds := sensitive(model)):
        found["evaluation mode"] = f"steps were taken in evaluation mode, where {kinds} differs"
    if seen.unswitched and (kinds := sensitive(model, training=True)):
        found["training mode"] = f"held-out losses were computed in training mode, with {kinds}"
    if seen.grown:
        found["growing graph"] = "; ".join(seen.grown)
    return found
