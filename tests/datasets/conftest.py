"""The drawn datasets, built once for all tests that only read images."""

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
