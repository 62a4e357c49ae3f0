"""MPI3D: small npz files in the authors' form, and every way in which they can be wrong."""

import dataclasses
import gzip
import hashlib
import os
import pickle
import zipfile
from typing import ClassVar

import numpy as np
import pytest
import torch

from dis_bench.cli.main import main
from dis_bench.datasets import npz
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.mpi3d.dataset import FILES, MPI3D
from dis_bench.errors import InputError
from dis_bench.runners.planning.datasets import describe_parameters
from tests.datasets.official import Bomb

TOY = "mpi3d_toy.npz"


def grid(*sizes):
    return FactorGrid([Factor.spaced(f"f{number}", size, 0, 1) for number, size in enumerate(sizes)])


class Tiny(MPI3D):
    """MPI3D with 54 images, or 24 in files of the challenge and of everyday objects."""

    grids: ClassVar = {
        **dict.fromkeys(("toy", "realistic", "real"), grid(3, 3, 3, 2)),
        "complex": grid(2, 2, 3, 2),
    }
    challenge: ClassVar = grid(2, 2, 3, 2)
    grid = grids["real"]


def draw(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 64, 64, 3)).astype(np.uint8)


def write(folder, count=54, name=TOY, seed=0, pack=np.savez_compressed, **more):
    images = draw(count, seed)
    folder.mkdir(exist_ok=True)
    pack(folder / name, images=images, **more)
    return images


def make_official(folder, name, variant):
    """Make a class whose archive of a variant is the file of that name."""
    digest = {"md5": hashlib.md5((folder / name).read_bytes()).hexdigest()}
    changed = [
        dataclasses.replace(one, digests=digest) if one is FILES[variant] else one for one in MPI3D.archives
    ]
    return type("Official", (Tiny,), {"archives": tuple(changed)})


@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed])
def test_images_are_those_of_the_file(tmp_path, cache, monkeypatch, pack):
    monkeypatch.setattr(npz, "BLOCK_BYTES", 5 * 64 * 64 * 3)  # blocks of five
    images = write(tmp_path, pack=pack)
    dataset = Tiny("own", tmp_path, variant="toy")
    assert (len(dataset), dataset.image_shape, dataset.grid.sizes) == (54, (3, 64, 64), (3, 3, 3, 2))
    some = np.array([53, 0, 17])
    assert np.array_equal(dataset.images(some).numpy().transpose(0, 2, 3, 1), images[some])
    assert dataset.own_caveat == "MPI3D, toy: a file of your own, unverified."
    assert describe_parameters(dataset) == "variant=toy"


def test_the_real_set_is_the_default_and_grids_are_the_published_ones():
    assert [parameter.default for parameter in MPI3D.parameters] == ["real"]
    assert {name: grid.sizes for name, grid in MPI3D.grids.items()} == {
        **dict.fromkeys(("toy", "realistic", "real"), (6, 6, 2, 3, 3, 40, 40)),
        "complex": (4, 4, 2, 3, 3, 40, 40),
    }
    assert (len(MPI3D.grid), len(MPI3D.grids["complex"]), len(MPI3D.challenge)) == (
        1_036_800,
        460_800,
        460_800,
    )
    with pytest.raises(InputError, match="unknown variant 'clay': There are: complex, real, realistic, toy"):
        MPI3D(variant="clay")


def test_an_official_file_is_verified_and_unpacked_beside_it(tmp_path, cache, capfd):
    images = write(tmp_path)
    with pytest.raises(InputError, match="is not the official archive: its md5 is"):
        Tiny("official", tmp_path, variant="toy")
    dataset = make_official(tmp_path, TOY, "toy")("official", tmp_path, variant="toy")
    assert dataset.fingerprint.startswith("md5:")
    assert not cache.exists()
    assert np.array_equal(dataset.images([50]).numpy()[0].transpose(1, 2, 0), images[50])
    assert (tmp_path / f"{TOY}.pixels").is_file()
    assert "Unpacking mpi3d_toy.npz once" in capfd.readouterr().err
    assert dataset.own_caveat == ""


