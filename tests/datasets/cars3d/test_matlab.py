"""The reader of MATLAB files: what scipy reads, and refusals of anything that a damaged file may say."""

import io
import struct
import tarfile
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from dis_bench.datasets.cars3d.matlab import Element, find_array
from dis_bench.datasets.cars3d.meshes import read_cars
from dis_bench.errors import InputError

SHAPE = (2, 2, 3, 2, 2)
IMAGES = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
OTHERS = {"mask": np.ones((3, 5)), "note": "text", "cells": np.array([[{"a": 1}]], dtype=object)}
CLASS, FLAGS = 144, 145  # places of two bytes of the first array that savemat writes


def save(arrays, packed=False):
    buffer = io.BytesIO()
    savemat(buffer, arrays, do_compression=packed)
    return bytearray(buffer.getvalue())


def part(kind, content, order="<"):
    """Return a data element."""
    return struct.pack(order + "II", kind, len(content)) + content + bytes(-len(content) % 8)


def array(images=IMAGES, name=b"im", order="<", announced=None, category=9):
    """Return an array of bytes as a data element."""
    shape = images.shape if announced is None else announced
    described = part(6, struct.pack(order + "II", category, 0), order)
    described += part(5, struct.pack(f"{order}{len(shape)}i", *shape), order) + part(1, name, order)
    return part(14, described + part(2, images.tobytes("F"), order), order)


def pack(content):
    packed = zlib.compress(content)
    return struct.pack("<II", 15, len(packed)) + packed  # without padding


def matlab(*parts, order="<", version=0x0100):
    return b"MATLAB 5.0".ljust(124) + struct.pack(order + "HH", version, 0x4D49) + b"".join(parts)


def read(tmp_path, content, shape=SHAPE):
    """Read a file as that of the only car of an archive."""
    path = tmp_path / "cars.tar"
    with tarfile.open(path, "w") as packed:
        member = tarfile.TarInfo("data/cars/a.mat")
        member.size = len(content)
        packed.addfile(member, io.BytesIO(content))
    [(_, images)] = read_cars(path, shape)
    return images


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "arrays",
    [{"im": IMAGES}, {"im": IMAGES, **OTHERS}, {**OTHERS, "im": IMAGES}, {"im2": IMAGES, "im": IMAGES}],
)
def test_images_are_those_that_scipy_reads(tmp_path, arrays, packed):
    content = save(arrays, packed)
    found = read(tmp_path, content)
    assert found.dtype == np.uint8
    assert np.array_equal(found, loadmat(io.BytesIO(content))["im"])


@pytest.mark.parametrize("packed", [False, True])
def test_images_of_the_authors_size_are_read(tmp_path, packed):
    images = np.random.default_rng(1).integers(0, 256, (128, 128, 3, 24, 4)).astype(np.uint8)
    assert np.array_equal(read(tmp_path, save({"im": images}, packed), images.shape), images)


@pytest.mark.parametrize(
    "content",
    [
        matlab(array(order=">"), order=">"),
        matlab(array(category=6)),  # floats, which MATLAB stores as bytes if they are such
        matlab(pack(array(name=b"other")), array()),
        matlab(array(), array(IMAGES[::-1])),
        matlab(part(14, part(6, struct.pack("<II", 17, 0)) + part(1, b"object")), array()),
    ],
)
def test_forms_that_scipy_does_not_write_are_read(tmp_path, content):
    assert np.array_equal(read(tmp_path, content), IMAGES)


def test_few_numbers_may_be_within_their_tag(tmp_path):
    images = IMAGES[:1, :1, :, :1, :1]
    content = save({"im": images})
    assert struct.unpack("<HH", content[-8:-4]) == (2, 3)  # type and size
    assert np.array_equal(read(tmp_path, content, images.shape), images)


def edited(place, value, content=None):
    content = save({"im": IMAGES, "mask": np.ones(3)}) if content is None else content
    content[place] = value
    return bytes(content)


def unpacking_to(size):
    """Return an array that unpacks to zeros, which its shape announces."""
    return matlab(pack(array(np.zeros(size, np.uint8), announced=(size, 1))))


