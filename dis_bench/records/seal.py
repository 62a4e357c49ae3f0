"""Seals: digests that show that records, anchors and the files beside them are unchanged.

A digest detects damage and edits. It is not a signature: anyone who edits a record can seal it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from dis_bench.records.along import list_code_files
from dis_bench.records.checks.anchor import check_anchor
from dis_bench.records.checks.record import check_record
from dis_bench.records.checks.version import check_version
from dis_bench.records.schema import Damaged, KeptFiles

KEPT = tuple(KeptFiles.__annotations__)

# Sizes beyond which a file is not read; the files of a cell have a few megabytes.
MOST_JSON = 1 << 24
MOST_BYTES = 1 << 30


def seal(record: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a record with the digests of the files beside it, and of itself.

    A record that follows another one of the same cell inherits the digests of its files: computing them again
    would accept files that have changed since.

    Args:
        record: the record to write.
        folder: folder of the files that belong to it.

    Raises:
        ValueError: a number is not finite.
    """
    files = record.get("files")
    if files is None:
        files = digest_kept(folder)
    return sign({**record, "files": files})


def digest_kept(folder: Path, without: Collection[str] = ()) -> dict[str, str]:
    """Compute the digests of the files that a cell keeps.

    Args:
        folder: folder of the cell.
        without: names of files that it will not keep.
    """
    names = [name for name in (*KEPT, *sorted(list_code_files(folder))) if name not in without]
    return {name: digest_file(folder / name) for name in names if (folder / name).is_file()}


def sign(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record or an anchor with its own digest.

    Raises:
        ValueError: a number is not finite.
    """
    unsigned = {name: each for name, each in value.items() if name != "digest"}
    text = json.dumps(unsigned, ensure_ascii=False, allow_nan=False)
    # Bytes of the command line that are not UTF-8 become question marks, as no reader could decode them.
    plain = json.loads(text.encode("utf-8", "replace"))
    return {**plain, "digest": _digest(plain)}


def digest_file(path: Path) -> str:
    """Compute the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_record(path: Path, *, anywhere: bool = False) -> dict[str, Any]:
    """Read a record of the cell whose folder it is in.

    Args:
        path: path of the record.
        anywhere: accept a folder of any name, such as that of an export.

    Raises:
        Damaged: it has changed since it was written, or belongs to another cell.
        FileNotFoundError: there is no such file.
    """
    record = read_signed(path, "record")
    check_record(record, f"-{record.get('hash')}" if anywhere else path.parent.name)
    return record


def read_anchor(path: Path) -> dict[str, Any]:
    """Read an anchor.

    Raises:
        Damaged: it has changed since it was written.
        FileNotFoundError: there is no such file.
    """
    anchor = read_signed(path, "anchor")
    check_anchor(anchor, path.stem)
    return anchor


def read_signed(path: Path, kind: str) -> dict[str, Any]:
    """Read a file that was signed, without checking its content.

    Args:
        path: the file.
        kind: what it is, for messages: a record, an anchor or a plan.

    Raises:
        Damaged: it has changed since it was written.
        FileNotFoundError: there is no such file.
    """
    content = read_regular(path, MOST_JSON)
    if not content:
        raise Damaged("it is empty, as a power failure leaves a file")
    try:
        value = json.loads(content.decode())
        check_version(value, kind)
        fits = value.get("digest") == _digest({name: value[name] for name in value if name != "digest"})
    except Damaged:
        raise
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{type(error).__name__}: {error}") from None
    if not fits:
        raise Damaged(f"it has changed since it was written: its digest does not match this {kind}")
    return value


def read_kept(folder: Path, record: Mapping[str, Any], name: str) -> bytes:
    """Read a file beside a record, and check its digest.

    Args:
        folder: folder of the cell.
        record: a record of the cell, as :func:`read_record` returns it.
        name: one of :data:`KEPT`.

    Raises:
        Damaged: it has changed since it was written.
        FileNotFoundError: there is no such file.
    """
    content = read_regular(folder / name, MOST_BYTES)
    written = record["files"].get(name)
    if written is None:
        raise Damaged("its record does not list it")
    if hashlib.sha256(content).hexdigest() != written:
        raise Damaged("it has changed since it was written: its digest differs from the record's")
    return content


def read_regular(path: Path, most: int) -> bytes:
    """Read a regular file, without ever waiting for a pipe or a device.

    Raises:
        Damaged: it is not a regular file, is larger than ``most`` bytes, or cannot be read.
        FileNotFoundError: there is no such file.
    """
    try:
        _check_regular(path.stat(), most)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb") as file:
            _check_regular(os.fstat(file.fileno()), most)
            return file.read(most)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(f"{error.strerror or type(error).__name__}") from None


def _check_regular(status: os.stat_result, most: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Damaged("it is not a regular file")
    if status.st_size > most:
        raise Damaged(f"it has {status.st_size:,} bytes, more than the limit of {most:,}")


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def canonical(value: Any) -> bytes:
    """Return the canonical JSON text of a value, as UTF-8.

    Raises:
        ValueError: a number is not finite, or a text holds a lone surrogate.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()
