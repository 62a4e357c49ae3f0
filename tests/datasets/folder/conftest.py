"""A folder of images that are told apart by their grey, and an empty cache for each test."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def empty_cache(cache):
    """Use a cache that is empty."""


@pytest.fixture
def photos(tmp_path):
    """Make five images, grey 0, 50, ..., 200, in three formats."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, suffix in enumerate(("png", "jpg", "webp", "jpeg", "PNG")):
        pixels = np.full((40, 60, 3), 50 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.{suffix}")
    return folder
