"""Cars3D: small archives of MATLAB files in the authors' form, right and wrong."""

import dataclasses
import gzip
import hashlib
import io
import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from dis_bench.datasets.cars3d.dataset import Cars3D
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.errors import InputError

CARS = ("car_002_mesh", "car_001_mesh", "car_010_mesh")  # as in list.txt
FILE = "nips2015-analogy-data.tar.gz"


class Tiny(Cars3D):
    """Three cars from 3 azimuths at 2 elevations."""

    grid = FactorGrid(
        [
            Factor("elevation", 2, (0, 1), "ordinal"),
            Factor("azimuth", 3, (0, 1, 2), "circular"),
            Factor("car", 3, (0, 1, 2), "categorical"),
        ]
    )


def draw(name):
    """Draw the images of a car: row, column, channel, azimuth, elevation."""
    rng = np.random.default_rng(list(name.encode()))
    return rng.integers(0, 256, (128, 128, 3, 3, 2)).astype(np.uint8)


def mesh(images, **more):
    buffer = io.BytesIO()
    savemat(buffer, {"im": images, "mask": np.zeros((4, 4), np.uint8), **more}, do_compression=True)
    return buffer.getvalue()


def files():
    """Return the files of an archive by name; cars are in no order."""
    found = {f"data/cars/{name}.mat": mesh(draw(name)) for name in sorted(CARS)}
    found["data/cars/list.txt"] = "\n".join(CARS).encode() + b"\n"
    return {**found, "data/shapes48.mat": b"x", "data/sprites/list.txt": b"x"}


def write(folder, contents=None, mode="w:gz", members=()):
    with tarfile.open(folder / FILE, mode) as packed:
        for name, content in (files() if contents is None else contents).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
        for member in members:
            packed.addfile(member)
    return folder / FILE


@pytest.fixture
def folder(tmp_path, cache):
    data = tmp_path / "data"
    data.mkdir()
    write(data)
    return data


def load(folder, **values):
    return Tiny("own", folder, **values)


def test_images_are_in_the_order_of_the_grid_and_cars_in_that_of_the_list(folder):
    dataset = load(folder)
    assert (len(dataset), dataset.image_shape) == (18, (3, 64, 64))
    for (elevation, azimuth, car), image in zip(
        dataset.factors(range(18)), dataset.images(range(18)), strict=True
    ):
        pixels = np.ascontiguousarray(draw(CARS[car])[..., azimuth, elevation])
        small = Image.fromarray(pixels).resize((64, 64), Image.Resampling.LANCZOS)
        assert np.array_equal(image.numpy().transpose(1, 2, 0), np.asarray(small))
    assert "a file of your own, which nothing verified" in dataset.own_caveat


def test_without_a_list_cars_are_in_the_order_of_their_names(folder):
    listed = load(folder).images(range(3)).numpy()
    contents = files()
    del contents["data/cars/list.txt"]
    write(folder, contents)
    assert np.array_equal(load(folder).images(range(3)).numpy(), listed[[1, 0, 2]])


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_the_fingerprint_is_that_of_the_pixels_however_they_are_packed(folder, mode):
    before = load(folder)
    write(folder, dict(reversed(files().items())), mode)
    after = load(folder)
    assert after.fingerprint == before.fingerprint
    assert load(folder, image_size=32).fingerprint != before.fingerprint
    whole = load(folder, image_size=128).images([0]).numpy()[0].transpose(1, 2, 0)
    assert np.array_equal(whole, draw(CARS[0])[..., 0, 0])


def test_official_archives_are_verified(folder):
    with pytest.raises(InputError, match="is not the official archive: its md5 is"):
        Tiny("official", folder)
    digest = hashlib.md5((folder / FILE).read_bytes()).hexdigest()
    archive = dataclasses.replace(Cars3D.archive, digests={"md5": digest})
    dataset = type("Official", (Tiny,), {"archive": archive})("official", folder)
    assert dataset.fingerprint.startswith("md5:")
    assert dataset.own_caveat == ""
    (folder / FILE).write_bytes((folder / FILE).read_bytes()[:-9])
    with pytest.raises(InputError, match="is not the official archive: its md5 is"):
        type("Official", (Tiny,), {"archive": archive})("official", folder)


def test_the_grid_is_that_of_the_publication():
    assert (Cars3D.grid.sizes, len(Cars3D.grid)) == ((4, 24, 183), 17_568)


