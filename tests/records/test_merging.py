"""Merged folders have every cell once; nothing is replaced, and what differs is refused."""

import errno
import hashlib
import itertools
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.records.claims import Claim, claim
from dis_bench.records.merging import merge
from dis_bench.records.record import read_newest, read_records, write_record
from dis_bench.records.schema import PENDING
from dis_bench.records.seal import sign
from dis_bench.records.store import Store
from dis_bench.records.table import read_results
from tests.records.kept_store import first_cell
from tests.runners.abandoned import DEAD, abandon, leftovers


def contents(root):
    return {
        path.relative_to(root): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.parent.name != "unfinished"
    }


def split(store, tmp_path):
    """Return two folders that have three of four cells each, two of them in common."""
    parts = []
    for number in range(2):
        part = tmp_path / f"part {number}"
        shutil.copytree(store, part)
        shutil.rmtree(sorted((part / "cells").iterdir())[3 * number])
        parts.append(part)
    return parts


def add_score(folder, value):
    record = read_newest(folder, [])
    del record["folder"]
    write_record(folder, {**record, "scores": {**record["scores"], "mig": value}})


def test_parts_become_the_whole(store, tmp_path):
    parts = split(store, tmp_path)
    before = [contents(part) for part in parts]
    merged = merge(parts, tmp_path / "out")
    assert sorted(merged.copied) == sorted(path.name for path in (store / "cells").iterdir())
    assert merged.problems == []
    assert contents(tmp_path / "out") == contents(store)
    assert [contents(part) for part in parts] == before
    assert list((tmp_path / "out" / "unfinished").iterdir()) == []
    table = read_results(tmp_path / "out").drop(columns="folder")
    assert table.equals(read_results(store).drop(columns="folder"))


def test_merging_again_copies_only_what_is_new(store, tmp_path):
    one, other = split(store, tmp_path)
    assert len(merge([one], tmp_path / "out").copied) == 3
    before = contents(tmp_path / "out")
    merged = merge([one, other], tmp_path / "out")
    assert (len(merged.copied), merged.present) == (1, 3)
    after = contents(tmp_path / "out")
    assert {path: after[path] for path in before} == before


