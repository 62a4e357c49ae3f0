"""Files in a result folder count only as they were written: any change is named, and is in no table."""

import json
import os
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dis_bench.errors import InputError
from dis_bench.records.anchors import read_anchors
from dis_bench.records.codes import read_codes
from dis_bench.records.kept import read_file
from dis_bench.records.record import read_newest, read_records, write_record
from dis_bench.records.schema import Damaged
from dis_bench.records.seal import KEPT, read_kept, read_record, read_regular, seal
from dis_bench.records.table import read_results
from dis_bench.reports.curves import read_curve
from dis_bench.reports.figures.pictures import find_pictures
from tests.records.kept_store import JSON, first_anchor, first_cell, paths_in, replace_at


@contextmanager
def replaced(path, content):
    """Replace the content of a file during a block."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def flip(path, position, change):
    """Return a file's content with one changed byte."""
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= change
    return bytes(content)


def rows_of(root):
    """Return each line of the table, and the warnings about records that are left out."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        table = read_results(root)
    return {tuple(map(str, row)) for row in table.to_numpy()}, [str(warning.message) for warning in told]


def check_named_or_equal(root, path, content):
    """Check that a changed record is either named and left out, or equal to the original."""
    before, _ = rows_of(root)
    with replaced(path, content):
        after, told = rows_of(root)
    if told:
        assert after < before
        assert len(told) == len(before) - len(after) == 1
        assert str(path) in told[0]
    else:
        assert after == before


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_record_with_another_value_is_named(whole, data):
    path = first_cell(whole) / "record.json"
    record = json.loads(path.read_text())
    at = data.draw(st.sampled_from(paths_in(record)), "path")
    new = data.draw(JSON, "value")
    check_named_or_equal(whole, path, json.dumps(replace_at(record, at, new)).encode())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_record_with_another_byte_is_named(whole, position, change):
    path = first_cell(whole) / "record.json"
    check_named_or_equal(whole, path, flip(path, position, change))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_an_anchor_with_another_byte_is_named(whole, position, change):
    path, before = first_anchor(whole), read_anchors(whole)
    with replaced(path, flip(path, position, change)):
        anchors, problems = read_anchors(whole)
    assert (anchors, problems) == before or (anchors == [] and str(path) in problems[0])


READERS = {
    "codes.npz": lambda folder, problems: read_codes(folder),
    "pictures.npz": find_pictures,
    "training.csv": read_curve,
    "weights.safetensors": lambda folder, problems: read_file(folder, "weights.safetensors"),
}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KEPT), st.integers(0, 10**6), st.integers(1, 255))
def test_a_kept_file_with_another_byte_is_named(whole, name, position, change):
    path, problems = first_cell(whole) / name, []
    with replaced(path, flip(path, position, change)):
        try:
            assert READERS[name](path.parent, problems) is None
        except Damaged as error:
            problems.append(str(error))
    [problem] = problems
    assert "has changed since it was written" in problem


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_file_comes_back_and_one_that_is_gone_does_not(store, name):
    folder = first_cell(store)
    content = (folder / name).read_bytes()
    assert read_file(folder, name) == content
    assert READERS[name](folder, []) is not None
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError):
        read_file(folder, name)


@pytest.mark.parametrize("name", KEPT)
def test_a_file_that_the_record_does_not_list_is_not_read(store, name):
    folder = first_cell(store)
    record = read_record(folder / "record.json")
    del record["files"][name]
    with pytest.raises(Damaged, match="does not list it"):
        read_kept(folder, record, name)
    (folder / "record.json").unlink()
    with pytest.raises(Damaged, match="no record beside it"):
        read_file(folder, name)


def test_a_further_record_does_not_vouch_for_files_that_changed(store):
    folder = first_cell(store)
    record = read_record(folder / "record.json")
    (folder / "codes.npz").write_bytes(b"changed")
    write_record(folder, {**record, "scores": {}, "protocol": {}})
    assert read_newest(folder, [])["scores"] == {}
    with pytest.raises(Damaged, match="has changed since it was written"):
        read_codes(folder)


def make_fifo(path):
    os.mkfifo(path)


def make_device(path):
    path.symlink_to("/dev/zero")


def make_terminal(path):
    path.symlink_to("/dev/tty")


def make_loop(path):
    path.symlink_to(path.name)


def make_dangling(path):
    path.symlink_to("nowhere")


def make_folder(path):
    path.mkdir()


def make_huge(path):
    with open(path, "wb") as file:
        file.truncate(1 << 40)


def make_zeros(path):
    path.write_bytes(b"\0" * 3000)


def make_nothing(path):
    path.write_bytes(b"")


STRANGE = [
    make_fifo,
    make_device,
    make_terminal,
    make_loop,
    make_dangling,
    make_folder,
    make_huge,
    make_zeros,
    make_nothing,
]


@pytest.mark.parametrize("make", STRANGE)
@pytest.mark.parametrize("name", ["record.json", *KEPT])
def test_what_is_no_plain_file_of_ours_is_named_at_once(store, make, name):
    folder = first_cell(store)
    (folder / name).unlink()
    make(folder / name)
    if name == "record.json":
        records, [problem] = read_records(store)
        assert len(records) == 3
        assert f"{folder / name} cannot be read" in problem
    else:
        problems = []
        try:
            assert READERS[name](folder, problems) is None
        except (Damaged, FileNotFoundError) as error:
            problems.append(str(error))
        assert len(problems) == 1


@pytest.mark.parametrize("make", STRANGE)
def test_an_anchor_that_is_no_plain_file_of_ours_is_named_at_once(store, make):
    path = first_anchor(store)
    path.unlink()
    make(path)
    anchors, [problem] = read_anchors(store)
    assert anchors == []
    assert f"{path} cannot be read" in problem


def test_a_file_is_never_read_beyond_its_limit(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    with pytest.raises(Damaged, match="5 bytes, more than the limit of 4"):
        read_regular(tmp_path / "file", 4)


def test_what_is_no_unicode_in_a_command_does_not_cost_the_record(store):
    folder = first_cell(store)
    record = {**read_record(folder / "record.json"), "command": "dis-bench run --out \udcff"}
    write_record(folder, record)
    problems = []
    assert read_newest(folder, problems)["command"] == "dis-bench run --out \\xff"
    assert problems == []


def test_no_record_is_written_with_a_number_that_is_not_finite(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        seal({"scores": {"mig": np.nan}}, tmp_path)


def test_every_record_damaged_is_an_error_with_the_first_reason(store):
    for path in store.glob("cells/*/record.json"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"no readable results: .*it is empty, as a power failure"):
        read_results(store)
