"""A plateau that never broke: the decoder draws the mean image from beginning to end."""

from __future__ import annotations

from dis_bench.reports.doctor.finding import Finding, Unseen
from dis_bench.reports.doctor.parts import Parts
from dis_bench.reports.doctor.quantities import (
    average_part,
    compare,
    explain_share,
    find_floor,
    has_own_networks,
)

NOTHING = 0.1  # share of the variance between the originals that counts as none; one image has exactly 0
FEW_NATS = 0.5  # of KL in all latents; where there are no pictures
FLAT = 0.02  # relative improvement from the second quarter of the training to the last


def find_plateau(parts: Parts) -> Finding | None:
    """Find a reconstruction that no longer improved although it explains nothing."""
    curve = parts.need_curves("reconstruction")["reconstruction"]
    before, after = average_part(curve, 0.25, 0.5), average_part(curve, 0.75, 1)
    change = compare(before, after, find_floor(parts))
    try:
        share: float | None = explain_share(parts)
    except Unseen:
        share = None
    kl = parts.record["evaluation"].get("kl")
    if share is None and kl is None:
        raise Unseen("it has neither pictures nor a KL")
    is_blank = kl < FEW_NATS if share is None else share < NOTHING
    if not is_blank or change > FLAT:
        return None
    among = "of the variance between the originals"
    explained = "" if share is None else f"reconstructions explain {max(share, 0):.0%} {among}"
    what = (
        f"the reconstruction stood at {before:,.1f} nats in the second quarter of the training and at "
        f"{after:,.1f} in the last, while {explained or f'the latents hold {kl:.2g} nats'}: the decoder "
        "draws nearly the same image for every code."
    )
    return Finding(what, _advise(parts), {"before": before, "after": after, "explained": share, "kl": kl})


def _advise(parts: Parts) -> tuple[str, ...]:
    more = "more `--steps`: plateaus of thousands of steps can break"
    less = "less weight on the KL at the beginning, if it has one: a schedule such as `linear(0,4,0.5)`"
    if has_own_networks(parts.record):
        return (more, less)
    lr = parts.cell["lr"]
    return (
        more,
        f"another learning rate: `--lr {lr * 10:.2g}` or `--lr {lr / 10:.2g}`",
        less,
        "another `--network`",
    )
