"""Downloads from a local server that breaks off, lies, or is not there."""

import gzip
import hashlib
import os
import re
import stat
import threading
import time
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest

from dis_bench.datasets import download
from dis_bench.datasets.archives import Archive
from dis_bench.datasets.dsprites.dataset import DSprites
from dis_bench.datasets.shapes3d.dataset import Shapes3D
from dis_bench.errors import InputError

CONTENT = np.random.default_rng(0).bytes(600_000)


class Server:
    """A server of CONTENT at every path.

    Attributes:
        ranges: True if it answers a Range with 206.
        break_after: bytes after which the next answer breaks off; None for never.
        stall_after: bytes after which the next answer pauses for half a second.
        content: the bytes that it sends.
        status: the status of its answers.
        requests: the Range of every request so far, or None.
        instead: a function that answers instead, if set; it takes the handler of a request.
    """

    def __init__(self):
        self.ranges, self.break_after, self.content, self.status = True, None, CONTENT, 200
        self.stall_after, self.requests, self.instead = None, [], None
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
        if self.instead is not None:
            return self.instead(handler)
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
    monkeypatch.setattr(download, "PAUSE", 0)


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


def test_a_file_that_was_packed_otherwise_does_not_stand_for_the_archive(server, tmp_path):
    archive = replace(archive_at(server.url), also=("packed.npz",))
    (tmp_path / "packed.npz").write_bytes(b"other bytes of the same images")
    path, downloaded = download.fetch(archive, tmp_path)
    assert downloaded
    assert path.read_bytes() == CONTENT
    assert (tmp_path / "packed.npz").exists()


def test_a_dead_mirror_is_passed_over(server, tmp_path):
    dead = "http://127.0.0.1:9/data.bin"
    path, is_new = download.fetch(archive_at(dead, server.url), tmp_path)
    assert is_new
    assert path.read_bytes() == CONTENT


def test_a_broken_download_goes_on(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)
    server.break_after = 400_000
    with pytest.raises(InputError, match="the connection was lost; the received part is kept"):
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
    server.content = bytes(len(CONTENT))
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
    with pytest.raises(InputError, match="the connection was lost; the received part is kept"):
        download.fetch(archive_at(server.url), tmp_path)
    assert (tmp_path / "data.bin.part").stat().st_size > 300_000


def reply(handler, status=200, body=b"", **headers):
    """Send an answer; headers may override its length, or omit it with None."""
    handler.send_response(status)
    for name, value in ({"Content_Length": len(body)} | headers).items():
        if value is not None:
            handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    with suppress(OSError):  # the client has closed the connection
        handler.wfile.write(body)


def endless(handler, **headers):
    """Send up to 100 MB, and count them."""
    reply(handler, Content_Length=None, **headers)
    handler.server.sent = 0
    with suppress(OSError):
        while handler.server.sent < 100_000_000:
            handler.wfile.write(bytes(1_000_000))
            handler.server.sent += 1_000_000


def chunked(handler):
    """Send the same in chunks, while announcing a length that would be right."""
    reply(handler, Content_Length=len(CONTENT), Transfer_Encoding="chunked")
    handler.server.sent = 0
    with suppress(OSError):
        while handler.server.sent < 100_000_000:
            handler.wfile.write(b"F4240\r\n" + bytes(1_000_000) + b"\r\n")
            handler.server.sent += 1_000_000


