"""Samples that look alike: decoded images differ less than the originals."""

from __future__ import annotations

from dis_bench.reports.doctor.finding import Finding
from dis_bench.reports.doctor.parts import Parts
from dis_bench.reports.doctor.quantities import (
    advise_lower_rate,
    average_variance,
    has_own_networks,
    read_images,
)

ALIKE = 0.1  # of the originals' variance; runs that end well have been seen at 0.7 to 0.8


def find_alike(parts: Parts) -> Finding | None:
    """Find decoded images that hardly differ from each other."""
    originals, reconstructions = read_images(parts)
    given, made = average_variance(originals), average_variance(reconstructions)
    if made >= ALIKE * given:
        return None
    what = (
        f"the {len(originals)} images that it makes from different codes have {made / given:.1%} of "
        f"the variance between the originals (less than {ALIKE:.0%})."
    )
    advice = ["the pictures of the report (`dis-bench report`): is it one image, or one per kind?"]
    if parts.takes_steps:
        more = "more `--steps`" + ("" if has_own_networks(parts.record) else ", or another `--network`")
        advice += [more, *advise_lower_rate(parts)]
    return Finding(what, tuple(advice), {"share": made / given})
