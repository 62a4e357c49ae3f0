"""Images of any size and kind, as squares of bytes: decoding, cropping and resizing.

The rule, which :data:`RULE` names in fingerprints: the picture is turned upright as its EXIF data say, the
largest square in its middle is cut out (or one of a given side), and resized with Lanczos' filter. A JPEG
much larger than needed is decoded at 1/2, 1/4 or 1/8 of its size, which leaves at least four times the side
wanted. Transparent pixels are laid on white, 16 bits are cut to their upper 8, CMYK is converted without
colour management, and colour profiles are not applied.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

RULE = "upright, middle square, Lanczos; 1"  # the number is raised when the same image gives other pixels
FORMATS = ("PNG", "JPEG", "WEBP")
LARGE = 1 << 24  # pixels; a thread decodes a larger image alone, as it may take 20 bytes for each
OVERSIZE = 4  # a JPEG is decoded at a smaller scale only down to this multiple of the wanted side

# Modes of Pillow without colours.
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")

_alone = threading.Lock()  # held while a large image is decoded


class Unusable(Exception):
    """An image file that cannot be used; the message is a clause that says why."""


@dataclass(frozen=True)
class Square:
    """The size, the crop and the channels that images are brought to.

    Attributes:
        size: height and width in pixels.
        crop: side of the square that is cut out of the middle, in pixels; 0 for the largest.
        channels: 1 for grey, 3 for colour.
    """

    size: int
    crop: int = 0
    channels: int = 3


def pillow_version() -> str:
    """Return the version of Pillow, with which pixels may change."""
    import PIL

    return str(PIL.__version__)


@contextmanager
def decoding() -> Iterator[None]:
    """Make Pillow raise errors and suppress its warnings, in all threads of a block."""
    from PIL import ImageFile

    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # a notebook may have changed it
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def is_grey(file: BinaryIO) -> bool:
    """Return whether an image has no colours, as its header says.

    Raises:
        Unusable: the header cannot be read, or the image is animated.
    """
    with _open(file) as image:
        return str(image.mode) in _GREY


def read_square(content: bytes, square: Square) -> np.ndarray:
    """Decode an image file, and make it a square.

    Args:
        content: of a PNG, JPEG or WebP file, whatever its name.
        square: size, crop and channels.

    Returns:
        uint8 ``[C, size, size]``.

    Raises:
        Unusable: it is truncated, damaged, animated, of another format, too large, or smaller than the crop.
    """
    if not content:
        raise Unusable("it is empty")
    with _open(io.BytesIO(content)) as image:
        if image.format in ("JPEG", "MPO") and not square.crop:
            image.draft(None, (OVERSIZE * square.size, OVERSIZE * square.size))
        decode = _decode_alone if image.width * image.height > LARGE else _decode
        try:
            small = decode(image, content, square)
        except Unusable:
            raise
        except Exception as error:  # each codec has its own
            raise Unusable(_describe(error)) from None
    pixels = np.asarray(small, dtype=np.uint8)
    return pixels[None] if square.channels == 1 else pixels.transpose(2, 0, 1)


def flatten(image: Image) -> Image:
    """Convert Pillow's image of any mode to bytes of grey or of colours, by the rule.

    Raises:
        ValueError: Pillow cannot convert the mode.
    """
    return _to_bytes(image).convert("L" if image.mode in _GREY else "RGB")


def shrink(pixels: np.ndarray, size: int) -> np.ndarray:
    """Resize a square image of bytes with Lanczos' filter.

    Args:
        pixels: uint8 ``[H, H]`` or ``[H, H, 3]``.
        size: height and width wanted.

    Returns:
        uint8 ``[C, size, size]``.
    """
    from PIL import Image

    if len(pixels) != size:
        small = Image.fromarray(np.ascontiguousarray(pixels)).resize((size, size), Image.Resampling.LANCZOS)
        pixels = np.asarray(small)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _decode(image: ImageFile, content: bytes, square: Square) -> Image:
    image.load()
    if image.format == "PNG":
        _scale_transparency(image, content[24])
    return _make_square(image, square)


def _decode_alone(image: ImageFile, content: bytes, square: Square) -> Image:
    """Decode a large image while no other thread decodes one.

    A new thread does it, as the C library returns what a thread has freed only when the thread ends.
    """
    with _alone, ThreadPoolExecutor(1) as thread:
        small = thread.submit(_decode, image, content, square).result()
        image.close()  # which frees its pixels
        return small


def _make_square(image: Image, square: Square) -> Image:
    from PIL import Image, ImageOps

    upright = _to_bytes(ImageOps.exif_transpose(image))
    side = square.crop or min(upright.size)
    if side > min(upright.size):
        raise Unusable(
            f"it has {upright.width}x{upright.height} pixels, fewer than the crop of {side}x{side}"
        )
    left, top = (upright.width - side) // 2, (upright.height - side) // 2
    middle = upright.crop((left, top, left + side, top + side))
    colours = middle.convert("L" if square.channels == 1 else "RGB")
    return colours.resize((square.size, square.size), Image.Resampling.LANCZOS)


def _to_bytes(image: Image) -> Image:
    """Convert an image to 8 bits, without transparency."""
    from PIL import Image

    if image.mode.startswith("I"):
        wide = np.asarray(image)  # in its own type: a wider copy of a large image takes gigabytes
        pixels = (wide >> 8).clip(0, 255).astype(np.uint8)
        if isinstance(image.info.get("transparency"), int):
            pixels[wide == image.info["transparency"]] = 255
        return Image.fromarray(pixels)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image.convert("RGBA"))
        return ground.convert("L" if image.mode in ("LA", "La", "L") else "RGB")
    return image


def _scale_transparency(image: Image, depth: int) -> None:
    """Scale the colour that a PNG file declares transparent as its pixels are.

    Pillow scales pixels of 2, 4 and 16 bits to bytes, and leaves that colour as it is in the file. Of 16 bits
    it keeps the upper 8 in colours, so that all colours that share them are transparent.
    """
    declared = image.info.get("transparency")
    if depth == 16 and isinstance(declared, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in declared)
    elif depth in (2, 4) and image.mode == "L" and isinstance(declared, int):
        largest = (1 << depth) - 1
        image.info["transparency"] = (declared & largest) * 255 // largest


def _open(file: BinaryIO) -> ImageFile:
    """Open an image, without decoding it.

    Raises:
        Unusable: it is of another format, its header is damaged, or it is animated.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(file, formats=FORMATS)
        frames = getattr(image, "n_frames", 1)
    except UnidentifiedImageError:
        raise Unusable("it is no PNG, JPEG or WebP image, or its header is damaged") from None
    except Exception as error:  # each codec has its own
        raise Unusable(_describe(error)) from None
    if frames > 1 and image.format != "MPO":  # that of a camera, whose first picture is the photo
        image.close()
        raise Unusable(f"it is animated, with {frames} frames")
    return image


def _describe(error: Exception) -> str:
    from PIL import Image

    if isinstance(error, Image.DecompressionBombError):
        return "it has more pixels than Pillow decodes"
    if isinstance(error, MemoryError):
        return "it does not fit into memory"
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return f"it is damaged: {text}"
