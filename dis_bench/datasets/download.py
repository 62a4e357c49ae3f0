"""Downloads of archives: mirrors in order, resumed transfers, only verified files.

The server is trusted with nothing: neither the size (reading stops at the first excess byte), nor the
encoding (bytes are stored as received), the range, the pace, or the target of a redirect.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from dis_bench.bars import bar
from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive
from dis_bench.datasets.cache import OTHER_DATA, check_room
from dis_bench.datasets.part import Part
from dis_bench.errors import InputError

if TYPE_CHECKING:
    import requests

TIMEOUT = 30.0  # seconds without a byte
SLOWEST = 1_000  # bytes per second; a lower average over TIMEOUT seconds counts as a timeout
RETRIES = 1  # per mirror
PAUSE = 1.0  # seconds before a retry
REDIRECTS = 5
BLOCK = 1 << 16  # bytes read at a time, at most


class BadAnswer(Exception):
    """An answer that does not deliver the archive; its text briefly says why."""


def fetch(archive: Archive, data_dir: str | Path | None = None) -> tuple[Path, bool]:
    """Download an archive into the data directory, unless it is there.

    Args:
        archive: the archive to download.
        data_dir: the target directory; see :func:`archives.data_directory`.

    Returns:
        Its path, and True if it was downloaded by this call. It is verified, if a digest is published.

    Raises:
        InputError: a file of that name exists but is not the archive, no mirror delivered it, there is none,
            or it cannot be written.
    """
    target = archives.find_target(archive, data_dir)
    directory = target.parent
    # A file of another name may hold the same images, but its digest is not the archive's.
    named = replace(archive, also=()) if archive.digests else archive
    try:
        found = archives.find(named, data_dir)
        if found is None and archive.page:
            raise archives.missing(archive, data_dir)
        if found is None:
            directory.mkdir(parents=True, exist_ok=True)
            with Part(target) as part:
                if not target.is_file():
                    _download(archive, part)
                    part.move_into_place()
                    archives.remember(archive, target, target.stat())
                    return target, True
                part.clear()
    except OSError as error:
        raise InputError(f"cannot write to '{directory}': {error.strerror or error}.") from error
    if found is None:  # another process was faster
        return archives.require(named, data_dir), False
    if archive.digests:
        archives.verify(archive, found)
    return found, False


def _download(archive: Archive, part: Part) -> None:
    """Fill the part with the verified archive.

    Raises:
        InputError: no mirror delivered it, or the disk is too full.
    """
    if part.size == archive.size and archives.compare(archive, part.file) is None:
        return  # complete, but not yet renamed
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
    """Download from one mirror, starting at the end of the part.

    Raises:
        BadAnswer: the number of bytes is wrong. Bytes that may be the archive's beginning are kept.
    """
    with _make_session() as session:
        response = _ask(session, url, part.size)
        if part.size and not _goes_on(response, part.size):
            part.clear()  # it is not a part of this file
            response.close()
            response = _ask(session, url, 0)
        with response:
            if response.status_code not in (200, 206):
                raise BadAnswer(f"answered {response.status_code}")
            have = part.size if response.status_code == 206 else 0
            total = _announced_total(archive, response, have)
            size = (total or archive.size or 0) - have
            check_room(part.path.parent, size, f"downloading {part.target.name}", OTHER_DATA)
            _gather(archive, response, part, have, total)


def _goes_on(response: requests.Response, have: int) -> bool:
    """Return False if an answer shows that our part is not the file's beginning.

    A range other than the requested one shows that, and so does 416 (range not satisfiable).
    """
    if response.status_code == 206:
        return bool(re.match(rf"bytes {have}-\d+/", response.headers.get("Content-Range", "")))
    return response.status_code != 416


def _announced_total(archive: Archive, response: requests.Response, have: int) -> int | None:
    """Return the file's size according to an answer's headers, or None.

    Raises:
        BadAnswer: the headers show that this cannot be the archive.
    """
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
    """Append the received bytes to the first ``have`` of the part, up to the limit."""
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
    """Yield bytes as received, undecoded, as long as they do not come too slowly."""
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
    return BadAnswer("the connection was lost; the received part is kept, and the next try resumes")


def _ask(session: requests.Session, url: str, have: int) -> requests.Response:
    """Request the bytes from ``have`` on, following redirects to HTTP servers.

    Raises:
        BadAnswer: there is no answer, or a redirect is not followed.
    """
    import requests

    # With compression, the bytes of a part would not be those of the file.
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
    """Return the target of a redirect, which must be HTTP, and HTTPS if ``url`` is."""
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
        """A session that ignores redirects, whose bodies requests would read in full."""

        def get_redirect_target(self, resp: Any) -> None:
            return None

    return Session()
