"""The page is complete, opens offline, and says what it must."""

import base64
import hashlib
import html
import io
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dis_bench.reports import write_report
from dis_bench.reports.ordering import RULE
from dis_bench.reports.page import render
from dis_bench.reports.page.document import SCRIPTS
from tests.reports.contrast import contrast
from tests.reports.made_up import write_study
from tests.reports.mixed import write_one
from tests.reports.page.comparing import write_page

VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """The elements of a page; tags that do not close are an error."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def report(nine_cells):
    return write_report(nine_cells)


@pytest.fixture(scope="module")
def page(report):
    return Page(report.read_text(encoding="utf-8"))


def test_nothing_is_fetched(page):
    for _, attributes in page.tags:
        for name, value in attributes.items():
            if name in ("src", "href", "srcset", "data", "action", "poster"):
                assert value.startswith(("data:image/webp;base64,", "#"))
    assert [script.get("type", "") for script in page.all("script")] == [
        "application/json",
        *[""] * len(SCRIPTS),
    ]
    assert not page.all("link")
    assert not page.all("iframe")


def test_latents_of_cells_without_factors_know_none(page):
    assert "Beside a latent is its KL; below 0.01 nats" in page.text
    assert "the factor that it knows" not in page.text
    assert "the latent that knows the same factor" not in page.text


def test_the_style_fetches_nothing(report):
    style = report.read_text(encoding="utf-8").partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "&#" not in style  # not escaped
    assert "max-width" in style


def digest(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_a_browser_may_use_the_page_s_own_style_scripts_and_pictures_and_nothing_else(page, report):
    [policy] = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    style = report.read_text(encoding="utf-8").partition("<style>")[2].partition("</style>")[0]
    scripts = re.findall("<script>(.*?)</script>", report.read_text(encoding="utf-8"), re.S)
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src {digest(style)}",
        f"script-src {' '.join(map(digest, scripts))}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    names = [tag for tag, _ in page.tags]
    assert page.tags[names.index("meta") + 1][1].get("http-equiv")  # before anything that it governs
    assert names.count("style") == 1
    assert not [name for _, attributes in page.tags for name in attributes if name == "style"]


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Return a page of two settings, several models, a failed cell and long names."""
    folder = tmp_path_factory.mktemp("several")
    write_study(folder, betas=[1, 4], seeds=[0], failed=[(4, 0)], dataset="d" * 60, steps=300_000)
    write_study(folder, betas=[1, 4], seeds=[0], dataset="d" * 60, model="m" * 60)
    write_study(folder, betas=[1, 4], seeds=[0], dataset="d" * 60, pictures=False)
    return Page(write_report(folder).read_text(encoding="utf-8"))


@pytest.fixture(params=["page", "several"])
def each(request):
    return request.getfixturevalue(request.param)


def test_headings_skip_no_level(each):
    levels = [int(tag[1]) for tag, _ in each.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_what_scrolls_is_reached_by_keyboard_and_has_a_name_of_its_own(each):
    scrollers = [
        attributes
        for _, attributes in each.tags
        if {"scroll", "plot"} & set(attributes.get("class", "").split())
    ]
    assert len(scrollers) >= 7
    assert all((s["role"], s["tabindex"]) == ("region", "0") for s in scrollers)
    labels = [scroller["aria-label"] for scroller in scrollers]
    assert len(set(labels)) == len(labels)
    assert all(len(label) > 3 for label in labels)
    wide = len(each.all("table")) - 2  # protocol and versions are narrow
    assert len([s for s in scrollers if "scroll" in s["class"]]) == wide


def test_landmarks_language_and_title(each):
    assert [each.all(tag) for tag in ("html", "main", "nav")] == [
        [{"lang": "en"}],
        [{}],
        [{"aria-label": "On this page"}],
    ]
    assert len(each.all("header")) == len(each.all("footer")) == len(each.all("title")) == 1
    assert each.all("meta")[0] == {"charset": "utf-8"}
    assert len(each.all("figcaption")) == len(each.all("figure")) == len(each.all("img"))


STYLE = (Path(render.__file__).parent / "page.css").read_text(encoding="utf-8")


def colours(scheme):
    """Return a scheme's colours by name; dark ones replace those of the light page."""
    light, dark = (
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", part.partition("\n  --shade")[0]))
        for part in STYLE.split("prefers-color-scheme: dark")
    )
    assert light.keys() == dark.keys()
    return light if scheme == "light" else dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["page", "soft"])
@pytest.mark.parametrize("text", ["ink", "muted", "accent", "better", "worse"])
def test_every_text_stands_out_from_its_ground(scheme, ground, text):
    found = colours(scheme)
    assert contrast(found[text], found[ground]) >= 4.5


