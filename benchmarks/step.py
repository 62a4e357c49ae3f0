"""Measure the parts of a training step on one core: one table per precision.

    python benchmarks/step.py                                 # the burgess networks on dSprites
    python benchmarks/step.py --network locatello --dataset shapes3d
    python benchmarks/step.py --json step.json

Steps are those of `dis-bench run` without its log, on one thread, in this process. The compiled kernels are
timed where they are called, so that the caches are in the state that the step leaves them in. Figures are
medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from machine import describe_machine, print_machine, print_table
from plain import LATENTS, PlainVAE, count_flops, make_plain, make_trainee
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dis_bench.datasets import load_dataset
from dis_bench.models import build_model
from dis_bench.nn import kernels
from dis_bench.runners.device import choose_precision, computing, keep_freed_memory
from dis_bench.runners.training.ahead import drawing

WARM_UP = 20  # uncounted steps
KERNELS = {
    "convolve": "convolutions, forward",
    "convolve_transposed": "transposed convolutions, forward",
    "convolve_transposed_backward": "gradients of the transposed convolutions",
    "convolve_backward": "gradients of the convolutions",
}


class Watch:
    """The seconds of each part, step by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[part].append(time.perf_counter() - begin)

    def wrap(self, part: str, function: Callable[..., None]) -> Callable[..., None]:
        def timed(*args: Any) -> None:
            with self.timing(part):
                function(*args)

        return timed

    def median(self, part: str) -> float:
        return statistics.median(self.seconds[part][WARM_UP:])


def time_steps(setting: argparse.Namespace, precision: str) -> Watch:
    """Train for some steps, and return the seconds of all their parts."""
    options = {"steps": setting.steps, "batch": setting.batch, "lr": 5e-4, "seed": 0, "precision": precision}
    trainee = make_trainee(setting.dataset, setting.network, **options)
    model, networks = trainee.model, trainee.networks
    optimiser = torch.optim.AdamW(networks.parameters(), lr=5e-4, weight_decay=0.0, fused=True)
    draws, watch = trainee.draws(), Watch()
    originals = {name: getattr(kernels, name) for name in KERNELS}
    for name, part in KERNELS.items():
        setattr(kernels, name, watch.wrap(part, originals[name]))
    with drawing(0, torch.device("cpu")), computing(precision, "auto"):
        for _ in range(WARM_UP + setting.steps):
            with watch.timing("all"):
                with watch.timing("drawing a batch"):
                    batch = model.draw(draws)
                    batch = {**batch, "images": trainee.pixels(batch["images"]), "progress": torch.zeros(())}
                with watch.timing("forward"):
                    loss = model.step(networks, batch).losses["autoencoder"]
                with watch.timing("backward"):
                    optimiser.zero_grad()
                    loss.backward()
                with watch.timing("Adam"):
                    optimiser.step()
    for name, function in originals.items():
        setattr(kernels, name, function)
    return watch


def count_convolutions(networks: nn.Module, shape: tuple[int, int, int], batch: int) -> dict[str, float]:
    """Count a step's floating-point operations in each of the KERNELS."""
    autoencoder: Any = networks.autoencoder
    convolutions, transposed = make_plain(autoencoder.encoder[0]), make_plain(autoencoder.decoder[-1])
    with FlopCounterMode(display=False) as forward:
        features = convolutions(torch.rand(batch, *shape))
    with FlopCounterMode(display=False) as backward:
        features.sum().backward()
    with FlopCounterMode(display=False) as forward_transposed:
        images = transposed(features.detach().requires_grad_())
    with FlopCounterMode(display=False) as backward_transposed:
        images.sum().backward()
    counts = (forward, forward_transposed, backward_transposed, backward)
    return {name: count.get_total_flops() for name, count in zip(KERNELS, counts, strict=True)}


def tabulate(watch: Watch, flops: dict[str, float], all_flops: float) -> list[dict[str, Any]]:
    """Return a row for each part, and one for the whole step."""
    rows = []
    for name, part in KERNELS.items():
        seconds = watch.median(part)
        rows.append({"part": part, "ms": 1e3 * seconds, "GFLOP/s": flops[name] / seconds / 1e9})
    forward = sum(watch.median(KERNELS[name]) for name in ("convolve", "convolve_transposed"))
    backward = sum(watch.median(KERNELS[f"{name}_backward"]) for name in ("convolve", "convolve_transposed"))
    rest = {
        "all else, forward": watch.median("forward") - forward,
        "all else, backward": watch.median("backward") - backward,
        "Adam": watch.median("Adam"),
        "drawing a batch": watch.median("drawing a batch"),
    }
    rows += [{"part": part, "ms": 1e3 * seconds, "GFLOP/s": None} for part, seconds in rest.items()]
    seconds = watch.median("all")
    return [*rows, {"part": "a step", "ms": 1e3 * seconds, "GFLOP/s": all_flops / seconds / 1e9}]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--network", choices=("burgess", "locatello"), default="burgess", help="(default: %(default)s)")
    add("--dataset", default="dsprites", help="(default: %(default)s)")
    add("--batch", type=int, default=64, help="images per step (default: %(default)s)")
    add("--steps", type=int, default=200, help="counted steps (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write all figures there as well")
    setting = parser.parse_args()
    if not kernels.HAS_FLOAT32:
        parser.error("there are no compiled kernels for this processor")
    keep_freed_memory()
    torch.set_num_threads(1)
    shape = load_dataset(setting.dataset).image_shape
    _, networks = build_model("betavae", image_shape=shape, network=setting.network)
    all_flops = setting.batch * count_flops(PlainVAE(networks), shape, LATENTS)
    flops = count_convolutions(networks, shape, setting.batch)
    tables = {}
    for precision in dict.fromkeys(["fp32", choose_precision("auto", "cpu")]):
        watch = time_steps(setting, precision)
        tables[precision] = tabulate(watch, flops, all_flops)
        print(f"\n{precision}\n")
        print_table(tables[precision])
    machine = describe_machine("torch", "numpy", "numba")
    given = {name: value for name, value in vars(setting).items() if name != "json"}
    print_machine(machine | given)
    if setting.json:
        figures = {"machine": machine, "setting": given, "steps": tables}
        setting.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
