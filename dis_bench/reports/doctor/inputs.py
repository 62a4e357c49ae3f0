"""Inputs out of range: pixels that are not scaled to the whole of [0, 1]."""

from __future__ import annotations

from dis_bench.reports.doctor.finding import Finding
from dis_bench.reports.doctor.parts import Parts

# Of 255 levels. Images of 0 and 1 that are divided by 255 have 1; a photograph has more than 100.
CONTRAST = 13
# Share of pixels at the top level. Images of 0 to 255 that are divided by 1 have nearly all pixels there.
CLIPPED = 0.98


def find_bad_inputs(parts: Parts) -> Finding | None:
    """Find originals that use few levels of brightness, or are clipped."""
    originals = parts.need_pictures().originals
    low, high, top = int(originals.min()), int(originals.max()), float((originals == 255).mean())
    white = parts.record.get("images", {}).get("pixel_max")
    declared = "" if white is None else f" The dataset says that a white pixel is {white:g} (`pixel_max`)."
    figures = {"low": low, "high": high, "clipped": top}
    if high - low < CONTRAST:
        what = f"pixels of {len(originals)} images, scaled to 255, range only from {low} to {high}.{declared}"
    elif top > CLIPPED and float((originals == 0).mean()) > 0:
        what = f"{top:.0%} of the pixels of {len(originals)} images are at or above white.{declared}"
    else:
        return None
    advice = (
        "a dataset whose `pixel_max` is the value of its white pixel: 1 for images of 0 and 1, 255 for bytes",
        "`dis-bench data show NAME` and `dis-bench check dataset NAME`, which look at its pixels",
    )
    return Finding(what, advice, figures)
