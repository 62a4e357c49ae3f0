"""Measure the parts of a training step on one core: one table per precision.

    python benchmarks/step.py                                 # the burgess networks on dSprites
    python benchmarks/step.py --network locatello --dataset shapes3d
    python benchmarks/step.py --json step.json

Steps are those of `dis-bench run` without its log, on one thread, in this process. Parts are timed where they
happen, so that the caches are in the state that the step leaves them in. Precisions, and the plain
convolutions whose rate is the ceiling, take turns in rounds. Times are CPU times; figures are medians over
all steps. A busy machine slows all of them: trust shares and percentages, not milliseconds.
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
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm
from training import CEILINGS

from dis_bench.datasets import load_dataset
from dis_bench.models import build_model
from dis_bench.models.vae import Terms
from dis_bench.nn import compiled, kernels
from dis_bench.runners.device import choose_precision, computing, keep_freed_memory
from dis_bench.runners.training.ahead import drawing

WARM_UP = 20  # uncounted steps
ROUNDS = 10
KERNELS = {
    "convolve": "convolutions, forward",
    "convolve_transposed": "transposed convolutions, forward",
    "convolve_transposed_backward": "gradients of the transposed convolutions",
    "convolve_backward": "gradients of the convolutions",
}


class Watch:
    """The CPU seconds of each part, step by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._step: dict[str, float] = defaultdict(float)

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        """Add the time of this block to a part of the current step."""
        begin = time.thread_time()
        yield
        self._step[part] += time.thread_time() - begin

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that times another."""

        def timed(*args: Any) -> Any:
            with self.timing(part):
                return function(*args)

        return timed

    def mark(self, part: str) -> Callable[[Tensor], None]:
        """Return a hook of a tensor that ends a part which begins now."""
        begin = time.thread_time()

        def end(_: Tensor) -> None:
            self._step[part] += time.thread_time() - begin

        return end

    def end_step(self) -> None:
        """Store the parts of a step, and begin another."""
        for part, seconds in self._step.items():
            self.seconds[part].append(seconds)
        self._step.clear()

    def median(self, part: str) -> float:
        """Return the median over the counted steps."""
        return statistics.median(self.seconds[part][WARM_UP:])


class Steps:
    """A training in one precision, whose steps are timed part by part."""

    def __init__(self, setting: argparse.Namespace, precision: str) -> None:
        options = {"steps": ROUNDS * setting.steps, "batch": setting.batch, "lr": 5e-4, "seed": 0}
        self.precision, self.watch = precision, Watch()
        self.trainee = make_trainee(setting.dataset, setting.network, precision=precision, **options)
        weights = self.trainee.networks.parameters()
        self.optimiser = torch.optim.AdamW(weights, lr=5e-4, weight_decay=0.0, fused=True)
        self.draws = self.trainee.draws()
        player: Any = self.trainee.networks.autoencoder
        for name in ("encoder", "decoder"):
            network = getattr(player, name)
            network.forward = self.watch.wrap("networks, forward", network.forward)
        player.negative_log_likelihood = self.watch.wrap("likelihood", player.negative_log_likelihood)

    def take(self, count: int) -> None:
        """Take some steps."""
        with drawing(0, torch.device("cpu")), computing(self.precision, "auto"), watching(self.watch):
            for _ in range(count):
                with self.watch.timing("all"):
                    self._take_one()
                self.watch.end_step()

    def _take_one(self) -> None:
        watch, trainee = self.watch, self.trainee
        with watch.timing("drawing"):
            batch = trainee.model.draw(self.draws)
            batch = {**batch, "images": trainee.pixels(batch["images"]), "progress": torch.zeros(())}
        with watch.timing("forward"):
            terms: Terms = trainee.model.terms(trainee.networks, batch)
            loss = trainee.model.loss(terms)
        with watch.timing("Adam"):
            self.optimiser.zero_grad()
        with watch.timing("backward"):
            terms.logits.register_hook(watch.mark("loss, backward"))
            loss.backward()
        with watch.timing("Adam"):
            self.optimiser.step()


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Time the kernels, and the calls around them, within this block."""
    before: list[tuple[Any, str, Any]] = []

    def replace(place: Any, name: str, part: str, kind: Any = lambda function: function) -> None:
        before.append((place, name, vars(place)[name]))
        setattr(place, name, kind(watch.wrap(part, getattr(place, name))))

    for name, part in KERNELS.items():
        replace(kernels, name, part)
    for function in (compiled._Convolutions, compiled._TransposedConvolutions):
        for name in ("forward", "backward"):
            replace(function, name, f"calls, {name}", staticmethod)
    try:
        yield
    finally:
        for place, name, own in before:
            setattr(place, name, own)


