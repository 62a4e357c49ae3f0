"""MNIST and FashionMNIST: files in the real format, and every way in which they can be wrong."""

import dataclasses
import gzip
import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from dis_bench.cli.main import main
from dis_bench.datasets import load_dataset
from dis_bench.datasets.mnist.dataset import MNIST, FashionMNIST
from dis_bench.errors import InputError
from tests.datasets.mnist.files import idx, write_files


@pytest.fixture
def own(tmp_path):
    """Write small files for ``mnist``; return their folder."""
    write_files(tmp_path / "mnist")
    return tmp_path / "mnist"


def load(folder):
    return load_dataset("mnist", source="own", data_dir=folder.parent)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw", "."])
def test_images_are_those_of_the_files_padded_to_32(tmp_path, packed, folder):
    images, labels = write_files(tmp_path / folder, packed=packed)
    dataset = load_dataset("mnist", source="own", data_dir=tmp_path)
    assert (len(dataset), dataset.image_shape, dataset.grid) == (80, (1, 32, 32), None)
    some = np.array([79, 0, 33])
    drawn = dataset.images(some).numpy()
    assert np.array_equal(drawn[:, 0, 2:30, 2:30], images[some])
    assert drawn.sum() == images[some].sum()
    assert dataset.factors(some)[:, 0].tolist() == labels[some].tolist()
    assert [factor.name for factor in dataset.labels] == ["digit"]
    assert "nothing verified them" in dataset.own_caveat


def test_the_fingerprint_is_that_of_the_content_packed_or_not(tmp_path):
    write_files(tmp_path / "a" / "mnist")
    write_files(tmp_path / "b" / "mnist", packed=False)
    write_files(tmp_path / "c" / "mnist", train=59)
    first, second, third = (load(tmp_path / name / "mnist").fingerprint for name in "abc")
    assert first == second != third


def test_files_for_tests_may_be_missing_where_they_are_ones_own(own):
    for path in own.glob("t10k*"):
        path.unlink()
    assert len(load(own)) == 60
    (own / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(3, np.uint8))))
    with pytest.raises(InputError, match=r"t10k-images-idx3-ubyte\.gz is not in"):
        load(own)


def test_a_copy_in_a_worker_reads_the_files_itself(own):
    dataset = load(own)
    before = dataset.images([5])
    sent = pickle.dumps(dataset)
    assert len(sent) < 10_000
    assert (pickle.loads(sent).images([5]) == before).all()  # noqa: S301 (our own bytes)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
def test_files_that_change_after_loading_are_refused(own, name):
    before = load(own)
    path = own / name
    content, status = path.read_bytes(), path.stat()
    path.write_bytes(content[:4] + bytes([content[4] ^ 1]) + content[5:])  # another time in gzip's header
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(InputError) as error:
        before.images([0])
    assert str(error.value) == f"'{path}' has changed since mnist was loaded: load it again."
    assert load(own).images([0]).shape == (1, 1, 32, 32)
    path.unlink()
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        before.images([0])


def test_official_files_are_verified(tmp_path, monkeypatch):
    write_files(tmp_path / "mnist")
    with pytest.raises(InputError) as error:
        load_dataset("mnist", data_dir=tmp_path)
    assert "is not the official archive: its md5 is" in str(error.value)
    assert "or read files of your own with source='own'." in str(error.value)
    files = dict(MNIST.files)
    for name, file in files.items():
        content = (tmp_path / "mnist" / f"{name}.gz").read_bytes()
        packed = dataclasses.replace(file.packed, digests={"md5": hashlib.md5(content).hexdigest()})
        plain = {"md5": hashlib.md5(gzip.decompress(content)).hexdigest()}
        files[name] = file._replace(packed=packed, plain=dataclasses.replace(file.plain, digests=plain))
    monkeypatch.setattr(MNIST, "files", files)
    monkeypatch.setattr(MNIST, "archives", tuple(file.packed for file in files.values()))
    packed = load_dataset("mnist", data_dir=tmp_path)
    assert (len(packed), packed.source, packed.own_caveat) == (80, "official", "")
    for name in files:  # the same files, unpacked by hand
        path = tmp_path / "mnist" / f"{name}.gz"
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert load_dataset("mnist", data_dir=tmp_path).fingerprint == packed.fingerprint
    renamed = tmp_path / "mnist" / "train-labels-idx1-ubyte"
    renamed.rename(renamed.with_name(f"{renamed.name}.gz"))  # unpacked under the packed name
    assert load_dataset("mnist", data_dir=tmp_path).fingerprint == packed.fingerprint
    for action in ("verify", "fetch"):
        assert main(["data", action, "mnist", "--data-dir", str(tmp_path)]) == 0
    monkeypatch.setattr(FashionMNIST, "files", {})
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte\.gz is not in .* data fetch mnist"):
        load_dataset("mnist", data_dir=tmp_path)


