"""Merge result folders into one, without replacing anything in it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dis_bench.bars import bar
from dis_bench.errors import InputError
from dis_bench.records.anchors import FOLDER as ANCHORS
from dis_bench.records.checkpoint import NAME as CHECKPOINT
from dis_bench.records.claims import Claim, ClaimLost, find_work
from dis_bench.records.durable import sync_files, write_whole
from dis_bench.records.plans import FOLDER as PLANS
from dis_bench.records.plans import read_plan
from dis_bench.records.record import FILE as RECORD
from dis_bench.records.record import check_results, find_cells, list_records, read_newest
from dis_bench.records.schema import Damaged, Record, is_pending
from dis_bench.records.seal import digest_file, read_anchor, read_record
from dis_bench.records.store import NotPlaced, Store
from dis_bench.records.sweep import sweep_unfinished
from dis_bench.records.unreadable import is_readable


@dataclass
class Merged:
    """The outcome of a merge.

    Attributes:
        copied: names of the cells that were copied.
        present: number of cells that were there before, with the same content.
        unfinished: number of cells in the sources that are not trained or not scored yet, which stay there.
        problems: a sentence for each cell that was left out, with the reason, such as damage.
    """

    copied: list[str] = field(default_factory=list)
    present: int = 0
    unfinished: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    """A cell in a folder: its newest record, and the digests of all its records and files."""

    folder: Path
    record: Record
    content: Mapping[str, str]

    @property
    def rank(self) -> int:
        """Return 2 for a scored cell, 1 for one only trained, 0 for a failed one."""
        if self.record["status"] == "failed":
            return 0
        return 1 if is_pending(self.record) else 2

    def holds(self, other: _Found) -> bool:
        """Return True if it has everything that counts of another copy of the cell."""
        if self.rank != other.rank or self.rank < 2:
            return self.rank >= other.rank
        return self.content.items() >= other.content.items()


def merge(sources: Sequence[str | Path], out: str | Path) -> Merged:
    """Copy finished cells of result folders to another one, with anchors and plans.

    A cell of several folders has to be the same in all of them; a copy with more scores or files counts as
    the same. A failed cell gives way to a finished one, and to a checkpoint in the target; one in the target
    that has no scores yet, to one with scores. Everything is compared before anything is copied; what killed
    runs finished in the target is moved into place first.

    Args:
        sources: the folders to read, which do not change.
        out: the folder to copy to, which may hold results already; nothing in it is replaced.

    Raises:
        InputError: a folder does not exist or holds no results, or a cell differs between two of them.
        OSError: the target cannot be written, such as a full disk; cells that were copied stay.
    """
    merged = Merged()
    target = Store(out)
    roots = [_check_source(source, target.root) for source in sources]
    chosen = _find_copies(roots, merged)
    sweep_unfinished(target)
    problems: list[str] = []
    present = _read_cells(target.root, problems)
    if problems:
        raise InputError(
            f"the folder '{out}' has a cell that cannot be read, so that nothing was merged: {problems[0]}"
        )
    to_copy = {
        name: copies
        for name, copies in chosen.items()
        if name not in present or _adds(present[name], copies[0])
    }
    there = [present[name] for name in chosen if name not in to_copy]
    merged.present = len(there)
    target.check_writable()
    for name, copies in bar(to_copy.items(), desc="copying", unit="cell"):
        reasons = _copy_first(copies, present.get(name), target)
        merged.problems += reasons
        if len(reasons) < len(copies):
            merged.copied.append(name)
    for cell in bar(there, desc="comparing", unit="cell"):
        reason = _find_damage(cell)
        if reason:
            merged.problems.append(f"{cell.folder} stays as it is, but {reason}; remove it and merge again.")
    for root in roots:
        _copy_files(root / ANCHORS, target.root / ANCHORS, read_anchor)
        _copy_files(root / PLANS, target.root / PLANS, read_plan)
    return merged


def _find_copies(roots: Sequence[Path], merged: Merged) -> dict[str, list[_Found]]:
    """Find the cells of all sources by name, with equal copies; count the unfinished."""
    found: dict[str, list[_Found]] = defaultdict(list)
    unfinished: set[str] = set()
    for root in roots:
        unfinished |= find_work(root / "unfinished").keys()
        for name, cell in _read_cells(root, merged.problems).items():
            if is_pending(cell.record):
                unfinished.add(name)
            else:
                found[name].append(cell)
    merged.unfinished = len(unfinished - found.keys())
    return {name: _choose_copies(copies) for name, copies in found.items()}


def _check_source(source: str | Path, target: Path) -> Path:
    root = check_results("a result folder", source)
    if os.path.realpath(root) == os.path.realpath(target):
        raise InputError(f"'{root}' is merged and the folder to write to; give another one with --out.")
    return root


def _read_cells(root: Path, problems: list[str]) -> dict[str, _Found]:
    """Return the readable cells of a result folder by name."""
    found = {}
    for folder in find_cells(root):
        record = read_newest(folder, problems)
        if record is None:
            continue
        content = _digest_content(folder, record)
        if RECORD in content:
            found[folder.name] = _Found(folder, record, content)
        else:  # a copy with only a further record would be no cell
            problems.append(f"{folder} is left out: its {RECORD} cannot be read.")
    return found


def _digest_content(folder: Path, record: Record) -> dict[str, str]:
    """Return the digests of the records in a folder, and of the files that they list."""
    content = {name: digest for name, digest in record["files"].items() if (folder / name).exists()}
    for path in list_records(folder):
        try:
            content[path.name] = read_record(path)["digest"]
        except (Damaged, FileNotFoundError):
            continue
    return content


def _choose_copies(copies: Sequence[_Found]) -> list[_Found]:
    """Return the copies of a cell that have everything, in any order of all.

    Raises:
        InputError: no copy has all that the others have.
    """
    for best in copies:
        if all(best.holds(other) for other in copies):
            return [best, *(one for one in copies if one is not best and one.content == best.content)]
    one, other = next(
        pair
        for pair in itertools.combinations(copies, 2)
        if not (pair[0].holds(pair[1]) or pair[1].holds(pair[0]))
    )
    raise InputError(
        f"'{one.folder}' and '{other.folder}' are the same cell with different content "
        f"({_describe_difference(one, other)}), so that nothing was merged; remove one of the two."
    )


def _adds(present: _Found, new: _Found) -> bool:
    """Return True if a cell that is there already has to be copied nevertheless.

    Raises:
        InputError: it has another content than the one that is there.
    """
    if _choose_copies([present, new])[0] is present:
        return False
    if present.rank < new.rank:  # it moves to superseded/, as in a run
        return True
    raise InputError(
        f"'{present.folder}' lacks what '{new.folder}' has ({_describe_difference(present, new)}), and is "
        "not replaced, so that nothing was merged; give a new --out, and merge this folder into it too."
    )


def _describe_difference(one: _Found, other: _Found) -> str:
    names = sorted(
        name for name in {*one.content, *other.content} if one.content.get(name) != other.content.get(name)
    )
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 2 else " and ".join(names)


def _copy_first(copies: list[_Found], before: _Found | None, target: Store) -> list[str]:
    """Copy the first intact one of equal copies; return a sentence for each before it."""
    reasons: list[str] = []
    for cell in copies:
        reason = _copy_cell(cell, before, target)
        if not reason:
            break
        reasons.append(f"{cell.folder} is left out: {reason}.")
    return reasons


def _find_damage(cell: _Found) -> str:
    """Return which of a cell's files is not what its record says, or an empty text."""
    for name, digest in cell.content.items():
        try:
            if not name.startswith("record") and digest_file(cell.folder / name) != digest:
                return f"its {name} has changed since it was written"
        except OSError as error:
            return f"its {name} cannot be read ({error.strerror})"
    return ""


