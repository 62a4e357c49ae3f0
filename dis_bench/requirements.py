"""The packages that dis-bench needs, and the message if one is not installed.

Scoring needs only a few of them. The others are imported where they are used, so that it works without them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from dis_bench.errors import InputError

Given = ParamSpec("Given")
Result = TypeVar("Result")

SCORING = ("numpy", "scipy", "pandas", "scikit-learn", "numba")  # as the README says
BROUGHT_BY_SCORING = ("llvmlite", "threadpoolctl")  # dependencies of numba and scikit-learn
OTHERS = (
    "h5py",
    "jinja2",
    "markupsafe",
    "matplotlib",
    "pillow",
    "pooch",
    "requests",
    "safetensors",
    "seaborn",
    "torch",
    "tqdm",
    "urllib3",
)
EXTRAS = ("ray", "tensorboard")  # packages that one option needs, each an extra of the same name
IMPORTED_AS = {"scikit-learn": "sklearn", "pillow": "PIL"}  # if the import name differs


def lacks(error: BaseException) -> str | None:
    """Return a message that names the missing package and how to install it.

    Returns None unless ``error`` says that a package which we declare could not be imported.
    """
    if not isinstance(error, ModuleNotFoundError):
        return None
    for package in (*SCORING, *BROUGHT_BY_SCORING, *OTHERS, *EXTRAS):
        if error.name == IMPORTED_AS.get(package, package):
            command = f"pip install {_what_to_install(package)}"
            return f"this needs {package}, which is not installed: `{command}` installs what is missing."
    return None


def _what_to_install(package: str) -> str:
    if package in EXTRAS:
        return f"'dis-bench[{package}]'"
    return "dis-bench" if package in OTHERS else " ".join(SCORING)


def names_missing_packages(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Make a function raise an InputError if one of our packages is not installed."""

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