def packed(handler):
    reply(handler, body=gzip.compress(bytes(100_000_000)), Content_Encoding="gzip")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (endless, "sent something else: more than 600,000 bytes"),
        (chunked, "sent something else: more than 600,000 bytes"),
        (packed, "sent it compressed, which was not asked for"),
        (
            lambda handler: reply(handler, body=CONTENT, Content_Length=400_000_000),
            "400,000,000 bytes instead",
        ),
        (lambda handler: reply(handler, body=CONTENT, Content_Length=10), "10 bytes instead of 600,000"),
        (lambda handler: reply(handler, body=CONTENT, Content_Length=-1), "instead of 600,000"),
        (lambda handler: reply(handler, body=b"<html>sign in first</html>"), "26 bytes instead of 600,000"),
        (lambda handler: reply(handler, body=CONTENT, Content_Encoding="br, gzip"), "sent it compressed"),
        (lambda handler: reply(handler, 204), "answered 204"),
        (lambda handler: reply(handler, 304), "answered 304"),
        (lambda handler: reply(handler, 416), "answered 416"),
        (lambda handler: reply(handler, 500, CONTENT), "answered 500"),
        (lambda handler: reply(handler, 302), "answered 302"),
        (lambda handler: reply(handler, 302, Location="/data.bin"), "redirected more than 5 times"),
        (lambda handler: reply(handler, 302, Location="file:///etc/passwd"), "redirected to file:"),
        (lambda handler: reply(handler, 307, Location="ftp://127.0.0.1/x"), "redirected to ftp:"),
        (lambda handler: reply(handler, 301, Location="http://[::1"), "redirected to what is no address"),
    ],
)
def test_answers_that_are_not_taken(server, tmp_path, answer, reason):
    server.instead = answer
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    with pytest.raises(InputError) as error:
        download.fetch(archive_at(server.url), tmp_path)
    assert f"{server.url} (" in str(error.value)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert getattr(server.http, "sent", 0) < 50_000_000
    assert set(names_in(tmp_path)) <= {"data.bin.part"}
    server.instead = None  # nor does it spoil a later, better answer
    assert download.fetch(archive_at(server.url), tmp_path)[0].read_bytes() == CONTENT


def test_the_body_of_a_redirect_is_not_read(server, tmp_path):
    def answer(handler):
        if len(server.requests) == 1:
            endless(handler, status=302, Location="/data.bin")
        else:
            reply(handler, body=CONTENT)

    server.instead = answer
    path, _ = download.fetch(archive_at(server.url), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.http.sent < 50_000_000


@pytest.mark.parametrize(
    ("url", "location", "where"),
    [
        ("https://a.org/x/data.bin", "/y", "https://a.org/y"),
        ("https://a.org/data.bin", "https://b.org/data.bin", "https://b.org/data.bin"),
        ("https://a.org/data.bin", "//b.org/y", "https://b.org/y"),
        ("http://a.org/data.bin", "https://a.org/data.bin", "https://a.org/data.bin"),
        ("http://a.org/data.bin", "http://b.org/", "http://b.org/"),
        ("https://a.org/data.bin", "http://a.org/data.bin", None),
        ("https://a.org/data.bin", "HTTP://a.org/data.bin", None),
        ("https://a.org/data.bin", "javascript:x", None),
        ("http://a.org/data.bin", "gopher://a.org/", None),
    ],
)
def test_which_redirects_are_followed(url, location, where):
    if where is None:
        with pytest.raises(download.BadAnswer, match="which is not followed"):
            download._follow(url, location)
    else:
        assert download._follow(url, location) == where


@pytest.mark.parametrize(
    "content_range",
    [
        f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}",
        f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}",
        "bytes 1000-x/y",
        "items 1000-2000/*",
        None,
    ],
)
def test_another_range_than_asked_for_starts_over(server, tmp_path, content_range):
    def answer(handler):
        if handler.headers.get("Range"):
            reply(handler, 206, CONTENT[7:], Content_Range=content_range)
        else:
            reply(handler, body=CONTENT)

    server.instead = answer
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    assert download.fetch(archive_at(server.url), tmp_path)[0].read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-", None]


def test_a_range_of_other_content_starts_over(server, tmp_path):
    def answer(handler):
        if handler.headers.get("Range"):
            body = bytes(len(CONTENT) - 1000)
            content_range = f"bytes 1000-{len(CONTENT) - 1}/{len(CONTENT)}"
            reply(handler, 206, body, Content_Range=content_range)
        else:
            reply(handler, body=CONTENT)

    server.instead = answer
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    assert download.fetch(archive_at(server.url), tmp_path)[0].read_bytes() == CONTENT


