"""Arrays are unpacked only if name, type, shape and size are as expected; nothing else gets memory."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dis_bench.records.arrays import unpack
from dis_bench.records.codes import LAYOUT
from dis_bench.records.schema import Damaged

SIZES = {"latents": 3}
CODES = {
    "codes": np.ones((5, 3), np.float32),
    "log_variances": np.zeros((5, 3), np.float32),
    "factors": np.arange(10, dtype=np.int32).reshape(5, 2),
}
NPY = "codes.npy"


def pack(**change):
    file = io.BytesIO()
    np.savez_compressed(
        file, **{name: value for name, value in {**CODES, **change}.items() if value is not None}
    )
    return file.getvalue()


def header(text, size=128):
    """Return the beginning of an npy file, with any text as its description."""
    room = size - 10
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", room) + text.encode().ljust(room - 1) + b"\n"


def describe(shape, dtype="<f4"):
    return header(f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}")


def pack_member(content, name=NPY, compression=zipfile.ZIP_DEFLATED):
    """Return a zip file with one member of any content."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def test_arrays_come_back_and_can_be_written_to():
    arrays = unpack(pack(), LAYOUT, SIZES)
    assert list(arrays) == list(LAYOUT)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, CODES[name])
        array[:] = 0
    few = pack(factors=None, log_variances=None)
    assert list(unpack(few, {"codes": LAYOUT["codes"]}, SIZES)) == ["codes"]
    assert list(unpack(few, LAYOUT, SIZES, optional=("log_variances", "factors"))) == ["codes"]


def test_the_first_rows_can_be_read_alone():
    given = {"codes": np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)}
    for codes in (given["codes"], np.asfortranarray(given["codes"])):
        for rows in (1, 4, 5, 9):
            arrays = unpack(pack(codes=codes), LAYOUT, SIZES, rows=rows)
            np.testing.assert_array_equal(arrays["codes"], codes[:rows])
            assert len(arrays["factors"]) == min(rows, 5)


def test_the_order_of_memory_does_not_matter():
    codes = np.asfortranarray(np.arange(15, dtype=np.float32).reshape(5, 3))
    np.testing.assert_array_equal(unpack(pack(codes=codes), LAYOUT, SIZES)["codes"], codes)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"codes": None}, "it has no array codes"),
        ({"codes": np.ones((5, 4), np.float32)}, "its codes is float32 [5, 4], not float32 [5, 3]"),
        ({"codes": np.ones(5, np.float32)}, "its codes is float32 [5], not float32 [images, 3]"),
        ({"codes": np.ones((5, 3))}, "its codes is float64 [5, 3]"),
        ({"codes": np.ones((0, 3), np.float32)}, "its codes is float32 [0, 3]"),
        ({"codes": np.full((5, 3), np.nan, np.float32)}, "its codes holds numbers that are not finite"),
        ({"codes": np.array([[{}]])}, "its codes is object [1, 1]"),
        (
            {"log_variances": np.ones((4, 3), np.float32)},
            "its log_variances is float32 [4, 3], not float32 [5, 3]",
        ),
        ({"factors": np.ones((4, 2), np.int32)}, "its factors is int32 [4, 2], not int32 [5, factors]"),
    ],
)
def test_other_arrays_are_named(change, sentence):
    with pytest.raises(Damaged) as caught:
        unpack(pack(**change), LAYOUT, SIZES)
    assert sentence in str(caught.value)


def encrypted():
    content = bytearray(pack())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(signature)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(signature, start + 1)
    return bytes(content)


def doubled():
    file = io.BytesIO(pack())
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(NPY, b"")
    return file.getvalue()


HOSTILE = {
    "nothing": lambda: b"",
    "no zip": lambda: b"1,2,3",
    "cut": lambda: pack()[:300],
    "encrypted": encrypted,
    "two members of one name": doubled,
    "petabytes": lambda: pack_member(describe((10**15, 3))),
    "more than 64 bits": lambda: pack_member(describe((10**30, 3))),
    "a bomb": lambda: pack_member(describe((5, 3)) + b"\0" * (1 << 26)),
    "a bomb that says so": lambda: pack_member(describe((1 << 22, 3)) + b"\0" * (3 << 24)),
    "less than it says": lambda: pack_member(describe((500, 3)) + b"\0" * 100),
    "below zero": lambda: pack_member(describe((-5, 3)) + b"\0" * 60),
    "no header": lambda: pack_member(b"\x93NUMPY\x01\x00"),
    "a header that is code": lambda: pack_member(header("__import__('os').abort()")),
    "a header without end": lambda: pack_member(header("(" * 9000, 9100)),
    "another version": lambda: pack_member(b"\x93NUMPY\x09\x00" + b"\0" * 100),
    "a method of compression of its own": lambda: pack_member(describe((5, 3)) + b"\0" * 60).replace(
        b"\x08\x00", b"\x63\x00"
    ),
    "another checksum": lambda: pack_member(
        describe((5, 3)) + b"\0" * 60, compression=zipfile.ZIP_STORED
    ).replace(b"\0" * 60, b"\1" + b"\0" * 59),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_named_and_get_no_memory(kind):
    content = HOSTILE[kind]()
    tracemalloc.start()
    with pytest.raises(Damaged):
        unpack(content, LAYOUT, SIZES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_any_other_byte_is_named_or_means_nothing(position, change):
    content = bytearray(pack())
    content[position % len(content)] ^= change
    try:
        arrays = unpack(bytes(content), LAYOUT, SIZES)
    except Damaged:
        return
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, CODES[name])
