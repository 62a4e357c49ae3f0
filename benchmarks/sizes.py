"""Measure a training step for each network and image size, on one core.

    python benchmarks/sizes.py                                # burgess, locatello, tutorial, mlp
    python benchmarks/sizes.py --networks hsu --rounds 3
    python benchmarks/sizes.py --channels 3 --json sizes.json

A step is that of a beta-VAE in eager torch: noise, forward, backward, Adam, on a batch of random images.
Plain is the same network in torch's own layers, fp32 and torch's default memory layout. Each round takes
steps of all systems in turn, so that a busy machine slows them alike: figures are medians over rounds, and a
ratio is the median over rounds of two times of the same round. Times are CPU times of one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from machine import describe_machine, print_machine, print_table
from tqdm import tqdm

from dis_bench import registry
from dis_bench.models import build_model
from dis_bench.models.building import takes_steps
from dis_bench.networks.chosen import choose_networks
from dis_bench.runners.device import choose_precision, computing, keep_freed_memory

LATENTS = 10
SIZES = (32, 64, 128)
WARM_UP = 2  # uncounted steps of each system, in which kernels are compiled


class System(NamedTuple):
    """A way to compute a step: its name, precision, kernels, and the weights' layout."""

    name: str
    precision: str
    kernels: str
    layout: torch.memory_format


PLAIN = System("plain", "fp32", "torch", torch.contiguous_format)


def list_systems() -> list[System]:
    """List plain torch, and ours in each precision that is fast on this processor."""
    precisions = dict.fromkeys(["fp32", choose_precision("auto", "cpu")])
    return [PLAIN, *(System(f"ours, {one}", one, "auto", torch.channels_last) for one in precisions)]


def make_step(network: str, shape: tuple[int, int, int], batch: int, system: System) -> Callable[[], None]:
    """Build a beta-VAE, and return a function that takes one step of its training."""
    model, networks = build_model("betavae", network=network, image_shape=shape, latent_size=LATENTS)
    assert takes_steps(networks)
    networks.to(memory_format=system.layout)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(networks.parameters(), lr=1e-4, weight_decay=0.0, fused=True)
    images = torch.rand(batch, *shape, generator=torch.Generator().manual_seed(0))

    def step() -> None:
        drawn = {"images": images, "noise": torch.randn(batch, LATENTS), "progress": torch.zeros(())}
        with computing(system.precision, system.kernels):
            loss = model.step(networks, drawn).losses["autoencoder"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return step


def time_systems(network: str, size: int, setting: argparse.Namespace) -> dict[str, list[float]]:
    """Time all systems in rounds; return the CPU seconds of a step by system and round."""
    systems, shape = list_systems(), (setting.channels, size, size)
    steps = {system.name: make_step(network, shape, setting.batch, system) for system in systems}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        for _ in range(WARM_UP):
            step()
    for number in range(setting.rounds):
        for name in steps if number % 2 == 0 else reversed(steps):
            begin = time.process_time()
            for _ in range(setting.steps):
                steps[name]()
            seconds[name].append((time.process_time() - begin) / setting.steps)
    return seconds


def tabulate(network: str, size: int, seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Return a row: milliseconds of a step by system, and ours in units of plain."""
    row: dict[str, Any] = {"networks": network, "images": f"{size}x{size}"}
    for name, own in seconds.items():
        row[f"{name}, ms"] = 1e3 * statistics.median(own)
    for name, own in seconds.items():
        if name != PLAIN.name:
            ratios = [plain / one for plain, one in zip(seconds[PLAIN.name], own, strict=True)]
            row[f"{name}, times faster"] = statistics.median(ratios)
    return row


def list_cases(networks: list[str], sizes: list[int]) -> Iterator[tuple[str, int]]:
    """Yield each network with each size that it takes."""
    for network in networks:
        allowed = choose_networks(network).sizes
        yield from ((network, size) for size in sizes if allowed is None or size in allowed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    installed = sorted(registry.plugins("networks"))
    default = ["burgess", "locatello", "tutorial", "mlp"]
    add("--networks", nargs="+", choices=installed, default=default, help="(default: all but hsu)")
    add("--sizes", nargs="+", type=int, default=[*SIZES], metavar="N", help="pixels to a side")
    add("--channels", type=int, choices=(1, 3), default=1, help="(default: %(default)s)")
    add("--batch", type=int, default=64, help="images per step (default: %(default)s)")
    add("--rounds", type=int, default=9, help="(default: %(default)s)")
    add("--steps", type=int, default=2, help="of each system in a round (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write all figures there as well")
    setting = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    cases = [*list_cases(setting.networks, setting.sizes)]
    rounds = {
        case: time_systems(*case, setting) for case in tqdm(cases, unit="case", leave=False, disable=None)
    }
    rows = [tabulate(*case, seconds) for case, seconds in rounds.items()]
    print_table(rows)
    machine = describe_machine("torch", "numpy", "numba")
    given = {name: value for name, value in vars(setting).items() if name != "json"}
    print_machine(machine | given)
    if setting.json:
        figures = {"machine": machine, "setting": given, "rows": rows, "rounds": [*rounds.values()]}
        setting.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
