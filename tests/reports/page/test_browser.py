"""The page in a real browser: its scripts run, and it asks for nothing."""

import io

import pytest
from PIL import Image

from dis_bench.reports import write_report
from tests.reports.page.browser import Window


@pytest.fixture(scope="module")
def report(nine_cells, tmp_path_factory):
    return write_report(nine_cells, tmp_path_factory.mktemp("report"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_scripts_run_and_nothing_is_requested(report, open_page, width, scheme):
    page = open_page(report, width=width, scheme=scheme)
    assert page.evaluate("page.data.settings[0].cells.length") == 9
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_reads_without_scripts(report, open_page):
    page = open_page(report, scripts=False)
    assert "raising β from 1 to 10 costs" in page.inner_text("main")


@pytest.mark.parametrize("width", [1400, 400])
def test_all_text_grows_with_the_letters_of_the_browser(report, open_page, width):
    page = open_page(report, width=width)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("getComputedStyle(document.querySelector('#caveats li')).fontSize") == "32px"
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_in_the_dark_plots_are_dark_and_pictures_of_data_are_true(report, open_page):
    page = open_page(report, scheme="dark")
    for kind, ground in ((".plot:not(.picture)", (21, 24, 28)), (".picture", (255, 255, 255))):
        images = page.locator(f"{kind} img").all()
        assert len(images) >= 3
        for image in images:
            with Image.open(io.BytesIO(image.screenshot())) as shown:
                assert shown.convert("RGB").getpixel((2, 2)) == ground
    filters = "all => all.map((one) => getComputedStyle(one).filter)"
    assert set(page.locator(".picture img").evaluate_all(filters)) == {"none"}


def test_a_selected_cell_is_told_to_all_who_listen(report, open_page):
    page = open_page(report)
    told = page.evaluate("""() => {
        const told = [];
        page.onSelect((hash, by) => told.push([hash, by]));
        for (const hash of ["a", "a", "b", null]) page.select(hash, "test");
        return told;
    }""")
    assert told == [["a", "test"], ["b", "test"], [None, "test"]]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<script>console.error('no')</script>", "error: no"),
        ("<script>throw new Error('no')</script>", "error: "),
        ("<img src='https://127.0.0.1:9/x.png'>", "request: https://127.0.0.1:9/x.png"),
        ("<img src='beside.png'>", "request: file://"),
    ],
)
def test_faults_are_found(chromium, tmp_path, body, fault):
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><title>t</title>{body}", encoding="utf-8")
    window = Window(chromium)
    window.open(path)
    window.context.close()
    assert any(found.startswith(fault) for found in window.faults)
