"""SmallNORB: small binary matrices in the authors' format, in both protocols, right and wrong."""

import dataclasses
import gzip
import hashlib

import numpy as np
import pytest
from PIL import Image

from dis_bench import registry
from dis_bench.cli.main import main
from dis_bench.datasets.smallnorb.dataset import SmallNORB
from dis_bench.errors import InputError
from dis_bench.runners.planning.datasets import describe_parameters
from tests.datasets.smallnorb.files import COUNT, Tiny, draw, encode, find, write_files, write_part


@pytest.fixture
def folder(tmp_path, cache):
    write_files(tmp_path / "smallnorb")
    return tmp_path / "smallnorb"


def load(folder, **values):
    return Tiny("own", folder.parent, **values)


def shrink(photograph):
    return np.asarray(Image.fromarray(photograph).resize((64, 64), Image.Resampling.LANCZOS))


def look_up(parts):
    """Return the first camera's photograph by category, instance, elevation, azimuth and lighting."""
    return {
        (category, instance, elevation, azimuth // 2, lighting): images[0]
        for part in parts
        for images, category, (instance, elevation, azimuth, lighting) in zip(*draw(part), strict=True)
    }


def test_one_protocol_is_a_grid_of_the_training_file(folder):
    dataset = load(folder, protocol="disent")
    assert (len(dataset), dataset.image_shape) == (COUNT, (1, 64, 64))
    assert dataset.grid.names == ("category", "instance", "elevation", "azimuth", "lighting")
    assert [factor.values for factor in dataset.grid][:4] == [
        ("animal", "car"),
        ("toy 4", "toy 7"),
        (30, 35),
        (0, 20, 40),
    ]
    expected = look_up(["training"])
    for row, image in zip(dataset.factors(range(COUNT)), dataset.images(range(COUNT)).numpy(), strict=True):
        category, instance, *view = row.tolist()
        assert np.array_equal(image[0], shrink(expected[category, (4, 7)[instance], *view]))
    assert describe_parameters(dataset) == "protocol=disent"


def test_the_other_has_every_photograph_and_no_instance(folder):
    dataset = load(folder)
    assert (len(dataset), dataset.grid, dataset.image_shape) == (2 * COUNT, None, (1, 64, 64))
    assert dataset.labels.names == ("category", "elevation", "azimuth", "lighting")
    expected = look_up(["training", "testing"])
    images = dataset.images(range(2 * COUNT)).numpy()
    for index, row in enumerate(dataset.factors(range(2 * COUNT)).tolist()):
        category, *view = row
        instance = (0, 4, 5, 7)[index % 4]  # the fastest, so index // 4 is that of the combination
        assert np.array_equal(images[index, 0], shrink(expected[category, instance, *view]))
    # Drawing an index uniformly has the law of drawing factors, then one of their instances.
    assert np.unique(dataset.factors(range(2 * COUNT)), axis=0, return_counts=True)[1].tolist() == [4] * 24


def test_the_official_sizes_are_those_of_the_publication():
    assert SmallNORB.category.size * 5 * np.prod([factor.size for factor in SmallNORB.views]) == 24_300
    assert [factor.values[-1] for factor in SmallNORB.views] == [70, 340, 5]
    assert sorted(SmallNORB.instances["training"] + SmallNORB.instances["testing"]) == list(range(10))
    assert SmallNORB.parameters[0].default == "dlib"


def test_packed_and_unpacked_files_are_the_same(folder):
    packed = load(folder).fingerprint
    for path in folder.iterdir():
        if "cat" not in path.name:  # some of each
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    plain = load(folder)
    assert plain.fingerprint == packed
    for path in folder.glob("*.mat"):  # unpacked under the packed name
        path.rename(path.with_name(path.name + ".gz"))
    assert load(folder).fingerprint == packed


def test_bytes_are_unsigned_and_the_first_camera_is_used(folder):
    images, _, _ = draw("training")
    images[:, 0], images[:, 1] = 200, 50
    write_part(folder, "training", dat=images)
    assert (load(folder, protocol="disent").images(range(COUNT)) == 200).all()


def test_the_size_is_a_parameter(folder):
    whole = load(folder, protocol="disent", image_size=96)
    assert whole.image_shape == (1, 96, 96)
    photographs = {image.tobytes() for image in draw("training")[0][:, 0]}
    assert {image.tobytes() for image in whole.images(range(COUNT)).numpy()} == photographs
    with pytest.raises(InputError, match="image_size must be from 1 to 96, but 128 was given"):
        load(folder, image_size=128)


def make_official(folder):
    """Return a dataset whose official files are those of a folder, which are packed."""
    files = {}
    for name, file in SmallNORB.files.items():
        content = (folder / f"{name}.gz").read_bytes()
        packed, plain = (hashlib.md5(one).hexdigest() for one in (content, gzip.decompress(content)))
        files[name] = file._replace(
            packed=dataclasses.replace(file.packed, digests={"md5": packed}),
            plain=dataclasses.replace(file.plain, digests={"md5": plain}),
        )
    return type(
        "Official", (Tiny,), {"files": files, "archives": tuple(one.packed for one in files.values())}
    )


def test_verify_and_fetch_find_unpacked_files_as_loading_does(folder, monkeypatch, capsys):
    official = make_official(folder)
    plugin = registry.Plugin("datasets", "smallnorb", "tests:official", "tests", [official])
    monkeypatch.setattr(registry, "find", lambda kind, name: plugin)
    paths = sorted(folder.glob("*.gz"))
    for path in paths[:3]:
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    paths[3].write_bytes(gzip.decompress(paths[3].read_bytes()))  # unpacked under the packed name
    paths[4].rename(paths[4].with_suffix(""))  # packed under the unpacked name
    official("official", folder.parent)
    there = [*folder.glob("*.mat"), *folder.glob("*.gz")]
    assert len(there) == 6
    for action, words in (("verify", "verified (md5 "), ("fetch", "already there, and verified")):
        assert main(["data", action, "smallnorb", "--data-dir", str(folder.parent)]) == 0
        out = capsys.readouterr().out
        assert out.count(words) == 6
        assert all(f"{path}: " in out for path in there)
    paths[0].with_suffix("").write_bytes(b"x")
    for action in ("verify", "fetch"):
        assert main(["data", action, "smallnorb", "--data-dir", str(folder.parent)]) == 2
        assert "is not the official archive" in capsys.readouterr().err
    paths[0].with_suffix("").unlink()
    assert main(["data", "verify", "smallnorb", "--data-dir", str(folder.parent)]) == 2
    assert f"{paths[0].name} is not in" in capsys.readouterr().err


def test_official_files_are_verified_packed_or_not(folder):
    with pytest.raises(InputError) as error:
        Tiny("official", folder.parent)
    assert "is not the official archive: its md5 is" in str(error.value)
    assert "or read files of your own with source='own'." in str(error.value)
    official = make_official(folder)
    before = official("official", folder.parent)
    assert before.own_caveat == ""
    assert before.fingerprint.startswith("md5:")
    path = find(folder, "training", "dat")
    path.write_bytes(gzip.decompress(path.read_bytes()))  # unpacked under the packed name
    assert official("official", folder.parent).fingerprint == before.fingerprint
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="is not the official archive"):
        official("official", folder.parent)


