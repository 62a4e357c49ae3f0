"""Measure pages in a browser: bytes, seconds until a slider can be dragged, frames, and what axe-core finds.

    python benchmarks/page.py results/report/index.html results/report/play/*.html
    python benchmarks/page.py --clone .         # a newcomer's path first: git clone, make demo

It needs Chromium (``apt install chromium``), playwright and axe-playwright-python. A page is *ready* when its
decoders have drawn; a *frame* is the time from moving a slider to the next picture. Serious findings are
those that axe-core calls serious or critical, at 1,400 and 400 pixels, in light and dark.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe_machine, print_machine, print_table

READY = "() => play.panels.every((panel) => panel.frame === null && panel.canvas.width === panel.model.width)"
# Milliseconds from moving the first latent's slider to the picture, in the middle of 20 moves.
DRAG = """async () => {
    const panel = play.panels[0], [latent] = panel.model.order, { input } = panel.inputs[latent];
    const times = [];
    for (let move = 0; move < 20; move++) {
        const start = performance.now();
        input.value = panel.model.cell.low[latent] + (move / 20) * (input.max - input.min);
        input.dispatchEvent(new Event("input"));
        while (panel.frame !== null) await new Promise(requestAnimationFrame);
        times.push(performance.now() - start);
    }
    return times.sort((one, other) => one - other)[10];
}"""
FIND = "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations)"


def follow_newcomer(source: str, folder: Path) -> tuple[Path, dict[str, float]]:
    """Clone a repository and make its demo; return the page, and the seconds of each step."""
    steps = {
        "git clone": ["git", "clone", "--quiet", source, str(folder)],
        "make demo": ["make", "--silent", "-C", str(folder), "demo"],
    }
    seconds = {}
    for name, command in steps.items():
        start = time.perf_counter()
        subprocess.run(command, check=True)
        seconds[name] = time.perf_counter() - start
    return folder / "results" / "report" / "index.html", seconds


def count_bytes(path: Path) -> tuple[int, int]:
    """Return the bytes of a page, and of the live decoders in it."""
    text = path.read_text(encoding="utf-8")
    [data] = re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)
    cells = json.loads(data)["play"].get("cells", [])
    live = sum(len(json.dumps(cell["program"], separators=(",", ":"))) for cell in cells if "program" in cell)
    return len(text.encode()), live


def open_page(browser: Any, path: Path, width: int, scheme: str) -> tuple[Any, float]:
    """Open a page; return it with the seconds until its decoders have drawn."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    start = time.perf_counter()
    page.goto(path.resolve().as_uri())
    while not page.evaluate(READY):
        page.wait_for_timeout(5)
    return page, time.perf_counter() - start


def count_findings(browser: Any, path: Path) -> tuple[int, int]:
    """Return how many findings of axe-core are serious, and how many are not, with every fold open."""
    import axe_playwright_python

    axe = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    impacts = []
    for width in (1400, 400):
        for scheme in ("light", "dark"):
            page, _ = open_page(browser, path, width, scheme)
            page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
            page.evaluate(axe)
            impacts += [one["impact"] for one in page.evaluate(FIND)]
            page.context.close()
    serious = sum(impact in ("serious", "critical") for impact in impacts)
    return serious, len(impacts) - serious


def measure(browser: Any, path: Path) -> dict[str, Any]:
    """Measure a page; return a row of the table."""
    size, live = count_bytes(path)
    page, ready = open_page(browser, path, 1400, "light")
    frame = page.evaluate(DRAG)
    page.context.close()
    serious, others = count_findings(browser, path)
    return {
        "page": str(path)[-40:],
        "MB": size / 1e6,
        "MB without live decoders": (size - live) / 1e6,
        "s until ready": ready,
        "ms a frame": frame,
        "serious findings": serious,
        "others": others,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="*", type=Path, help="pages of reports")
    parser.add_argument("--clone", metavar="REPOSITORY", help="clone it, and make its demo and page first")
    given = parser.parse_args()
    if not given.pages and not given.clone:
        parser.error("name pages, or --clone a repository")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = list(given.pages)
        if given.clone:
            page, seconds = follow_newcomer(given.clone, Path(folder, "clone"))
            print("".join(f"{name}: {taken:.0f} s\n" for name, taken in seconds.items()))
            pages.insert(0, page)
        executable = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=executable)
        print_table([measure(browser, path) for path in pages])
        browser.close()
    print_machine(describe_machine("playwright"))


if __name__ == "__main__":
    main()
