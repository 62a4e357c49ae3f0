"""Falcor3D and Isaac3D: numbered images in folders, tar and zip files, right and wrong."""

import io
import os
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from dis_bench.cli.main import main
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.nvidia.dataset import Falcor3D, Isaac3D
from dis_bench.errors import InputError

SIZES = (2, 3, 2)
COUNT = 12
LABELS = "train-rec.labels"


class Tiny(Falcor3D):
    """Falcor3D of twelve images, of 16 pixels or of 40."""

    grid = FactorGrid([Factor.spaced(f"f{number}", size, 0, 1) for number, size in enumerate(SIZES)])
    sides = (16, 40)


def png(number, side=16, mode="RGB", kind="PNG"):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3)).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def labels(sizes=SIZES):
    classes = np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), 1)
    buffer = io.BytesIO()
    np.save(buffer, classes / (np.array(sizes) - 1.0))
    return buffer.getvalue()


def files(side=16):
    """Return the files by name, the images in no order."""
    order = np.random.default_rng(0).permutation(COUNT).tolist()
    images = {f"Falcor3D_down128/images/{number:06}.png": png(number, side) for number in order}
    return {**images, f"Falcor3D_down128/{LABELS}": labels(), "Falcor3D_down128/readme.txt": b"x"}


def write(folder, contents, kind="zip"):
    folder.mkdir(exist_ok=True)
    for old in folder.glob("Falcor3D*"):
        assert old.is_file()
        old.unlink()
    if kind == "folder":
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    elif kind == "zip":
        with zipfile.ZipFile(folder / "Falcor3D_down128.zip", "w") as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(folder / f"Falcor3D_down128.{kind}", "w:gz" if kind == "tar.gz" else "w") as packed:
            for name, content in contents.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))


KINDS = ["folder", "zip", "tar", "tar.gz"]


@pytest.fixture
def folder(tmp_path, cache):
    return tmp_path / "data"


def load(folder, **values):
    return Tiny(data_dir=folder, **{"image_size": 8, **values})


def shrink(number, size, side=16):
    with Image.open(io.BytesIO(png(number, side))) as image:
        return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_at_its_number_however_it_is_packed(folder, kind):
    write(folder, files(), kind)
    dataset = load(folder)
    assert (len(dataset), dataset.image_shape, dataset.source) == (COUNT, (3, 8, 8), "official")
    for number, image in enumerate(dataset.images(range(COUNT)).numpy()):
        assert np.array_equal(image.transpose(1, 2, 0), shrink(number, 8))
    assert dataset.own_caveat == "Falcor3D cannot be verified: its authors publish no digest."
    assert not [*folder.glob("*.pixels")]


def test_the_fingerprint_is_that_of_the_pixels(tmp_path, cache):
    found = []
    for kind in KINDS:
        write(tmp_path / kind, files(), kind)
        found.append(load(tmp_path / kind).fingerprint)
    assert len(set(found)) == 1
    write(tmp_path / "large", files(40), "zip")
    assert load(tmp_path / "large").fingerprint != found[0]
    assert load(tmp_path / "zip", image_size=16).fingerprint != found[0]


def test_images_may_be_unpacked_elsewhere_or_without_labels(tmp_path, cache):
    for number in range(COUNT):
        path = tmp_path / "falcor" / "Falcor3D" / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    assert np.array_equal(load(tmp_path, image_size=16).images([5])[0].permute(1, 2, 0), shrink(5, 16))


def test_grids_are_the_published_ones_in_the_order_of_the_files():
    assert (Falcor3D.grid.sizes, len(Falcor3D.grid)) == ((5, 6, 6, 6, 6, 6, 6), 233_280)
    assert Falcor3D.grid.strides == (46656, 7776, 1296, 216, 36, 6, 1)
    assert Isaac3D.grid.names == (
        *("object_shape", "robot_x", "robot_y", "camera_height", "object_scale"),
        *("lighting_intensity", "lighting_y", "object_color", "wall_color"),
    )
    assert (Isaac3D.grid.sizes, len(Isaac3D.grid)) == ((3, 8, 5, 4, 4, 4, 6, 4, 4), 737_280)
    assert Isaac3D.grid.strides == (245760, 30720, 6144, 1536, 384, 96, 16, 4, 1)
    assert (Falcor3D.sides, Isaac3D.sides) == ((128, 1024), (128, 512))


def test_a_folder_that_changes_is_read_again(folder):
    write(folder, files(), "folder")
    before = load(folder)
    path = folder / "Falcor3D_down128" / "images" / "000003.png"
    path.write_bytes(png(99))
    os.utime(path, ns=(1, 1))
    assert load(folder).fingerprint != before.fingerprint


def changed(**names):
    """Return the files with others in their place; None removes one."""
    contents = files()
    for name, content in names.items():
        contents[f"Falcor3D_down128/images/{name.removeprefix('n')}.png"] = content
    return {name: content for name, content in contents.items() if content is not None}


def moved(number, to):
    contents = changed()
    contents[to] = contents.pop(f"Falcor3D_down128/images/{number:06}.png")
    return contents