def test_a_server_that_trickles_has_broken_off(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    sent = []

    def trickle(handler):
        reply(handler, Content_Length=len(CONTENT))
        with suppress(OSError):
            for byte in CONTENT:
                handler.wfile.write(bytes([byte]))
                sent.append(byte)
                time.sleep(0.05)

    server.instead = trickle
    with pytest.raises(InputError, match="the connection was lost; the received part is kept"):
        download.fetch(archive_at(server.url), tmp_path)
    assert (tmp_path / "data.bin.part").read_bytes() == CONTENT[: (tmp_path / "data.bin.part").stat().st_size]
    assert len(sent) < 1000


def test_an_archive_of_unknown_size_has_a_bound(server, tmp_path):
    def declare(at_most):
        digests = archive_at(server.url).digests
        return Archive("dsprites", "data.bin", (server.url,), digests, "none", at_most=at_most)

    for answer in (None, endless):
        server.instead = answer
        with pytest.raises(InputError, match=r"sent something else: .*599,999"):
            download.fetch(declare(599_999), tmp_path)
        assert names_in(tmp_path) == []
    assert server.http.sent < 50_000_000
    server.instead = None
    assert download.fetch(declare(600_000), tmp_path)[0].read_bytes() == CONTENT


def test_a_download_without_a_limit_is_not_declared():
    with pytest.raises(InputError, match="neither size nor at_most"):
        Archive("mine", "data.bin", ("https://a.org/data.bin",), {"md5": "0" * 32}, "none")
    assert all(dataset.archive.limit < 300_000_000 for dataset in (DSprites, Shapes3D))


def test_a_whole_part_needs_no_server(tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    path, is_new = download.fetch(archive_at("http://127.0.0.1:9/data.bin"), tmp_path)
    assert is_new
    assert path.read_bytes() == CONTENT
    assert names_in(tmp_path) == ["data.bin"]


@pytest.mark.parametrize("name", ["data.bin.part", "data.bin", "data.bin.verified", "data.bin.verified.part"])
@pytest.mark.parametrize("kind", ["link", "link to nothing", "second name", "pipe"])
def test_nothing_is_written_through_a_link_or_into_a_pipe(server, tmp_path, name, kind):
    directory, victim = tmp_path / "data", tmp_path / "victim"
    directory.mkdir()
    victim.write_bytes(b"precious")
    place = directory / name
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "second name":
        os.link(victim, place)
    else:
        place.symlink_to(victim if kind == "link" else tmp_path / "nothing")
    if name == "data.bin" and kind in ("link", "second name"):  # set up by the user, so it is verified
        with pytest.raises(InputError, match="is not the official archive"):
            download.fetch(archive_at(server.url), directory)
    else:
        path, _ = download.fetch(archive_at(server.url), directory)
        assert path.read_bytes() == CONTENT
        assert stat.S_ISREG(path.lstat().st_mode)
        assert names_in(directory) == ["data.bin"]
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "nothing").exists()


def test_a_folder_in_the_way_is_named(server, tmp_path):
    (tmp_path / "data.bin.part").mkdir()
    with pytest.raises(InputError, match="cannot write to"):
        download.fetch(archive_at(server.url), tmp_path)


def test_a_full_disk_is_refused_before_anything_is_written(server, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=500_000))
    with pytest.raises(InputError, match=r"downloading data.bin needs 1 MB in .*, which has 0 MB free"):
        download.fetch(archive_at(server.url), tmp_path)
    assert names_in(tmp_path) == []
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:200_000])  # there is room for the rest
    assert download.fetch(archive_at(server.url), tmp_path)[0].read_bytes() == CONTENT


def test_two_at_a_time_download_once(server, tmp_path):
    results = []
    waiting = [
        threading.Thread(target=lambda: results.append(download.fetch(archive_at(server.url), tmp_path)))
        for _ in range(4)
    ]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    assert [path.read_bytes() == CONTENT for path, _ in results] == [True] * 4
    assert sum(is_new for _, is_new in results) == 1
    assert server.requests == [None]
    assert names_in(tmp_path) == ["data.bin"]
