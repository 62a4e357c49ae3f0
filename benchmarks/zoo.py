"""A table of what a training step of each model takes beside the beta-VAE's, on one core.

    python benchmarks/zoo.py                                  # the burgess networks on dSprites
    python benchmarks/zoo.py --models hfs betatcvae --rounds 30
    python benchmarks/zoo.py --json zoo.json

Steps are as `dis-bench run` takes them, on one thread, in this process. Each round times some steps of the
beta-VAE and of every model in turn, so that a busy machine slows them alike; a ratio is the median over
rounds of a model's time in units of the beta-VAE's in the same round. Times are CPU times.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from machine import describe_machine, print_machine, print_table

from dis_bench import registry
from dis_bench.datasets import load_dataset
from dis_bench.records.cell import Cell
from dis_bench.runners.device import choose_kernels, choose_precision, computing, keep_freed_memory
from dis_bench.runners.training.ahead import drawing
from dis_bench.runners.training.steps import Training
from dis_bench.runners.training.trainee import prepare

BASE = "betavae"
WARM_UP = 3  # steps of each model that do not count
ENDLESS = 1_000_000  # steps of a training that is never finished


def start(name: str, setting: argparse.Namespace, precision: str) -> Training | None:
    """Build a cell of a model, about to train; None where it takes no steps."""
    data = load_dataset(setting.dataset)
    kernels = choose_kernels("auto", "cpu", precision)
    cell = Cell(
        **{"dataset": setting.dataset, "source": data.source, "fingerprint": data.fingerprint},
        **{"dataset_version": "", "model": name, "model_version": "", "hyperparameters": {}},
        **{"network": setting.network, "likelihood": "bernoulli", "latent_size": setting.latents},
        **{"steps": ENDLESS, "batch_size": setting.batch, "lr": 5e-4, "precision": precision},
        **{"kernels": kernels, "seed": 0},
    )
    trainee = prepare(cell, {name: name}, {setting.dataset: data}, "cpu")
    return Training([trainee]) if trainee.is_trained_by_steps else None


def take(training: Training, steps: int) -> float:
    """Take some steps; return the CPU seconds of one."""
    begin = time.process_time()
    for drawn in training.draw_ahead([1] * steps):
        training.take(drawn)
    return (time.process_time() - begin) / steps


def time_rounds(trainings: dict[str, Training], rounds: int, steps: int) -> dict[str, list[float]]:
    """Time steps of all models in turn, so many times over; seconds by model."""
    for training in trainings.values():
        take(training, WARM_UP)
    seconds: dict[str, list[float]] = {name: [] for name in trainings}
    for number in range(rounds):
        for name in trainings if number % 2 == 0 else reversed(trainings):
            seconds[name].append(take(trainings[name], steps))
    return seconds


def tabulate(seconds: dict[str, list[float]]) -> list[dict[str, object]]:
    """Return a row for each model: milliseconds of a step, and their ratio."""
    rows: list[dict[str, object]] = []
    for name, own in seconds.items():
        ratios = [one / base for one, base in zip(own, seconds[BASE], strict=True)]
        row: dict[str, object] = {
            "model": name,
            "ms": 1e3 * statistics.median(own),
            "fastest ms": 1e3 * min(own),
        }
        rows.append({**row, f"in units of {BASE}": statistics.median(ratios)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", help="default: all that take steps")
    parser.add_argument("--network", default="burgess")
    parser.add_argument("--dataset", default="dsprites")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--latents", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=4, help="of each model in a round")
    parser.add_argument("--json", help="file for the same numbers")
    setting = parser.parse_args()

    torch.set_num_threads(1)
    keep_freed_memory()
    precision = choose_precision(setting.precision, "cpu")
    names = dict.fromkeys([BASE, *(setting.models or registry.plugins("models"))])
    with drawing(0, torch.device("cpu")), computing(precision, "auto"):
        started = {name: start(name, setting, precision) for name in names}
        trainings = {name: training for name, training in started.items() if training is not None}
        rows = tabulate(time_rounds(trainings, setting.rounds, setting.steps))
    print(f"{setting.network} on {setting.dataset}, batch {setting.batch}, one thread, {precision}:\n")
    print_table(rows)
    machine = describe_machine("torch", "numpy")
    print_machine(machine)
    if setting.json:
        Path(setting.json).write_text(json.dumps({"machine": machine, "rows": rows}), encoding="utf-8")


if __name__ == "__main__":
    main()
