"""The drawn datasets, built once for all tests that only read images; and an empty cache."""

import pytest

from dis_bench.datasets import load_dataset


@pytest.fixture(scope="session")
def dsprites():
    return load_dataset("dsprites")


@pytest.fixture(scope="session")
def shapes3d():
    return load_dataset("shapes3d")


@pytest.fixture(params=["dsprites", "shapes3d"])
def rendered(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the folder of converted images, in a cache that is empty."""
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "dis-bench" / "images"
