"""A cache of its own for each test, and a folder of images that are told apart by their grey."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Return the folder of converted images."""
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "dis-bench" / "images"


@pytest.fixture
def photos(tmp_path):
    """Make five images, grey 0, 50, ..., 200, in three formats."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, suffix in enumerate(("png", "jpg", "webp", "jpeg", "PNG")):
        pixels = np.full((40, 60, 3), 50 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.{suffix}")
    return folder
