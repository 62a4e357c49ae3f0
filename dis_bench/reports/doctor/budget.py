"""Too few steps for an ordering: losses or scores still changed at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from dis_bench.reports.doctor.finding import Finding
from dis_bench.reports.doctor.parts import Parts
from dis_bench.reports.doctor.quantities import STILL, find_floor, find_gain

SCORE = 0.1  # change of a score between a step in the second half of the training and the end


def find_short_training(parts: Parts) -> Finding | None:
    """Find a loss that still improved, or scores that still changed, at the end.

    Two models that were stopped there may change places with more steps.
    """
    measured, curve = _choose_loss(parts)
    gain, before, after = find_gain(curve, find_floor(parts))
    changed = _find_changes(parts.record)
    if gain < STILL and not changed:
        return None
    steps = int(parts.record.get("adapted", {}).get("stopped_at", parts.cell["steps"]))
    texts = []
    if gain >= STILL:
        texts.append(
            f"the {measured} still improved by {gain:.0%} from the fourth fifth of the {steps:,} steps "
            f"to the last ({before:,.1f} to {after:,.1f} nats)"
        )
    for score, (step, then, now) in changed.items():
        texts.append(f"{score} went from {then:.3f} at step {step:,} to {now:.3f}")
    what = f"{'; '.join(texts)}: an ordering of models that were stopped here may turn with more steps."
    return Finding(what, _advise(parts.cell, steps), {"gain": gain, "scores": changed})


def _choose_loss(parts: Parts) -> tuple[str, np.ndarray]:
    """Return the name and the curve [P] of the loss, without a model's own constants.

    Of several players, none has all of the loss.
    """
    curves = parts.curves or {}
    if "loss" not in curves:
        return "reconstruction", parts.need_curves("reconstruction")["reconstruction"]
    if not {"reconstruction", "weighted_kl"} <= curves.keys():
        return "loss", parts.need_curves("loss")["loss"]
    both = parts.need_curves("reconstruction", "weighted_kl")
    total = both["reconstruction"] + both["weighted_kl"]
    is_all = np.allclose(total, curves["loss"], rtol=1e-3, atol=1.0)
    return ("loss" if is_all else "reconstruction with weighted KL"), total


def _advise(cell: dict[str, Any], steps: int) -> tuple[str, ...]:
    if steps < cell["steps"]:  # it ended early, by itself, which excludes scores along the way
        return (f"a longer patience: `--early-stop {2 * cell['early_stop']}`",)
    along = " ".join(str(max(1, steps * part // 4)) for part in (1, 2, 3))
    longer = f"`--steps {4 * steps}`, or `--budget paper`"
    return (longer,) if "early_stop" in cell else (longer, f"scores along the way: `--score-at {along}`")


def _find_changes(record: dict[str, Any]) -> dict[str, tuple[int, float, float]]:
    """Return the scores that changed since the last scored step, with both values."""
    steps = record["cell"].get("steps", 0)
    scored = [int(step) for step in record.get("scores_at", {}) if steps / 2 <= int(step) < steps]
    if not scored:
        return {}
    step = max(scored)
    then, now = record["scores_at"][str(step)]["scores"], record["scores"]
    return {
        name: (step, value, now[name])
        for name, value in then.items()
        if name in now and abs(now[name] - value) > SCORE
    }