def replaced(name, content):
    return lambda f: write(f, files() | {f"data/cars/{name}": content})


def link(kind, name="data/cars/car_010_mesh.mat", target="/etc/passwd"):
    def change(folder):
        contents = files()
        contents.pop(name, None)
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        write(folder, contents, members=[member])

    return change


def without(name):
    return lambda f: write(f, {key: value for key, value in files().items() if not key.endswith(name)})


def twice(folder):
    write(folder, members=[tarfile.TarInfo("data/cars/car_001_mesh.mat")])


def evil(folder):
    """Give a car a name that leads out of the archive."""
    contents = files()
    contents["../data/cars/car_010_mesh.mat"] = contents.pop("data/cars/car_010_mesh.mat")
    write(folder, contents)


CAR = "car_010_mesh.mat"
CASES = {
    "truncated": (
        lambda f: (f / FILE).write_bytes((f / FILE).read_bytes()[:-4000]),
        "is no complete tar file",
    ),
    "empty": (lambda f: (f / FILE).write_bytes(b""), "is no complete tar file"),
    "no archive": (lambda f: (f / FILE).write_bytes(b"x" * 2000), "is no complete tar file"),
    "packed twice": (
        lambda f: (f / FILE).write_bytes(gzip.compress((f / FILE).read_bytes())),
        "or unpack it if it was packed once more",
    ),
    "a car missing": (
        without(CAR),
        "must have a file for each car of its list.txt, but they differ in 'car_010_mesh'",
    ),
    "a list that is short": (
        replaced("list.txt", b"car_001_mesh\ncar_002_mesh\n"),
        "differ in 'car_010_mesh'",
    ),
    "a car listed twice": (
        replaced("list.txt", b"car_001_mesh\ncar_002_mesh\ncar_010_mesh\ncar_010_mesh"),
        "but they differ in a car that is listed twice",
    ),
    "a car twice": (twice, "has 'car_001_mesh.mat' twice"),
    "a car too many": (
        lambda f: write(
            f, {k: v for k, v in (files() | {"data/cars/x.mat": b""}).items() if "list" not in k}
        ),
        "has 4 cars instead of 3",
    ),
    "a link": (
        link(tarfile.SYMTYPE),
        "has 'data/cars/car_010_mesh.mat' as a link or a folder, not as a file",
    ),
    "a hard link": (link(tarfile.LNKTYPE, target="data/cars/car_001_mesh.mat"), "as a link or a folder"),
    "a device": (link(tarfile.CHRTYPE), "as a link or a folder"),
    "a list that is a link": (link(tarfile.SYMTYPE, "data/cars/list.txt"), "as a link or a folder"),
    "a name that leads elsewhere": (evil, "differ in 'car_010_mesh'"),
    "an empty file": (replaced(CAR, b""), "car_010_mesh.mat in"),
    "a damaged file": (replaced(CAR, mesh(draw("x"))[:3000]), "is no complete MATLAB file"),
    "text": (replaced(CAR, b"x" * 999), "is no complete MATLAB file"),
    "a MATLAB 7.3 file": (
        replaced(CAR, b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(400)),
        "MATLAB",
    ),
    "other axes": (
        replaced(CAR, mesh(np.moveaxis(draw("x"), -1, 0))),
        "holds uint8 [2, 128, 128, 3, 3] as 'im' instead of uint8 [128, 128, 3, 3, 2]",
    ),
    "signed bytes": (replaced(CAR, mesh(draw("x").astype(np.int8))), "holds int8"),
    "no images": (replaced(CAR, mesh(draw("x")).replace(b"im", b"in")), "car_010_mesh.mat in"),
    "cells instead of numbers": (replaced(CAR, mesh(np.array([[{"a": 1}]], dtype=object))), "holds object"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_archives_are_refused_in_a_sentence(folder, cache, case):
    change, sentence = CASES[case]
    change(folder)
    with pytest.raises(InputError) as error:
        load(folder)
    assert sentence in str(error.value)
    assert not [*cache.glob("*.pixels")]
    assert [path.name for path in folder.iterdir()] == [FILE]  # nothing is unpacked to disk


def test_a_missing_archive_says_what_to_do(tmp_path, cache):
    with pytest.raises(InputError, match="run `dis-bench data fetch cars3d`"):
        load(tmp_path)
