"""A dial that is too high or too low: the weight of the KL."""

from __future__ import annotations

import numpy as np

from dis_bench.records.columns import find_dial
from dis_bench.reports.configurations import format_value
from dis_bench.reports.doctor.finding import Finding, Unseen
from dis_bench.reports.doctor.parts import Columns, Parts
from dis_bench.reports.doctor.quantities import (
    STILL,
    explain_share,
    find_floor,
    find_gain,
    find_offset,
    find_price,
    find_weight,
    has_grid,
    write_set,
)

POOR = 0.5  # share of the variance between the eight originals; runs that ended well have been seen above 0.7
# Squared distance of the mean reconstruction from the mean original, in variances between the originals. From
# 0.5 on, the decoder has not even learned the mean image, which is not the dial's fault; eight images have a
# mean of their own, which is seldom off by more than 0.4.
MISSED = 0.5
FULL_PRICE = 1.5  # weighted nats per nat of KL; the ELBO has 1, so that less is no pressure beyond it
CHEAP = 0.95  # weighted nats below which a nat of KL counts less than in the ELBO, beyond rounding
MISMATCH = 0.5  # nats per latent between all codes and the prior; a standard deviation of 1.8 costs that much


def find_high_dial(parts: Parts) -> Finding | None:
    """Find poor reconstructions of a loss that weighs the KL more than the ELBO."""
    curves = _need_weights(parts, "reconstruction")
    share, price = explain_share(parts), find_price(curves)
    if price is None or price < FULL_PRICE or share >= POOR or find_offset(parts) >= MISSED:
        return None
    if find_gain(curves["reconstruction"], find_floor(parts))[0] >= STILL:  # more steps may do
        return None
    weight = find_weight(parts, price)
    kl, count = float(parts.need_measure("kl")), len(parts.need_pictures().originals)
    what = (
        f"{_say_price(price, weight)}, and reconstructions explain {max(share, 0):.0%} of "
        f"the variance between {count} originals: the latents hold {kl:.2g} nats in all."
    )
    figures = {"price": price, "explained": share, "kl": kl}
    if weight is None:
        return Finding(what, (_advise_generally(parts),), figures)
    dial, value = weight
    advice = (
        f"a lower dial: {write_set(parts, dial, value / 4)}",
        f"a dial that rises: {write_set(parts, dial, f'linear(0,{format_value(value)},0.5)')}",
    )
    return Finding(what, advice, figures)


def find_low_dial(parts: Parts) -> Finding | None:
    """Find codes far from the prior, as the loss hardly weighs the KL.

    Images decoded from the prior then come from codes that the decoder was never trained on, and nothing
    presses the latents to be distinct.
    """
    curves = _need_weights(parts)
    arrays = parts.need_codes()
    if "log_variances" not in arrays:
        return None
    price = find_price(curves)
    distance = measure_mismatch(arrays["codes"], arrays["log_variances"])
    if price is None or price >= CHEAP or distance.mean() < MISMATCH:
        return None
    spread = float(np.median(_spread(arrays["codes"], arrays["log_variances"]) ** 0.5))
    weight = find_weight(parts, price)
    what = (
        f"{_say_price(price, weight)}, and the codes of all images lie "
        f"{distance.mean():.2g} nats per latent from the prior (more than {MISMATCH:g}): their standard "
        f"deviation is {spread:.2g}, that of the prior 1."
    )
    figures = {"price": price, "mismatch": float(distance.mean()), "standard_deviation": spread}
    if weight is None:
        return Finding(what, (_advise_generally(parts),), figures)
    dial, value = weight
    return Finding(what, (f"a higher dial: {write_set(parts, dial, max(1.0, 10 * value))}",), figures)


def _say_price(price: float, weight: tuple[str, float] | None) -> str:
    """Say what the KL costs, or what a loss with other penalties has beside it."""
    if weight is None:
        return f"beside the reconstruction, the loss has {price:.3g} nats for each nat of KL"
    return f"each nat of KL costs {price:.3g} nats of loss"


def _need_weights(parts: Parts, *more: str) -> Columns:
    """Return the training log, if the loss weighs the KL.

    Raises:
        Unseen: the loss draws the KL to a capacity instead, so that a nat of it costs or saves ``gamma``.
    """
    curves = parts.need_curves("kl", "weighted_kl", *more)
    if {"capacity", "gamma"} <= parts.cell["hyperparameters"].keys():
        raise Unseen("its loss draws the KL to a capacity")
    return curves


def measure_mismatch(codes: np.ndarray, log_variances: np.ndarray) -> np.ndarray:
    """Return the KL [D] of all codes, as Gaussians, from N(0, 1), in nats.

    It is a lower bound on the part of the KL that holds no information on the image.
    """
    variance, mean = _spread(codes, log_variances), codes.mean(axis=0, dtype=float)
    result: np.ndarray = 0.5 * (variance + mean**2 - 1 - np.log(variance))
    return result


def _spread(codes: np.ndarray, log_variances: np.ndarray) -> np.ndarray:
    """Return the variance [D] of samples of all posteriors."""
    result: np.ndarray = codes.var(axis=0, dtype=float) + np.exp(log_variances.astype(float)).mean(axis=0)
    return result.clip(1e-12)


def _advise_generally(parts: Parts) -> str:
    dial = find_dial(parts.record)
    given = "its hyperparameters" if dial is None else f"`{dial}`, now {parts.cell['hyperparameters'][dial]}"
    published = "; `--grid published` takes those of its paper" if has_grid(parts.record, dial) else ""
    return f"other values of {given}{published}"
