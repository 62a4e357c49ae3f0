"""A real Chromium, without a window, that opens pages and notes whatever they must not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """Return the path of an installed Chromium; DIS_BENCH_CHROMIUM names another one."""
    given = os.environ.get("DIS_BENCH_CHROMIUM")
    return given or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def start_chromium() -> Iterator[Any]:
    """Yield a browser of playwright's, which ends with the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        try:
            yield browser
        finally:
            browser.close()


class Window:
    """A window in which pages are opened; :attr:`faults` lists what they must not do.

    Args:
        browser: from :func:`start_chromium`.
        width, height: size of the window in CSS pixels.
        scheme: ``light`` or ``dark``, the system's colours.
        scripts: whether pages may run scripts.
    """

    def __init__(
        self,
        browser: Any,
        width: int = 1400,
        height: int = 900,
        scheme: str = "light",
        scripts: bool = True,
        **options: Any,
    ) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
            **options,
        )
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self._opened = ""
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._see)

    def open(self, path: Path) -> Any:
        """Open a file, and return playwright's page."""
        self._opened = path.resolve().as_uri()
        self.page.goto(self._opened)
        return self.page

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def _see(self, request: Any) -> None:
        if request.url.partition("#")[0] != self._opened and not request.url.startswith(("data:", "blob:")):
            self.faults.append(f"request: {request.url}")
