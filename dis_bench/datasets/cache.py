"""The user's cache, where large files go, and a check that there is room for them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dis_bench.errors import InputError

OTHER_DATA = "use another data directory"  # advice about archives and what is unpacked beside them


def cache_directory() -> Path:
    """Return the folder of dis-bench in the user's cache, which may be missing."""
    import pooch

    return Path(pooch.os_cache("dis-bench"))


def image_directory() -> Path:
    """Return the folder of converted images in the user's cache, which may be missing."""
    return cache_directory() / "images"


def make_image_directory() -> Path:
    """Create the folder of converted images, and return it.

    Raises:
        InputError: it cannot be created, or is not writable.
    """
    folder = image_directory()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the cache '{folder}' cannot be created: {error.strerror or error}.") from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"the cache '{folder}' is not writable: set XDG_CACHE_HOME to a folder that is.")
    return folder


def check_room(
    folder: Path, needed: int, what: str, instead: str = "set XDG_CACHE_HOME to a folder on another disk"
) -> None:
    """Check that a disk has room for a file.

    Args:
        folder: folder of the file.
        needed: bytes of the file.
        what: what needs the room, such as ``downloading data.npz``.
        instead: advice to a user who cannot make room.

    Raises:
        InputError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{what} needs {needed / 1e6:,.0f} MB in '{folder}', which has {free / 1e6:,.0f} MB free: make "
            f"room, or {instead}."
        )
