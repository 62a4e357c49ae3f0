"""The plug-in contract: sources, devices, shared memory, and a third party's part."""

import pickle
import zlib

import numpy as np
import pytest
import torch
from torch import multiprocessing

from dis_bench.datasets import load_dataset
from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.errors import InputError


class Bars(Dataset):
    """A bar of one pixel, upright or flat.

    More about it.
    """

    name = "bars"
    grid = FactorGrid(
        [Factor("turn", 2, ("upright", "flat"), "categorical"), Factor.spaced("place", 4, 0, 1)]
    )
    image_shape = (1, 4, 4)
    fingerprint = "1"

    def build(self):
        upright = torch.eye(4, dtype=torch.uint8)[:, None].expand(4, 4, 4) * 255
        return {"bars": torch.cat([upright, upright.transpose(1, 2)]).contiguous()}

    def draw(self, indices):
        return self.tables["bars"][indices][:, None]


def checksum(dataset, seed=0):
    indices = np.random.default_rng(seed).integers(0, len(dataset), 32)
    return zlib.crc32(dataset.images(indices).cpu().numpy().tobytes())


def test_a_third_partys_dataset():
    bars = Bars()
    assert Bars.summary == "A bar of one pixel, upright or flat."
    assert bars.source == "rendered"
    assert len(bars) == 8
    flat_third = bars.images(bars.indices([[1, 2]]))
    assert flat_third.tolist() == [[[[0] * 4, [0] * 4, [255] * 4, [0] * 4]]]
    assert bars.factors([6]).tolist() == [[1, 2]]


def test_images_are_bytes_of_the_declared_shape(rendered):
    for indices in ([0, len(rendered) - 1], np.array([5], np.int32), torch.tensor([7, 7, 7]), []):
        images = rendered.images(indices)
        assert images.shape == (len(indices), *rendered.image_shape)
        assert images.dtype == torch.uint8
        assert len(indices) == 0 or images.max() == rendered.pixel_max


def test_an_image_does_not_depend_on_its_batch(rendered):
    indices = torch.tensor([3, 400_000, 17, 3])
    together = rendered.images(indices)
    for image, index in zip(together, indices, strict=True):
        assert torch.equal(image, rendered.images(index[None])[0])


NO_INDICES = (
    *(
        [-1],
        [480_000],
        [0.0],
        [[0]],
        0,
        0.5,
        None,
        "abc",
        [1, "a"],
        [[1], [2, 3]],
        [2**63],
        [2**70],
        {1, 2},
        [1j],
    ),
    *(np.array([1], "m8[s]"), np.array([2**64 - 1], np.uint64), torch.tensor(1.0), torch.tensor([1.0])),
)


@pytest.mark.parametrize("indices", NO_INDICES, ids=str)
def test_bad_indices_are_refused(shapes3d, indices):
    for call in (shapes3d.images, shapes3d.factors):
        with pytest.raises(InputError, match="indices must"):
            call(indices)


@pytest.mark.parametrize("factors", [None, 0, "abc", [[0], [0, 1]], [["a"] * 6], [[0.5] * 6], [[2**70] * 6]])
def test_bad_factors_are_refused(shapes3d, factors):
    with pytest.raises(InputError, match="factors must"):
        shapes3d.indices(factors)


@pytest.mark.parametrize(
    "indices",
    [
        np.arange(5)[::-1],
        np.arange(10)[::-2] // 2,
        np.array([4, 3, 2, 1, 0], ">i8"),
        np.array([4, 3, 2, 1, 0], ">u2"),
        np.array([4, 3, 2, 1, 0], np.uint64),
        range(4, -1, -1),
        torch.tensor([4, 3, 2, 1, 0], dtype=torch.uint16),
    ],
    ids=str,
)
def test_indices_of_any_order_and_type_are_read(shapes3d, indices):
    assert torch.equal(shapes3d.images(indices), shapes3d.images([4, 3, 2, 1, 0]))
    assert shapes3d.factors(indices)[:, -1].tolist() == [4, 3, 2, 1, 0]


def test_read_only_indices_are_read(shapes3d):
    assert len(shapes3d.images(np.broadcast_to(np.int64(3), (4,)))) == 4


def test_names_and_sources_are_checked():
    with pytest.raises(InputError, match="unknown dataset 'dsprite': did you mean 'dsprites'"):
        load_dataset("dsprite")
    with pytest.raises(InputError, match="did you mean 'official'"):
        load_dataset("dsprites", source="oficial")
    with pytest.raises(InputError, match="unknown source of dataset 'dsprites' '5': There are: official"):
        load_dataset("dsprites", source=5)
    names = (
        "dsprites",
        "color_dsprites",
        "noisy_dsprites",
        "scream_dsprites",
        "shapes3d",
        "mnist",
        "fashionmnist",
    )
    for name in names:
        with pytest.raises(
            InputError, match=f"^unknown parameter of dataset '{name}' 'image_size': There is none"
        ):
            load_dataset(name, image_size=32)
    with pytest.raises(InputError, match="There are: rendered"):
        Bars(source="official")


def test_nothing_is_built_before_the_first_image():
    dataset = load_dataset("shapes3d")
    assert dataset.fingerprint.startswith("drawn:")
    assert dataset._tables is None


@pytest.mark.parametrize("name", ["dsprites", "shapes3d"])
def test_to_moves_the_tables(name):
    dataset = load_dataset(name)
    dataset.images([0])
    assert dataset.to("meta") is dataset
    assert {table.device.type for table in dataset.tables.values()} == {"meta"}
    # A meta tensor has no values, so drawing can only succeed if it never asks the device for one.
    assert dataset.draw(torch.zeros(3, dtype=torch.int64, device="meta")).shape == (3, *dataset.image_shape)


def _report(dataset, queue):
    tables = dataset._tables or {}
    queue.put((sorted(tables), all(table.is_shared() for table in tables.values()), checksum(dataset)))


def test_workers_share_the_tables():
    dataset = load_dataset("dsprites").share_memory()
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    worker = context.Process(target=_report, args=(dataset, queue))
    worker.start()
    names, is_shared, sum_there = queue.get()
    worker.join()
    assert names == sorted(dataset.tables)
    assert is_shared
    assert sum_there == checksum(dataset)


def test_tables_that_are_not_shared_do_not_travel():
    dataset = load_dataset("dsprites")
    expected = checksum(dataset)
    sent = pickle.dumps(dataset)
    assert len(sent) < 5_000
    assert checksum(pickle.loads(sent)) == expected  # noqa: S301 (our own bytes)


def test_too_little_shared_memory_is_left_alone(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1_000_000}))
    dataset = load_dataset("dsprites").share_memory()
    assert not any(table.is_shared() for table in dataset.tables.values())
