"""Measure what a report costs as results grow: CPU time, memory, page size, and the page in a browser.

    python benchmarks/reports.py                          # with weights
    python benchmarks/reports.py --no-weights
    python benchmarks/reports.py --grids 200x50 --like results/cells/dsprites-betavae-beta4-seed0-1a2b3c4d5e6f

One cell is trained for 150 steps and scored. Made-up stores then imitate it with other betas and seeds, noise
on scores and losses, and per-seed noise on codes; curves, pictures and weights are the cell's own.
``dis-bench report`` is timed on each store as a user calls it, in a process of its own. The page is then
opened in Chromium, if there is one and playwright is installed: wall seconds until the page can be used, and
until the next frame after a click on a head of the table and after a word in its filter.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from machine import DIS_BENCH, describe_machine, print_machine, print_table, run_command
from tqdm import tqdm

from dis_bench.records.cell import Cell
from dis_bench.records.record import write_record
from dis_bench.records.store import Store

COPIED = ("training.csv", "pictures.npz")
WEIGHTS = "weights.safetensors"
# Seconds until the second frame after something was done, so that the first has been drawn.
FRAME = """async (act) => {
  const begin = performance.now();
  act(document);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return (performance.now() - begin) / 1e3;
}"""


class ReportCost(NamedTuple):
    """CPU seconds, peak memory (MB), size of the page and of all files (MB)."""

    cpu_seconds: float
    memory_mb: float
    page_mb: float
    all_mb: float


def train_cell(root: Path) -> Path:
    """Train and score one small beta-VAE, and return its folder."""
    run_command(
        "run", "--models", "betavae", "--betas", "4", "--seeds", "1", "--steps", "150", "--out", str(root)
    )
    return next((root / "cells").iterdir())


def make_store(real: Path, root: Path, betas: int, seeds: int, weights: bool) -> None:
    """Write a store of ``betas`` x ``seeds`` cells that imitate a real one, with or without weights."""
    document = json.loads((real / "record.json").read_text(encoding="utf-8"))
    settings = {
        name: document["cell"][name] for name in Cell.__dataclass_fields__ if name in document["cell"]
    }
    rng = np.random.default_rng(0)
    codes = write_codes(real, root / "codes", seeds)
    for beta in tqdm(np.linspace(0.5, 16, betas).round(4).tolist(), "store", unit="beta", disable=None):
        for seed in range(seeds):
            cell = Cell(**{**settings, "hyperparameters": {"beta": beta}, "seed": seed})
            folder = Store(root).folder(cell)
            folder.mkdir(parents=True)
            for name in (*COPIED, *([WEIGHTS] if weights else [])):
                os.link(real / name, folder / name)
            os.link(codes[seed], folder / "codes.npz")
            write_record(folder, imitate(document, cell, beta, rng))


def write_codes(real: Path, folder: Path, seeds: int) -> list[Path]:
    """Write the real cell's codes with noise, a file per seed."""
    folder.mkdir(parents=True)
    with np.load(real / "codes.npz") as file:
        arrays = dict(file)
    files = []
    for seed in range(seeds):
        noise = np.random.default_rng(seed).standard_normal(arrays["codes"].shape, dtype=np.float32)
        files.append(folder / f"{seed}.npz")
        np.savez_compressed(files[-1], **{**arrays, "codes": arrays["codes"] + 0.3 * noise})
    return files


def imitate(document: dict[str, Any], cell: Cell, beta: float, rng: np.random.Generator) -> dict[str, Any]:
    """Return a record like the real one for another cell, with other numbers."""
    record = copy.deepcopy(document)
    del record["files"], record["digest"]  # they refer to its own files
    record |= {"hash": cell.hash, "cell": cell.identity, "beta_norm": beta * cell.latent_size / 64**2}
    for name, score in record["scores"].items():
        record["scores"][name] = float(np.clip(score + 0.01 * beta + rng.normal(0, 0.02), 0, 1))
    record["evaluation"]["reconstruction"] += float(5 * beta + rng.normal(0, 2))
    # after 150 steps few latents are in use, but UDR should have to compare all of them
    record["evaluation"]["kl_per_latent"] = [max(kl, 0.1) for kl in record["evaluation"]["kl_per_latent"]]
    return record


def measure(store: Path, out: Path) -> ReportCost:
    """Run ``dis-bench report`` once, and read its cost from the system."""
    with subprocess.Popen(
        [*DIS_BENCH, "report", str(store), "--out", str(out)], stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"dis-bench report ended with {process.returncode}")
    sizes = {path: path.stat().st_size for path in out.rglob("*") if path.is_file()}
    return ReportCost(
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024 / 1e6,
        sizes[out / "index.html"] / 1e6,
        sum(sizes.values()) / 1e6,
    )


def browse(page: Path) -> dict[str, float | None]:
    """Open a page in Chromium; return wall seconds and memory (MB), or nothing without it."""
    chromium = os.environ.get("DIS_BENCH_CHROMIUM") or shutil.which("chromium")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        return {}
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        window = browser.new_page(viewport={"width": 1400, "height": 900})
        window.set_default_timeout(300_000)
        window.goto(page.resolve().as_uri())
        ready = window.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1e3")
        head = "(page) => page.querySelector('.live [data-column=mig]').click()"
        word = (
            "(page) => { const one = page.querySelector('#table-live input[type=search]'); "
            "one.value = '4'; one.dispatchEvent(new Event('input', { bubbles: true })); }"
        )
        found = {
            "usable, s": ready,
            "sort, s": window.evaluate(f"() => ({FRAME})({head})"),
            "filter, s": window.evaluate(f"() => ({FRAME})({word})"),
            "browser's heap, MB": window.evaluate("performance.memory.usedJSHeapSize / 1e6"),
        }
        browser.close()
    return found


def main() -> None:
    """Print a Markdown table with one row per store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--grids", nargs="+", default=["10x10", "50x20", "200x50"], metavar="BETASxSEEDS")
    parser.add_argument("--like", type=Path, metavar="CELL", help="folder of a finished cell to imitate")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep the stores there")
    parser.add_argument("--no-weights", action="store_true", help="cells that kept no weights")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        real = options.like or train_cell(Path(scratch) / "real")
        for grid in options.grids:
            betas, seeds = map(int, grid.split("x"))
            if not (folder / grid).exists():
                make_store(real, folder / grid, betas, seeds, weights=not options.no_weights)
            out = Path(scratch) / f"report-{grid}"
            cost = measure(folder / grid, out)
            rows.append(
                {
                    "cells": betas * seeds,
                    "configurations x seeds": f"{betas} x {seeds}",
                    "CPU, s": cost.cpu_seconds,
                    "peak memory, MB": cost.memory_mb,
                    "page, MB": cost.page_mb,
                    "all files, MB": cost.all_mb,
                    **browse(out / "index.html"),
                }
            )
    print_table(rows)
    machine = describe_machine("dis-bench", "numpy", "pandas", "matplotlib")
    print_machine(machine)
    if options.json:
        found = {"machine": machine, "weights": not options.no_weights, "rows": rows}
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