def _copy_cell(cell: _Found, before: _Found | None, target: Store) -> str:
    """Copy a cell; return the reason why it was not copied, or an empty text.

    Args:
        cell: the cell to copy.
        before: the cell in the target when the two were compared.
        target: the results to copy to.

    Raises:
        InputError: another process has claimed the cell in the target.
    """
    name = cell.folder.name
    try:
        claim = target.claim_folder(name)
        if claim is None:
            raise InputError(
                f"a run is at work on '{name}' in '{target.root}'; merge again when it has ended."
            )
        with claim:
            reason = _find_obstacle(cell, before, claim, target) or _fill(cell, claim)
            if reason:
                claim.clear()  # a checkpoint stays
                return reason
            target.place(claim, name)
    except NotPlaced as error:
        return str(error)
    except ClaimLost:
        return f"another process is at work on it in '{target.root}'; merge again when it has ended"
    return ""


def _find_obstacle(cell: _Found, before: _Found | None, claim: Claim, target: Store) -> str:
    """Return the reason to keep what the target has of a cell, or an empty text."""
    now = read_newest(target.cells / cell.folder.name, [])
    if (now and now["digest"]) != (before and before.record["digest"]):
        return f"a run has written it to '{target.root}' in the meantime; merge again"
    if cell.record["status"] == "failed" and (claim.folder / CHECKPOINT).exists():
        return f"it has failed, and its training in '{target.root}' can go on from a checkpoint"
    return ""


def _fill(cell: _Found, claim: Claim) -> str:
    """Copy a cell's records and files into the folder of a claim, and check them.

    The first record gets its name at the end: with it, others take the cell for finished.
    """
    half = claim.folder / f".{RECORD}"
    for name, digest in cell.content.items():
        copy = half if name == RECORD else claim.folder / name
        try:
            shutil.copy2(cell.folder / name, copy)
        except shutil.SpecialFileError:
            return f"{name} is no regular file"
        except OSError as error:  # from the disk, it may name both files
            if error.filename2 is None and str(error.filename) == str(cell.folder / name):
                return f"{name} cannot be read ({error.strerror})"
            raise OSError(error.errno, error.strerror or str(error), str(copy)) from error
        written = (
            json.loads(copy.read_text("utf-8"))["digest"] if name.startswith("record") else digest_file(copy)
        )
        if written != digest:
            return f"{name} has changed since it was written"
    sync_files(claim.folder)
    if half.exists():
        os.rename(half, claim.folder / RECORD)
    return ""


def _copy_files(source: Path, target: Path, read: Callable[[Path], Any]) -> None:
    """Copy valid files that the target lacks; names are hashes of their content."""
    for path in sorted(source.glob("*.json")):
        if not (target / path.name).exists() and is_readable(read, path):
            write_whole(target / path.name, path.read_bytes())
