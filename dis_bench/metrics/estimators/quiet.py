"""scikit-learn without its warnings, which tell a metric's user nothing to act on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Silence scikit-learn's warnings within a block, in all threads.

    It warns of fits that stop before they converge, as published protocols do, and of factors that have many
    values for the rows. Enter it before threads start: the filters of warnings belong to the whole process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # ConvergenceWarning is one, too
        yield
