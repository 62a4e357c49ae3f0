"""Latents that no factor explains, although they are in use."""

from __future__ import annotations

import numpy as np

from dis_bench.reports.doctor.finding import Finding, Unseen, name_latents
from dis_bench.reports.doctor.parts import Parts

IN_USE = 0.5  # nats of KL; without a KL, a latent is in use if its variance is at least the mean of all
EXPLAINED = 0.1  # of a latent's variance; latents in use of runs that end well have been seen above 0.29


def find_unexplained(parts: Parts) -> Finding | None:
    """Find latents in use of whose variance no single factor explains a tenth."""
    arrays = parts.need_codes()
    if not arrays["factors"].size:
        raise Unseen("its dataset has no factors")
    shares = explain_variance(arrays["codes"], arrays["factors"])
    if not shares.size:
        raise Unseen("none of its factors varies")
    best = shares.max(axis=1)
    used = _list_used(parts, arrays["codes"])
    lost = [latent for latent in used if best[latent] < EXPLAINED]
    if not lost:
        return None
    kl = parts.record["evaluation"].get("kl_per_latent")
    carry = "" if kl is None else f", with {', '.join(f'{kl[latent]:.2g}' for latent in lost)} nats of KL"
    told = ", ".join(f"{best[latent]:.1%}" for latent in lost)
    each = "it" if len(lost) == 1 else "each"
    what = (
        f"{name_latents(lost)} of {len(used)} in use{carry}: the factor that explains most of {each} "
        f"accounts for {told} of its variance (less than {EXPLAINED:.0%})."
    )
    return Finding(
        what, _advise(parts, lost), {"latents": lost, "explained": [float(best[latent]) for latent in lost]}
    )


def _advise(parts: Parts, lost: list[int]) -> tuple[str, ...]:
    fewer, distinct = max(1, parts.latents - len(lost)), "an objective that presses latents to be distinct"
    if parts.is_external:  # no option of dis-bench changes how it is trained
        return (
            "another seed of its training: which latents are entangled depends on it",
            f"fewer latents: {fewer} in place of {parts.latents}",
            distinct,
        )
    known = f"{distinct} (`dis-bench list models`)"
    return (
        "another `--seeds`: which latents are entangled depends on it",
        f"fewer latents: `--latent-size {fewer}`",
        f"more `--steps`, or {known}" if parts.takes_steps else known,
    )


def explain_variance(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return the share [D, F] of each latent's variance between values of factors.

    It is the correlation ratio, which knows no order of the values; factors that do not vary are left out.
    """
    centred = codes.astype(float) - codes.mean(axis=0, dtype=float)
    total = (centred**2).sum(axis=0).clip(1e-30)
    shares = []
    for factor in factors.T:
        _, values, counts = np.unique(factor, return_inverse=True, return_counts=True)
        if len(counts) == 1:
            continue
        sums = np.stack([np.bincount(values, latent) for latent in centred.T])
        shares.append((sums**2 / counts).sum(axis=1) / total)
    return np.stack(shares, axis=1) if shares else np.zeros((codes.shape[1], 0))


def _list_used(parts: Parts, codes: np.ndarray) -> list[int]:
    """List the latents in use: by their KL, or by their variance without one."""
    kl = parts.record["evaluation"].get("kl_per_latent")
    if kl is not None:
        return [latent for latent, nats in enumerate(kl) if nats >= IN_USE]
    variance = codes.var(axis=0, dtype=float)
    return [latent for latent in range(len(variance)) if variance[latent] >= variance.mean()]
