"""A small result folder, made once a module, and a copy of it for each test to damage."""

import shutil
from pathlib import Path

import pytest

from tests.records.kept_store import make_store


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def store(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "results"))
