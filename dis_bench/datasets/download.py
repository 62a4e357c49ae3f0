"""Download archives: try mirrors in order, resume broken transfers, keep only verified files.

A server is not trusted with anything: not with the size (reading stops at the first byte too many), the
encoding (bytes are kept as they come), the range, the pace, nor with where it redirects to.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from dis_bench.bars import bar
from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive
from dis_bench.datasets.part import Part
from dis_bench.errors import InputError

if TYPE_CHECKING:
    import requests

TIMEOUT = 30.0  # seconds without a byte
SLOWEST = 1_000  # bytes per second; over TIMEOUT seconds, fewer count as none
RETRIES = 1  # of every mirror
PAUSE = 1.0  # seconds before a retry
REDIRECTS = 5
BLOCK = 1 << 16  # bytes; what is read at a time, at most


class BadAnswer(Exception):
    """An answer that does not lead to the archive; the text says why, in a few words."""


def fetch(archive: Archive, data_dir: str | Path | None = None) -> tuple[Path, bool]:
    """Download an archive into the data directory, unless it is there.

    Args:
        archive: what to download.
        data_dir: where to; see :func:`archives.data_directory`.

    Returns:
        Its path, and whether it was downloaded now.

    Raises:
        InputError: a file of that name is there and is not the archive; no mirror delivered it; or it cannot
            be written.
    """
    directory = archives.data_directory(data_dir)
    target = directory / archive.file
    try:
        found = archives.find(archive, data_dir)
        if found is None:
            directory.mkdir(parents=True, exist_ok=True)
            with Part(target) as part:
                if not target.is_file():
                    _download(archive, part)
                    part.move_into_place()
                    archives.remember(archive, target)
                    return target, True
                part.clear()
    except OSError as error:
        raise InputError(f"cannot write to '{directory}': {error.strerror or error}.") from error
    if found is None:  # another process was faster
        return archives.require(archive, data_dir), False
    archives.verify(archive, found)
    return found, False


def _download(archive: Archive, part: Part) -> None:
    """Fill the part with the archive, verified.

    Raises:
        InputError: no mirror delivered it, or the disk has no room for it.
    """
    if part.size == archive.size and archives.compare(archive, part.file) is None:
        return  # only its name was missing
    if part.size >= archive.limit:
        part.clear()
    failures = []
    for url in archive.urls:
        for attempt in range(1 + RETRIES):
            if attempt:
                time.sleep(PAUSE)
            try:
                _receive(archive, url, part)
            except BadAnswer as error:
                reason = str(error)
            else:
                if archives.compare(archive, part.file) is None:
                    return
                part.clear()
                reason = "sent something else: its digest differs"
        failures.append(f"{url} ({reason})")
    raise InputError(
        f"{archive.file} could not be downloaded from {', nor from '.join(failures)}; "
        f"if you get it elsewhere, put it into '{part.path.parent}'."
    )


def _receive(archive: Archive, url: str, part: Part) -> None:
    """Download from one mirror, from where the part ends.

    Raises:
        BadAnswer: anything but the right number of bytes came; what may be the archive's beginning is kept.
    """
    with _make_session() as session:
        response = _ask(session, url, part.size)
        if part.size and not _goes_on(response, part.size):
            part.clear()  # it does not fit this file
            response.close()
            response = _ask(session, url, 0)
        with response:
            if response.status_code not in (200, 206):
                raise BadAnswer(f"answered {response.status_code}")
            have = part.size if response.status_code == 206 else 0
            total = _announced_total(archive, response, have)
            _check_room(part, (total or archive.size or 0) - have)
            _gather(archive, response, part, have, total)


def _goes_on(response: requests.Response, have: int) -> bool:
    """Whether an answer fits a part of ``have`` bytes: continues it, replaces it, or is no content at all."""
    if response.status_code == 206:
        return bool(re.match(rf"bytes {have}-\d+/", response.headers.get("Content-Range", "")))
    return response.status_code != 416


def _announced_total(archive: Archive, response: requests.Response, have: int) -> int | None:
    """Return the file's size by an answer's headers, if they say; refuse what cannot be the archive."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise BadAnswer("sent it compressed, which was not asked for")
    try:
        total = have + int(response.headers["Content-Length"])
    except (KeyError, ValueError):
        return None
    if archive.size is not None and total != archive.size:
        raise BadAnswer(f"sent something else: {total:,} bytes instead of {archive.size:,}")
    if total > archive.limit:
        raise BadAnswer(f"sent something else: {total:,} bytes, where {archive.limit:,} are the most")
    return total


