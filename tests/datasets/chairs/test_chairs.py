"""3D chairs: small archives in the authors' format, right and wrong."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from dis_bench.cli.main import main
from dis_bench.datasets import load_dataset, stored
from dis_bench.errors import InputError

VIEWS = [(chair, pitch, turn) for chair in ("b7", "a1") for pitch in (20, 30) for turn in (0, 11, 348)]


def write_archive(
    path, views=VIEWS, name="{}/renders/image_{:03}_p{:03}_t{:03}_r096.png", mode="w", root="rendered_chairs/"
):
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for number, (chair, pitch, turn) in enumerate(views):
            buffer = io.BytesIO()
            Image.new("RGB", (60, 60), (number, pitch, turn % 256)).save(buffer, "PNG")
            member = tarfile.TarInfo(root + name.format(chair, number, pitch, turn))
            member.size = len(buffer.getvalue())
            archive.addfile(member, io.BytesIO(buffer.getvalue()))
        archive.addfile(tarfile.TarInfo("rendered_chairs/all_chair_names.mat"), io.BytesIO())
    return path


def find_members(path):
    with tarfile.open(path) as archive:
        return archive.getmembers()


def change(path, edit, number=5):
    """Change the bytes of an archive by what is known of one of its members."""
    content = bytearray(path.read_bytes())
    path.write_bytes(edit(content, find_members(path)[number]))


def damage_header(content, member):
    content[member.offset + 150] ^= 1
    return content


def clear_header(content, member):
    content[member.offset : member.offset_data] = bytes(512)
    return content


def add_member(path, kind, number):
    """Add a member of the name of another one: a file or a link."""
    target = find_members(path)[number].name
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo(target if kind == tarfile.REGTYPE else f"{target[:-4]}1.png")
        member.type, member.linkname = kind, target if kind != tarfile.REGTYPE else ""
        archive.addfile(member)


@pytest.fixture
def archive(tmp_path, cache):
    return write_archive(tmp_path / "chairs" / "rendered_chairs.tar")


def load(path, **options):
    return load_dataset("chairs", data_dir=path.parents[1], **options)


def test_factors_are_those_of_the_names(archive):
    dataset = load(archive)
    assert (len(dataset), dataset.image_shape) == (12, (3, 64, 64))
    assert [(factor.name, factor.values, factor.kind) for factor in dataset.labels] == [
        ("chair", ("a1", "b7"), "categorical"),
        ("elevation", (20, 30), "ordinal"),
        ("azimuth", (0, 11, 348), "circular"),
    ]
    levels = dataset.images(np.arange(12))[:, :, 30, 30].tolist()
    values = [
        [factor.values[c] for factor, c in zip(dataset.labels, row, strict=True)]
        for row in dataset.factors(np.arange(12))
    ]
    assert [(VIEWS[number], pitch, turn) for number, pitch, turn in levels] == [
        (tuple(value), value[1], value[2] % 256) for value in values
    ]
    assert load(archive, image_size=32, color="grey").image_shape == (1, 32, 32)


def test_the_fingerprint_is_that_of_images_and_names(archive, tmp_path):
    moved = (
        write_archive(tmp_path / "other" / "chairs" / "rendered_chairs.tar")
        if (tmp_path / "other").mkdir() is None
        else None
    )
    turned = [(chair, pitch, turn + 1) for chair, pitch, turn in VIEWS]
    found = [load(archive), load(moved), load(archive, crop=30)]
    write_archive(archive, turned)
    found.append(load(archive))
    assert len({dataset.fingerprint for dataset in found}) == 3
    assert found[0].fingerprint == found[1].fingerprint


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:9_000]), "is no complete zip or tar file"),
        (lambda path: path.write_bytes(b"x"), "is no complete zip or tar file"),
        (
            lambda path: change(path, damage_header),
            "no complete tar file: what follows after 'rendered_chairs/",
        ),
        (
            lambda path: change(path, clear_header),
            "is neither a file nor the end of an archive; get it again",
        ),
        (lambda path: change(path, lambda c, m: c[: m.offset]), "no complete tar file: what follows after"),
        (
            lambda path: change(path, lambda c, m: c[: m.offset + 600], -1),
            "no complete tar file: what follows",
        ),
        (lambda path: change(path, lambda c, m: c + b"x"), "no complete tar file: what follows after"),
        (lambda path: add_member(path, tarfile.REGTYPE, 3), "_r096.png' twice: get it again"),
        (lambda path: add_member(path, tarfile.SYMTYPE, 3), "_r0961.png' as a link, not as a file"),
        (lambda path: add_member(path, tarfile.LNKTYPE, 3), "_r0961.png' as a link, not as a file"),
        (
            lambda path: change(path, lambda c, m: c.replace(b"IDAT", b"IDXT", 1)),
            "1 of 12 images in '{}' cannot be used ('rendered_chairs/b7/renders/image_000_p020",
        ),
        (lambda path: write_archive(path, mode="w:gz"), "or unpack it if it was packed once more"),
        (lambda path: write_archive(path, name="{}-{}-{}-{}.png"), "is no name of a rendering"),
        (lambda path: write_archive(path, VIEWS[:1]), "a dataset needs two images, but"),
        (lambda path: path.unlink(), "get it from https://www.di.ens.fr/willow/research/seeing3Dchairs"),
    ],
)
def test_wrong_archives_are_refused_in_a_sentence(archive, change, sentence):
    change(archive)
    with pytest.raises(InputError) as error:
        load(archive)
    assert sentence.format(archive) in str(error.value)
    assert "skip" not in str(error.value)  # which chairs does not have


def test_names_may_begin_with_a_dot_for_their_folder(archive):
    plain = load(archive)
    write_archive(archive, root="./rendered_chairs/")
    assert load(archive).fingerprint == plain.fingerprint


def test_it_is_neither_fetched_nor_verified(archive, capsys, tmp_path):
    assert main(["data", "verify", "chairs", "--data-dir", str(tmp_path)]) == 0
    assert "cannot be verified, since no digest of it is published" in capsys.readouterr().out
    archive.unlink()
    assert main(["data", "fetch", "chairs", "--data-dir", str(tmp_path)]) == 2
    assert "get it from https://www.di.ens.fr" in capsys.readouterr().err


def test_names_are_refused_before_an_image_is_decoded(archive, monkeypatch):
    monkeypatch.setattr(stored, "read_square", None)
    write_archive(archive, name="{}-{}-{}-{}.png")
    with pytest.raises(InputError, match="is no name of a rendering"):
        load(archive)
