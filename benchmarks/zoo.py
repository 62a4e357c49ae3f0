"""A table of what a training step of each model takes beside the beta-VAE's, on one core.

    python benchmarks/zoo.py                                  # the burgess networks on dSprites
    python benchmarks/zoo.py --models hfs betatcvae --rounds 30
    python benchmarks/zoo.py --json results/benchmarks/zoo.json

Steps are as `dis-bench run` takes them, on one thread, in this process. Each round times some steps of the
beta-VAE and of every model in turn, so that a busy machine slows them alike; a ratio is the median over
rounds of a model's time in units of the beta-VAE's in the same round. Times are CPU times.

Beside the models are parts of which their steps consist: a beta-VAE on twice the images, which a model on
pairs cannot undercut; an encoding of one more batch, without and with its gradient; and the critic of
FactorVAE alone, with Adam. FactorVAE should cost little more than a beta-VAE, an encoding and its critic.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from machine import describe_machine, print_machine, print_table

from dis_bench import registry
from dis_bench.bars import bar
from dis_bench.datasets import load_dataset
from dis_bench.models.draws import Draws
from dis_bench.networks.critics import factorvae_critic
from dis_bench.records.cell import Cell
from dis_bench.runners.device import choose_kernels, choose_precision, computing, keep_freed_memory
from dis_bench.runners.training.ahead import drawing
from dis_bench.runners.training.steps import Training
from dis_bench.runners.training.trainee import prepare

BASE = "betavae"
TWICE = "betavae, twice the images"
ENCODING = "second encoding"
LEARNT_ENCODING = "second encoding with its gradient"
CRITIC = "critic alone"
WARM_UP = 3  # steps of each model that do not count
ENDLESS = 1_000_000  # steps of a training that is never finished


Steps = Callable[[int], None]  # takes a given number of steps


def start(name: str, setting: argparse.Namespace, precision: str, batch: int = 0) -> Training | None:
    """Build a cell of a model, about to train; None where it takes no steps."""
    data = load_dataset(setting.dataset)
    kernels = choose_kernels("auto", "cpu", precision)
    cell = Cell(
        **{"dataset": setting.dataset, "source": data.source, "fingerprint": data.fingerprint},
        **{"dataset_version": "", "model": name, "model_version": "", "hyperparameters": {}},
        **{"network": setting.network, "likelihood": "bernoulli", "latent_size": setting.latents},
        **{"steps": ENDLESS, "batch_size": batch or setting.batch, "lr": 5e-4, "precision": precision},
        **{"kernels": kernels, "seed": 0},
    )
    trainee = prepare(cell, {name: name}, {setting.dataset: data}, "cpu")
    return Training([trainee]) if trainee.is_trained_by_steps else None


def stepping(training: Training) -> Steps:
    """Return a function that takes steps of a training."""

    def take(steps: int) -> None:
        for drawn in training.draw_ahead([1] * steps):
            training.take(drawn)

    return take


def encoding(training: Training, batch: int, learns: bool) -> Steps:
    """Return a function that encodes batches of images, and may follow a gradient back."""
    one = training.trainees[0]
    draws = Draws(len(one.dataset), batch, one.cell.latent_size, seed=1)
    weights = list(one.networks.autoencoder.encoder.parameters())

    def take(steps: int) -> None:
        for _ in range(steps):
            with torch.set_grad_enabled(learns):
                mean, logvar = one.networks.autoencoder.posterior(one.pixels(draws.images()))
            if learns:
                torch.autograd.grad(mean.sum() + logvar.sum(), weights)

    return take


def judging(latents: int, batch: int) -> Steps:
    """Return a function that trains a critic of FactorVAE on noise, down to a gradient of its inputs."""
    critic = factorvae_critic(latents)
    adam = torch.optim.AdamW(critic.parameters(), lr=1e-4, betas=(0.5, 0.9), weight_decay=0.0, fused=True)
    codes = torch.randn(2, batch, latents)

    def take(steps: int) -> None:
        for _ in range(steps):
            first = codes[0].clone().requires_grad_()
            joint, product = critic(first), critic(codes[1])
            torch.autograd.grad((joint[:, 0] - joint[:, 1]).mean(), first, retain_graph=True)
            loss = -(joint.log_softmax(1)[:, 0] + product.log_softmax(1)[:, 1]).mean() / 2
            adam.zero_grad()
            loss.backward()
            adam.step()

    return take


def time_rounds(systems: dict[str, Steps], rounds: int, steps: int) -> dict[str, list[float]]:
    """Time steps of all systems in turn, in each round; CPU seconds of a step by system."""
    for take in systems.values():
        take(WARM_UP)
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for number in bar(range(rounds), "time", unit="round"):
        for name in systems if number % 2 == 0 else reversed(systems):
            begin = time.process_time()
            systems[name](steps)
            seconds[name].append((time.process_time() - begin) / steps)
    return seconds


def tabulate(seconds: dict[str, list[float]]) -> list[dict[str, object]]:
    """Return a row for each system: milliseconds of a step, and their ratio."""
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


def compare_with_parts(seconds: dict[str, list[float]]) -> float | None:
    """Return FactorVAE's step in units of beta-VAE, second encoding and critic together."""
    if "factorvae" not in seconds:
        return None
    parts = zip(*(seconds[name] for name in (BASE, ENCODING, CRITIC)), strict=True)
    return statistics.median(one / sum(part) for one, part in zip(seconds["factorvae"], parts, strict=True))


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
        systems = {name: stepping(training) for name, training in trainings.items()}
        twice = start(BASE, setting, precision, 2 * setting.batch)
        assert twice is not None
        systems[TWICE] = stepping(twice)
        systems[ENCODING] = encoding(trainings[BASE], setting.batch, learns=False)
        systems[LEARNT_ENCODING] = encoding(trainings[BASE], setting.batch, learns=True)
        systems[CRITIC] = judging(setting.latents, setting.batch)
        seconds = time_rounds(systems, setting.rounds, setting.steps)
    rows, with_parts = tabulate(seconds), compare_with_parts(seconds)
    print(f"{setting.network} on {setting.dataset}, batch {setting.batch}, one thread, {precision}:\n")
    print_table(rows)
    if with_parts is not None:
        print(f"\nfactorvae in units of {BASE}, {ENCODING} and {CRITIC}: {with_parts:.3g}")
    machine = describe_machine("torch", "numpy")
    print_machine(machine)
    if setting.json:
        figures = {"machine": machine, "rows": rows, "factorvae in units of its parts": with_parts}
        Path(setting.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
