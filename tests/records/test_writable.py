"""Operations that a file system lacks are reported before anything is trained."""

import errno
import os
from pathlib import Path

import pytest

from dis_bench.errors import InputError
from dis_bench.records import writable
from dis_bench.records.store import Store
from dis_bench.runners.run import run_study
from tests.runners.test_run import TINY


def refuse(code, when=lambda *given: True, function=None):
    def refusing(*given, **options):
        if when(*given):
            raise OSError(code, os.strerror(code))
        return function(*given, **options)

    return refusing


def is_folder(old, new):
    return Path(old).is_dir()


def write_over(path, content):
    path.write_bytes(content)


REFUSALS = {
    "make folders": (os, "mkdir", refuse(errno.EROFS)),
    "write a file": (writable, "write_new", refuse(errno.EPERM)),
    "replace a file by renaming another": (os, "replace", refuse(errno.ENOTSUP)),
    "move a folder from 'unfinished' to 'cells'": (os, "rename", refuse(errno.EXDEV, is_folder, os.rename)),
    "replaced a file that should not be replaced": (writable, "write_new", write_over),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_is_refused_is_said_before_anything_is_trained(what, tmp_path, monkeypatch):
    monkeypatch.setattr(*REFUSALS[what])
    monkeypatch.setattr("dis_bench.runners.run.build_pipeline", None)  # a training would call it
    with pytest.raises(InputError) as caught:
        run_study(TINY, tmp_path, workers=0)
    assert what in str(caught.value)
    assert "cannot be written" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "/".join(["y" * 200] * 30)])
def test_a_path_that_cannot_be_is_said(name, tmp_path):
    with pytest.raises(InputError, match=r"cannot make folders|is too long: names may have|holds a NUL"):
        Store(tmp_path / name).check_writable()


@pytest.mark.parametrize("name", ["cells", "cells/tiny-pca-seed0-0123456789ab"])
def test_no_result_folder_is_made_within_another(name, tmp_path):
    cell = tmp_path / "cells" / "tiny-pca-seed0-0123456789ab"
    cell.mkdir(parents=True)
    (cell / "record.json").touch()
    with pytest.raises(InputError, match="is a part of another result folder"):
        Store(tmp_path / name).check_writable()
    assert [*tmp_path.rglob("*")] == [cell.parent, cell, cell / "record.json"]
    Store(tmp_path).check_writable()


def test_nothing_is_left_of_the_trial(tmp_path):
    Store(tmp_path).check_writable()
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "cells", tmp_path / "unfinished"]


@pytest.mark.parametrize("lacking", ["link", "symlink", "chmod", "fchmod", "chown"])
def test_what_is_not_needed_is_not_asked_for(lacking, tmp_path, monkeypatch):
    monkeypatch.setattr(os, lacking, refuse(errno.EPERM))
    Store(tmp_path).check_writable()
