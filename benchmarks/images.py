"""Measure datasets without a grid on files in their real formats, which are made here.

    python benchmarks/images.py                          # about two minutes
    python benchmarks/images.py mnist folder --json images.json

For each: seconds until the first batch of 64 of a new process, when nothing was converted before and when it
was; milliseconds of a later batch; and the process's largest resident memory beyond that of torch. MNIST has
its 70,000 images, in files of noise packed as the official ones are. Of the others, 2,000 images are made, at
the authors' size and in their format; converting takes time in proportion to the number of images.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import re
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import multiprocessing

BATCH = 64
COUNT = 2_000  # images, except of MNIST


def encode(height: int, width: int, kind: str, number: int) -> bytes:
    """Make an image of smooth colours and some noise, which packs about as a photo does."""
    from PIL import Image

    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3)).astype(np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    pixels += rng.integers(-12, 13, pixels.shape)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def make_mnist(folder: Path) -> str:
    """Write 70,000 images of 28x28 pixels in four IDX files."""
    (folder / "mnist").mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        images = np.where(rng.random((count, 28, 28)) < 0.2, rng.integers(0, 256, (count, 28, 28)), 0)
        for name, array in (("images-idx3", images), ("labels-idx1", rng.integers(0, 10, count))):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            content = gzip.compress(header + array.astype(np.uint8).tobytes(), 6)
            (folder / "mnist" / f"{part}-{name}-ubyte.gz").write_bytes(content)
    return "mnist"


def make_folder(folder: Path) -> str:
    """Write photos of 1024x768 pixels."""
    (folder / "photos").mkdir()
    some = [encode(768, 1024, "JPEG", number) for number in range(20)]
    for number in range(COUNT):
        (folder / "photos" / f"{number:05}.jpg").write_bytes(some[number % len(some)])
    return f"folder:{folder / 'photos'}"


def make_celeba(folder: Path) -> str:
    """Write faces of 178x218 pixels in a zip archive, and their forty attributes."""
    (folder / "celeba").mkdir()
    some = [encode(218, 178, "JPEG", number) for number in range(20)]
    names = [f"{number + 1:06}.jpg" for number in range(COUNT)]
    with zipfile.ZipFile(folder / "celeba" / "img_align_celeba.zip", "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(f"img_align_celeba/{name}", some[number % len(some)])
    attributes = np.random.default_rng(0).choice([-1, 1], (COUNT, 40))
    head = f"{COUNT}\n{' '.join(f'a{number}' for number in range(40))}\n"
    rows = [f"{name} {' '.join(map(str, row))}\n" for name, row in zip(names, attributes, strict=True)]
    (folder / "celeba" / "list_attr_celeba.txt").write_text(head + "".join(rows), encoding="ascii")
    return "celeba"


def make_chairs(folder: Path) -> str:
    """Write renderings of 600x600 pixels in a tar archive."""
    (folder / "chairs").mkdir()
    some = [encode(600, 600, "PNG", number) for number in range(4)]
    with tarfile.open(folder / "chairs" / "rendered_chairs.tar", "w") as archive:
        for number in range(COUNT):
            chair, view = divmod(number, 62)
            name = (
                f"{chair:032x}/renders/image_{view:03}_p{20 + 10 * (view > 30):03}_t{view % 31:03}_r096.png"
            )
            member = tarfile.TarInfo(f"rendered_chairs/{name}")
            member.size = len(some[number % 4])
            archive.addfile(member, io.BytesIO(some[number % 4]))
    return "chairs"


MADE: dict[str, tuple[Callable[[Path], str], str | None]] = {
    "mnist": (make_mnist, "own"),
    "folder": (make_folder, None),
    "celeba": (make_celeba, "own"),
    "chairs": (make_chairs, None),
}


def largest_mb() -> float:
    """Return the largest resident memory of this process so far, in MB, as Linux reports it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.findall(r"^VmHWM:\s+(\d+) kB", status, re.M)[0]) / 1000


def measure(name: str, source: str | None, folder: str, results: Any) -> None:
    """Measure a dataset in a process of its own."""
    import torch

    torch.set_num_threads(1)
    torch.zeros(1).sum()
    before, begin = largest_mb(), time.perf_counter()
    from dis_bench.datasets import load_dataset

    dataset = load_dataset(name, source=source, data_dir=folder)
    rng = np.random.default_rng(0)
    dataset.images(rng.integers(0, len(dataset), BATCH))
    first, times = time.perf_counter() - begin, []
    while len(times) < 200:
        indices = rng.integers(0, len(dataset), BATCH)
        begin = time.perf_counter()
        dataset.images(indices)
        times.append(time.perf_counter() - begin)
    peak = largest_mb() - before
    results.put((len(dataset), dataset.image_shape, first, 1000 * float(np.median(times)), peak))


def run(name: str, source: str | None, folder: str) -> tuple[Any, ...]:
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    worker = context.Process(target=measure, args=(name, source, folder, results))
    worker.start()
    found: tuple[Any, ...] = results.get()
    worker.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("datasets", nargs="*", default=list(MADE))
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()
    rows = []
    for dataset in args.datasets:
        make, source = MADE[dataset]
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
            name = make(Path(folder))
            count, shape, first, batch_ms, peak = run(name, source, folder)
            _, _, again, _, peak_again = run(name, source, folder)
        rows.append(
            {
                "dataset": dataset,
                "images": f"{count:,} {'x'.join(map(str, shape))}",
                "first_use_s": first,
                "first_batch_s": again,
                "batch_ms": batch_ms,
                "peak_mb_converting": peak,
                "peak_mb": peak_again,
            }
        )
    print(f"| {' | '.join(rows[0])} |\n{'|---' * len(rows[0])}|")
    for row in rows:
        cells = [value if isinstance(value, str) else f"{value:.3g}" for value in row.values()]
        print(f"| {' | '.join(cells)} |")
    if args.json:
        args.json.write_text(json.dumps({"batch": BATCH, "rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
