"""Downloads of archives: mirrors in turn, broken downloads go on, nothing unverified is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dis_bench.bars import bar
from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive
from dis_bench.errors import InputError

TIMEOUT = 30  # seconds without a byte
RETRIES = 1  # of every mirror
BLOCK = 1 << 16  # bytes; what a broken connection loses at most


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
    found = archives.find(archive, data_dir)
    if found is not None:
        archives.verify(archive, found)
        return found, False

    import requests

    directory = archives.data_directory(data_dir)
    failures = []
    for url in archive.urls:
        try:
            path = _retrieve(archive, url, directory)
        except requests.RequestException as error:
            failures.append(f"{url} ({_reason(error)})")
        except ValueError:
            failures.append(f"{url} (sent something else: its digest differs)")
        except OSError as error:
            raise InputError(f"cannot write to '{directory}': {error.strerror or error}.") from error
        else:
            archives.verify(archive, path)
            return path, True
    raise InputError(
        f"{archive.file} could not be downloaded from {', nor from '.join(failures)}; "
        f"if you get it elsewhere, put it into '{directory}'."
    )


def _retrieve(archive: Archive, url: str, directory: Path) -> Path:
    """Download from one mirror; pooch gives the file its name only if its digest is right."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    algorithm = next(name for name in archive.digests if name != "git-blob-sha1")
    shelf = pooch.create(
        path=directory,
        base_url="",
        registry={archive.file: f"{algorithm}:{archive.digests[algorithm]}"},
        urls={archive.file: url},
        retry_if_failed=RETRIES,
    )
    part = directory / f"{archive.file}.part"
    return Path(shelf.fetch(archive.file, downloader=ResumingDownloader(part)))


class ResumingDownloader:
    """A downloader for pooch that goes on where the last one broke off.

    pooch hands over a fresh temporary name each time and deletes it on failure. So the bytes are gathered in
    a file of our own, which outlives a broken connection and is handed over when it is complete. If its
    content then turns out wrong, pooch deletes it, and the next attempt starts from nothing.

    Args:
        part: the file that gathers.
    """

    def __init__(self, part: Path) -> None:
        self.part = part

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        self._receive(url)
        os.replace(self.part, output_file)

    def _receive(self, url: str) -> None:
        import requests

        have = self.part.stat().st_size if self.part.exists() else 0
        # Compressed on the way, the bytes of a part would not be those of the file.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            follows = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if have and (response.status_code == 416 or (response.status_code == 206 and not follows)):
                self.part.unlink()  # the part does not fit this file
                return self._receive(url)
            response.raise_for_status()
            if response.status_code != 206:
                have = 0
            self._write(response, have)

    def _write(self, response: Any, have: int) -> None:
        import requests
        from requests.exceptions import ChunkedEncodingError

        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        name = self.part.name.removesuffix(".part")
        progress = bar(total=total, initial=have, unit="B", unit_scale=True, desc=name, delay=0, leave=True)
        with self.part.open("ab" if have else "wb") as file, progress:
            try:
                for block in response.iter_content(BLOCK):
                    file.write(block)
                    progress.update(len(block))
            except requests.ConnectionError as error:  # stalled: the same as broken off
                raise ChunkedEncodingError(error) from error
        got = self.part.stat().st_size
        if total is not None and got < total:
            raise ChunkedEncodingError(f"{got:,} of {total:,} bytes")


def _reason(error: Any) -> str:
    """Why a mirror failed, in a few words."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"answered {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT} seconds"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off; what came is kept, and the next try goes on from there"
    return "no connection"
