"""Sheets: images of latents side by side, as small WebP files for a page to cut out."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUALITY = 50  # of lossy WebP; at 64 pixels its errors are fainter than those of the models
_STEP_MS = 70  # of an animation

Pixels = NDArray[np.uint8]


def draw_sheet(rows: Pixels) -> bytes:
    """Draw images [R, N, C, H, W] as a WebP of R rows and N columns, without gaps."""
    return _to_webp([_tile(rows)])


def draw_animation(rows: Pixels) -> bytes:
    """Draw latents [D, N, C, H, W] side by side as an animated WebP.

    All run through every second of the N values, there and back, for ever.
    """
    there = [*range(0, rows.shape[1], 2)]
    frames = [*there, *there[-2:0:-1]]
    return _to_webp([_tile(rows[None, :, frame]) for frame in frames])


def to_uri(webp: bytes) -> str:
    """Return a WebP as a data URI."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def _tile(rows: Pixels) -> Image.Image:
    """Join images [R, N, C, H, W] into one of R rows and N columns."""
    height, width = rows.shape[0] * rows.shape[3], rows.shape[1] * rows.shape[4]
    pixels = rows.transpose(0, 3, 1, 4, 2).reshape(height, width, rows.shape[2])
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (height, width, 3))))


def _to_webp(frames: list[Image.Image]) -> bytes:
    content, first = io.BytesIO(), frames[0]
    options: dict[str, Any] = {"method": 2}
    if len(frames) > 1:  # in a file beside the page, whose size matters less
        options = {"method": 0, "save_all": True, "append_images": frames[1:]}
        options |= {"duration": _STEP_MS, "loop": 0}
    first.save(content, "WEBP", quality=QUALITY, **options)
    return content.getvalue()
