"""``dis-bench data list``: each dataset with its files, and the cache."""

import sys

import numpy as np
import pytest
from PIL import Image

from dis_bench import registry
from dis_bench.cli.main import main
from dis_bench.datasets import load_dataset
from tests.datasets.mnist.files import write_files


@pytest.fixture
def listed(cache, tmp_path, capsys):
    """Return what the command prints, as a list of blocks by name."""

    def run():
        assert main(["data", "list", "--data-dir", str(tmp_path / "data")]) == 0
        blocks = capsys.readouterr().out.split("\n\n")
        return {block.partition("\n")[0]: block for block in blocks}

    return run


def test_each_dataset_has_a_block(listed):
    blocks = listed()
    names = list(registry.plugins("datasets"))
    assert list(blocks)[:-1] == names
    for name in names:
        for what in ("images:", "factors:", "sources:"):
            assert what in blocks[name]
    assert "737,280 images 1x64x64" in blocks["dsprites"]
    assert "3dshapes.h5, 267.6 MB, not here" in blocks["shapes3d"]
    assert "licence:  Apache-2.0" in blocks["shapes3d"]
    assert "from https://storage.googleapis.com/3d-shapes/3dshapes.h5" in blocks["shapes3d"]
    assert "rendered_chairs.tar (by hand)" in blocks["chairs"]
    assert "as in folder:PATH" in blocks["folder"]
    assert list(blocks.values())[-1].endswith("none\n")


@pytest.mark.parametrize("packed", [True, False])
def test_it_says_what_is_here_and_where(listed, tmp_path, packed):
    write_files(tmp_path / "data" / "mnist", packed=packed)
    block = listed()["mnist"]
    assert block.count("here: ") == 4
    assert str(tmp_path / "data" / "mnist" / "train-images-idx3-ubyte") in block
    assert listed()["fashionmnist"].count("not here") == 4


def test_it_lists_the_cache(listed, tmp_path, cache):
    folder = tmp_path / "photos\u0007"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.full((9, 9), number, np.uint8)).save(folder / f"{number}.png")
    load_dataset(f"folder:{folder}")
    (cache / "other.json").write_text("[]")
    block = list(listed().values())[-1]
    assert "3 images, 16.4 kB, of " in block
    assert r"photos\x07" in block
    assert f"in '{cache}', which may be deleted at any time" in block


def test_a_broken_plug_in_is_listed_with_its_reason(listed, monkeypatch):
    broken = {"broken": registry.Plugin("datasets", "broken", "no_such_module:Name", "somebody")}
    monkeypatch.setattr(registry, "plugins", lambda kind: broken)
    assert "cannot be imported" in listed()["broken"]


def test_without_the_package_that_finds_the_cache_one_line_says_so(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.delenv("DIS_BENCH_DATA", raising=False)
    assert main(["data", "list"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dis-bench: error: this needs pooch, which is not installed: ")
    assert len(err.splitlines()) == 1


def test_list_datasets_has_their_parameters(capsys):
    assert main(["list", "datasets"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "skip_unreadable = false: whether to leave out unusable images" in out
    assert "color = auto: channels; auto is grey if all images are; one of auto, grey, rgb" in out
    assert "70,000 images 1x32x32; factors: digit 10 (a label)" in out


def test_it_counts_pixels_of_images_that_have_changed(listed, tmp_path, cache):
    folder = tmp_path / "photos"
    folder.mkdir()
    for level in (1, 2):
        for number in range(3):
            Image.fromarray(np.full((9, 9), level * number, np.uint8)).save(folder / f"{number}.png")
        load_dataset(f"folder:{folder}")
    block = list(listed().values())[-1]
    assert block.count("3 images, 16.4 kB, of ") == 1
    assert "    16.4 kB of earlier states of these, or of others\n" in block
