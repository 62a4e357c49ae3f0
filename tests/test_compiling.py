"""Compiled functions with a cache, without one, and with one that breaks."""

import importlib.util
import itertools
import subprocess
import sys

import pytest
from numba.core import caching

NAMES = itertools.count()
SOURCE = """
from dis_bench.compiling import compiled

@compiled(nogil=True)
def double(number):
    return 2 * number
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that imports a file anew on each call, as a new process would."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    (tmp_path / "source.py").write_text(SOURCE, "utf-8")

    def load():
        spec = importlib.util.spec_from_file_location(f"compiled_{next(NAMES)}", tmp_path / "source.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.double

    return load


def kept(folder):
    return sorted(folder.rglob("*.nb?"))


def test_code_is_kept_and_read_again(load, tmp_path):
    assert load()(4) == 8
    assert [path.suffix for path in kept(tmp_path)] == [".nbc", ".nbi"]
    again = load()
    assert again(5) == 10
    assert sum(again.stats.cache_hits.values()) == 1


def test_no_folder_to_keep_it_in(load, monkeypatch, tmp_path):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert load()(4) == 8
    assert kept(tmp_path) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(), EOFError()])
@pytest.mark.parametrize("method", ["save", "load"])
def test_a_folder_that_fails_later(load, monkeypatch, method, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(caching.IndexDataCacheFile, method, fail)
    assert load()(4) == 8


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_damaged_file(load, tmp_path, content):
    load()(4)
    for path in kept(tmp_path):
        path.write_bytes(path.read_bytes()[:50] if content is None else content)
    assert load()(6) == 12


def test_a_path_that_is_not_utf8(load, monkeypatch, tmp_path):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "r\udce9s"))
    assert load()(4) == 8


def test_the_switch_for_no_compiling(load, monkeypatch):
    monkeypatch.setattr("numba.core.config.DISABLE_JIT", True)
    assert load()(4) == 8


INNER = """
from numba import njit

@njit
def number():
    return {number}
"""
OUTER = """
from dis_bench.compiling import compiled

import inner

@compiled(inlines=[inner.__file__])
def number():
    return inner.number()

print(number(), sum(number.stats.cache_hits.values()))
"""


def test_code_is_compiled_anew_when_a_file_changes_that_it_contains(tmp_path):
    (tmp_path / "outer.py").write_text(OUTER, "utf-8")
    printed = []
    for number in (22, 33, 33):
        (tmp_path / "inner.py").write_text(INNER.format(number=number), "utf-8")
        command = [sys.executable, "-B", "outer.py"]  # no bytecode: inner.py changes within a second
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        printed.append(done.stdout.split())
    assert printed == [["22", "0"], ["33", "0"], ["33", "1"]]
