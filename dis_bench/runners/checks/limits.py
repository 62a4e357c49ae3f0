"""A model at the limits that its hyperparameters declare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dis_bench.errors import InputError
from dis_bench.findings import Broken, DoesNotApply
from dis_bench.models.model import Hyperparameter
from dis_bench.runners.checks.trial import ModelTrial, prepare_if_allowed


def stays_finite_at_its_limits(trial: ModelTrial) -> str:
    """Check that hyperparameters at their limits give finite losses.

    A user may set them, and a study would only learn hours later. A model may refuse a value beside the
    defaults of others, before it is built.
    """
    limits = [(h, value) for h in trial.kind.hyperparameters for value in list_limits(h)]
    if not limits:
        raise DoesNotApply("it has no hyperparameter with limits.")
    told = []
    for hyperparameter, value in limits:
        setting = f"{hyperparameter.name}={value}"
        trainee = prepare_if_allowed(trial, {hyperparameter.name: value})
        try:
            if trainee is not None:
                trial.train(trainee)
        except Broken as fault:
            raise Broken(f"with {setting}, {fault}") from None
        told.append(setting if trainee is not None else f"{setting} (which it refuses)")
    return f"3 steps each with {', '.join(told)}."


def list_limits(hyperparameter: Hyperparameter) -> Iterator[float | int | bool | str]:
    """Yield the values at declared limits, each word, and the other value of a switch."""
    if isinstance(hyperparameter.default, bool):
        yield not hyperparameter.default
        return
    yield from (word for word in hyperparameter.words if word != hyperparameter.default)
    for limit, inwards in ((hyperparameter.low, 1), (hyperparameter.high, -1)):
        if limit is not None:
            yield _nearest_allowed(hyperparameter, limit, inwards)


def _nearest_allowed(hyperparameter: Hyperparameter, limit: float, inwards: int) -> Any:
    """Return a limit, or the value beside it where the limit itself is not allowed."""
    whole = isinstance(hyperparameter.default, int)
    beside = limit + inwards * (1 if whole else 1e-3 * max(1.0, abs(limit)))
    for value in (limit, beside):
        try:
            return hyperparameter.parse(int(value) if whole else float(value))
        except InputError:
            continue
    raise Broken(
        f"{hyperparameter.name} takes neither {limit:g} nor {beside:g}, one of which its limits allow"
    )
