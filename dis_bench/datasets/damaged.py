"""Damage in archives: what their readers raise then, and the refusal for users."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dis_bench.errors import InputError, describe

# Errors of zipfile and tarfile about damage; encrypted members, and unknown packing, are a RuntimeError.
DAMAGED: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, ValueError, RuntimeError),
)


@contextmanager
def refusing_damage(path: Path, kind: str, *also: type[Exception]) -> Iterator[None]:
    """Refuse a damaged archive in a sentence, within a block that reads it.

    Args:
        path: the archive.
        kind: what it should be, such as ``tar``.
        also: errors about damage besides :data:`DAMAGED`.

    Raises:
        InputError: the archive is damaged, or the block refuses it.
    """
    damage: tuple[type[Exception], ...] = (*DAMAGED, *also)
    try:
        yield
    except InputError:  # which is a ValueError
        raise
    except damage as error:
        raise InputError(
            f"'{path}' is no complete {kind} file ({describe(error)}): get it again, or unpack it if it was "
            "packed once more."
        ) from None
