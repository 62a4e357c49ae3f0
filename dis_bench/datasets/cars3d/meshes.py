"""Reader of Cars3D's archive: a packed tar file with a MATLAB file for each car."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dis_bench.datasets.cars3d.matlab import find_array
from dis_bench.datasets.tars import stream_files
from dis_bench.errors import InputError, describe, shown

_MESH = re.compile(r"(?:\./)?(?:data/)?cars/([^/]+)\.mat")
_LIST = re.compile(r"(?:\./)?(?:data/)?cars/list\.txt")
LARGEST = 1 << 26  # bytes of a file in the archive; those of the authors have about 2 MB


def _is_ours(name: str) -> bool:
    return bool(_MESH.fullmatch(name) or _LIST.fullmatch(name))


def list_cars(path: Path) -> list[str]:
    """List the cars in the order of list.txt, or sorted if there is none.

    Raises:
        InputError: the archive is damaged or no tar file, a car is there twice or is no regular file, or
            list.txt names others.
    """
    names, listed = [], None
    for member, content in stream_files(path, _is_ours, LARGEST):
        mesh = _MESH.fullmatch(member)
        if mesh:
            names.append(mesh[1])
        else:
            listed = content.decode("utf-8", "replace").split()
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise InputError(f"'{path}' has {shown(double[0] + '.mat')} twice: get it again.")
    if listed is None:
        return sorted(names)
    listed = [name.removesuffix(".mat") for name in listed]
    if sorted(listed) != sorted(names):
        odd = sorted({*listed} ^ {*names})
        raise InputError(
            f"'{path}' must have a file for each car of its list.txt, but they differ in "
            f"{shown(odd[0]) if odd else 'a car that is listed twice'}."
        )
    return listed


def read_cars(path: Path, shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the images of each car, in the order of the archive.

    Args:
        path: the archive.
        shape: the shape of the images: (H, W, C, azimuths, elevations).

    Raises:
        InputError: the archive or a file in it is damaged, or holds other arrays.
    """
    for member, content in stream_files(path, _is_ours, LARGEST):
        mesh = _MESH.fullmatch(member)
        if mesh:
            yield mesh[1], _read_mesh(f"{mesh[1]}.mat in '{path}'", content, shape)


def _read_mesh(what: str, content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    try:
        found = find_array(content, "im")
        if found is not None and (found.kind, found.shape) == ("uint8", shape):
            return found.read()
    except NotImplementedError:
        raise InputError(f"{what} is a MATLAB 7.3 file, while the authors' are of MATLAB 5.") from None
    except (ValueError, zlib.error) as error:
        raise InputError(f"{what} is no complete MATLAB file ({describe(error)}): get it again.") from None
    has = "no 'im'" if found is None else f"{found.kind} {list(found.shape)} as 'im'"
    raise InputError(f"{what} holds {has} instead of uint8 {list(shape)}.")