def measure_ceilings(precision: str, batch: int, seconds: list[list[float]]) -> None:
    """Time plain convolutions in channels_last once; append to the list of each."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    for (channels, size), own in zip(CEILINGS, seconds, strict=True):
        layer = nn.Conv2d(channels, channels, 3, padding=1)
        layer.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = torch.rand(batch, channels, size, size, dtype=dtype).to(memory_format=torch.channels_last)
        with torch.no_grad():
            layer(images)
            for _ in range(3):
                begin = time.thread_time()
                layer(images)
                own.append(time.thread_time() - begin)


def find_ceiling(batch: int, seconds: list[list[float]]) -> float:
    """Return the floating-point operations per second of the fastest of the CEILINGS."""
    flops = [batch * 2 * (3 * channels * size) ** 2 for channels, size in CEILINGS]
    return max(count / statistics.median(own) for count, own in zip(flops, seconds, strict=True))


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


def tabulate(watch: Watch, flops: dict[str, float], all_flops: float, ceiling: float) -> list[dict[str, Any]]:
    """Return a row for each part, and one for the whole step."""
    median, whole = watch.median, watch.median("all")
    forward = sum(median(KERNELS[name]) for name in ("convolve", "convolve_transposed"))
    backward = sum(median(KERNELS[f"{name}_backward"]) for name in ("convolve", "convolve_transposed"))
    calls = median("calls, forward"), median("calls, backward")
    rest = {
        "packing weights, framing images": sum(calls) - forward - backward,
        "dense layers, forward": median("networks, forward") - calls[0],
        "likelihood, forward": median("likelihood"),
        "sampling, KL, loss": median("forward") - median("networks, forward") - median("likelihood"),
        "likelihood, KL, loss, backward": median("loss, backward"),
        "dense layers, backward": median("backward") - calls[1] - median("loss, backward"),
        "Adam": median("Adam"),
        "drawing a batch": median("drawing"),
    }
    counted = {part: (median(part), flops[name]) for name, part in KERNELS.items()}
    counted |= {part: (seconds, 0.0) for part, seconds in rest.items()}
    counted["a step"] = (whole, all_flops)
    return [
        {
            "part": part,
            "ms": 1e3 * seconds,
            "% of a step": 100 * seconds / whole,
            "GFLOP/s": count / seconds / 1e9 if count else None,
            "% of ceiling": 100 * count / seconds / ceiling if count else None,
        }
        for part, (seconds, count) in counted.items()
    ]


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
    precisions = [*dict.fromkeys(["fp32", choose_precision("auto", "cpu")])]
    trainings = {precision: Steps(setting, precision) for precision in precisions}
    ceilings: dict[str, list[list[float]]] = {precision: [[] for _ in CEILINGS] for precision in precisions}
    for training in trainings.values():
        training.take(WARM_UP)
    for _ in tqdm(range(ROUNDS), unit="round", leave=False, disable=None):
        for precision, training in trainings.items():
            training.take(-(-setting.steps // ROUNDS))
            measure_ceilings(precision, setting.batch, ceilings[precision])
    tables = {}
    for precision, training in trainings.items():
        ceiling = find_ceiling(setting.batch, ceilings[precision])
        tables[precision] = tabulate(training.watch, flops, all_flops, ceiling)
        print(f"\n{precision}; the ceiling is {ceiling / 1e9:.3g} GFLOP/s\n")
        print_table(tables[precision])
    machine = describe_machine("torch", "numpy", "numba")
    given = {name: value for name, value in vars(setting).items() if name != "json"}
    print_machine(machine | given)
    if setting.json:
        figures = {"machine": machine, "setting": given, "steps": tables}
        setting.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