def test_a_file_of_the_other_set_is_named(tmp_path, monkeypatch):
    write_files(tmp_path)
    content = (tmp_path / "train-images-idx3-ubyte.gz").read_bytes()
    files = dict(FashionMNIST.files)
    file = files["train-images-idx3-ubyte"]
    digests = {"md5": hashlib.md5(content).hexdigest()}
    packed = dataclasses.replace(file.packed, digests=digests)
    monkeypatch.setattr(
        FashionMNIST, "files", {**files, "train-images-idx3-ubyte": file._replace(packed=packed)}
    )
    monkeypatch.delattr(Path, "read_bytes")  # a file of any size would be in memory
    sentence = r"is train-images-idx3-ubyte\.gz of fashionmnist, not train-images-idx3-ubyte\.gz of mnist"
    with pytest.raises(InputError, match=sentence):
        load_dataset("mnist", data_dir=tmp_path)


def packed(path, change):
    """Change the unpacked content of a file."""
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


def exchange(folder, first, second):
    one, other = folder / first, folder / second
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
CASES = {
    "truncated download": (
        lambda f: (f / IMAGES).write_bytes((f / IMAGES).read_bytes()[:-9]),
        "truncated or damaged",
    ),
    "damaged download": (
        lambda f: (f / IMAGES).write_bytes((f / IMAGES).read_bytes()[:40] + bytes(60)),
        "truncated or damaged",
    ),
    "truncated before packing": (
        lambda f: packed(f / IMAGES, lambda c: c[:-1]),
        "announces images [60, 28, 28], which take 47,056 bytes, but has 47,055",
    ),
    "one byte more": (
        lambda f: packed(f / LABELS, lambda c: c + b"\0"),
        "announces labels [60], which take 68",
    ),
    "empty": (lambda f: (f / IMAGES).write_bytes(b""), "it begins with nothing"),
    "only a header": (lambda f: packed(f / IMAGES, lambda c: c[:9]), "ends within its header"),
    "images as labels": (
        lambda f: exchange(f, IMAGES, LABELS),
        "holds no labels in IDX format: it holds images",
    ),
    "train and t10k": (
        lambda f: exchange(f, LABELS, "t10k-labels-idx1-ubyte.gz"),
        "holds 60 images, but 'train-labels-idx1-ubyte.gz' has 20 labels",
    ),
    "packed twice": (lambda f: packed(f / IMAGES, gzip.compress), "it was packed twice"),
    "little-endian": (
        lambda f: packed(f / IMAGES, lambda c: np.frombuffer(c[:16], ">u4").astype("<u4").tobytes() + c[16:]),
        "its numbers are in little-endian order",
    ),
    "floats": (
        lambda f: packed(f / IMAGES, lambda c: idx(np.zeros((60, 28, 28), ">f4"), 0x0D)),
        "its type is 0x0d in 3 dimensions, while bytes (0x08) are read",
    ),
    "other size": (
        lambda f: packed(f / IMAGES, lambda c: idx(np.zeros((60, 20, 30), np.uint8))),
        "must hold images of 28x28 pixels, but theirs are 20x30",
    ),
    "too many classes": (
        lambda f: packed(f / LABELS, lambda c: idx(np.arange(60, dtype=np.uint8))),
        "must hold labels from 0 to 9, but that of image 59 is 59",
    ),
    "a zip file": (lambda f: (f / IMAGES).write_bytes(b"PK\3\4" + bytes(100)), "it is a zip file"),
    "a claim of 2^96 bytes": (
        lambda f: packed(f / IMAGES, lambda c: c[:4] + b"\xff" * 12 + c[16:]),
        "announces images [4294967295, 4294967295, 4294967295]",
    ),
    "a folder": (lambda f: ((f / IMAGES).unlink(), (f / IMAGES).mkdir()), "is not in"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_files_are_refused_in_a_sentence(own, case):
    change, sentence = CASES[case]
    change(own)
    with pytest.raises(InputError) as error:
        load(own).images([0])
    assert sentence in str(error.value).replace(f"{own}/", "")


def test_what_is_still_packed_under_a_plain_name_is_read(own):
    for path in own.iterdir():
        path.rename(path.with_suffix(""))
    assert len(load(own)) == 80
