"""Downloads, from a server on this machine that breaks off, lies, or is not there."""

import hashlib
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest

from dis_bench.datasets import download
from dis_bench.datasets.archives import Archive
from dis_bench.errors import InputError

CONTENT = np.random.default_rng(0).bytes(600_000)


class Server:
    """Serves CONTENT at every path.

    Attributes:
        ranges: whether it answers 206 to a Range.
        break_after: bytes after which the next answer breaks off; None for never.
        stall_after: bytes after which the next answer pauses for half a second.
        content: what it sends.
        status: of an answer.
        requests: the Range of every request so far, None where there was none.
    """

    def __init__(self):
        self.ranges, self.break_after, self.content, self.status = True, None, CONTENT, 200
        self.stall_after, self.requests = None, []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.answer(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/data.bin"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def answer(self, handler):
        asked = handler.headers.get("Range")
        self.requests.append(asked)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.ranges else 0
        if start and start >= len(self.content):
            handler.send_response(416)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = self.content[start:]
        handler.send_response(206 if start else self.status)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.stall_after is not None:
            handler.wfile.write(body[: self.stall_after])
            time.sleep(0.5)
            return
        cut, self.break_after = self.break_after, None
        handler.wfile.write(body[:cut])

    def close(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """pooch pauses before a retry."""
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))


def archive_at(*urls):
    digests = {
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "git-blob-sha1": hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest(),
    }
    return Archive("dsprites", "data.bin", urls, digests, "none", len(CONTENT))


def names_in(directory):
    return sorted(path.name for path in directory.iterdir() if not path.name.endswith(".verified"))


def test_fetch_downloads_once(server, tmp_path):
    directory = tmp_path / "new" / "directory"
    path, is_new = download.fetch(archive_at(server.url), directory)
    assert is_new
    assert path.read_bytes() == CONTENT
    assert download.fetch(archive_at(server.url), directory) == (path, False)
    assert server.requests == [None]
    assert names_in(directory) == ["data.bin"]


def test_a_dead_mirror_is_passed_over(server, tmp_path):
    dead = "http://127.0.0.1:9/data.bin"
    path, is_new = download.fetch(archive_at(dead, server.url), tmp_path)
    assert is_new
    assert path.read_bytes() == CONTENT


def test_a_broken_download_goes_on(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)
    server.break_after = 400_000
    with pytest.raises(InputError, match="the connection broke off; what came is kept"):
        download.fetch(archive_at(server.url), tmp_path)
    assert names_in(tmp_path) == ["data.bin.part"]
    have = (tmp_path / "data.bin.part").stat().st_size
    assert 300_000 < have <= 400_000

    path, _ = download.fetch(archive_at(server.url), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={have}-"]
    assert names_in(tmp_path) == ["data.bin"]


def test_a_retry_goes_on_by_itself(server, tmp_path):
    server.break_after = 400_000
    path, _ = download.fetch(archive_at(server.url), tmp_path)
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_a_server_that_cannot_go_on_starts_over(server, tmp_path):
    server.ranges = False
    server.break_after = 400_000
    path, _ = download.fetch(archive_at(server.url), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.requests[1].startswith("bytes=")


def test_wrong_content_is_not_kept(server, tmp_path):
    server.content = b"<html>sign in first</html>"
    with pytest.raises(InputError) as error:
        download.fetch(archive_at(server.url), tmp_path)
    assert f"{server.url} (sent something else: its digest differs)" in str(error.value)
    assert f"put it into '{tmp_path}'" in str(error.value)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("length", [1000, len(CONTENT), len(CONTENT) + 1])
def test_a_part_of_something_else_is_dropped(server, tmp_path, length):
    (tmp_path / "data.bin.part").write_bytes(b"x" * length)
    path, _ = download.fetch(archive_at(server.url), tmp_path)
    assert path.read_bytes() == CONTENT
    assert names_in(tmp_path) == ["data.bin"]


def test_when_every_mirror_fails_each_is_named(server, tmp_path):
    server.status = 404
    dead = "http://127.0.0.1:9/data.bin"
    with pytest.raises(InputError) as error:
        download.fetch(archive_at(dead, server.url), tmp_path)
    assert str(error.value) == (
        f"data.bin could not be downloaded from {dead} (no connection), nor from {server.url} "
        f"(answered 404); if you get it elsewhere, put it into '{tmp_path}'."
    )


def test_a_wrong_file_that_is_there_is_the_users_to_delete(server, tmp_path):
    (tmp_path / "data.bin").write_bytes(b"mine")
    with pytest.raises(InputError, match="it has 4 bytes instead of 600,000; delete it and run"):
        download.fetch(archive_at(server.url), tmp_path)
    assert server.requests == []
    assert (tmp_path / "data.bin").read_bytes() == b"mine"


def test_a_directory_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot write to"):
        download.fetch(archive_at(server.url), tmp_path / "file" / "below")


def test_a_download_that_stalls_has_broken_off(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    server.stall_after = 400_000
    with pytest.raises(InputError, match="the connection broke off; what came is kept"):
        download.fetch(archive_at(server.url), tmp_path)
    assert (tmp_path / "data.bin.part").stat().st_size > 300_000
