"""Images placed once: each place is written once, by one process, and read from the cache later."""

import numpy as np
import pytest

from dis_bench.datasets.placed import Target, place_once
from dis_bench.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 1, 2, 2)).astype(np.uint8)


@pytest.fixture
def path(tmp_path, cache):
    (tmp_path / "a.tar").write_bytes(b"")
    return tmp_path / "a.tar"


def place(path, order=range(6), *, state="1", settings=(), changed=False, calls=None):
    def read(places):
        if calls is not None:
            calls.append(1)
        for number in order:
            places.put(number, IMAGES[number % 6][None])

    target = Target(path, state, settings, (1, 2, 2), 6)
    return place_once(target, read, lambda: not changed)


def test_images_come_back_by_place_whatever_their_order(path):
    pixels, digest = place(path, [3, 0, 5, 1, 4, 2])
    assert np.array_equal(pixels.read(np.array([5, 0, 3])), IMAGES[[5, 0, 3]])
    assert place(path, settings=("other",))[1] == digest


def test_they_are_read_again_only_if_state_or_settings_change(path):
    calls = []
    for state, settings in (("1", ()), ("1", ()), ("2", ()), ("2", ("32",))):
        place(path, state=state, settings=settings, calls=calls)
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ([0, 1, 2, 4, 5], "lacks 1 of 6 images, the first of them image 3"),
        ([], "lacks 6 of 6 images"),
        ([0, 1, 1], "has image 1 twice"),
        ([0, 6], "has an image 6, but images from 0 to 5 are read"),
        ([-1], "it is another data set"),
    ],
)
def test_places_that_are_missing_or_filled_twice_are_refused(path, cache, order, sentence):
    with pytest.raises(InputError) as error:
        place(path, order)
    assert sentence in str(error.value)
    assert not [*cache.glob("*.json"), *cache.glob("*.pixels"), *cache.glob("*.part")]


def test_what_changes_while_it_is_read_is_refused(path, cache):
    with pytest.raises(InputError, match="changed while it was read: give the command again"):
        place(path, changed=True)
    assert not [*cache.glob("*.pixels")]


def test_a_full_disk_is_refused_before_anything_is_written(path, cache, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 100}))
    with pytest.raises(InputError, match="set XDG_CACHE_HOME to a folder on another disk"):
        place(path)
    assert not [*cache.glob("*.pixels")]