def _gather(archive: Archive, response: requests.Response, part: Part, have: int, total: int | None) -> None:
    """Append what comes to the first ``have`` bytes of the part, up to the archive's size."""
    part.file.seek(have)
    part.file.truncate()
    size = total or archive.size
    shown = bar(total=size, initial=have, unit="B", unit_scale=True, desc=archive.file, delay=0, leave=True)
    with shown:
        for block in _blocks(response):
            have += len(block)
            if have > archive.limit:
                part.clear()
                raise BadAnswer(f"sent something else: more than {archive.limit:,} bytes")
            part.file.write(block)
            shown.update(len(block))
    if have < (size or 0):
        raise _broken_off()


def _blocks(response: requests.Response) -> Iterator[bytes]:
    """Yield bytes as they come, undecoded, as long as they do not come too slowly."""
    from urllib3.exceptions import HTTPError

    since, received = time.monotonic(), 0
    while True:
        try:
            block = response.raw.read1(BLOCK, decode_content=False)
        except (HTTPError, OSError, ValueError) as error:
            raise _broken_off() from error
        if not block:
            return
        yield block
        received += len(block)
        seconds = time.monotonic() - since
        if seconds >= TIMEOUT:
            if received < SLOWEST * seconds:
                raise _broken_off()
            since, received = time.monotonic(), 0


def _broken_off() -> BadAnswer:
    return BadAnswer("the connection broke off; what came is kept, and the next try goes on from there")


def _ask(session: requests.Session, url: str, have: int) -> requests.Response:
    """Send a request for the bytes from ``have`` on, and follow redirects to HTTP servers.

    Raises:
        BadAnswer: no answer, or a redirect that is not followed.
    """
    import requests

    # Compressed on the way, the bytes of a part would not be those of the file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    for _ in range(1 + REDIRECTS):
        try:
            response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=False)
        except requests.Timeout as error:
            raise BadAnswer(f"no answer within {TIMEOUT:g} seconds") from error
        except (requests.RequestException, ValueError) as error:
            raise BadAnswer("no connection") from error
        if not response.is_redirect:
            return response
        response.close()
        url = _follow(url, response.headers["Location"])
    raise BadAnswer(f"redirected more than {REDIRECTS} times")


def _follow(url: str, location: str) -> str:
    """Return where a redirect leads; over HTTP, and encrypted where the link was."""
    try:
        following = urljoin(url, location)
        scheme = urlsplit(following).scheme
    except ValueError:
        raise BadAnswer("redirected to what is no address") from None
    if scheme not in ("http", "https") or (scheme == "http" and urlsplit(url).scheme == "https"):
        raise BadAnswer(f"redirected to {scheme[:10]}:, which is not followed")
    return following


def _make_session() -> requests.Session:
    import requests

    class Session(requests.Session):
        """A session that leaves redirects alone; requests would read the body of one, however long."""

        def get_redirect_target(self, resp: Any) -> None:
            return None

    return Session()


def _check_room(part: Part, size: int) -> None:
    free = shutil.disk_usage(part.path.parent).free
    if free < size:
        raise InputError(
            f"downloading {part.target.name} needs {size / 1e6:,.0f} MB in '{part.path.parent}', which has "
            f"{free / 1e6:,.0f} MB free: make room, or use another data directory."
        )