def test_files_of_the_challenge_are_told_by_their_number_and_not_by_their_name(tmp_path, cache):
    images = write(tmp_path, 24)  # under the name of the whole set, as disentanglement_lib stores it
    own = Tiny("own", tmp_path, variant="toy")
    assert (len(own), own.grid.sizes) == (24, (2, 2, 3, 2))
    assert own.own_caveat.endswith("unverified, of 24 images as in the NeurIPS 2019 challenge.")
    assert np.array_equal(own.images([23]).numpy()[0].transpose(1, 2, 0), images[23])
    (tmp_path / TOY).rename(tmp_path / "sim_toy_64x_ordered_without_heldout_factors.npz")
    assert len(Tiny("own", tmp_path, variant="toy")) == 24
    write(tmp_path, name="sim_toy_64x_ordered_without_heldout_factors.npz")
    assert len(Tiny("own", tmp_path, variant="toy")) == 54
    write(tmp_path, 24)
    official = make_official(tmp_path, TOY, "toy")
    with pytest.raises(InputError) as error:
        official("official", tmp_path, variant="toy")
    assert "mpi3d_toy.npz' has 24 images, but variant 'toy' has 54: it is the file of the" in str(error.value)
    assert "which source='own' reads, or that of another variant." in str(error.value)


def test_a_set_of_everyday_objects_is_unverified(tmp_path, cache):
    name = FILES["complex"].file
    images = write(tmp_path, 24, name)
    official, own = (Tiny(source, tmp_path, variant="complex") for source in ("official", "own"))
    assert official.own_caveat == "The file of MPI3D, complex, is unverified: its authors publish no digest."
    assert official.fingerprint.startswith("unverified:")
    assert own.fingerprint.startswith("sha256:")
    assert np.array_equal(official.images([3]).numpy()[0].transpose(1, 2, 0), images[3])
    write(tmp_path, 24, name, seed=1)
    assert Tiny("official", tmp_path, variant="complex").fingerprint != official.fingerprint
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=r"get it from https://drive\.google\.com/file/d/1Tp8"):
        Tiny("official", tmp_path, variant="complex")


@pytest.mark.parametrize(
    ("count", "variant", "sentence"),
    [
        (24, "real", "has 24 images, but variant 'real' has 54: it may be variant complex"),
        (
            54,
            "complex",
            "has 54 images, but variant 'complex' has 24: it may be variant toy or realistic or real",
        ),
        (53, "toy", "has 53 images, but variant 'toy' has 54: it is another file"),
        (0, "real", "has 0 images"),
    ],
)
def test_a_wrong_set_under_a_right_name_is_refused(tmp_path, cache, count, variant, sentence):
    write(tmp_path, count, FILES[variant].file)
    for source in ("own", "official"):
        with pytest.raises(InputError) as error:
            Tiny(source, tmp_path, variant=variant)
        assert sentence in str(error.value)


def replace(path, change):
    path.write_bytes(change(path.read_bytes()))


def save(path, **arrays):
    np.savez(path, **arrays)


def write_twice(path):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images.npy", b"")


def write_header(path, text):
    """Write an array whose header is a given text."""
    with zipfile.ZipFile(path, "w") as archive:
        size = (len(text) + 1).to_bytes(2, "little")
        archive.writestr("images.npy", b"\x93NUMPY\x01\0" + size + text.encode() + b"\n")


def shorten(path):
    """Cut the array within its member, whose checksum then is right."""
    with zipfile.ZipFile(path) as archive:
        content = archive.read("images.npy")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", content[:-1])