def test_one_protocol_needs_only_the_training_files(folder):
    for path in folder.glob("*testing*"):
        path.unlink()
    assert len(load(folder, protocol="disent")) == COUNT
    with pytest.raises(InputError, match=r"testing-dat\.mat\.gz is not in .* data fetch smallnorb"):
        load(folder)


def test_fetch_takes_the_files_of_the_protocol(monkeypatch, tmp_path):
    fetched = []

    def fetch(archive, data_dir):
        fetched.append(archive.file)
        return tmp_path / archive.file, True

    monkeypatch.setattr("dis_bench.datasets.download.fetch", fetch)
    assert main(["data", "fetch", "smallnorb"]) == 0
    assert len(fetched) == 6
    assert main(["data", "fetch", "smallnorb", "--set", "smallnorb.protocol=disent"]) == 0
    assert len(fetched) == 9
    assert all("training" in name for name in fetched[6:])


def change_array(part, kind, change):
    def write(folder):
        arrays = dict(zip(("dat", "cat", "info"), draw(part), strict=True))
        write_part(folder, part, **{kind: change(arrays[kind].copy())})

    return write


def exchange(folder, first, second):
    one, other = find(folder, *first), find(folder, *second)
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])


def set_to(column, value):
    def change(info):
        info[0, column] = value
        return info

    return change


