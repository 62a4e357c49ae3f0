"""dSprites in colour, in noise and before a painting, as Locatello et al. 2019 vary it.

In disentanglement_lib, each request for an image draws its colour, noise or background anew. Here an image is
a function of its index: the draws come from :mod:`dis_bench.datasets.counter`, so that each of the
737,280 images has one colour, one noise or one background, whenever and wherever it is drawn.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive
from dis_bench.datasets.conversion import hash_texts
from dis_bench.datasets.counter import draw_bytes
from dis_bench.datasets.dsprites.dataset import DSprites
from dis_bench.errors import InputError

if TYPE_CHECKING:
    import torch

SIDE, CHANNELS = 64, 3
LARGEST = (350, 274)  # width and height to which the painting is shrunk, keeping its proportions

_ONCE = " (docs/datasets.md)."
_DRAWN = "{} is drawn once for each of its 737,280 images; disentanglement_lib draws it for each use" + _ONCE


class _Variant(DSprites):
    """A dSprites in three channels, of which something is drawn by index."""

    image_shape = (CHANNELS, SIDE, SIDE)
    pixel_max = 255
    key: ClassVar[int]  # of the random numbers
    drawn: ClassVar[str]  # for the caveat

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        text = _DRAWN.format(cls.drawn)
        cls.caveat = {
            "rendered": f"{text} Sprites are drawn by dis-bench, not read from the official file.",
            "official": text,
        }

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        super().__init__(source, data_dir, **values)
        kind, _, digest = self.fingerprint.partition(":")
        self.fingerprint = f"{kind}:{hash_texts(self.name, str(self.key), digest)[:16]}"

    def draw(self, indices: torch.Tensor) -> torch.Tensor:
        """Draw the sprites, and put them into their surroundings."""
        return self.surround(-super().draw(indices), indices)  # 0 or 255

    def surround(self, sprites: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return images of sprites.

        Args:
            sprites: uint8 ``[B, 1, 64, 64]``, 255 on a sprite and 0 elsewhere.
            indices: int64 ``[B]``.

        Returns:
            uint8 ``[B, 3, 64, 64]``.
        """
        raise NotImplementedError


class ColorDSprites(_Variant):
    """dSprites in colours: each sprite in one of its own, with channels from 128 to 255.

    disentanglement_lib draws channels from 0.5 to 1. The background is black.
    """

    name = "color_dsprites"
    key = 1
    drawn = "The colour"

    def surround(self, sprites: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        colours = draw_bytes(indices, 8, self.key)[:, :CHANNELS] | 128
        return sprites & colours[:, :, None, None]


class NoisyDSprites(_Variant):
    """dSprites in noise: a white sprite before uniform noise in each pixel and channel."""

    name = "noisy_dsprites"
    key = 2
    drawn = "The noise"

    def surround(self, sprites: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        noise = draw_bytes(indices, CHANNELS * SIDE * SIDE, self.key)
        return sprites | noise.view(-1, CHANNELS, SIDE, SIDE)


PAINTING = Archive(
    dataset="scream_dsprites",
    file="scream.jpg",
    urls=(),
    digests={},
    licence="of the painting: public domain; of dSprites: Apache-2.0",
    page="https://upload.wikimedia.org/wikipedia/commons/f/f4/The_Scream.jpg (saved under that name)",
)


class ScreamDSprites(_Variant):
    """dSprites before a painting: the sprite inverts a piece of Munch's Scream.

    The background is a piece of the painting at a random place, averaged with a random colour; pixels of the
    sprite are its complement. The painting is a file ``scream.jpg`` in the data directory, shrunk to at most
    350x274 pixels. No digest of it is published: the fingerprint has that of the file and of its pixels.

    Raises:
        InputError: there is no such file, or it is no image with room for a piece of 64x64 pixels.
    """

    name = "scream_dsprites"
    key = 3
    drawn = "The background"
    archives = (PAINTING,)

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        super().__init__(source, data_dir, **values)
        path = archives.locate(PAINTING, data_dir)
        self._painting = read_painting(path)
        kind, _, digest = self.fingerprint.partition(":")
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        pixels = hashlib.sha256(self._painting.numpy().data).hexdigest()
        self.fingerprint = f"{kind}:{hash_texts(digest, content, pixels)[:16]}"

    def build(self) -> dict[str, torch.Tensor]:
        return {**super().build(), "painting": self._painting}

    def surround(self, sprites: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        import torch

        painting = self.tables["painting"]
        drawn = draw_bytes(indices, 16, self.key)
        places = drawn[:, :8].view(torch.int32).long() & 0x7FFFFFFF  # [B, 2]
        room = places.new_tensor([painting.shape[1] - SIDE, painting.shape[2] - SIDE])
        top, left = (places % room).unbind(1)
        every = painting.unfold(1, SIDE, 1).unfold(2, SIDE, 1).permute(1, 2, 0, 3, 4)  # copies nothing
        pieces = every[top, left]
        colours = drawn[:, 8 : 8 + CHANNELS, None, None]
        mixed = (pieces >> 1) + (colours >> 1) + (pieces & colours & 1)  # half the sum, without its overflow
        return mixed ^ sprites


def read_painting(path: Path) -> torch.Tensor:
    """Read the painting, shrunk as in disentanglement_lib.

    Returns:
        uint8 ``[3, H, W]``.

    Raises:
        InputError: it is no image, or is too narrow.
    """
    import numpy as np
    import torch
    from PIL import Image

    from dis_bench.datasets.photos import decoding

    try:
        with decoding(), Image.open(path, formats=("JPEG", "PNG")) as image:
            image.thumbnail(LARGEST)
            pixels = np.array(image.convert("RGB"))
    except Exception as error:  # each codec has its own
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"'{path}' cannot be read as a JPEG or PNG image ({reason}).") from None
    if min(pixels.shape[:2]) <= SIDE:
        height, width = pixels.shape[:2]
        raise InputError(
            f"'{path}' must be larger than {SIDE}x{SIDE} pixels when it is shrunk to at most "
            f"{LARGEST[0]}x{LARGEST[1]}, but has {width}x{height} then."
        )
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
