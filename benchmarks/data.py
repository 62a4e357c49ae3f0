"""Measure the cost of drawing images: build, first batch, batch of 64, memory.

    python benchmarks/data.py                          # both datasets, about 40 seconds
    python benchmarks/data.py dsprites --threads 2
    python benchmarks/data.py --step-ms 25             # a training step measured elsewhere
    python benchmarks/data.py --json data.json

The output is a Markdown table. Each dataset is measured in a new process. The training step to which drawing
is compared is that of a plain convolutional VAE (four layers each way, as in Burgess et al. 2018) in
unmodified PyTorch. The plain way to feed it is a DataLoader over unpacked images: 20,000 of them here, while
the whole file would need the stated memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import multiprocessing, nn
from torch.nn import functional

BATCH = 64
PLAIN_IMAGES = 20_000


def median_ms(function: Callable[[], Any], seconds: float) -> float:
    """Return the median milliseconds of the calls that fit in ``seconds`` (5 or more)."""
    function()
    times: list[float] = []
    while len(times) < 5 or sum(times) < seconds:
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times))


def resident_mb() -> float:
    """Return this process's resident memory in MB, as reported by Linux."""
    status = Path("/proc/self/statm")
    return (
        int(status.read_text(encoding="utf-8").split()[1]) * 4096 / 1e6 if status.exists() else float("nan")
    )


def measure_drawing(name: str, threads: int, results: Any) -> None:
    """Measure drawing in a process of its own, so that nothing is warm."""
    torch.set_num_threads(threads)
    torch.zeros(1).sum()
    before, begin = resident_mb(), time.perf_counter()
    from dis_bench.datasets import load_dataset

    dataset = load_dataset(name)
    generator = np.random.default_rng(0)
    dataset.images(generator.integers(0, len(dataset), BATCH))
    first = time.perf_counter() - begin
    batch_ms = median_ms(lambda: dataset.images(generator.integers(0, len(dataset), BATCH)), 2)
    memory = resident_mb() - before
    begin = time.perf_counter()
    dataset.build()
    results.put(
        {
            "dataset": name,
            "build_s": time.perf_counter() - begin,
            "first_batch_s": first,
            "batch_ms": batch_ms,
            "memory_mb": memory,
            "plain_ms": measure_plain(dataset),
            "plain_memory_mb": len(dataset) * np.prod(dataset.image_shape) / 1e6,
        }
    )


class Unpacked(torch.utils.data.Dataset[torch.Tensor]):
    """Unpacked images in an array, one at a time."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.images[index])


def measure_plain(dataset: Any) -> float:
    """Return milliseconds per batch of a shuffling DataLoader over unpacked images."""
    indices = np.random.default_rng(0).integers(0, len(dataset), PLAIN_IMAGES)
    parts = np.array_split(indices, PLAIN_IMAGES // 500)
    images = np.concatenate([dataset.images(part).numpy() for part in parts])
    loader = torch.utils.data.DataLoader(Unpacked(images), BATCH, shuffle=True, drop_last=True)
    batches = iter(loader)

    def next_batch() -> None:
        nonlocal batches
        if next(batches, None) is None:
            batches = iter(loader)

    return median_ms(next_batch, 2)


def measure_step(channels: int, threads: int) -> float:
    """Return milliseconds per training step of a plain VAE on a batch of 64."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)

    def layers(layer: Any, *widths: int) -> list[nn.Module]:
        pairs = itertools.pairwise(widths)
        return [part for a, b in pairs for part in (layer(a, b, 4, stride=2, padding=1), nn.ReLU())]

    encoder = nn.Sequential(
        *layers(nn.Conv2d, channels, 32, 32, 32, 32),
        *(nn.Flatten(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 20)),
    )
    decoder = nn.Sequential(
        *(nn.Linear(10, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU()),
        *(nn.Unflatten(1, (32, 4, 4)), *layers(nn.ConvTranspose2d, 32, 32, 32, 32, channels)[:-1]),
    )
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])
    images = torch.rand(BATCH, channels, 64, 64)

    def step() -> None:
        mean, log_variance = encoder(images).chunk(2, 1)
        latents = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        error = functional.binary_cross_entropy_with_logits(decoder(latents), images, reduction="sum")
        kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum()
        optimizer.zero_grad()
        ((error + kl) / BATCH).backward()
        optimizer.step()

    return median_ms(step, 3)


def measure(name: str, threads: int, step_threads: int, step_ms: float | None) -> dict[str, Any]:
    """Return one row of the table."""
    from dis_bench.registry import find

    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    worker = context.Process(target=measure_drawing, args=(name, threads, results))
    worker.start()
    row = results.get()
    worker.join()
    channels = find("datasets", name).load().image_shape[0]
    row["step_ms"] = step_ms or measure_step(channels, step_threads)
    row["share_of_step"] = row["batch_ms"] / row["step_ms"]
    row["plain_over_drawn"] = row["plain_ms"] / row["batch_ms"]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("datasets", nargs="*", default=["dsprites", "shapes3d"])
    parser.add_argument("--threads", type=int, default=1, help="threads that draw (default 1)")
    parser.add_argument("--step-threads", type=int, default=2, help="threads that train (default 2)")
    parser.add_argument("--step-ms", type=float, help="time of a training step, instead of measuring it")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()

    rows = [measure(name, args.threads, args.step_threads, args.step_ms) for name in args.datasets]
    names = list(rows[0])
    print(f"| {' | '.join(names)} |\n{'|---' * len(names)}|")
    for row in rows:
        cells = [value if isinstance(value, str) else f"{value:.3g}" for value in row.values()]
        print(f"| {' | '.join(cells)} |")
    if args.json:
        args.json.write_text(
            json.dumps({"threads": args.threads, "batch": BATCH, "rows": rows}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