def repeat(info):
    info[0] = info[1]
    return info


CASES = {
    "truncated download": (
        lambda f: find(f, "training", "dat").write_bytes(find(f, "training", "dat").read_bytes()[:-90]),
        "truncated or damaged",
    ),
    "truncated before packing": (
        change_array("training", "dat", lambda a: encode(a)[:-1]),
        "ends after 47 rows: get it again",
    ),
    "more than announced": (
        change_array("training", "dat", lambda a: encode(a) + b"\0"),
        "goes on after its 48 rows",
    ),
    "only a header": (change_array("training", "cat", lambda a: encode(a)[:10]), "ends within its header"),
    "empty": (change_array("training", "cat", lambda a: b""), "it ends within its header"),
    "big-endian": (
        change_array("training", "info", lambda a: encode(a, ">")),
        "its numbers are in big-endian order, while the format is little-endian",
    ),
    "floats": (
        change_array("training", "dat", lambda a: encode(a.astype(np.float32))),
        "it holds float32, so two files may have been exchanged",
    ),
    "packed twice": (
        change_array("training", "cat", lambda a: gzip.compress(encode(a))),
        "it was packed twice",
    ),
    "a MATLAB file": (
        change_array("training", "dat", lambda a: b"MATLAB 5.0 MAT-file, Platform: GLNX86"),
        "it is a file of MATLAB's, which has the same suffix",
    ),
    "one camera": (
        change_array("training", "dat", lambda a: a[:, 0]),
        "has 3 dimensions instead of 4: two files may have been exchanged",
    ),
    "another number of images": (
        change_array("training", "dat", lambda a: a[:20]),
        "holds a matrix [20, 2, 96, 96] instead of [48, 2, 96, 96]",
    ),
    "infos as categories": (
        lambda f: exchange(f, ("training", "info"), ("training", "cat")),
        "has 2 dimensions instead of 1",
    ),
    "images as categories": (
        lambda f: exchange(f, ("training", "dat"), ("training", "cat")),
        "it holds bytes, so two files may have been exchanged",
    ),
    "training as testing": (
        lambda f: exchange(f, ("training", "info"), ("testing", "info")),
        "must have instances [4, 7], but has [0, 5]: those of training and of testing may have been",
    ),
    "an odd azimuth": (change_array("training", "info", set_to(2, 1)), "must have even azimuths"),
    "an elevation out of range": (
        change_array("training", "info", set_to(1, 9)),
        "factor 'elevation' must be from 0 to 1, but 9 was given",
    ),
    "a category out of range": (
        change_array("training", "cat", lambda a: np.full_like(a, 5)),
        "factor 'category' must be from 0 to 1, but 5 was given",
    ),
    "an image twice": (change_array("training", "info", repeat), "twice: get it again"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_files_are_refused_in_a_sentence(folder, case):
    change, sentence = CASES[case]
    change(folder)
    with pytest.raises(InputError) as error:
        load(folder)
    assert sentence in str(error.value).replace(f"{folder}/", "")
