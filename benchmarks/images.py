"""Measure datasets that read files on files in their real formats, which are made here.

    python benchmarks/images.py                          # about eight minutes, and 3 GB of disk at a time
    python benchmarks/images.py mnist folder --json images.json

For each: seconds until the first batch of 64 of a new process, when nothing was converted before and when it
was; milliseconds of a later batch; and the process's largest resident memory beyond that of torch. MNIST has
its 70,000 images, in files of noise packed as the official ones are; Cars3D and SmallNORB have all of theirs.
MPI3D has a tenth of its images. Of the others, about 2,000 images are made. All have the authors' size and
format; converting takes time in proportion to the number of images.
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

from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.mpi3d.dataset import MPI3D
from dis_bench.datasets.nvidia.dataset import Falcor3D, Isaac3D

BATCH = 64
COUNT = 2_000  # images, except of MNIST


def encode(height: int, width: int, kind: str, number: int, noise: int = 12) -> bytes:
    """Make an image of smooth colours and some noise, which packs about as a photo does."""
    from PIL import Image

    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3)).astype(np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    pixels += rng.integers(-noise, noise + 1, pixels.shape)
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


def shorten(grid: FactorGrid, **sizes: int) -> FactorGrid:
    """Return a grid in which some factors have fewer classes."""
    return FactorGrid(
        [
            Factor(one.name, sizes.get(one.name, one.size), one.values[: sizes.get(one.name)], one.kind)
            for one in grid
        ]
    )


class ShortMPI3D(MPI3D):
    """MPI3D with four of the forty positions of an axis."""

    name = "mpi3d_short"
    grid = shorten(MPI3D.grids["real"], vertical_axis=4)
    grids = dict.fromkeys(MPI3D.grids, grid)


class ShortFalcor3D(Falcor3D):
    """Falcor3D without most places of the camera."""

    name = "falcor3d_short"
    grid = shorten(Falcor3D.grid, camera_x=2, camera_y=1, camera_z=1)


class ShortIsaac3D(Isaac3D):
    """Isaac3D without most of its colours and lights."""

    name = "isaac3d_short"
    grid = shorten(Isaac3D.grid, object_color=1, wall_color=1, lighting_y=1, lighting_intensity=1)


def smooth(height: int, width: int, number: int, noise: int = 12) -> np.ndarray:
    """Make the pixels of an image of smooth colours and some noise."""
    from PIL import Image

    with Image.open(io.BytesIO(encode(height, width, "PNG", number, noise))) as image:
        return np.asarray(image)


def make_mpi3d(folder: Path) -> str:
    """Write 103,680 images of 64x64 pixels in a packed npz file; fifty in a row are the same."""
    some = np.stack([smooth(64, 64, number) for number in range(64)])
    count = len(ShortMPI3D.grid)
    head = {"descr": "|u1", "fortran_order": False, "shape": (count, 64, 64, 3)}
    with (
        zipfile.ZipFile(folder / "mpi3d_real.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("images.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(member, head)
        for start in range(0, count, 640):
            places = np.arange(start, min(start + 640, count)) // 50 % len(some)
            member.write(some[places].tobytes())
    return f"{__file__}:ShortMPI3D"


def make_cars3d(folder: Path) -> str:
    """Write 183 cars of 96 images of 128x128 pixels in MATLAB files, in a packed tar archive."""
    from scipy.io import savemat

    some = []
    for number in range(3):
        buffer = io.BytesIO()
        views = np.stack([smooth(128, 128, 100 * number + view, noise=0) for view in range(96)], axis=-1)
        images = views.reshape(128, 128, 3, 24, 4)
        savemat(buffer, {"im": images, "mask": images[:, :, 0]}, do_compression=True)
        some.append(buffer.getvalue())
    names = [f"car_{number:03}_mesh" for number in range(183)]
    contents = {f"{name}.mat": some[number % 3] for number, name in enumerate(names)}
    contents["list.txt"] = "\n".join(names).encode()
    with tarfile.open(folder / "nips2015-analogy-data.tar.gz", "w:gz", compresslevel=1) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"data/cars/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return "cars3d"


def make_smallnorb(folder: Path) -> str:
    """Write 48,600 pairs of grey photographs of 96x96 pixels in packed binary matrices."""
    some = np.stack([smooth(96, 96, number)[..., 0] for number in range(40)])
    grid = np.stack(np.meshgrid(*map(range, (5, 5, 9, 18, 6)), indexing="ij"), -1).reshape(-1, 5)
    for part, instances in (
        ("46789x9x18x6x2x96x96-training", "46789"),
        ("01235x9x18x6x2x96x96-testing", "01235"),
    ):
        info = grid[:, 1:] * [1, 1, 2, 1]
        info[:, 0] = np.array([*map(int, instances)])[grid[:, 1]]
        arrays = {"cat": grid[:, 0].astype("<i4"), "info": info.astype("<i4")}
        for kind, array in arrays.items():
            head = np.array([507333716, array.ndim, *array.shape, *[1] * (3 - array.ndim)], "<i4").tobytes()
            path = folder / f"smallnorb-5x{part}-{kind}.mat.gz"
            path.write_bytes(gzip.compress(head + array.tobytes(), 1))
        head = np.array([507333717, 4, 24_300, 2, 96, 96], "<i4").tobytes()
        block = gzip.compress(some.tobytes(), 1)  # a file may consist of several packed parts
        path = folder / f"smallnorb-5x{part}-dat.mat.gz"
        path.write_bytes(gzip.compress(head, 1) + block * (24_300 // 20))
    return "smallnorb"


def make_falcor3d(folder: Path) -> str:
    """Write 2,160 renderings of 128x128 pixels in a zip archive."""
    some = [encode(128, 128, "PNG", number) for number in range(40)]
    with zipfile.ZipFile(folder / "Falcor3D_down128.zip", "w") as archive:
        for number in range(len(ShortFalcor3D.grid)):
            archive.writestr(f"Falcor3D_down128/images/{number:06}.png", some[number % len(some)])
    return f"{__file__}:ShortFalcor3D"


def make_isaac3d(folder: Path) -> str:
    """Write 1,920 renderings of 128x128 pixels in a folder."""
    some = [encode(128, 128, "PNG", number) for number in range(40)]
    (folder / "Isaac3D_down128" / "images").mkdir(parents=True)
    for number in range(len(ShortIsaac3D.grid)):
        path = folder / "Isaac3D_down128" / "images" / f"{number:06}.png"
        path.write_bytes(some[number % len(some)])
    return f"{__file__}:ShortIsaac3D"


def make_scream(folder: Path) -> str:
    """Write a picture in place of the painting."""
    (folder / "scream.jpg").write_bytes(encode(1600, 1200, "JPEG", 0))
    return "scream_dsprites"


MADE: dict[str, tuple[Callable[[Path], str], str | None]] = {
    "mnist": (make_mnist, "own"),
    "folder": (make_folder, None),
    "celeba": (make_celeba, "own"),
    "chairs": (make_chairs, None),
    "mpi3d": (make_mpi3d, "own"),
    "cars3d": (make_cars3d, "own"),
    "smallnorb": (make_smallnorb, "own"),
    "falcor3d": (make_falcor3d, None),
    "isaac3d": (make_isaac3d, None),
    "xysquares": (lambda folder: "xysquares", None),
    "color_dsprites": (lambda folder: "color_dsprites", None),
    "noisy_dsprites": (lambda folder: "noisy_dsprites", None),
    "scream_dsprites": (make_scream, None),
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
    worker.join()
    if worker.exitcode:
        raise SystemExit(f"{name} cannot be measured")
    found: tuple[Any, ...] = results.get()
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
