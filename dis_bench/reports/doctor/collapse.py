"""Posterior collapse: latents whose posterior is the prior, so that they carry nothing."""

from __future__ import annotations

from dis_bench.records.curves import STEP
from dis_bench.reports.configurations import format_value
from dis_bench.reports.doctor.finding import Finding, name_latents
from dis_bench.reports.doctor.parts import Parts
from dis_bench.reports.doctor.quantities import (
    count_varying,
    find_logged_weight,
    has_hyperparameter,
    write_set,
)
from dis_bench.reports.quantities import FROZEN

SHARE = 0.25  # of the latents that must be in use where no factors say how many are needed


def find_collapse(parts: Parts) -> Finding | None:
    """Find collapsed latents, if fewer are left than the images need.

    A VAE with more latents than factors should leave some unused. So latents that collapse are a finding only
    if fewer are left than factors vary, or than a quarter of them where there are no factors.
    """
    kl = parts.need_measure("kl_per_latent")
    dead = [latent for latent, nats in enumerate(kl) if nats < FROZEN]
    used = parts.latents - len(dead)
    varying = 0 if parts.codes is None else count_varying(parts.codes["factors"])
    needed = min(varying or max(1, SHARE * parts.latents), parts.latents)
    if used >= needed:
        return None
    largest = max(kl[latent] for latent in dead)
    verb = "has" if len(dead) == 1 else "have"
    subject = f"{name_latents(dead)} {verb}" if used else "all latents have"
    images = f"{varying} factors that vary" if varying else "the images"
    what = (
        f"{subject} a KL of at most {largest:.2g} nats, below {FROZEN:g}, so that {used} of "
        f"{parts.latents} are left for {images}{_describe_steps(parts, dead)}."
    )
    figures = {"latents": dead, "used": used, "needed": needed, "kl": [kl[latent] for latent in dead]}
    return Finding(what, _advise(parts), {**figures, "since": find_steps(parts, dead)})


def find_steps(parts: Parts, dead: list[int]) -> dict[int, int | None]:
    """Return the step since which each latent stays collapsed, if the log has it.

    Returns:
        The first step after the last row with more KL, None for a latent that never had more.
    """
    curves = parts.curves or {}
    found: dict[int, int | None] = {}
    for latent in dead:
        values = curves.get(f"kl_{latent}")
        if values is None or not len(values):
            continue
        above = (values >= FROZEN).nonzero()[0]
        if not len(above):
            found[latent] = None
        elif above[-1] + 1 < len(values):
            found[latent] = int(curves[STEP][above[-1] + 1])
    return found


def _describe_steps(parts: Parts, dead: list[int]) -> str:
    steps = find_steps(parts, dead)
    since = [f"{latent} since step {step:,}" for latent, step in steps.items() if step is not None]
    texts = [", ".join(since)] if since else []
    never = [latent for latent, step in steps.items() if step is None]
    if never:
        texts.append(f"{name_latents(never)} never had more")
    return f" ({'; '.join(texts)})" if texts else ""


def _advise(parts: Parts) -> tuple[str, ...]:
    weight = find_logged_weight(parts)
    advice = []
    if weight is not None:
        dial, value = weight
        advice += [
            f"less weight on the KL: {write_set(parts, dial, value / 4)}",
            f"a warm-up, so that the latents are in use before they cost much: "
            f"{write_set(parts, dial, f'linear(0,{format_value(value)},0.5)')}",
        ]
    if has_hyperparameter(parts.record, "free_bits"):
        advice.append(f"a floor under the KL of each latent: {write_set(parts, 'free_bits', 0.1)}")
    advice.append("more `--steps`, if the reconstruction has not begun to improve")
    return tuple(advice)