def test_the_same_cell_with_another_content_is_refused_before_anything_is_copied(store, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for part, value in [(one, 0.5), (other, 0.6)]:
        shutil.copytree(store, part)
        add_score(first_cell(part), value)
    with pytest.raises(InputError, match=r"are the same cell with different content \(record.2.json\)"):
        merge([one, other], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    merge([one], tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(InputError, match="are the same cell with different content"):
        merge([other], tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_the_copy_with_more_scores_counts(store, tmp_path):
    more = shutil.copytree(store, tmp_path / "more")
    add_score(first_cell(more), 0.5)
    merge([store, more], tmp_path / "out")
    assert contents(tmp_path / "out") == contents(more)
    merge([store], tmp_path / "out")  # has nothing that is lacking
    assert contents(tmp_path / "out") == contents(more)
    merge([store], tmp_path / "first")
    with pytest.raises(InputError, match=r"lacks what .* has \(record.2.json\), and is not replaced"):
        merge([more], tmp_path / "first")
    assert contents(tmp_path / "first") == contents(store)


@pytest.fixture
def failed(store, tmp_path):
    """Return a copy of the results in which the first cell has failed."""
    failed = shutil.copytree(store, tmp_path / "failed")
    folder = first_cell(failed)
    record = read_newest(folder, [])
    del record["folder"], record["files"]
    write_record(folder, {**record, "status": "failed", "failure": {"reason": "x"}}, replace=True)
    return failed


def test_a_failed_cell_gives_way_and_is_kept(failed, store, tmp_path):
    folder = first_cell(failed)
    merge([failed], tmp_path / "out")
    assert read_newest(first_cell(tmp_path / "out"), [])["status"] == "failed"
    assert merge([failed, store], tmp_path / "out").copied == [folder.name]
    assert {record["status"] for record in read_records(tmp_path / "out")[0]} == {"done"}
    assert len(list((tmp_path / "out" / "superseded").iterdir())) == 1
    assert merge([failed], tmp_path / "out").copied == []


@pytest.mark.parametrize("damage", ["record", "codes.npz"])
def test_a_damaged_cell_is_named_and_left_out(damage, store, tmp_path, capsys):
    folder = first_cell(store)
    if damage == "record":
        record = json.loads((folder / "record.json").read_text())
        (folder / "record.json").write_text(json.dumps({**record, "command": "other"}))
    else:
        (folder / damage).write_bytes(b"other")
    assert main(["merge", str(store), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("3 cells copied to ")
    assert folder.name in said.err
    assert len(list((tmp_path / "out" / "cells").iterdir())) == 3
    assert list((tmp_path / "out" / "unfinished").iterdir()) == []


def test_cells_whose_weights_were_pruned_are_whole(store, tmp_path):
    pruned = shutil.copytree(store, tmp_path / "pruned")
    for path in pruned.glob("cells/*/weights.*"):
        path.unlink()
    merge([pruned, store], tmp_path / "out")
    assert contents(tmp_path / "out") == contents(store)


@pytest.mark.parametrize("order", [*itertools.permutations(["pruned", "scored", "both"])])
def test_a_copy_that_holds_all_others_counts_in_any_order(order, store, tmp_path):
    copies = {name: shutil.copytree(store, tmp_path / name) for name in order}
    for name in ("scored", "both"):
        add_score(first_cell(copies[name]), 0.5)
    (first_cell(copies["pruned"]) / "weights.safetensors").unlink()
    shutil.copy2(first_cell(copies["scored"]) / "record.2.json", first_cell(copies["both"]) / "record.2.json")
    (first_cell(copies["scored"]) / "weights.safetensors").unlink()
    merge([copies[name] for name in order], tmp_path / "out")
    assert contents(tmp_path / "out") == contents(copies["both"])
    with pytest.raises(InputError, match="are the same cell with different content"):
        merge([store, copies["scored"]], tmp_path / "other")


@pytest.fixture
def pending(store, tmp_path):
    """Return a copy of the results in which the first cell is trained, but not scored."""
    pending = shutil.copytree(store, tmp_path / "pending")
    folder = first_cell(pending)
    record = read_newest(folder, [])
    unscored = dict.fromkeys(record["scores"], PENDING)
    for name in ("folder", "declared"):
        record.pop(name, None)
    write_record(folder, {**record, "scores": {}, "protocol": {}, "unscored": unscored}, replace=True)
    return pending


def test_a_cell_without_its_first_scores_stays_in_its_folder(pending, store, tmp_path, capsys):
    name = first_cell(pending).name
    assert main(["merge", str(pending), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("3 cells copied to ")
    assert said.endswith("1 unfinished cell stays where it is.\n")
    assert not (tmp_path / "out" / "cells" / name).exists()
    with claim(pending / "unfinished", name):  # a run scores it
        assert merge([pending, pending], tmp_path / "twice").unfinished == 1
    for number, parts in enumerate([(pending, store), (store, pending)]):
        assert merge(parts, tmp_path / f"both {number}").unfinished == 0
        assert contents(tmp_path / f"both {number}") == contents(store)


def test_a_cell_without_scores_in_the_target_gives_way_and_is_kept(pending, failed, store):
    before = contents(first_cell(pending))
    assert merge([failed], pending).copied == []  # a failure does not count beside a training
    assert merge([store], pending).copied == [first_cell(store).name]
    [old] = (pending / "superseded").iterdir()
    assert contents(old) == before
    assert contents(pending / "cells") == contents(store / "cells")


def test_folders_that_cannot_be_merged(store, tmp_path):
    with pytest.raises(InputError, match="is not a result folder"):
        merge([tmp_path / "none"], tmp_path / "out")
    with pytest.raises(InputError, match="is merged and the folder to write to"):
        merge([store], store)
    held = claim(tmp_path / "out" / "unfinished", first_cell(store).name)
    with pytest.raises(InputError, match="a run is at work on"):
        merge([store], tmp_path / "out")
    held.release()
    assert len(merge([store], tmp_path / "out").copied) == 4


def leave_checkpoint(out, name):
    """Leave the checkpoint of a cell that was stopped; return its path."""
    with claim(out / "unfinished", name) as stopped:
        (stopped.folder / "checkpoint.pt").write_bytes(b"hours")
    return out / "unfinished" / name / "checkpoint.pt"


def test_an_unfinished_cell_with_the_folders_of_two_owners_counts_once(store, tmp_path):
    checkpoint = leave_checkpoint(store, "dsprites-betavae-beta9-seed0-1a2b3c4d5e6f")
    killed = checkpoint.parent.with_name(f"owner.{DEAD}.{checkpoint.parent.name}")
    shutil.copytree(checkpoint.parent, killed)
    assert merge([store], tmp_path / "out").unfinished == 1
    shutil.rmtree(checkpoint.parent)
    assert merge([store], tmp_path / "out").unfinished == 1


def test_a_failed_cell_gives_way_to_a_checkpoint(failed, store, tmp_path):
    name = first_cell(failed).name
    checkpoint = leave_checkpoint(tmp_path / "out", name)
    merged = merge([failed], tmp_path / "out")
    assert len(merged.copied) == 3
    assert [problem.partition(": ")[2] for problem in merged.problems] == [
        f"it has failed, and its training in '{tmp_path / 'out'}' can go on from a checkpoint."
    ]
    assert checkpoint.read_bytes() == b"hours"
    assert merge([store], tmp_path / "out").copied == [name]
    assert not checkpoint.exists()


def test_what_was_finished_but_not_moved_in_the_target_counts(failed, store, tmp_path):
    name = first_cell(failed).name
    held = claim(tmp_path / "out" / "unfinished", name)
    shutil.copytree(first_cell(store), held.folder, dirs_exist_ok=True)
    held.release(keep=True)
    merged = merge([failed], tmp_path / "out")
    assert (len(merged.copied), merged.present) == (3, 1)
    assert read_newest(tmp_path / "out" / "cells" / name, [])["status"] == "done"
    assert not (tmp_path / "out" / "superseded").exists()


def test_a_damaged_copy_costs_no_checkpoint(store, tmp_path):
    folder = first_cell(store)
    (folder / "codes.npz").write_bytes(b"other")
    checkpoint = leave_checkpoint(tmp_path / "out", folder.name)
    assert len(merge([store], tmp_path / "out").problems) == 1
    assert [path.name for path in checkpoint.parent.iterdir()] == ["checkpoint.pt"]


def test_a_cell_that_a_run_finishes_meanwhile_is_left_alone(store, tmp_path, monkeypatch):
    out, folder = tmp_path / "out", first_cell(store)

    def finish(store):  # after the comparison
        shutil.copytree(folder, out / "cells" / folder.name)
        add_score(out / "cells" / folder.name, 0.5)

    monkeypatch.setattr(Store, "check_writable", finish)
    merged = merge([store], out)
    assert merged.problems == [
        f"{folder} is left out: a run has written it to '{out}' in the meantime; merge again."
    ]
    assert read_newest(out / "cells" / folder.name, [])["scores"]["mig"] == 0.5
    assert not (out / "superseded").exists()


class Killed(BaseException):
    """A stand-in for a kill, after which nothing is cleaned up."""


@pytest.mark.parametrize("number", range(12))
def test_a_kill_in_a_merge_blocks_no_later_one(number, store, tmp_path, monkeypatch):
    add_score(first_cell(store), 0.5)
    copy, calls = shutil.copy2, []

    def dying(source, target):
        calls.append(source)
        if len(calls) > number:
            Path(target).write_bytes(source.read_bytes()[:-5])
            raise Killed
        return copy(source, target)

    out = Store(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", dying)
        patch.setattr(Claim, "release", lambda claim, keep=None: None)
        with pytest.raises(Killed):
            merge([store], out.root)
    abandon(out)
    assert merge([store], out.root).problems == []
    assert contents(out.root) == contents(store)
    assert leftovers(out) == []


@pytest.mark.parametrize(
    ("code", "where", "said"),
    [
        (
            errno.ENOSPC,
            "both",
            r"stopped: No space left on device \('.*out/unfinished/.*'\); once there is space",
        ),
        (errno.EACCES, "source", r"codes.npz cannot be read \(Permission denied\)\.$"),
    ],
)
def test_files_that_cannot_be_copied_are_said_in_a_sentence(
    code, where, said, store, tmp_path, monkeypatch, capsys
):
    copy, folder = shutil.copy2, first_cell(store)

    def refuse(source, target):
        if source == folder / "codes.npz":
            names = (str(source), None, str(target)) if where == "both" else (str(source),)
            raise OSError(code, os.strerror(code), *names)
        return copy(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", refuse)
        assert main(["merge", str(store), "--out", str(tmp_path / "out")]) == 1
    assert re.search(said, capsys.readouterr().err.strip())
    assert leftovers(Store(tmp_path / "out")) == []
    assert main(["merge", str(store), "--out", str(tmp_path / "out")]) == 0
    assert contents(tmp_path / "out") == contents(store)


def test_a_cell_that_cannot_be_moved_into_place_is_said_and_kept(store, tmp_path, monkeypatch, capsys):
    def refuse(results, folder, name, recovered):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_move", refuse)
        assert main(["merge", str(store), "--out", str(tmp_path / "out")]) == 1
    assert "could not be moved to" in capsys.readouterr().err
    assert merge([store], tmp_path / "out").present == 4
    assert contents(tmp_path / "out") == contents(store)


def test_damage_in_the_target_is_said(store, tmp_path):
    merge([store], tmp_path / "out")
    codes = first_cell(tmp_path / "out") / "codes.npz"
    codes.write_bytes(codes.read_bytes()[:-1])
    merged = merge([store], tmp_path / "out")
    assert merged.present == 4
    [problem] = merged.problems
    assert re.search(r"stays as it is, but its codes.npz has changed since it was written; remove", problem)


def test_an_intact_copy_stands_in_for_a_damaged_one(store, tmp_path):
    shutil.copytree(store, tmp_path / "damaged")
    codes = first_cell(tmp_path / "damaged") / "codes.npz"
    codes.write_bytes(codes.read_bytes()[:-1])
    merged = merge([tmp_path / "damaged", store], tmp_path / "out")
    assert len(merged.copied) == 4
    [problem] = merged.problems
    assert problem.startswith(f"{codes.parent} is left out: codes.npz has changed")
    assert contents(tmp_path / "out") == contents(store)


def test_a_cell_without_its_first_record_is_left_out(store, tmp_path):
    shutil.copytree(store, tmp_path / "one")
    folder = first_cell(tmp_path / "one")
    add_score(folder, 0.5)
    (folder / "record.json").write_text("{}")
    merged = merge([tmp_path / "one"], tmp_path / "out")
    assert len(merged.copied) == 3
    assert merged.problems == [f"{folder} is left out: its record.json cannot be read."]


def test_a_record_that_names_a_file_elsewhere_overwrites_nothing(store, tmp_path):
    theirs, mine, precious = tmp_path / "down" / "theirs", tmp_path / "mine", tmp_path / "precious.txt"
    shutil.copytree(store, theirs)
    folder = first_cell(theirs)
    (folder / "../../../precious.txt").write_text("theirs")
    precious.write_text("mine")
    name = "../../../precious.txt"
    for path in folder.glob("record*.json"):
        record = {
            **json.loads(path.read_text("utf-8")),
            "files": {name: hashlib.sha256(b"theirs").hexdigest()},
        }
        path.write_text(json.dumps(sign(record)), "utf-8")
    merged = merge([theirs], mine)
    assert folder.name not in merged.copied
    assert any(folder.name in problem for problem in merged.problems)
    assert precious.read_text() == "mine"


def test_a_pipe_in_place_of_a_file_costs_its_cell_alone(store, tmp_path):
    theirs = tmp_path / "theirs"
    shutil.copytree(store, theirs)
    folder = first_cell(theirs)
    record = read_newest(folder, [])
    name = next(iter(record["files"]))
    (folder / name).unlink()
    os.mkfifo(folder / name)
    (theirs / "plans").mkdir(exist_ok=True)
    os.mkfifo(theirs / "plans" / "0123456789ab.json")
    merged = merge([theirs], tmp_path / "out")
    assert len(merged.copied) == len(list((store / "cells").iterdir())) - 1
    assert any(folder.name in problem and "no regular file" in problem for problem in merged.problems)
