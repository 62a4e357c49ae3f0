"""Take the pictures of a report in docs/screens/: each part in two widths and both colour schemes.

    python docs/screenshots.py results/report/index.html

It needs Chromium (``apt install chromium``) and playwright.
"""

from __future__ import annotations

import io
import shutil
import sys
from itertools import product
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import sync_playwright

SCREENS = Path(__file__).parent / "screens"
PARTS = ("plane", "play", "knowledge", "table")
WIDTHS = (1400, 400)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDE = ("table",)  # parts that are wider than the text
MARGIN = 16  # pixels
TALLEST = 1_100  # pixels; the rest of a long table is cut off
COLOURS = 128
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> None:
    """Open the page in each look, and keep the parts that it has."""
    [page] = sys.argv[1:]
    SCREENS.mkdir(exist_ok=True)
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        for width, scheme in product(WIDTHS, SCHEMES):
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
            )
            window = context.new_page()
            window.goto(Path(page).resolve().as_uri())
            window.wait_for_timeout(3_000)  # until the decoders have drawn
            for part in PARTS:
                if window.locator(f"#{part}").is_visible():
                    keep(window, part, SCREENS / f"{part}-{width}-{scheme}.png")
            context.close()


def keep(window: Any, part: str, path: Path) -> None:
    """Write the picture of a part, in few colours."""
    box = window.locator(f"#{part}").bounding_box()
    beside = max(0, min(box["x"], MARGIN))
    clip = {
        "x": 0 if part in WIDE else box["x"] - beside,
        "y": box["y"],
        "width": window.viewport_size["width"] if part in WIDE else box["width"] + 2 * beside,
        "height": min(box["height"] + MARGIN, TALLEST),
    }
    with Image.open(io.BytesIO(window.screenshot(full_page=True, clip=clip))) as image:
        # of many colours, the rare hues of marks are kept
        few = image.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
