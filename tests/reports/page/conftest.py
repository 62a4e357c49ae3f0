"""Pages in a real browser, where there is one."""

import importlib.util

import pytest

from tests.reports.page.browser import Window, find_chromium, start_chromium


@pytest.fixture(scope="package")
def chromium():
    """Return a browser, or skip: it needs Chromium (apt install chromium) and playwright."""
    if find_chromium() is None:
        pytest.skip("there is no Chromium; on Debian, apt install chromium")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed; pip install playwright")
    with start_chromium() as browser:
        yield browser


@pytest.fixture
def open_page(chromium):
    """Return a function from a file to playwright's page of it.

    Options are those of :class:`Window`. The test fails if a page that it opened wrote an error or a warning
    to the console, or requested anything.
    """
    windows = []

    def open_file(path, **options):
        windows.append(Window(chromium, **options))
        return windows[-1].open(path)

    yield open_file
    for window in windows:
        window.context.close()
    assert [fault for window in windows for fault in window.faults] == []
