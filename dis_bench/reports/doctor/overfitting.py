"""Over-fitting: held-out images are reconstructed worse than those trained on."""

from __future__ import annotations

import numpy as np

from dis_bench.datasets.holdout import find_holdout
from dis_bench.metrics.protocols import STUDY_ROWS
from dis_bench.records.columns import join_images
from dis_bench.records.curves import STEP
from dis_bench.reports.doctor.finding import Finding, Unseen
from dis_bench.reports.doctor.parts import Parts
from dis_bench.reports.doctor.quantities import compare, find_floor

GAP = 0.10  # relative; 15,000 images tell a mean to about 0.01
RISE = 0.05  # relative, from the best measurement of the held-out sample to the last; the sample is the same
LATE = 3  # measurements; a best one among the last of them is no turning point
HELD = join_images("reconstruction", "heldout")


def find_overfitting(parts: Parts) -> Finding | None:
    """Find a gap between both kinds of images, or held-out ones that got worse."""
    if not parts.cell.get("holdout"):
        raise Unseen(parts.lacks.get("heldout", "no images were held out (--holdout 0.1)"))
    if parts.cell.get("holdout_rule"):
        raise Unseen("the images that were held out are other combinations of factors (--holdout 0.1)")
    held, trained = float(parts.need_measure(HELD)), _measure_trained(parts)
    gap = -compare(trained, held, find_floor(parts))
    turned = _find_turn(parts)
    if gap < GAP and turned is None:
        return None
    what = (
        f"held-out images take {held:,.1f} nats to reconstruct and those trained on {trained:,.1f}, "
        f"{gap:+.0%}"
    )
    figures = {"heldout": held, "trained": trained, "gap": gap}
    patience = max(1, int(parts.cell["steps"]) // 10)
    if turned is not None:
        step, best, last = turned
        what += f"; a fixed sample of them took {best:,.1f} at step {step:,}, and {last:,.1f} at the end"
        figures |= {"best_step": step, "best": best, "last": last}
    advice = (
        f"an end when held-out images no longer improve: `--early-stop {patience}`",
        "learning rates that fall: `--lr-schedule plateau`",
        f"fewer latents: `--latent-size {max(1, parts.latents // 2)}`; or more images",
    )
    return Finding(what + ".", advice, figures)


def _measure_trained(parts: Parts) -> float:
    """Return the reconstruction of images that were trained on.

    The evaluation covers the whole dataset, or many rows of it, of which a known share was held out.
    """
    share = _find_share(parts)
    every, held = (float(parts.need_measure(name)) for name in ("reconstruction", HELD))
    return (every - share * held) / (1 - share)


def _find_share(parts: Parts) -> float:
    """Return the share of the evaluated images that were held out.

    Of a few images it may be far from the one that was asked for, as each is held out or kept by chance.
    """
    wanted, rows = float(parts.cell["holdout"]), len((parts.codes or {}).get("codes", ()))
    whole = 0 < rows < STUDY_ROWS  # a row for each image
    return find_holdout(rows, wanted).size / rows if whole else wanted


def _find_turn(parts: Parts) -> tuple[int, float, float] | None:
    """Return the best step, its value, and the last value if that is worse."""
    if parts.heldout is None or len(parts.heldout[STEP]) <= LATE:
        return None
    values = parts.heldout[HELD]
    best = int(np.argmin(values))
    rise = -compare(values[best], values[-1], find_floor(parts))
    if best >= len(values) - LATE or rise < RISE:
        return None
    return int(parts.heldout[STEP][best]), float(values[best]), float(values[-1])
