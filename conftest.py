"""The world of doctests: one thread, a folder of their own, and one way of printing numbers."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch are imported

import shutil
from pathlib import Path

import numpy as np
import pytest

TINY = Path(__file__).parent / "tests" / "tiny.py"


@pytest.fixture(autouse=True)
def _doctest_world(request):
    """Run an example in a folder with nothing but tiny.py, a dataset; print arrays alike everywhere."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    folder = request.getfixturevalue("tmp_path")
    shutil.copy(TINY, folder)
    request.getfixturevalue("monkeypatch").chdir(folder)
    with np.printoptions(precision=4, suppress=True):
        yield
