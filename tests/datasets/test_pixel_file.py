"""The unpacked pixels: written once, whole or not at all, and again when stale."""

import errno
import hashlib
import os
import threading

import numpy as np
import pytest

from dis_bench.datasets import pixel_file
from dis_bench.datasets.archives import Archive
from dis_bench.errors import InputError

RECORDS = np.random.default_rng(0).integers(0, 256, (10, 3, 4)).astype(np.uint8)
FILES = ["a.npz", "a.npz.pixels", "a.npz.pixels.verified", "a.npz.verified"]
ARCHIVE, SAME = (
    Archive("dsprites", "a.npz", (), {kind: hashlib.new(kind).hexdigest()}, "none")
    for kind in ("md5", "sha1")
)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"")
    return tmp_path / "a.npz"


def unpack(path, archive=ARCHIVE, records=RECORDS, calls=None):
    def blocks():
        if calls is not None:
            calls.append(threading.get_ident())
        yield records[:6]
        yield records[6:]

    return pixel_file.unpack_once(archive, path, records.shape[1:], len(records), blocks())


@pytest.mark.parametrize("index", [-1, 10])
def test_no_record_is_read_outside_of_the_file_s(path, index):
    with pytest.raises(InputError, match="indices must be from 0 to 9"):
        unpack(path).read(np.array([0, index]))


def test_records_come_back_by_index(path):
    pixels = unpack(path)
    assert np.array_equal(pixels.read(np.array([9, 0, 9])), RECORDS[[9, 0, 9]])
    assert np.array_equal(pixels.map(), RECORDS)
    assert pixels.read(np.array([], int)).shape == (0, 3, 4)


def test_it_is_written_once(path):
    calls = []
    unpack(path, calls=calls)
    unpack(path, calls=calls)
    assert len(calls) == 1
    assert sorted(file.name for file in path.parent.iterdir()) == FILES


@pytest.mark.parametrize("change", ["digest", "cut", "shape", "damaged", "unsealed"])
def test_a_stale_file_is_made_again(path, change):
    calls = []
    target = unpack(path, calls=calls).path
    archive, records = ARCHIVE, RECORDS
    if change == "digest":
        archive, records = SAME, 255 - RECORDS
    elif change == "cut":
        target.write_bytes(target.read_bytes()[:-1])
    elif change == "damaged":
        target.write_bytes(target.read_bytes()[:-1] + b"x")
    elif change == "unsealed":
        target.with_name(FILES[2]).unlink()
    else:
        records = RECORDS.reshape(10, 4, 3)
    assert np.array_equal(unpack(path, archive, records, calls).map(), records)
    assert len(calls) == 2


def test_an_archive_that_changed_since_it_was_verified_is_refused(path):
    def blocks():
        yield RECORDS
        path.write_bytes(b"x")

    with pytest.raises(InputError, match=r"a\.npz' changed while it was read: give the command again"):
        pixel_file.unpack_once(ARCHIVE, path, (3, 4), 10, blocks())
    with pytest.raises(InputError, match=r"a\.npz' is not the official archive"):
        unpack(path)
    assert not [*path.parent.glob("*.pixels*")]
    path.write_bytes(b"")
    assert np.array_equal(unpack(path).map(), RECORDS)


def test_large_files_are_hashed_only_if_their_status_changed(path, monkeypatch):
    target, hashed = unpack(path).path, []
    hash_pixels = pixel_file.hash_pixels
    monkeypatch.setattr(pixel_file, "HASHED", 0)
    monkeypatch.setattr(pixel_file, "hash_pixels", lambda file: hashed.append(1) or hash_pixels(file))
    unpack(path)
    assert hashed == []
    target.write_bytes(content := target.read_bytes())  # as if it was copied
    for _ in range(2):
        assert np.array_equal(unpack(path).map(), RECORDS)
    assert hashed == [1]
    os.utime(target, ns=(1, 1))
    status = target.stat()
    target.write_bytes(content[:-1] + b"x")
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    calls = []
    assert np.array_equal(unpack(path, calls=calls).map(), RECORDS)
    assert len(calls) == 1


def test_small_files_are_hashed_once_in_a_process(path, monkeypatch):
    unpack(path)
    hashed, hash_pixels = [], pixel_file.hash_pixels
    monkeypatch.setattr(pixel_file, "hash_pixels", lambda file: hashed.append(1) or hash_pixels(file))
    for _ in range(3):
        unpack(path)
    assert hashed == [1]


def test_a_failure_leaves_no_file_and_can_be_repeated(path):
    def blocks():
        yield RECORDS[:6]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pixel_file.unpack_once(ARCHIVE, path, (3, 4), 10, blocks())
    assert not [*path.parent.glob("*.pixels*")]
    assert np.array_equal(unpack(path).map(), RECORDS)


def test_the_second_of_two_waits_for_the_first(path):
    calls, started, may_go_on = [], threading.Event(), threading.Event()

    def slow_blocks():
        calls.append("slow")
        started.set()
        may_go_on.wait(10)
        yield RECORDS

    first = threading.Thread(
        target=pixel_file.unpack_once, args=(ARCHIVE, path, (3, 4), 10, slow_blocks()), daemon=True
    )
    first.start()
    assert started.wait(10)
    results = []
    second = threading.Thread(target=lambda: results.append(unpack(path, calls=calls)), daemon=True)
    second.start()
    second.join(0.2)
    assert second.is_alive()
    may_go_on.set()
    first.join(10)
    second.join(10)
    assert calls == ["slow"]
    assert np.array_equal(results[0].map(), RECORDS)
    assert sorted(file.name for file in path.parent.iterdir()) == FILES


def test_a_full_disk_is_refused_before_anything_is_written(path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100}))
    with pytest.raises(InputError, match=r"needs 0 MB in '.*', which has 0 MB free"):
        unpack(path)


def test_a_file_that_shrank_is_told_of(path):
    pixels = unpack(path)
    pixels.path.write_bytes(pixels.path.read_bytes()[:-5])
    assert np.array_equal(pixels.read(np.array([0])), RECORDS[:1])
    with pytest.raises(InputError, match="ends too early"):
        pixels.read(np.array([9]))


def test_a_read_only_directory_leaves_the_pixels_to_the_cache(path, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    assert unpack(path).path == tmp_path / "cache" / "dis-bench" / "a.npz.pixels"


def test_what_cannot_be_written_is_refused_in_a_sentence(path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(pixel_file, "seal", fail)
    with pytest.raises(InputError, match=r"a\.npz' cannot be unpacked into '.*': Input/output error\."):
        unpack(path)
