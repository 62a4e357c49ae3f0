"""Publication of a report: its files are written whole, and no others are touched.

A list of the files (``report.json``) is stored beside them. Only listed files are replaced. Files that a new
report no longer has are removed, but only if they are unchanged since they were written.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

from dis_bench.errors import InputError, Option
from dis_bench.records.durable import remove_temporaries, write_whole
from dis_bench.records.seal import MOST_JSON, read_regular

LIST = "report.json"
_WRITTEN_BY = "dis-bench report"

_Listed = dict[str, set[str]]  # the digests that a file may have, by its name


def check_folder(folder: Path) -> None:
    """Check that :func:`publish` can use a folder, before time is spent on a report.

    Raises:
        InputError: it is a file, cannot be written, or contains an ``index.html`` that no report wrote.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"the report cannot be written to '{folder}', which is a file; give a folder, ",
            Option("out", "DIR"),
            ".",
        )
    above = next((one for one in (folder, *folder.parents) if os.path.exists(one)), Path())
    if not above.is_dir():
        raise _unwritable(folder, os.strerror(errno.ENOTDIR))
    if not os.access(above, os.W_OK | os.X_OK):
        raise _unwritable(folder, os.strerror(errno.EACCES))
    _refuse_foreign(folder, [LIST, "index.html"], _read_list(folder))


def publish(folder: Path, files: dict[str, bytes]) -> None:
    """Write files under a folder, each atomically, ``index.html`` last.

    Args:
        folder: created if missing.
        files: content by relative path.

    Raises:
        InputError: the folder cannot be written, or contains a file of one of these names that no report
            wrote.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = _read_list(folder)
        _refuse_foreign(folder, [LIST, *files], before)
        now = {name: {hashlib.sha256(content).hexdigest()} for name, content in files.items()}
        # The list is written first: a report that is killed halfway must still know its files, old and new.
        either = {name: before.get(name, set()) | now.get(name, set()) for name in before | now}
        write_whole(folder / LIST, _list(either))
        for name in sorted(files, key=lambda name: name == "index.html"):
            write_whole(folder / name, files[name])
        for written in {(folder / name).parent for name in files}:
            remove_temporaries(written)
        _remove_stale(folder, {name: digests for name, digests in before.items() if name not in now})
        write_whole(folder / LIST, _list(now))
    except OSError as error:
        raise _unwritable(folder, error.strerror) from None


def _unwritable(folder: Path, reason: str | None) -> InputError:
    return InputError(
        f"the report cannot be written to '{folder}' ({reason}); give another folder, ",
        Option("out", "DIR"),
        ".",
    )


def _refuse_foreign(folder: Path, names: list[str], before: _Listed) -> None:
    foreign = [name for name in names if (folder / name).exists() and name not in before]
    if foreign:
        raise InputError(
            f"'{folder / foreign[0]}' was not written by `dis-bench report` and is left alone; "
            "give another folder, ",
            Option("out", "DIR"),
            ".",
        )


def _read_list(folder: Path) -> _Listed:
    """Return the digests of the last report's files by name, including the list.

    A file has two if a report was killed, which may or may not have replaced it.
    """
    try:
        content = json.loads(read_regular(folder / LIST, MOST_JSON))
        if content["written_by"] != _WRITTEN_BY:
            return {}
        listed = {str(name): set(str(digests).split()) for name, digests in content["files"].items()}
        return {LIST: set(), **listed}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _list(files: _Listed) -> bytes:
    listed = {name: " ".join(sorted(digests)) for name, digests in sorted(files.items()) if name != LIST}
    return (json.dumps({"written_by": _WRITTEN_BY, "files": listed}, indent=1) + "\n").encode()


def _remove_stale(folder: Path, stale: _Listed) -> None:
    for name, digests in stale.items():
        path = (folder / name).resolve()
        inside = path.is_relative_to(folder.resolve())  # anybody may have edited the list
        if inside and path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() in digests:
            path.unlink()
