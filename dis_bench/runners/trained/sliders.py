"""Sliders of a notebook: a strip of images for each latent, and a little JavaScript.

The strips are computed once, so the page needs no kernel, no network and no widgets: it also works in an
exported notebook.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from dis_bench.escape import visible

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

TILE = 96  # CSS pixels of an image's longer side

STYLE = "display:inline-block;margin:4px;font:12px sans-serif;text-align:center;vertical-align:top"
MOVE = "this.parentNode.querySelector('i').style.backgroundPositionX=-{width}*this.value+'px';"
TELL = "this.parentNode.querySelector('b').textContent=[{values}][this.value]"


def draw_page(title: str, sentences: Sequence[str], parts: Sequence[str]) -> str:
    """Return HTML of a title, sentences below it, and pictures and sliders."""
    lines = [f"<code>{_escape(title)}</code>", *map(_escape, sentences), "".join(parts)]
    return "".join(f"<div>{line}</div>" for line in lines if line)


def draw_picture(images: Tensor, label: str) -> str:
    """Return HTML of an image [1, C, H, W] in [0, 1] with a label."""
    return f'<div style="{STYLE}">{_draw_strip(images, 0)}<br>{_escape(label)}</div>'


def draw_slider(images: Tensor, label: str, values: Any) -> str:
    """Return HTML of a slider through images [V, C, H, W], one for each of V values."""
    width, _ = _size(images)
    middle = len(images) // 2
    texts = ",".join(f"'{value:+.1f}'" for value in values)
    script = MOVE.format(width=width) + TELL.format(values=texts)
    return (
        f'<div style="{STYLE}">{_draw_strip(images, middle)}<br>{_escape(label)}<br>'
        f'<input type="range" min="0" max="{len(images) - 1}" value="{middle}" style="width:{TILE}px" '
        f'aria-label="{_escape(label)}" oninput="{script}"> <b>{values[middle]:+.1f}</b></div>'
    )


def _escape(text: str) -> str:
    return html.escape(visible(text))


def _draw_strip(images: Tensor, first: int) -> str:
    """Return an element that shows one image of a strip [V, C, H, W]."""
    width, height = _size(images)
    style = (
        f"display:inline-block;width:{width}px;height:{height}px;image-rendering:pixelated;"
        f"background-image:url(data:image/png;base64,{_encode_png(images)});"
        f"background-size:{width * len(images)}px {height}px;background-position:-{width * first}px 0"
    )
    return f'<i style="{style}"></i>'


def _size(images: Tensor) -> tuple[int, int]:
    """Return width and height of an image in CSS pixels."""
    height, width = images.shape[-2:]
    scale = TILE / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _encode_png(images: Tensor) -> str:
    """Return images [V, C, H, W] in [0, 1] side by side, as a PNG in base64."""
    from matplotlib import image as writer

    pixels: NDArray[np.uint8] = (images * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    row = np.concatenate([*pixels.transpose(0, 2, 3, 1)], axis=1)
    row = row if row.shape[-1] == 3 else np.broadcast_to(row[..., :1], (*row.shape[:2], 3))
    file = io.BytesIO()
    writer.imsave(file, np.ascontiguousarray(row), format="png")
    return base64.b64encode(file.getvalue()).decode()
