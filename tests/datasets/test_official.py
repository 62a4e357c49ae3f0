"""The official sources, with small files in the authors' formats."""

import pickle
import zipfile

import h5py
import numpy as np
import pytest
import torch

from dis_bench.datasets.dsprites import archive as dsprites
from dis_bench.datasets.shapes3d import archive
from dis_bench.errors import InputError
from tests.datasets.official import tiny_dsprites, tiny_shapes3d


def test_dsprites_reads_the_archives_pixels(tmp_path, capfd):
    tiny, images = tiny_dsprites(tmp_path)
    dataset = tiny("official", tmp_path)
    indices = np.random.default_rng(1).integers(0, 48, 100)
    assert np.array_equal(dataset.images(indices)[:, 0].numpy(), images[indices])
    assert dataset.fingerprint == "md5:" + tiny.archive.digests["md5"][:16]
    assert dataset.images([]).shape == (0, 1, 64, 64)
    assert "Unpacking tiny_dsprites.npz once" in capfd.readouterr().err


def test_dsprites_never_loads_the_pickle(tmp_path):
    tiny, _ = tiny_dsprites(tmp_path)
    tiny("official", tmp_path).images([0])
    assert not (tmp_path / "trace").exists()
    # The trap itself works: loading it creates the directory.
    with np.load(tmp_path / "tiny_dsprites.npz", allow_pickle=True) as archive, pytest.raises(Exception):  # noqa: B017
        assert archive["metadata"] is None
    assert (tmp_path / "trace").exists()


def test_shapes3d_reads_the_archives_pixels(tmp_path, monkeypatch):
    # With memory for 25 images, blocks are two chunks of 10, and the last block is shorter.
    monkeypatch.setattr(archive, "MEMORY", 25 * 64 * 64 * 3)
    monkeypatch.setattr(archive, "IMAGES_PER_WRITE", 7)
    tiny, images = tiny_shapes3d(tmp_path)
    dataset = tiny("official", tmp_path)
    indices = np.random.default_rng(1).integers(0, 72, 100)
    assert np.array_equal(dataset.images(indices).permute(0, 2, 3, 1).numpy(), images[indices])
    assert dataset.images([]).shape == (0, 3, 64, 64)


@pytest.mark.parametrize("make", [tiny_dsprites, tiny_shapes3d])
def test_a_copy_in_a_worker_reads_the_same_file(tmp_path, make):
    tiny, _ = make(tmp_path)
    dataset = tiny("official", tmp_path).share_memory()
    before = dataset.images([3, 5])
    state = pickle.dumps(dataset.__getstate__())
    assert len(state) < 5_000
    copy = tiny.__new__(tiny)
    copy.__dict__.update(pickle.loads(state))  # noqa: S301 (our own bytes)
    assert torch.equal(copy.images([3, 5]), before)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"latents_classes": np.zeros((48, 6), np.int64)}, "its latents_classes are different"),
        ({"imgs": np.zeros((47, 64, 64), np.uint8)}, "holds imgs [47, 64, 64] instead of [48, 64, 64]"),
        ({"imgs": np.zeros((48, 64, 64), np.float32)}, "holds imgs of float32 instead of uint8"),
        ({"imgs": np.full((48, 64, 64), 255, np.uint8)}, "pixels other than 0 and 1"),
        ({"imgs": np.zeros((48, 64, 64), object)}, "holds pickled objects as 'imgs', which are never loaded"),
        ({"imgs": np.uint8(3)}, "holds a single number as imgs instead of an array"),
        (
            {"latents_classes": np.zeros((48, 6), object)},
            "is no complete npz file (ValueError: Object arrays",
        ),
    ],
)
def test_dsprites_of_another_content_is_refused(tmp_path, replaced, message):
    tiny, _ = tiny_dsprites(tmp_path, **replaced)
    with pytest.raises(InputError) as error:
        tiny("official", tmp_path).images([0])
    assert message in str(error.value)
    assert not list(tmp_path.glob("*.pixels"))


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"labels": np.zeros((72, 6))}, "its labels of f0 differ"),
        ({"labels": np.zeros((71, 6))}, "as 'labels' instead of an array [72, 6]"),
        ({"images": np.zeros((72, 3, 64, 64), np.uint8)}, "as 'images' instead of an array [72, 64, 64, 3]"),
        ({"images": np.zeros((72, 64, 64, 3), np.int16)}, "of type int16 instead of uint8"),
    ],
)
def test_shapes3d_of_another_content_is_refused(tmp_path, replaced, message):
    tiny, _ = tiny_shapes3d(tmp_path, **replaced)
    with pytest.raises(InputError) as error:
        tiny("official", tmp_path).images([0])
    assert message in str(error.value)


def stream(path):
    """Read an archive of dSprites or 3DShapes as if it had been verified."""
    grid = (tiny_dsprites if path.suffix == ".npz" else tiny_shapes3d)(path.parent)[0].grid
    if path.suffix == ".npz":
        return lambda: [*dsprites.stream_words(path, grid, 64, 64)]
    return lambda: [*archive.stream_images(path, grid, (3, 64, 64))]


@pytest.mark.parametrize("name", ["tiny_dsprites.npz", "tiny_shapes3d.h5"])
def test_damaged_archives_are_refused_in_a_sentence(tmp_path, name):
    path = tmp_path / name
    read = stream(path)
    content = path.read_bytes()
    assert len(read()) > 0
    for damaged in (
        content[:1_000],
        content[:-100],
        b"",
        b"x" * 99,
        content[:3_000] + bytes(len(content) - 3_000),
    ):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=f"{name}' (is no complete|does not hold|holds)"):
            read()
    path.unlink()
    with pytest.raises(InputError, match=f"{name}' is no complete"):
        read()


@pytest.mark.parametrize("change", [-100, 64])
def test_images_of_another_length_than_their_header_says_are_refused(tmp_path, change):
    path = tmp_path / "tiny_dsprites.npz"
    read = stream(path)
    with zipfile.ZipFile(path) as packed:
        members = {member: packed.read(member) for member in packed.namelist()}
    images = members["imgs.npy"]
    members["imgs.npy"] = images[:change] if change < 0 else images + bytes(change)
    with zipfile.ZipFile(path, "w") as packed:
        for member, content in members.items():
            packed.writestr(member, content)
    with pytest.raises(InputError, match="ends within its imgs" if change < 0 else "holds more imgs than"):
        read()


@pytest.mark.parametrize("array", ["images", "labels"])
def test_a_group_in_place_of_an_array_is_refused(tmp_path, array):
    path = tmp_path / "tiny_shapes3d.h5"
    read = stream(path)
    with h5py.File(path, "a") as file:
        del file[array]
        file.create_group(array)
    with pytest.raises(InputError, match=f"holds a group as '{array}' instead of an array"):
        read()


def test_a_missing_archive_says_what_to_do(tmp_path):
    tiny, _ = tiny_dsprites(tmp_path)
    with pytest.raises(InputError, match=r"is not in '.*nowhere': run `dis-bench data fetch dsprites`"):
        tiny("official", tmp_path / "nowhere")