WRONG = {
    "complex": (edited(FLAGS, 8), "holds complex uint8 [2, 2, 3, 2, 2] as 'im' instead of uint8"),
    "of an unknown class": (
        edited(CLASS, 99),
        "is no complete MATLAB file (ValueError: an array has the unkn",
    ),
    "text": (edited(CLASS, 4), "holds char [2, 2, 3, 2, 2] as 'im'"),
    "sparse": (edited(CLASS, 5), "holds sparse [2, 2, 3, 2, 2] as 'im'"),
    "of many more numbers": (unpacking_to(50_000_000), "holds uint8 [50000000, 1] as 'im'"),
    "of more numbers than announced": (
        matlab(array(np.zeros(99, np.uint8), announced=SHAPE)),
        "99 bytes are no array [2, 2, 3, 2, 2]",
    ),
    "of sizes below zero": (matlab(array(announced=(-2, -2, 3, 2, 2))), "holds uint8 [-2, -2, 3, 2, 2]"),
    "of too many sizes": (matlab(array(announced=(1,) * 999)), "an array is described by 3,996 bytes"),
    "longer than it says": (matlab(pack(array()[:-8] + bytes(99))), "is no complete MATLAB file"),
    "with a wrong checksum": (
        matlab(pack(array())[:-1] + b"x"),
        "is no complete MATLAB file (error: Error -3",
    ),
    "without a checksum": (
        matlab(struct.pack("<II", 15, 40) + zlib.compress(array())[:40]),
        "is no complete MATLAB file (ValueError: an array ends early)",
    ),
    "packed, and no array": (matlab(pack(part(2, b"x" * 99))), "something that is no array is packed in it"),
    "missing": (save({"mask": np.ones(3)}), "holds no 'im' instead of uint8 [2, 2, 3, 2, 2]."),
    "nowhere": (matlab(), "holds no 'im'"),
    "in MATLAB 7.3": (matlab(version=0x0200), "is a MATLAB 7.3 file, while the authors' are of MATLAB 5."),
    "in MATLAB 9": (
        matlab(version=0x0900),
        "is no complete MATLAB file (ValueError: its header gives version 9)",
    ),
    "in MATLAB 4": (bytes(200), "is no complete MATLAB file (ValueError: it has no header of MATLAB 5)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_images_that_are_otherwise_are_refused_in_a_sentence(tmp_path, case):
    content, sentence = WRONG[case]
    with pytest.raises(InputError) as error:
        read(tmp_path, content)
    assert f"a.mat in '{tmp_path / 'cars.tar'}'" in str(error.value)
    assert sentence in str(error.value)


def test_only_what_is_read_is_unpacked(monkeypatch):
    sizes = []

    def read_most(element, size, read=Element.read_most):
        sizes.append(size)
        return read(element, size)

    monkeypatch.setattr(Element, "read_most", read_most)
    found = find_array(unpacking_to(50_000_000), "im")
    assert (found.kind, found.shape) == ("uint8", (50_000_000, 1))
    assert sum(sizes) < 100


@pytest.mark.parametrize("packed", [False, True])
def test_damage_anywhere_is_refused_or_does_not_matter(packed):
    content = save({"mask": np.ones(2), "im": IMAGES}, packed)
    pixels = content.find(IMAGES.tobytes("F"))
    copies = [content[:end] for end in range(len(content))]
    for place in set(range(len(content))) - set(range(pixels, pixels + IMAGES.size) if pixels > 0 else ()):
        for value in {content[place] ^ 1 << bit for bit in range(8)} | {0, 255} - {content[place]}:
            copies.append(bytearray(content))
            copies[-1][place] = value
    for copy in copies:
        try:
            found = find_array(bytes(copy), "im")
            images = None if found is None or (found.kind, found.shape) != ("uint8", SHAPE) else found.read()
        except (ValueError, zlib.error, NotImplementedError):
            images = None
        assert images is None or np.array_equal(images, IMAGES)
