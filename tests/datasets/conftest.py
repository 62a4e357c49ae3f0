"""The drawn datasets, built once for all tests that only look at images."""

import pytest
import torch

from dis_bench.datasets import load_dataset


@pytest.fixture(autouse=True)
def one_thread():
    """Operations on a few images gain nothing from a second thread, and wait for it on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def dsprites():
    return load_dataset("dsprites")


@pytest.fixture(scope="session")
def shapes3d():
    return load_dataset("shapes3d")


@pytest.fixture(params=["dsprites", "shapes3d"])
def rendered(request):
    return request.getfixturevalue(request.param)
