"""CelebA: small archives in the authors' format, right and wrong."""

import dataclasses
import hashlib
import io
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image

from dis_bench.datasets import load_dataset
from dis_bench.datasets.celeba import dataset as module
from dis_bench.errors import InputError

ATTRIBUTES = "3\nBald Smiling \n000001.jpg -1  1\n000002.jpg  1  1\n000003.jpg -1 -1\n"


def face(level):
    pixels = np.full((218, 178, 3), level, np.uint8)
    pixels[:20] = pixels[-20:] = 255  # outside of the middle square
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def files(tmp_path, cache):
    """Write an archive of three faces, and their attributes; return their folder."""
    folder = tmp_path / "celeba"
    folder.mkdir()
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for number in (3, 1, 2):
            archive.writestr(f"img_align_celeba/{number:06}.jpg", face(50 * number))
        archive.writestr("__MACOSX/img_align_celeba/._000001.jpg", b"x")
        archive.writestr("img_align_celeba/", b"")
    (folder / "list_attr_celeba.txt").write_text(ATTRIBUTES)
    return folder


def load(folder, **options):
    return load_dataset("celeba", source="own", data_dir=folder.parent, **options)


def test_faces_are_in_order_with_their_attributes(files):
    dataset = load(files)
    assert (len(dataset), dataset.image_shape) == (3, (3, 64, 64))
    assert np.abs(dataset.images([0, 1, 2]).numpy().mean((1, 2, 3)) - [50, 100, 150]).max() < 2
    assert [factor.name for factor in dataset.labels] == ["Bald", "Smiling"]
    assert dataset.factors([0, 1, 2]).tolist() == [[0, 1], [1, 1], [0, 0]]
    assert dataset.own_caveat == (
        "CelebA: the middle 178x178 pixels, resized to 64x64; files of your own, which nothing verified."
    )


def test_crop_size_and_attributes_are_in_the_fingerprint(files):
    found = [load(files), load(files, image_size=32), load(files, crop=128)]
    assert found[1].image_shape == (3, 32, 32)
    assert "the middle 128x128 pixels" in found[2].own_caveat
    (files / "list_attr_celeba.txt").unlink()
    found.append(load(files))
    assert found[-1].known_factors is None
    assert "; without attributes." in found[-1].own_caveat
    assert len({dataset.fingerprint for dataset in found}) == 4
    with pytest.raises(InputError, match="crop must be from 0 to 178, but 200 was given"):
        load(files, crop=200)
    assert load(files, image_size=178).image_shape == (3, 178, 178)
    for values, side in (({"image_size": 179}, 178), ({"image_size": 128, "crop": 100}, 100)):
        with pytest.raises(InputError, match=f"image_size must be at most {side}, the side of the square"):
            load(files, **values)


def test_official_files_are_verified(files, monkeypatch):
    with pytest.raises(InputError, match=r"img_align_celeba\.zip' is not the official archive: its md5 is"):
        load_dataset("celeba", data_dir=files.parent)
    for name in ("IMAGES", "ATTRIBUTES"):
        archive = getattr(module, name)
        digest = hashlib.md5((files / archive.file).read_bytes()).hexdigest()
        monkeypatch.setattr(module, name, dataclasses.replace(archive, digests={"md5": digest}))
    dataset = load_dataset("celeba", data_dir=files.parent)
    assert (dataset.source, len(dataset)) == ("official", 3)
    (files / "list_attr_celeba.txt").write_text(ATTRIBUTES.replace("-1", "1"))
    with pytest.raises(InputError, match="delete it and get it from https://mmlab"):
        load_dataset("celeba", data_dir=files.parent)


def replace(folder, change):
    path = folder / "img_align_celeba.zip"
    path.write_bytes(change(path.read_bytes()))


def repack(folder, name, content):
    archive = zipfile.ZipFile(folder / "img_align_celeba.zip", "a")
    with archive, warnings.catch_warnings(action="ignore"):  # about a name that is there already
        archive.writestr(name, content)


def tar(folder):
    with tarfile.open(folder / "img_align_celeba.zip", "w:gz") as archive:
        archive.add(folder / "list_attr_celeba.txt")


TABLE = "list_attr_celeba.txt"
CASES = {
    "truncated": (lambda f: replace(f, lambda c: c[:-30]), "is no complete zip or tar file"),
    "damaged": (
        lambda f: replace(f, lambda c: c[:200] + bytes(300) + c[500:]),
        "it cannot be read: BadZipFile",
    ),
    "no archive": (lambda f: replace(f, lambda c: b"x" * 99), "is no complete zip or tar file"),
    "a packed tar": (tar, "or unpack it if it was packed once more"),
    "an image that is none": (
        lambda f: repack(f, "img_align_celeba/000000.jpg", b"x"),
        "'img_align_celeba/000000.jpg': it is no PNG, JPEG or WebP image, or its header is damaged): get the "
        "archive again.",
    ),
    "an image twice": (
        lambda f: repack(f, "img_align_celeba/000001.jpg", face(9)),
        "has 'img_align_celeba/000001.jpg' twice: get it again",
    ),
    "an image in two folders": (
        lambda f: repack(f, "more/000001.jpg", face(9)),
        "has one line for '000001.jpg', which is in two folders of the archive",
    ),
    "one more image": (
        lambda f: repack(f, "img_align_celeba/000004.jpg", face(9)),
        "has no line for '000004.jpg': it is not that of these images",
    ),
    "a short table": (
        lambda f: (f / TABLE).write_text(ATTRIBUTES[:40]),
        "announces 3 images, but has 2 lines",
    ),
    "a line too short": (
        lambda f: (f / TABLE).write_text(ATTRIBUTES.replace("  1  1", " 1")),
        "line 4, must have -1 or 1 for each of 2 attributes",
    ),
    "a blank line": (
        lambda f: (f / TABLE).write_text(ATTRIBUTES.replace("000002.jpg  1  1", "")),
        "list_attr_celeba.txt', line 4, is blank",
    ),
    "a name twice": (
        lambda f: (f / TABLE).write_text(ATTRIBUTES.replace("000003", "000001")),
        "list_attr_celeba.txt', line 5, lists '000001.jpg', which line 3 lists, too",
    ),
    "an attribute that cannot be printed": (
        lambda f: (f / TABLE).write_text(ATTRIBUTES.replace("Bald", "\x1b[31mBald")),
        "list_attr_celeba.txt', line 2: the name of an attribute must be one line of text",
    ),
    "other values": (
        lambda f: (f / TABLE).write_text(ATTRIBUTES.replace("-1", "0")),
        "line 3, must have -1 or 1",
    ),
    "another list": (
        lambda f: (f / TABLE).write_text("000001.jpg 2880\n"),
        "it begins with '000001.jpg 2880'",
    ),
    "a packed table": (lambda f: (f / TABLE).write_bytes(b"\x1f\x8b\xff"), "is it still packed?"),
    "no archive at all": (
        lambda f: (f / "img_align_celeba.zip").unlink(),
        "run `dis-bench data fetch celeba`",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_files_are_refused_in_a_sentence(files, case):
    change, sentence = CASES[case]
    change(files)
    with pytest.raises(InputError) as error:
        load(files)
    assert sentence in str(error.value)