with_labels = "Falcor3D_down128/" + LABELS
CASES = {
    "an image missing": (
        changed(n000007=None),
        ("lacks 1 of 12 images, the first of them image 7", "000007.png' cannot be read"),
    ),
    "an image too many": (
        changed(n000012=png(12)),
        ("has an image 12, but images from 0 to 11 are read", "holds 000012.png"),
    ),
    "a truncated image": (changed(n000002=png(2)[:-90]), ("000002.png of",) * 2),
    "an empty image": (changed(n000002=b""), ("it is empty",) * 2),
    "text": (changed(n000002=b"x"), ("it is no PNG",) * 2),
    "a JPEG of the right size": (changed(n000002=png(2, kind="JPEG")), ("it is no PNG image",) * 2),
    "a JPEG of another size": (changed(n000002=png(2, 20, kind="JPEG")), ("it is no PNG image",) * 2),
    "another size": (changed(n000002=png(2, 20)), ("has 20x20 pixels instead of 16x16 or 40x40",) * 2),
    "another order": (
        {**changed(), with_labels: labels((3, 2, 2))},
        ("gives other classes of f0 to the images than the FactorGrid(f0 2 x f1 3 x f2 2) does",) * 2,
    ),
    "labels of another set": ({**changed(), with_labels: labels((2, 2))}, ("must be numbers [12, 3]",) * 2),
    "damaged labels": ({**changed(), with_labels: labels()[:60]}, ("cannot be read as an array",) * 2),
    "pickled labels": ({**changed(), with_labels: b"\x80\x04N."}, ("cannot be read as an array",) * 2),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_wrong_images_are_refused_in_a_sentence(folder, cache, case, kind):
    contents, sentences = CASES[case]
    write(folder, contents, kind)
    with pytest.raises(InputError) as error:
        load(folder)
    assert sentences[kind == "folder"] in str(error.value)
    assert not [*cache.glob("*.pixels")]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize(
    "name",
    ["../000007.png", "/000007.png", "a/../../000007.png", "__MACOSX/000007.png", "images/._000007.png"],
)
def test_names_that_lead_elsewhere_or_are_hidden_are_no_images(folder, kind, name):
    write(folder, moved(7, name), kind)
    with pytest.raises(InputError, match="lacks 1 of 12 images, the first of them image 7"):
        load(folder)
    assert not (folder.parent / "000007.png").exists()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_image_that_is_there_twice_is_refused(folder, kind):
    contents = {**files(), "other/000004.png": png(4)}
    write(folder, contents, kind)
    with pytest.raises(InputError, match="has image 4 twice"):
        load(folder)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_in_a_tar_are_refused(folder, kind):
    write(folder, changed(n000007=None), "tar")
    with tarfile.open(folder / "Falcor3D_down128.tar", "a") as packed:
        member = tarfile.TarInfo("Falcor3D_down128/images/000007.png")
        member.type, member.linkname = kind, "/etc/passwd"
        packed.addfile(member)
    with pytest.raises(InputError, match=r"000007\.png' as a link or a folder, not as a file"):
        load(folder)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("zip", "is no complete"),
        ("tar", "it is incomplete, or another data set"),
        ("tar.gz", "is no complete tar file"),
    ],
)
def test_truncated_archives_are_refused(folder, kind, sentence):
    write(folder, files(), kind)
    path = folder / f"Falcor3D_down128.{kind}"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=sentence):
        load(folder)


def test_damage_within_an_image_of_an_archive_is_refused(folder):
    folder.mkdir(exist_ok=True)
    path = folder / "Falcor3D_down128.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in files().items():
            archive.writestr(name, content)
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * 100 + content[200:])
    with pytest.raises(InputError, match="is no complete zip file"):
        load(folder)


@pytest.mark.parametrize("name", [LABELS, "images/000003.png"])
def test_files_of_any_size_are_not_read_whole(folder, name):
    write(folder, files(), "folder")
    with (folder / "Falcor3D_down128" / name).open("wb") as file:
        file.truncate((1 << 26) + 1)  # which takes no room
    with pytest.raises(InputError, match=rf"{name}' has more than 67,108,864 bytes\."):
        load(folder)


def test_images_are_not_enlarged(folder):
    write(folder, files())
    assert load(folder, image_size=16).image_shape == (3, 16, 16)
    with pytest.raises(InputError, match=r"has 16x16 pixels, fewer than the image_size 17, .* of 40x40\."):
        load(folder, image_size=17)
    write(folder, files(40))
    assert load(folder, image_size=40).image_shape == (3, 40, 40)


def test_a_grey_image_gets_three_channels(folder):
    write(folder, changed(n000007=png(7, mode="L")))
    image = load(folder).images([7])[0]
    assert image.shape == (3, 8, 8)
    assert (image == image[:1]).all()


def test_an_empty_folder_is_refused(folder):
    (folder / "Falcor3D_down128" / "images").mkdir(parents=True)
    with pytest.raises(InputError, match=r"must hold images 000000\.png to 000011\.png, in itself or in its"):
        load(folder)


@pytest.mark.parametrize("name", ["falcor3d", "isaac3d"])
def test_they_are_got_by_hand(name, capsys, tmp_path):
    assert main(["data", "fetch", name, "--data-dir", str(tmp_path)]) == 2
    assert "get it from https://drive.google.com/file/d/" in capsys.readouterr().err
    folder = {"falcor3d": "Falcor3D", "isaac3d": "Isaac3D_down128"}[name]
    (tmp_path / folder).mkdir()
    for action in ("verify", "fetch"):
        assert main(["data", action, name, "--data-dir", str(tmp_path)]) == 0
        assert f"{folder}: there, but cannot be verified" in capsys.readouterr().out
    assert main(["data", "list", "--data-dir", str(tmp_path)]) == 0
    assert f"size unknown, here: {tmp_path / folder}" in capsys.readouterr().out
