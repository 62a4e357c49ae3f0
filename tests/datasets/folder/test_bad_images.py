"""Images that are damaged, unusual or not images: handled by the rule, or refused in a sentence."""

import io
import os
import shutil
import struct
import threading
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from dis_bench.datasets import load_dataset
from dis_bench.datasets import photos as module
from dis_bench.datasets.photos import Square, Unusable, flatten, read_square
from dis_bench.errors import InputError

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (80, 120, 3)).astype(np.uint8)


def load(folder, **parameters):
    return load_dataset(f"folder:{folder}", **parameters)


def encode(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def square(content, size=16, channels=3, crop=0):
    return read_square(content, Square(size, crop, channels))


def animated(kind):
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "lime", "blue")]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, loop=0)


PNG, JPEG, WEBP = (encode(Image.fromarray(NOISE), kind) for kind in ("PNG", "JPEG", "WEBP"))

UNUSABLE = {
    "truncated png": (PNG[: len(PNG) // 2], "it is damaged"),
    "truncated jpeg": (JPEG[: len(JPEG) // 2], "it is damaged: image file is truncated"),
    "truncated webp": (WEBP[: len(WEBP) // 2], "it is"),
    "damaged png": (PNG[:200] + bytes(100) + PNG[300:], "it is damaged"),
    "only a header": (PNG[:20], "it is"),
    "empty": (b"", "it is empty"),
    "text": (b"not an image", "it is no PNG, JPEG or WebP image"),
    "a gif named png": (encode(Image.new("L", (9, 9)), "GIF"), "it is no PNG, JPEG or WebP image"),
    "a zip named jpg": (b"PK\3\4" + bytes(200), "it is no PNG, JPEG or WebP image"),
    "animated png": (animated("PNG"), "it is animated, with 3 frames"),
    "animated webp": (animated("WEBP"), "it is animated, with 3 frames"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_used_is_named_and_refused_or_left_out(photos, case):
    content, reason = UNUSABLE[case]
    (photos / "bad.jpg").write_bytes(content)
    with pytest.raises(InputError) as error:
        load(photos)
    sentence = str(error.value)
    assert f"1 of 6 images in '{photos}' cannot be used ('bad.jpg': {reason}" in sentence
    assert "remove them, or leave them out (settings={'folder.skip_unreadable': True})" in sentence.replace(
        "parameters={'folder': {'skip_unreadable': True}}", "settings={'folder.skip_unreadable': True}"
    )
    without = load(photos, skip_unreadable=True)
    assert len(without) == 5
    assert "; 1 that cannot be used are left out." in without.own_caveat
    (photos / "bad.jpg").unlink()
    assert load(photos).fingerprint == without.fingerprint


def test_truncated_images_are_refused_whatever_a_notebook_has_set(photos, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    (photos / "bad.jpg").write_bytes(JPEG[: len(JPEG) // 2])
    with pytest.raises(InputError, match="image file is truncated"):
        load(photos)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_too_many_to_name_are_counted(photos):
    for number in range(9):
        (photos / f"bad{number}.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"9 of 14 images .*'bad4\.png': [^;]*; and 4 more"):
        load(photos)


def test_files_that_cannot_be_opened_are_named(photos):
    (photos / "gone.png").symlink_to(photos / "nowhere.png")
    os.mkfifo(photos / "pipe.png")
    with pytest.raises(InputError) as error:
        load(photos)
    assert "'gone.png': it cannot be read: No such file or directory" in str(error.value)
    assert "'pipe.png': it is no regular file" in str(error.value)
    assert len(load(photos, skip_unreadable=True)) == 5


def test_files_of_any_size_are_not_read_whole(photos, monkeypatch):
    with (photos / "large.png").open("wb") as file:
        file.truncate((1 << 28) + 1)  # which takes no room
    read = []
    monkeypatch.setattr(
        Path, "read_bytes", lambda path, own=Path.read_bytes: read.append(path.name) or own(path)
    )
    with pytest.raises(InputError, match=r"\('large\.png': it has more than 268,435,456 bytes\)"):
        load(photos)
    assert len(load(photos, skip_unreadable=True)) == 5
    assert "0.png" in read
    assert "large.png" not in read


@pytest.mark.parametrize("count", [0, 1])
def test_no_image_and_one_image_are_too_few(photos, count):
    for path in sorted(photos.iterdir())[count:]:
        path.unlink()
    number = "1 PNG, JPEG or WebP file" if count else "no PNG, JPEG or WebP files"
    with pytest.raises(InputError, match=rf"a dataset needs two images, but '.*' has {number}\."):
        load(photos)
    (photos / "a.gif").write_bytes(b"x")
    (photos / "b.zip").write_bytes(b"x")
    with pytest.raises(
        InputError, match=r"it holds images of other formats: 1 gif; 'b\.zip' is still packed"
    ):
        load(photos)


def test_one_image_that_can_be_used_is_too_few(photos):
    for path in sorted(photos.iterdir())[1:]:
        path.write_bytes(b"x")
    with pytest.raises(InputError, match=r"a dataset needs two images, but .* has 1 that can be used"):
        load(photos, skip_unreadable=True)


def test_a_packed_folder_is_to_be_unpacked(photos):
    packed = shutil.make_archive(str(photos), "zip", photos)
    with pytest.raises(InputError, match="is a packed file: unpack it, and give the folder"):
        load(packed)


def test_images_of_other_formats_are_named_in_the_caveat(photos):
    (photos / "a.tif").write_bytes(b"x")
    assert load(photos).own_caveat.endswith("images of other formats are not in it (1 tif).")


def test_other_suffixes_of_jpeg_are_read_and_animations_counted(photos):
    for suffix in ("jfif", "jpe", "pjpeg", "pjp", "JFIF"):
        shutil.copy(photos / "1.jpg", photos / f"9.{suffix}")
    (photos / "a.apng").write_bytes(b"x")
    dataset = load(photos)
    assert len(dataset) == 10
    assert dataset.own_caveat.endswith("images of other formats are not in it (1 apng).")


def test_a_loop_of_links_ends_and_each_folder_counts_once(photos):
    (photos / "below").mkdir()
    shutil.copy(photos / "0.png", photos / "below" / "5.png")
    (photos / "below" / "up").symlink_to(photos)
    (photos / "below" / "self").symlink_to(photos / "below")
    (photos / "again").symlink_to(photos / "below")
    assert len(load(photos)) == 6


def test_a_link_to_a_folder_is_followed(photos, tmp_path):
    (tmp_path / "link").symlink_to(photos)
    assert load(tmp_path / "link").fingerprint == load(photos).fingerprint


def test_hidden_files_are_left_out(photos):
    (photos / "._0.png").write_bytes(b"x")
    (photos / ".thumbnails").mkdir()
    (photos / ".thumbnails" / "0.png").write_bytes(b"x")
    (photos / "__MACOSX").mkdir()
    (photos / "__MACOSX" / "0.png").write_bytes(b"x")
    assert len(load(photos)) == 5


def test_names_need_not_be_utf8(photos):
    name = os.fsdecode(b"\xff\xe9.png")
    shutil.copy(photos / "0.png", photos / name)
    assert len(load(photos)) == 6
    (photos / name).write_bytes(b"x")
    with pytest.raises(InputError) as error:
        load(photos)
    assert r"'\udcff\udce9.png': it is no PNG" in str(error.value)
    assert str(error.value).encode()


def test_a_folder_that_cannot_be_listed_is_named(photos, monkeypatch):
    def walk(root, onerror, followlinks):
        onerror(PermissionError(13, "Permission denied", str(root / "below")))

    monkeypatch.setattr("os.walk", lambda root, **options: iter([walk(root, **options)]))
    with pytest.raises(InputError, match=r"the folder '.*below' cannot be read: Permission denied"):
        load(photos)


def test_the_middle_square_is_cut_out():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    content = encode(Image.fromarray(wide), "PNG")
    assert (square(content) == 200).all()
    assert (square(encode(Image.fromarray(wide.transpose(1, 0, 2)), "PNG")) == 200).all()
    assert (square(content, crop=8) == 200).all()
    with pytest.raises(Unusable, match="it has 30x10 pixels, fewer than the crop of 11x11"):
        square(content, crop=11)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(orientation):
    upright = np.zeros((24, 24, 3), np.uint8)
    upright[:12, :12], upright[:12, 12:], upright[12:, :12] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    undo = {
        **{2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180},
        **{4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90},
        **{7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270},
    }
    image = Image.fromarray(upright)
    turned = image if orientation == 1 else image.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "JPEG", "WEBP"):
        options = {"quality": 95} if kind != "PNG" else {}
        found = square(encode(turned, kind, exif=exif, **options), size=24).transpose(1, 2, 0).astype(int)
        middle = [found[y, x] for y, x in ((6, 6), (6, 18), (18, 6), (18, 18))]
        wanted = np.array([(250, 0, 0), (0, 250, 0), (0, 0, 250), (0, 0, 0)])
        assert np.abs(np.array(middle) - wanted).max() < 30


def test_sixteen_bits_are_cut_to_the_upper_eight():
    deep = np.full((20, 20), 200 << 8, np.uint16)
    content = encode(Image.fromarray(deep), "PNG")
    assert (square(content, channels=1) == 200).all()
    assert (square(content) == 200).all()


def test_sixteen_bits_take_few_bytes_a_pixel():
    image = Image.fromarray(np.full((1_000, 1_000), 200 << 8, np.uint16))
    tracemalloc.start()
    try:
        flatten(image)
        assert tracemalloc.get_traced_memory()[1] < 12 * 1_000 * 1_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("limit", "most"), [(80 * 120 - 1, 1), (80 * 120, 3)])
def test_large_images_are_decoded_one_at_a_time(monkeypatch, limit, most):
    running, found = [], []
    all_run = threading.Barrier(3)

    def make_square(*given, own=module._make_square):
        running.append(None)
        with suppress(threading.BrokenBarrierError):
            all_run.wait(0.1 if most == 1 else 60)
        found.append(len(running))
        small = own(*given)
        running.pop()
        return small

    monkeypatch.setattr(module, "LARGE", limit)
    monkeypatch.setattr(module, "_make_square", make_square)
    with ThreadPoolExecutor(3) as pool:
        squares = list(pool.map(square, [PNG, JPEG, WEBP]))
    assert max(found) == most
    monkeypatch.undo()
    assert all(map(np.array_equal, squares, map(square, [PNG, JPEG, WEBP])))


def test_large_images_that_are_damaged_are_named(monkeypatch):
    monkeypatch.setattr(module, "LARGE", 1)
    for content, reason in UNUSABLE.values():
        with pytest.raises(Unusable, match=reason):
            square(content)
    assert np.array_equal(square(PNG, size=80, crop=80)[:, 0, 0], NOISE[0, 20])


def test_cmyk_becomes_rgb():
    content = encode(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "JPEG")
    red, green, blue = square(content).reshape(3, -1).mean(1)
    assert red > 200
    assert max(green, blue) < 60


def test_transparency_is_laid_on_white():
    assert (square(encode(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "PNG")) == 255).all()
    assert (square(encode(Image.new("LA", (9, 9), (0, 0)), "PNG"), channels=1) == 255).all()
    palette = Image.new("P", (9, 9), 0)
    palette.putpalette([0, 0, 0, 90, 90, 90])
    assert (square(encode(palette, "PNG", transparency=0)) == 255).all()


def png(depth, kind, row, transparent):
    """Write a PNG file of eight equal rows, of which one grey or colour is transparent."""

    def chunk(name, content):
        checksum = zlib.crc32(name + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + name + content + checksum

    header = struct.pack(">IIBBBBB", 8, 8, depth, kind, 0, 0, 0)
    packed = zlib.compress((b"\0" + row) * 8)
    chunks = ((b"IHDR", header), (b"tRNS", transparent), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


@pytest.mark.parametrize(
    ("depth", "kind", "row", "own", "other", "level"),
    [
        (16, 0, struct.pack(">H", 40_000) * 8, (40_000,), (40_001,), 156),
        (16, 2, struct.pack(">HHH", 40_000, 20_000, 300) * 8, (40_000, 20_000, 300), (156, 78, 1), 156),
        (8, 0, bytes([100]) * 8, (100,), (101,), 100),
        (8, 2, bytes([100, 2, 3]) * 8, (100, 2, 3), (100, 2, 4), 100),
        (4, 0, b"\x55" * 4, (5,), (6,), 85),
        (2, 0, b"\x55" * 2, (1,), (2,), 85),
        (1, 0, b"\0", (0,), (1,), 0),
    ],
)
def test_a_transparent_colour_is_laid_on_white_at_any_depth(depth, kind, row, own, other, level):
    for transparent, expected in ((own, 255), (other, level)):
        content = png(depth, kind, row, struct.pack(f">{len(transparent)}H", *transparent))
        assert (square(content, size=8)[0] == expected).all()


def test_bits_and_palettes_are_read():
    assert (square(encode(Image.new("1", (9, 9), 1), "PNG"), channels=1) == 255).all()
    image = Image.new("P", (9, 9), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    assert square(encode(image, "PNG"))[:, 0, 0].tolist() == [10, 200, 30]


def test_a_photo_with_a_second_picture_is_its_first():
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    content = encode(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert square(content)[0].mean() > 200


def test_large_photos_are_decoded_at_a_smaller_scale_and_look_the_same():
    smooth = np.linspace(0, 255, 2_000).astype(np.uint8)
    image = Image.fromarray(np.stack([np.tile(smooth, (1_600, 1))] * 3, 2))
    content = encode(image, "JPEG", quality=95)
    whole = image.resize((64, 64), Image.Resampling.LANCZOS, (200, 0, 1_800, 1_600))
    found = square(content, size=64).transpose(1, 2, 0).astype(int)
    assert np.abs(found - np.asarray(whole)).max() <= 3


def test_grey_images_have_one_channel_unless_one_has_colours(tmp_path):
    folder = tmp_path / "grey"
    folder.mkdir()
    for number in range(3):
        Image.new("L", (9, 9), 50 * number).save(folder / f"{number}.png")
    assert load(folder).image_shape == (1, 64, 64)
    assert load(folder, color="rgb").image_shape == (3, 64, 64)
    Image.new("RGB", (9, 9), "red").save(folder / "3.png")
    assert load(folder).image_shape == (3, 64, 64)
    assert load(folder, color="grey").image_shape == (1, 64, 64)


def test_an_image_of_one_pixel_is_enlarged():
    assert (square(encode(Image.new("RGB", (1, 1), (3, 5, 7)), "PNG")).reshape(3, -1).T == [3, 5, 7]).all()


def test_an_image_of_too_many_pixels_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Unusable, match="it has more pixels than Pillow decodes"):
        square(PNG)
