"""Measure training speed against the plain way, and against the cores' peak.

    python benchmarks/training.py                                   # the burgess networks on dSprites
    python benchmarks/training.py --networks burgess locatello --dataset shapes3d
    python benchmarks/training.py --ablate                          # and what each technique is worth
    python benchmarks/training.py --json training.json

The plain way is one process with torch's own layers, eager fp32, torch's default number of threads, and a
shuffling DataLoader over the unpacked images, with and without worker processes; ratios refer to the faster
of the two. Ours is one process with one thread per core, each training a cell of its own with the package's
`train`. The ceiling is the fastest of a few plain convolutions in channels_last, again with one
single-threaded process per core.

Systems take turns in rounds, forwards and backwards. Each turn starts new processes, warms them up, and times
the same number of steps in all of them at once. Figures are medians over the rounds. Memory is the peak of a
system's processes, read until the end of the warm-up and once more after the timed steps.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from machine import describe_machine, print_machine, print_table
from turns import Clock, Setting, System, Turn, take_rounds, take_turn, wait_for_others

BETA, LR, SEED = 4.0, 5e-4, 0
CEILINGS = ((64, 32), (128, 16), (256, 16))  # channels, and image side in pixels, of 3x3 convolutions
CEILING_SECONDS = 1.0  # for each of them


class Routes(NamedTuple):
    """The techniques that make our training fast, each of which can be left out."""

    precision: str = "fp32"
    threads: int = 1
    keeps_memory: bool = True
    own_layers: bool = True


def train_ours(line: Connection, setting: Setting, routes: Routes) -> None:
    """Train a cell as a worker of a study does, except for techniques left out."""
    import torch
    from plain import make_trainee, replace_layers

    from dis_bench.runners.device import keep_freed_memory
    from dis_bench.runners.training.loop import train

    if routes.keeps_memory:
        keep_freed_memory()
    torch.set_num_threads(routes.threads)
    clock = Clock(line, setting)
    options = {"lr": LR, "seed": SEED, "precision": routes.precision, "beta": BETA}
    trainee = make_trainee(setting.dataset, setting.network, steps=clock.last, batch=setting.batch, **options)
    if not routes.own_layers:
        replace_layers(trainee.networks, torch.channels_last)
    with tempfile.NamedTemporaryFile() as log:
        train([trainee], logs=[Path(log.name)], watch=lambda _, progress: clock.tick(progress.step))


def train_plain(line: Connection, setting: Setting, loaders: int) -> None:
    """Train with a hand-written loop and ``loaders`` processes that load batches."""
    import torch
    from plain import LATENTS, PlainVAE, unpack
    from torch.utils.data import DataLoader, TensorDataset

    from dis_bench.datasets import load_dataset
    from dis_bench.models import build_model

    dataset = load_dataset(setting.dataset)
    model, networks = build_model(
        "betavae", image_shape=dataset.image_shape, network=setting.network, seed=SEED, beta=BETA
    )
    vae = PlainVAE(networks)
    optimiser = torch.optim.Adam(vae.parameters(), lr=LR)
    images = TensorDataset(unpack(dataset, setting.images))
    loader = DataLoader(
        images,
        setting.batch,
        shuffle=True,
        drop_last=True,
        num_workers=loaders,
        # Linux's default, which a spawned process like this does not have; others would copy the images.
        multiprocessing_context="fork" if loaders and sys.platform == "linux" else None,
    )
    torch.manual_seed(SEED)
    clock = Clock(line, setting)
    for step, [batch] in zip(range(1, clock.last + 1), without_end(loader), strict=False):
        batch = batch.float() / dataset.pixel_max
        loss = model.loss(vae(batch, torch.randn(setting.batch, LATENTS)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        clock.tick(step)


def without_end(loader: Any) -> Iterator[Any]:
    """Yield batches of one epoch after another."""
    while True:
        yield from loader


def convolve(line: Connection, setting: Setting, precision: str) -> None:
    """Measure the GFLOP/s of each of the CEILINGS on one thread."""
    import torch

    torch.set_num_threads(1)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    wait_for_others(line)
    rates = []
    for channels, size in CEILINGS:
        layer = torch.nn.Conv2d(channels, channels, 3, padding=1)
        layer.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = torch.rand(setting.batch, channels, size, size, dtype=dtype)
        images = images.to(memory_format=torch.channels_last)
        with torch.no_grad():
            layer(images)
            calls, begin = 0, time.perf_counter()
            while (seconds := time.perf_counter() - begin) < CEILING_SECONDS:
                layer(images)
                calls += 1
        rates.append(calls * setting.batch * 2 * (3 * channels * size) ** 2 / seconds / 1e9)
    line.send(rates)
    line.recv()


class Survey(NamedTuple):
    """Facts that are needed before the first round."""

    flops: float  # of a training step on one image, in plain layers
    precisions: list[str]  # supported by this processor


def survey(setting: Setting) -> Survey:
    """Inspect the networks and the processor, in a process of its own.

    The calling process does not import torch: memory that it shared with the training processes would be
    missing in theirs.
    """
    return take_turn(System("survey", look, 1, None), setting).answers[0]


def look(line: Connection, setting: Setting, _: None) -> None:
    """Send the facts that :func:`survey` needs."""
    from plain import LATENTS, PlainVAE, count_flops

    from dis_bench.models import build_model
    from dis_bench.registry import find
    from dis_bench.runners.device import choose_precision

    shape = find("datasets", setting.dataset).load().image_shape
    _model, networks = build_model("betavae", image_shape=shape, network=setting.network)
    precisions = ["fp32"] if choose_precision("auto", "cpu") == "fp32" else ["fp32", "bf16"]
    wait_for_others(line)
    line.send(Survey(count_flops(PlainVAE(networks), shape, LATENTS), precisions))
    line.recv()


def choose_systems(cores: int, precisions: list[str], ablate: bool) -> list[System]:
    """Return the systems to compare; with ``ablate``, also ours without one technique."""
    best = Routes(precisions[-1])
    ours = f"ours, {best.precision}"
    left_out = [
        System(f"{ours}, one process of {cores} threads", train_ours, 1, best._replace(threads=cores)),
        System(f"{ours}, freed memory given back", train_ours, cores, best._replace(keeps_memory=False)),
        System(f"{ours}, torch's own layers", train_ours, cores, best._replace(own_layers=False)),
    ]
    return [
        *(System(f"plain, {name}", train_plain, 1, n) for n, name in ((0, "no loaders"), (2, "2 loaders"))),
        *(System(f"ours, {precision}", train_ours, cores, Routes(precision)) for precision in precisions),
        *(left_out if ablate else []),
        *(System(f"ceiling, {precision}", convolve, cores, precision) for precision in precisions),
    ]


def tabulate(
    turns: dict[str, list[Turn]], systems: list[System], setting: Setting, flops: float
) -> list[dict[str, Any]]:
    """Return one row per training system: images/s, ratios, share of the peak, memory."""
    cores = max(system.processes for system in systems)
    trained = [system for system in systems if system.work is not convolve]
    speeds = {
        system.name: [
            setting.steps * setting.batch * system.processes / max(turn.answers)
            for turn in turns[system.name]
        ]
        for system in trained
    }
    medians = {name: statistics.median(each) for name, each in speeds.items()}
    plain = max(median for name, median in medians.items() if name.startswith("plain"))
    rows = []
    for system in trained:
        name, median = system.name, medians[system.name]
        precision = system.option.precision if system.work is train_ours else "fp32"
        ceiling = statistics.median(map(best_rate, turns[f"ceiling, {precision}"]))
        rows.append(
            {
                "networks": setting.network,
                "system": name,
                "images/s": median,
                "slowest and fastest round": f"{min(speeds[name]):,.0f} to {max(speeds[name]):,.0f}",
                "images/s per core": median / cores,
                "times plain": median / plain,
                "GFLOP/s": median * flops / 1e9,
                "ceiling, GFLOP/s": ceiling,
                "% of ceiling": 100 * median * flops / 1e9 / ceiling,
                "memory, MB": statistics.median(turn.memory_mb for turn in turns[name]),
            }
        )
    return rows


def best_rate(turn: Turn) -> float:
    """Return the GFLOP/s of all cores together, in the fastest of the CEILINGS."""
    return max(map(sum, zip(*turn.answers, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--networks", nargs="+", choices=("burgess", "locatello", "tutorial"), default=["burgess"])
    add("--dataset", default="dsprites", help="a name (default: %(default)s)")
    add("--batch", type=int, default=64, help="images per step (default: %(default)s)")
    add("--rounds", type=int, default=5, help="turns of each system (default: %(default)s)")
    add("--steps", type=int, default=200, help="steps timed in each turn (default: %(default)s)")
    add("--warmup", type=int, default=30, help="uncounted steps before (default: %(default)s)")
    add("--images", type=int, help="images that the plain way unpacks (default: all)")
    add("--ablate", action="store_true", help="also leave out our techniques, one at a time")
    add("--json", type=Path, metavar="FILE", help="write all figures there as well")
    arguments = parser.parse_args()
    if "OMP_NUM_THREADS" in os.environ:
        parser.error("unset OMP_NUM_THREADS: the plain way takes as many threads as torch does by itself")
    if min(arguments.batch, arguments.rounds, arguments.steps, arguments.warmup) < 1:
        parser.error("--batch, --rounds, --steps and --warmup must be at least 1")
    if arguments.images is not None and arguments.images < arguments.batch:
        parser.error(f"--images must be at least a batch of {arguments.batch}")
    machine = describe_machine("torch", "numpy")
    rows, rounds = [], {}
    for network in arguments.networks:
        given = {name: getattr(arguments, name) for name in ("dataset", "batch", "steps", "warmup", "images")}
        setting = Setting(network=network, **given)
        flops, precisions = survey(setting)
        systems = choose_systems(machine["cores"], precisions, arguments.ablate)
        turns = take_rounds(systems, setting, arguments.rounds)
        rows += tabulate(turns, systems, setting, flops)
        rounds[network] = {name: [turn._asdict() for turn in each] for name, each in turns.items()}
    print_table(rows)
    print_machine(machine | {key: value for key, value in asdict(setting).items() if key != "network"})
    if arguments.json:
        figures = {"machine": machine, "setting": asdict(setting), "rows": rows, "rounds": rounds}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
