"""A KL that explodes, and losses that stop being finite."""

from __future__ import annotations

import numpy as np

from dis_bench.records.curves import STEP
from dis_bench.reports.doctor.finding import Finding, Unseen
from dis_bench.reports.doctor.parts import Parts
from dis_bench.reports.doctor.quantities import advise_lower_rate, find_logged_weight, write_set

# Nats per latent in a row of the log. A posterior with that KL tells 500 million values of its latent apart,
# which no factor has.
EXPLODED = 20.0
EARLY = 0.1  # share of the first rows, which are ignored: runs that ended well reached 22 in them
NOT_FINITE = "not finite"  # in the reason of a training that diverged


def find_explosion(parts: Parts) -> Finding | None:
    """Find a KL of more nats than any factor has, or a training that diverged."""
    failure = parts.record["failure"]
    if failure is not None and NOT_FINITE in failure["reason"]:
        return Finding(f"the training diverged: {failure['reason'].rstrip('.')}.", _advise(parts), {})
    curves = parts.curves
    if curves is None:
        raise Unseen(parts.lacks["curves"])
    if "kl" not in curves or not len(curves["kl"]):
        raise Unseen("its training measured no KL")
    kl = curves["kl"] / parts.latents
    first = int(EARLY * len(kl))
    peak = first + int(np.argmax(kl[first:]))
    if kl[peak] < EXPLODED:
        return None
    at, end = int(curves[STEP][peak]), float(curves["kl"][-1])
    what = (
        f"the KL rose to {curves['kl'][peak]:.3g} nats at step {at:,}, {kl[peak]:.3g} per latent, and "
        f"ended at {end:.3g}; {EXPLODED:g} nats tell 500 million values of a latent apart."
    )
    figures = {"peak": float(curves["kl"][peak]), "step": at, "end": end}
    return Finding(what, _advise(parts), figures)


def _advise(parts: Parts) -> tuple[str, ...]:
    advice = [*advise_lower_rate(parts)]
    if not parts.cell.get("clip_norm"):
        advice.append("gradients of bounded norm: `--clip-norm 100`")
    weight = find_logged_weight(parts)
    if weight is not None and weight[1] < 1:
        advice.append(f"more weight on the KL: {write_set(parts, weight[0], 1)}")
    return tuple(advice)
