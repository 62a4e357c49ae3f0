"""What `dis-bench check` finds: one property at a time, of plug-ins of every kind.

A property is a function of something on trial. It returns in words how it holds, raises :class:`Broken` if it
does not hold, and :class:`DoesNotApply` if it need not. The second paragraph of its docstring says why it
matters.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from dis_bench.bars import bar
from dis_bench.errors import InputError, describe
from dis_bench.neutral import neutral, own_streams, read_state

if TYPE_CHECKING:
    from torch import Tensor

PASSED, FAILED, DOES_NOT_APPLY = "passed", "failed", "does not apply"

UNUSUAL_SEED = 20_260_101  # that no plug-in is likely to use

Trial = TypeVar("Trial")


class Broken(Exception):
    """A property does not hold; the message has the input, the output and the expectation."""


class DoesNotApply(Exception):
    """A property need not hold here; the message says why."""


class Finding(NamedTuple):
    """The result of checking one property.

    Attributes:
        name: the property in words.
        verdict: ``passed``, ``failed`` or ``does not apply``.
        detail: the input, the output and the expected output.
        why: the reason why the property matters.
    """

    name: str
    verdict: str
    detail: str
    why: str


def check_each(
    properties: Sequence[Callable[[Trial], str]], trial: Trial, hopeless: str, basic: int = 1
) -> list[Finding]:
    """Check every property, or only some if a basic one fails.

    Args:
        properties: in the order of the findings.
        trial: what each of them takes.
        hopeless: why the others do not apply if a basic one fails.
        basic: how many of the first properties all others rely on.
    """
    findings: list[Finding] = []
    for holds in bar(properties, "check", unit="property"):
        if any(finding.verdict == FAILED for finding in findings[:basic]):
            findings.append(_find(holds, DOES_NOT_APPLY, hopeless))
        else:
            findings.append(examine(holds, trial))
    return findings


def examine(holds: Callable[[Trial], str], trial: Trial) -> Finding:
    """Check one property."""
    try:
        return _find(holds, PASSED, holds(trial))
    except DoesNotApply as reason:
        return _find(holds, DOES_NOT_APPLY, str(reason))
    except Broken as fault:
        return _find(holds, FAILED, str(fault).rstrip(".") + ".")
    except InputError as refusal:
        return _find(holds, FAILED, f"it refuses what it should take: {refusal}")


@contextmanager
def breaking(what: str) -> Iterator[None]:
    """Turn what a plug-in raises in this block into :class:`Broken`.

    Args:
        what: a noun for what runs in it: ``its step``.
    """
    try:
        yield
    except (Broken, DoesNotApply):
        raise
    except InputError as refusal:
        raise Broken(f"{what} is refused: {refusal}") from refusal
    except (Exception, SystemExit) as error:  # strangers may raise anything, also sys.exit
        raise Broken(f"{what} raises {describe(error)}") from error


@contextmanager
def expecting_no_change_of_state(what: str) -> Iterator[None]:
    """Raise :class:`Broken` if this block changes the state of the whole process.

    Global settings are first put to the values of a fresh process, and random streams are seeded: what ran
    before may have changed them already.

    Args:
        what: a noun for what changes it: ``its step``.
    """
    with neutral(), own_streams(UNUSUAL_SEED):
        before = read_state()
        yield
        after = read_state()
    changed = [name for name, value in after.items() if name in before and value != before[name]]
    if changed:
        raise Broken(f"{what} changes {', '.join(changed)}; expected no setting of the process to change")


def relative_distance(some: Tensor, others: Tensor) -> float:
    """Return the largest difference of two tensors, as a share of the largest number."""
    return ((some - others).abs().max() / others.abs().max().clamp(min=1e-30)).item()


def _find(holds: Callable[[Trial], str], verdict: str, detail: str) -> Finding:
    name = getattr(holds, "__name__", "").replace("_", " ")
    why = " ".join((inspect.getdoc(holds) or "").partition("\n\n")[2].split())
    return Finding(name, verdict, detail, why)
