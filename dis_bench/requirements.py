"""The packages that dis-bench needs, and what to say where one of them is not installed.

Scoring needs few of them. The others are imported where they are used, so that it works without.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from dis_bench.errors import InputError

Given = ParamSpec("Given")
Result = TypeVar("Result")

SCORING = ("numpy", "scipy", "pandas", "scikit-learn", "numba")  # as README says
BROUGHT_BY_SCORING = ("llvmlite", "threadpoolctl")  # numba and scikit-learn need them
OTHERS = (
    "h5py",
    "jinja2",
    "markupsafe",
    "matplotlib",
    "pooch",
    "requests",
    "seaborn",
    "torch",
    "tqdm",
    "urllib3",
)
IMPORTED_AS = {"scikit-learn": "sklearn"}  # where the names differ


def lacks(error: BaseException) -> str | None:
    """Say which declared package an import found missing, and what to type; None for any other error."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    for package in (*SCORING, *BROUGHT_BY_SCORING, *OTHERS):
        if error.name == IMPORTED_AS.get(package, package):
            everything = package in OTHERS
            command = f"pip install {'dis-bench' if everything else ' '.join(SCORING)}"
            return f"this needs {package}, which is not installed: `{command}` installs what is missing."
    return None


def names_missing_packages(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Let a function raise an InputError where a package that we declare is not installed."""

    @functools.wraps(function)
    def call(*args: Given.args, **keywords: Given.kwargs) -> Result:
        try:
            return function(*args, **keywords)
        except ModuleNotFoundError as error:
            text = lacks(error)
            if text is None:
                raise
            raise InputError(text) from error

    return call
