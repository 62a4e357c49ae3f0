"""A figure, planned or drawn, with a title, a caption and a text alternative."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dis_bench.reports.figures.theme import theme, to_pixels, to_png, to_webp

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Figures that show images of the data, of which every pixel counts.
_OF_PIXELS = ("reconstructions", "traversals")
_OF_AREAS = ("agreement",)  # heat maps


@dataclass(frozen=True)
class Image:
    """A figure as the page shows it.

    Attributes:
        kind: ``tradeoff``, ``against-beta``, ``against-dial`` (a dial other than beta), ``agreement``,
            ``published``, ``reconstructions``, ``traversals``, ``scores-along`` or ``training``.
        path: the file's path, relative to the report.
        title, caption: the texts above and below it.
        alt: a description in words.
        png: the file's content.
        webp: the same image, small enough for the page.
    """

    kind: str
    path: str
    title: str
    caption: str
    alt: str
    png: bytes
    webp: bytes

    @property
    def source(self) -> str:
        """The image in a data URI: the page needs no other file."""
        return f"data:image/webp;base64,{base64.b64encode(self.webp).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page: half the pixels, for dense screens."""
        width, height = struct.unpack(">II", self.png[16:24])
        return round(width / 2), round(height / 2)


@dataclass(frozen=True)
class Plan:
    """A figure that has yet to be drawn."""

    kind: str
    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[], Figure]

    def __call__(self) -> Image:
        """Draw it."""
        with theme():
            pixels = to_pixels(self.draw())
        webp = to_webp(pixels, exact=self.kind in _OF_PIXELS, areas=self.kind in _OF_AREAS)
        png = f"plots/{self.name}.png"
        return Image(self.kind, png, self.title, self.caption, self.alt, to_png(pixels), webp)
