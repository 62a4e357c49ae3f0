"""Archives are found, and told apart from other files."""

import hashlib
import os

import pytest

from dis_bench.datasets import archives
from dis_bench.datasets.dsprites.dataset import DSprites
from dis_bench.datasets.shapes3d.dataset import Shapes3D
from dis_bench.errors import InputError
from tests.datasets.official import archive_of


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(b"the real content\n")
    return path


def test_digests_are_those_of_the_tools(file):
    def digest(*algorithms):
        with file.open("rb") as opened:
            return archives.digest(opened, file.name, algorithms)

    found = digest("md5", "sha256", "git-blob-sha1")
    assert found["md5"] == hashlib.md5(b"the real content\n").hexdigest()
    assert found["sha256"] == hashlib.sha256(b"the real content\n").hexdigest()
    # git's object names of the empty file and of "hello\n" are well known.
    for content, name in ((b"", "e69de29b"), (b"hello\n", "ce013625")):
        file.write_bytes(content)
        assert digest("git-blob-sha1")["git-blob-sha1"].startswith(name)


def test_where_archives_lie(tmp_path, monkeypatch):
    monkeypatch.delenv(archives.ENVIRONMENT, raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    assert archives.data_directory() == tmp_path / "cache" / "dis-bench"
    monkeypatch.setenv(archives.ENVIRONMENT, str(tmp_path / "environment"))
    assert archives.data_directory() == tmp_path / "environment"
    assert archives.data_directory(tmp_path / "option") == tmp_path / "option"
    monkeypatch.setenv(archives.ENVIRONMENT, "")
    assert archives.data_directory() == tmp_path / "cache" / "dis-bench"


def test_a_file_is_found_there_or_one_folder_down(file, tmp_path):
    archive = archive_of(file, "dsprites")
    assert archives.find(archive, tmp_path) == file
    (tmp_path / "dsprites").mkdir()
    below = file.rename(tmp_path / "dsprites" / file.name)
    assert archives.find(archive, tmp_path) == below
    assert archives.find(archive, tmp_path / "elsewhere") is None


def test_a_truncated_file_is_refused(file):
    archive = archive_of(file, "shapes3d")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError) as error:
        archives.verify(archive, file)
    assert str(error.value) == (
        f"'{file}' is not the official archive: it has 16 bytes instead of 17; "
        "delete it and run `dis-bench data fetch shapes3d`."
    )


def test_an_altered_file_is_refused(file):
    archive = archive_of(file, "dsprites")
    file.write_bytes(b"the fake content\n")
    with pytest.raises(InputError) as error:
        archives.require(archive, file.parent)
    found = hashlib.md5(b"the fake content\n").hexdigest()
    expected = archive.digests["md5"]
    assert f"its md5 is {found} instead of {expected}; delete it and run" in str(error.value)


def test_every_digest_counts(file):
    archive = archive_of(file, "dsprites", **{"git-blob-sha1": "0" * 40})
    with pytest.raises(InputError, match=r"its git-blob-sha1 is \w+ instead of 0000"):
        archives.verify(archive, file)


def test_a_file_is_read_once_until_it_changes(file, monkeypatch):
    read = []
    digest = archives.digest
    monkeypatch.setattr(archives, "digest", lambda *args: read.append(1) or digest(*args))
    archive = archive_of(file, "dsprites")
    for _ in range(3):
        assert archives.require(archive, file.parent) == file
    assert len(read) == 1
    os.utime(file, (1, 1))
    archives.require(archive, file.parent)
    assert len(read) == 2
    content, status = file.read_bytes(), file.stat()
    file.write_bytes(content[::-1])  # another one, with the same size and time of modification
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(InputError, match="is not the official archive"):
        archives.require(archive, file.parent)
    file.write_bytes(content)
    archives.require(archive, file.parent)
    archives.require(archive, file.parent)
    assert len(read) == 4
    # A different declaration of the same file needs a new verification.
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    archives.require(archive_of(file, "dsprites", sha256=sha256), file.parent)
    assert len(read) == 5


def test_a_file_that_was_exchanged_while_it_was_read_is_not_taken_for_verified(file, monkeypatch):
    archive, path = archive_of(file, "dsprites"), file
    compare = archives.compare

    def exchange(given, opened):
        found = compare(given, opened)
        other = path.with_name("other")
        other.write_bytes(b"other")
        other.replace(path)
        return found

    monkeypatch.setattr(archives, "compare", exchange)
    archives.verify_once(archive, path)
    monkeypatch.setattr(archives, "compare", compare)
    with pytest.raises(InputError, match="is not the official archive"):
        archives.verify_once(archive, path)


def test_a_broken_note_costs_a_verification(file):
    archive = archive_of(file, "dsprites")
    archives.require(archive, file.parent)
    (note,) = file.parent.glob("*.verified")
    note.write_text("{")
    assert archives.require(archive, file.parent) == file


@pytest.mark.parametrize("dataset", [DSprites, Shapes3D])
def test_declarations_are_complete(dataset):
    archive = dataset.archive
    assert archive.dataset == dataset.name
    assert all(url.startswith("https://") and url.endswith(archive.file) for url in archive.urls)
    lengths = {"md5": 32, "sha256": 64, "git-blob-sha1": 40}
    assert {name: len(digest) for name, digest in archive.digests.items()} == {
        name: lengths[name] for name in archive.digests
    }
    assert archive.licence == "Apache-2.0"