def test_every_colour_of_the_page_has_a_light_and_a_dark_value():
    after = STYLE.partition("* { box-sizing")[2]
    assert not re.findall(r"#[0-9a-f]{3,6}\b(?!\w)", re.sub(r"#caveats", "", after))
    others = {"shade", "veil", "ground", "room", "text"}
    by_scripts = {"share", "hue"}
    assert set(re.findall(r"var\(--(\w+)\b", after)) <= {*colours("dark"), *others, *by_scripts}
    dark = STYLE.partition("prefers-color-scheme: dark")[2].partition("* { box-sizing")[0]
    assert ".plot, .picture { background: #ffffff" in dark  # pictures are drawn on white


def test_paper_gets_everything():
    paper = STYLE.partition("@media print {")[2]
    assert "details::details-content { content-visibility: visible" in paper
    assert re.search(r"\.scroll \{ overflow: visible", paper)
    assert "prefers-color-scheme" not in paper
    assert "@media screen and (prefers-color-scheme: dark)" in STYLE


def test_every_picture_is_embedded_described_and_beside_the_page(page, report):
    from PIL import Image

    images = page.all("img")
    shown = [Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))) for image in images]
    files = [np.asarray(Image.open(path).convert("RGB"), int) for path in report.parent.glob("plots/*.png")]
    for picture in shown:  # a plot has 256 colours in the page
        pixels = np.asarray(picture.convert("RGB"), int)
        assert any(f.shape == pixels.shape and np.abs(f - pixels).mean() < 0.5 for f in files)
    assert len(images) == 8  # trade-off, against beta, agreement, reconstructions, three traversals, training
    for image, picture in zip(images, shown, strict=True):
        assert len(image["alt"]) > 40
        width, height = picture.size
        assert (int(image["width"]), int(image["height"])) == (round(width / 2), round(height / 2))


def test_alternative_text_tells_the_numbers_in_beta_order(page):
    alt = page.all("img")[0]["alt"]
    positions = [alt.index(f"β = {beta}: reconstruction") for beta in (1, 4, 10)]
    assert positions == sorted(positions)


def test_answer_first_then_pictures_tables_caveats_provenance(page):
    unfolded = [section for section in page.all("section") if not {"class", "hidden"} & set(section)]
    sections = [attributes["id"] for attributes in unfolded]
    assert sections == ["answer", "pictures", "table", "doctor", "caveats", "provenance"]
    assert page.text.index("300,000 steps, raising β from 1 to 10 costs") < page.text.index(
        "Originals and reconstructions"
    )


def test_anchors_lead_somewhere_and_ids_are_unique(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"] for attributes in page.all("a")} <= {f"#{name}" for name in ids}


def test_rule_command_protocol_and_versions_are_there(page):
    text = page.text
    for words in (
        " ".join(RULE.split()),
        "dis-bench run --models betavae --betas 1 4 10",
        "version 1, rows 10,000, bins 20",
        "dsprites-rendered-f00d",
        "2.13.0",
        "made-up processor",
        "2026-11-20 09:30:00+00:00",
        "scores MIG about 0.895, SAP about 0.245",
    ):
        assert words in text


def test_tables_stand_beside_the_page(report):
    names = {path.name for path in report.parent.iterdir()}
    assert names == {"index.html", "table.csv", "table.md", "table.tex", "plots", "play", "report.json"}


def test_what_users_write_cannot_become_markup(tmp_path):
    command = 'dis-bench run --models "<script>alert(1)</script>" --out a&b'
    index = write_report(
        write_study(tmp_path, betas=[4], seeds=[0], model="<b>mine</b>", command=command, pictures=False)
    )
    content = index.read_text(encoding="utf-8")
    assert html.escape(command, quote=False).replace('"', "&#34;") in content
    page = Page(content)
    assert command in page.text
    assert "<b>mine</b>, β = 4 reaches" in page.text
    assert "alert(1)</script>" not in content
    assert len(page.all("script")) == 1 + len(SCRIPTS)
    assert not page.all("b")


def test_values_of_a_dial_that_differ_late_do_not_look_alike(tmp_path):
    for gamma in (1234567.0, 1234568.0):
        for seed in range(3):
            write_one(tmp_path / "results", "slow", {"gamma": gamma}, "gamma", seed, {"steps": 3000})
    text = write_page(tmp_path / "results", tmp_path / "index.html").path.read_text("utf-8")
    assert "gamma = 1234567.0, 1234568.0" in text
    assert [f'<th scope="col">gamma = {gamma}</th>' in text for gamma in (1234567.0, 1234568.0)] == [True] * 2
