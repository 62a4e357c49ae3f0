"""Learning rates that fall on a plateau: the rule, and the text that users write.

As in ``torch.optim.lr_scheduler.ReduceLROnPlateau``, a rate is multiplied by ``factor`` once a loss has not
improved for longer than ``patience``. Patience counts training steps here, not measurements, so that it means
the same however often the loss is measured.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from dis_bench.errors import InputError, shown

FACTOR = 0.1  # the defaults are those of torch
PATIENCE_SHARE = 0.1  # of the steps: ten measurements, as torch waits for ten epochs
THRESHOLD = 1e-4
USAGE = "plateau or plateau(factor,patience,threshold)"

_CALL = re.compile(r"\s*plateau\s*(?:\(([^()]*)\)\s*)?")


@dataclass(frozen=True)
class Plateau:
    """The rule by which learning rates fall.

    Attributes:
        factor: a rate is multiplied by it, between 0 and 1.
        patience: steps without an improvement after which the next measurement lowers the rates.
        threshold: share of the best loss so far by which a loss must be lower to count as an improvement.
    """

    factor: float
    patience: int
    threshold: float = THRESHOLD

    def __str__(self) -> str:
        """Return the rule as users write it, with all arguments."""
        return f"plateau({self.factor!r},{self.patience},{self.threshold!r})"


def read_plateau(given: Any, steps: int, every: int) -> Plateau:
    """Return the rule that a text describes.

    Args:
        given: ``plateau``, or ``plateau(0.5,3000)`` with a factor, a patience in steps and a threshold.
        steps: steps of the training; a tenth of them is the default patience.
        every: steps between two measurements of the loss.

    Raises:
        InputError: it is no such text, or an argument is out of its range.
    """
    call = _CALL.fullmatch(given) if isinstance(given, str) else None
    words = [] if call is None or not (call[1] or "").strip() else call[1].split(",")
    if call is None or len(words) > 3:
        raise InputError(f"lr_schedule must be {USAGE}, but {shown(given)} was given.")
    numbers = [_read_number(given, word) for word in words]
    default = [FACTOR, max(int(PATIENCE_SHARE * steps), every), THRESHOLD]
    factor, patience, threshold = numbers + default[len(numbers) :]
    if not 0 < factor < 1:
        raise InputError(
            f"the factor of lr_schedule must be between 0 and 1, but {factor:g} was given: use {USAGE}."
        )
    if patience != int(patience):
        raise InputError(f"the patience of lr_schedule must be a whole number, but {patience:g} was given.")
    check_patience("the patience of lr_schedule", int(patience), steps, every)
    if not 0 <= threshold < 1:
        raise InputError(
            f"the threshold of lr_schedule must be at least 0 and below 1, but {threshold:g} was given."
        )
    return Plateau(factor, int(patience), threshold)


def check_patience(what: str, patience: int, steps: int, every: int) -> None:
    """Check that a patience in steps can run out, but not before the next measurement.

    Raises:
        InputError: it cannot, or it would.
    """
    if patience < every:
        raise InputError(
            f"{what} counts training steps, and held-out images are measured every {every:,} of them, so it "
            f"must be at least {every:,}, but {patience:,} was given."
        )
    if patience >= steps:
        raise InputError(
            f"{what} must be fewer than the {steps:,} steps of the training, but {patience:,} was given."
        )


def _read_number(given: str, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"lr_schedule must be {USAGE}, but {shown(given)} was given.")
    return number