CASES = {
    "truncated": (lambda p: replace(p, lambda c: c[:-200]), "is no complete npz file"),
    "damaged": (
        lambda p: replace(p, lambda c: c[:3000] + bytes(9000) + c[12000:]),
        "is no complete npz file",
    ),
    "empty": (lambda p: p.write_bytes(b""), "is no complete npz file"),
    "still packed": (lambda p: replace(p, gzip.compress), "or unpack it if it was packed once more"),
    "an npy file": (lambda p: p.write_bytes(b"\x93NUMPY"), "is no complete npz file"),
    "another key": (
        lambda p: save(p, imgs=draw(54)),
        "must hold images.npy once, but has no array of this name",
    ),
    "a single number": (
        lambda p: save(p, images=np.uint8(3)),
        "holds a single number as images instead of an array",
    ),
    "a broken header": (lambda p: write_header(p, "{'shape': (3L,"), "is no complete npz file (TokenError: "),
    "a header of brackets": (lambda p: write_header(p, "(" * 300), "is no complete npz file ("),
    "pickled objects": (
        lambda p: save(p, images=np.array([Bomb(p.parent / "trace")], dtype=object)),
        "holds pickled objects as 'images', which are never loaded",
    ),
    "floats": (lambda p: save(p, images=draw(54) / 255), "holds images of float64 instead of uint8"),
    "signed bytes": (
        lambda p: save(p, images=draw(54).astype(np.int8)),
        "holds images of int8 instead of uint8",
    ),
    "columns first": (lambda p: save(p, images=np.asfortranarray(draw(54))), "in Fortran order"),
    "channels first": (lambda p: save(p, images=draw(54).transpose(0, 3, 1, 2).copy()), "holds [3, 64, 64]"),
    "grey": (lambda p: save(p, images=draw(54)[..., 0].copy()), "holds [64, 64]"),
    "twice": (write_twice, "has more than one array of this name"),
    "short": (shorten, "ends within its images"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_files_are_refused_in_a_sentence(tmp_path, cache, case):
    write(tmp_path, pack=np.savez)
    change, sentence = CASES[case]
    change(tmp_path / TOY)
    with pytest.raises(InputError) as error:
        Tiny("own", tmp_path, variant="toy")
    assert sentence in str(error.value)
    assert not (tmp_path / "trace").exists()
    assert not [*cache.glob("*.pixels")]


def test_other_pickled_members_are_never_loaded(tmp_path, cache):
    write(tmp_path, factors=np.array([Bomb(tmp_path / "trace")], dtype=object))
    assert Tiny("own", tmp_path, variant="toy").images([0]).shape == (1, 3, 64, 64)
    assert not (tmp_path / "trace").exists()


def test_a_copy_in_a_worker_reads_the_same_file(tmp_path, cache):
    write(tmp_path)
    dataset = Tiny("own", tmp_path, variant="toy").share_memory()
    before = dataset.images([5])
    state = pickle.dumps(dataset.__getstate__())
    assert len(state) < 20_000
    copy = Tiny.__new__(Tiny)
    copy.__dict__.update(pickle.loads(state))  # noqa: S301 (our own bytes)
    assert torch.equal(copy.images([5]), before)


def test_a_file_that_changes_is_read_again(tmp_path, cache):
    write(tmp_path)
    before = Tiny("own", tmp_path, variant="toy")
    again = Tiny("own", tmp_path, variant="toy")
    assert before.fingerprint == again.fingerprint
    assert len([*cache.glob("*.pixels")]) == 1
    images = write(tmp_path, seed=1)
    os.utime(tmp_path / TOY, ns=(1, 1))
    after = Tiny("own", tmp_path, variant="toy")
    assert after.fingerprint != before.fingerprint
    assert np.array_equal(after.images([9]).numpy()[0].transpose(1, 2, 0), images[9])
    assert not np.array_equal(before.images([9]), after.images([9]))  # a study that runs keeps its images


def test_fetch_and_verify_take_the_file_of_the_variant(tmp_path, capsys, monkeypatch):
    fetched = []

    def fetch(archive, data_dir):
        fetched.append(archive.file)
        return tmp_path / archive.file, True

    monkeypatch.setattr("dis_bench.datasets.download.fetch", fetch)
    for words in ([], ["--set", "mpi3d.variant=toy"]):
        assert main(["data", "fetch", "mpi3d", *words]) == 0
    assert fetched == ["mpi3d_real.npz", "mpi3d_toy.npz"]
    for words, sentence in (
        (["mpi3d.variant=clay"], "unknown variant 'clay'"),
        (["variant=toy"], "--set takes NAME.KEY=VALUE, e.g. mpi3d.variant=toy"),
        (["mnist.variant=toy"], "unknown"),
        (["mpi3d.size=4"], "unknown parameter of dataset mpi3d 'size'"),
    ):
        assert main(["data", "fetch", "mpi3d", "--set", *words]) == 2
        assert sentence in capsys.readouterr().err
    assert (
        main(["data", "verify", "mpi3d", "--set", "mpi3d.variant=realistic", "--data-dir", str(tmp_path)])
        == 2
    )
    assert "run `dis-bench data fetch mpi3d --set mpi3d.variant=realistic`" in capsys.readouterr().err
