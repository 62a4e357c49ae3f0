"""A model in a stack: cells that are trained as one, as on a GPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dis_bench.errors import InputError
from dis_bench.findings import Broken, DoesNotApply
from dis_bench.models.model import Hyperparameter
from dis_bench.runners.checks.trial import FEW_STEPS, ModelTrial, prepare_if_allowed, read_weights
from dis_bench.runners.training.trainee import Trainee

STACK_TOLERANCE = 1e-3  # share of what training changed by which a cell in a stack may end elsewhere
TIMES_ROUNDING = 3  # or as many times what rounding its first weights does to it alone
EPSILON = float(torch.finfo(torch.float32).eps)
SEEDS_OF_STACKS = ((0, 1), (2, 3), (4, 5))  # of two cells; later pairs only if the earlier ones deviate


def equals_itself_in_a_stack(trial: ModelTrial) -> str:
    """Check that two cells trained as one end where each ends alone.

    On a GPU the cells of a study are trained as one, also those of other hyperparameters that are floats; a
    model that cannot be declares stackable = False.

    A stack rounds differently, which now and then moves a unit of a network across its kink, and Adam then
    amplifies the difference: how much depends on the model and the processor. A fault shows with every seed,
    so it takes a deviation with each pair of seeds, beyond what rounding does to the same cells alone.
    """
    if not trial.kind.stackable:
        raise DoesNotApply("it declares stackable = False.")
    if not trial.takes_steps:
        raise DoesNotApply("it takes no steps.")
    others = _other_floats(trial)
    least, allowed = math.inf, STACK_TOLERANCE
    for pair in SEEDS_OF_STACKS:
        cells = [(pair[0], {}), (pair[1], others)]
        moved = _move_in_a_stack(trial, cells)
        tolerance = STACK_TOLERANCE
        if moved > tolerance:
            tolerance = max(tolerance, TIMES_ROUNDING * _move_by_rounding(trial, cells))
        if moved <= tolerance:
            return f"after {FEW_STEPS} steps it ends within {moved:.2g} of what training changed."
        if moved < least:
            least, allowed = moved, tolerance
    told = f", one of them with {_describe(others)}" if others else ""
    raise Broken(
        f"two cells trained as one for {FEW_STEPS} steps{told} end elsewhere than alone, by {least:.2g} "
        f"of what training changed; expected {allowed:.2g} at most, or stackable = False"
    )


def _move_in_a_stack(trial: ModelTrial, cells: Sequence[tuple[int, dict[str, Any]]]) -> float:
    """Return the largest distance of cells trained together from themselves alone."""
    try:
        stack = trial.train_together([_without_fit(trial.prepare(seed, **values)) for seed, values in cells])
    except Broken as fault:
        text = " ".join(str(fault).split())
        raise Broken(f"two cells cannot be trained as one: {text}; expected stackable = False") from None
    moved = []
    for together, (seed, values) in zip(stack, cells, strict=True):
        first = read_weights(trial.prepare(seed, **values))
        alone = trial.train(_without_fit(trial.prepare(seed, **values)))
        moved.append(_deviation(first, alone.state, together.state))
    return math.inf if any(map(math.isnan, moved)) else max(moved)


@torch.no_grad()
def _move_by_rounding(trial: ModelTrial, cells: Sequence[tuple[int, dict[str, Any]]]) -> float:
    """Return the largest distance of cells from themselves with other last digits."""
    moved = []
    for seed, values in cells:
        first = read_weights(trial.prepare(seed, **values))
        alone = trial.train(_without_fit(trial.prepare(seed, **values)))
        other = _without_fit(trial.prepare(seed, **values))
        generator = torch.Generator().manual_seed(seed)
        for weight in other.networks.parameters():
            up = torch.rand(weight.shape, generator=generator) < 0.5
            weight.copy_(torch.where(up, weight * (1 + EPSILON), weight * (1 - EPSILON)))
        moved.append(_deviation(first, alone.state, trial.train(other).state))
    return 0.0 if any(map(math.isnan, moved)) else max(moved)


def _without_fit(trainee: Trainee) -> Trainee:
    """Leave out the fit after the steps, which may turn rounding into other numbers."""
    vars(trainee.model)["fit"] = lambda networks, images: None
    return trainee


def _deviation(first: dict[str, Tensor], alone: dict[str, Tensor], together: dict[str, Tensor]) -> float:
    """Return how far two trainings of a cell end apart, relative to what one changed."""

    def distance(some: dict[str, Tensor], others: dict[str, Tensor]) -> float:
        squares = [(some[name].double() - others[name].double()).square().sum().item() for name in some]
        return math.sqrt(sum(squares))

    return distance(together, alone) / max(distance(first, alone), 1e-30)


def _other_floats(trial: ModelTrial) -> dict[str, Any]:
    """Return other values of the floats that may differ in a stack.

    Those from which optimisers are made may not.
    """
    others: dict[str, Any] = {}
    usual = trial.prepare().model.optimisers()
    for hyperparameter in trial.kind.hyperparameters:
        if isinstance(hyperparameter.default, float):
            other = {hyperparameter.name: _other_value(hyperparameter)}
            trainee = prepare_if_allowed(trial, others | other)
            if trainee is not None and trainee.model.optimisers() == usual:
                others |= other
    return others


def _other_value(hyperparameter: Hyperparameter) -> float:
    """Return an allowed value that is not the default."""
    default = float(hyperparameter.default)
    for value in (default / 2, default * 2, default + 1, default + 0.1, default - 0.1):
        try:
            if value != default:
                return float(hyperparameter.parse(value))
        except InputError:
            continue
    return default


def _describe(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in values.items())
