"""Reader of one array of bytes in a MATLAB 5 file that nobody has verified.

scipy's reader trusts a file: a wrong flag ends the process with a fault, and a small file may unpack to
gigabytes. Here an array is described by its first bytes, and unpacked only if it is the one that is wanted.

Format: MAT-File Format (MathWorks), chapter 1; https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

Order = Literal["little", "big"]

HEADER = 128  # bytes
LONGEST = 256  # bytes of a name or a shape; MATLAB's names have 63 at most, and numpy's shapes 64 sizes
# Types of data elements.
_INT8, _INT32, _UINT32, _MATRIX, _PACKED, _UTF8 = 1, 5, 6, 14, 15, 16
_STORED = {
    **{1: "int8", 2: "uint8", 3: "int16", 4: "uint16", 5: "int32", 6: "uint32"},
    **{7: "float32", 9: "float64", 12: "int64", 13: "uint64"},
}
# Classes of arrays. MATLAB stores numbers of any class in the smallest type that can hold them.
_NUMBERS = range(6, 16)
_OTHERS = {1: "object", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function"}
_OPAQUE = 17  # an object that is described in another way
_COMPLEX = 0x0800


@dataclass(frozen=True)
class Array:
    """An array of which only the description was read.

    Attributes:
        kind: the type in which its numbers are stored, or a word for an array of something else.
        shape: its shape.
        element: its data element, read up to the numbers.
        size: bytes of the numbers.
        padding: bytes after them, at most.
    """

    kind: str
    shape: tuple[int, ...]
    element: Element
    size: int = 0
    padding: int = 0

    def read(self) -> np.ndarray:
        """Return the numbers of an array that is stored as ``uint8``.

        Raises:
            ValueError: they are more or fewer than the shape says.
            zlib.error: they are damaged.
        """
        if self.size != math.prod(self.shape):
            raise ValueError(f"{self.size:,} bytes are no array {list(self.shape)}")
        numbers = self.element.read(self.size)
        if len(self.element.read_most(self.padding + 1)) > self.padding or not self.element.is_whole():
            raise ValueError("an array does not end where it should")
        return np.frombuffer(numbers, np.uint8).reshape(self.shape, order="F")


class Element:
    """The bytes of a data element, unpacked no further than they are read."""

    def __init__(self, content: memoryview, is_packed: bool = False) -> None:
        self._left: memoryview | bytes = content
        self._unpacker = zlib.decompressobj() if is_packed else None

    def read(self, size: int) -> bytes:
        """Return the next bytes.

        Raises:
            ValueError: there are fewer.
            zlib.error: they are damaged.
        """
        found = self.read_most(size)
        if len(found) != size:
            raise ValueError("an array ends early")
        return found

    def read_most(self, size: int) -> bytes:
        """Return the next bytes, or fewer at the end."""
        if self._unpacker is None:
            found, self._left = bytes(self._left[:size]), self._left[size:]
        elif size:
            found = self._unpacker.decompress(self._left, size)
            self._left = self._unpacker.unconsumed_tail
        else:  # which zlib takes for no limit
            found = b""
        return found

    def is_whole(self) -> bool:
        """Return whether the bytes were read to their end, with the right checksum."""
        return not self._left if self._unpacker is None else self._unpacker.eof


def find_array(content: bytes, name: str) -> Array | None:
    """Find the first array with a name in a MATLAB file.

    Raises:
        NotImplementedError: it is a file of MATLAB 7.3.
        ValueError: it is no complete MATLAB 5 file, up to that array.
        zlib.error: it is damaged.
    """
    order = _read_order(content)
    left = memoryview(content)[HEADER:]
    while left:
        kind, size, _ = _read_tag(Element(left[:8]), order)
        if kind not in (_MATRIX, _PACKED) or 8 + size > len(left):
            raise ValueError("something in it is no whole array")
        start = 8 if kind == _PACKED else 0  # what is packed has a tag of its own
        array = _describe(Element(left[start : 8 + size], is_packed=kind == _PACKED), order, name)
        if array is not None:
            return array
        left = left[8 + size :]
    return None


def _read_order(content: bytes) -> Order:
    """Return the order of bytes in a MATLAB 5 file, as its header says.

    Raises:
        NotImplementedError: it is a file of MATLAB 7.3.
        ValueError: it is no MATLAB 5 file.
    """
    orders: dict[bytes, Order] = {b"IM": "little", b"MI": "big"}
    order = orders.get(content[126:HEADER])
    if order is None:
        raise ValueError("it has no header of MATLAB 5")
    version = int.from_bytes(content[124:126], order) >> 8
    if version == 2:
        raise NotImplementedError
    if version != 1:
        raise ValueError(f"its header gives version {version}")
    return order


def _describe(element: Element, order: Order, name: str) -> Array | None:
    """Read the description of an array; return None if it has another name."""
    if _read_tag(element, order)[0] != _MATRIX:
        raise ValueError("something that is no array is packed in it")
    flags = int.from_bytes(_read_part(element, order, _UINT32)[:4], order)
    category = flags & 0xFF
    if category == _OPAQUE:
        return None
    shape = np.frombuffer(_read_part(element, order, _INT32, _UINT32), "<i4" if order == "little" else ">i4")
    if _read_part(element, order, _INT8, _UTF8) != name.encode():
        return None
    sizes = tuple(shape.tolist())
    if category in _OTHERS:
        return Array(_OTHERS[category], sizes, element)
    kind, size, padding = _read_tag(element, order)
    if category not in _NUMBERS or kind not in _STORED:
        raise ValueError(f"an array has the unknown class {category} or type {kind}")
    stored = f"complex {_STORED[kind]}" if flags & _COMPLEX else _STORED[kind]
    return Array(stored, sizes, element, size, padding)


def _read_part(element: Element, order: Order, *kinds: int) -> bytes:
    """Read a short data element within an array."""
    kind, size, padding = _read_tag(element, order)
    if kind not in kinds or size > LONGEST:
        raise ValueError(f"an array is described by {size:,} bytes of type {kind}")
    found = element.read(size)
    element.read(padding)
    return found


def _read_tag(element: Element, order: Order) -> tuple[int, int, int]:
    """Read the type and the size of a data element, and the size of its padding."""
    first = int.from_bytes(element.read(4), order)
    kind, size = first & 0xFFFF, first >> 16
    if size > 4:
        raise ValueError(f"{size:,} bytes do not fit into four")
    if size:  # packed with its tag into eight bytes
        return kind, size, 4 - size
    size = int.from_bytes(element.read(4), order)
    return kind, size, -size % 8
