"""Raw: the pixels themselves as codes, a baseline that learns nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dis_bench.models.model import Model

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.given import Given


class Raw(Model):
    """Pixels themselves as codes, a number for each pixel and channel.

    Neither the seed nor the number of latents changes anything, so a study has one cell of it, with seed 0.
    Its codes are as large as the images and are not kept: a metric that is scored later takes another
    encoding. Metrics that would take minutes to hours for so many codes are left out, with the reason.
    """

    name = "raw"
    baseline = True
    stackable = False
    has_wide_codes = True

    def build(self, given: Given) -> Any:
        """Build no player, as there is nothing to learn."""
        from dis_bench.models.players import Players

        return Players()

    def encode(self, networks: Any, images: Tensor) -> tuple[Tensor, None]:
        """Flatten images [B, C, H, W] to codes [B, C * H * W]; there is no posterior."""
        return images.flatten(1), None
