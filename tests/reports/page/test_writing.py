"""Scripts write numbers and texts as Python does, in each format of a table."""

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest

from dis_bench.escape import for_csv, for_latex, for_markdown, visible
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.tables import write_csv, write_latex, write_markdown
from tests.reports.mixed import write_one
from tests.reports.page.comparing import write_many, write_page

NASTY = [
    *(chr(code) for code in range(0x3100) if not 0xD800 <= code < 0xE000),
    *map(chr, (0xFE0F, 0xFEFF, 0xFFFD, 0xFF1D, 0x1D6C3, 0x1F600, 0xE0041, 0x13430)),
    "=SUM(A1)",
    "a;=b",
    " '@x",
    "-1,5",
    'say "hi"',
    "see www.example.org and WWW.x, not awww.x, éwww.y or _www.z",
    "a & b_c {d} ~ \\ ^ | $x$ <b>",
    "e\u0301 o\u0308 \u1e69 ß Ł",
    "β = 4 ± \N{MINUS SIGN}1 \N{EN DASH} \N{EM DASH} · \N{MULTIPLICATION SIGN} ↑ ↓",
    "[x]* (y)",
]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("writing")
    root = write_many(folder / "results", models=3)
    for seed in range(3):  # a name that every format must escape
        write_one(root, '=a & "b"_|β;é', {}, None, seed, {"steps": 3000}, values={"mig": 0.9 + 0.01 * seed})
        write_one(root, "some", {}, None, seed, {"steps": 3000}, lacks=("kl",) if seed else ())
    return write_page(root, folder / "index.html")


@pytest.fixture
def page(many, open_page):
    return open_page(many.path)


@pytest.mark.parametrize(
    ("script", "python"),
    [("forLatex", for_latex), ("forMarkdown", for_markdown), ("visible", visible)],
)
def test_texts_are_escaped_as_in_python(page, script, python):
    found = page.evaluate(f"(texts) => texts.map(writing.{script})", NASTY)
    assert found == [python(text) for text in NASTY]


def test_lone_surrogates_are_escaped(page):
    codes = [0xD800, 0xDC41, 0xDFFF]
    found = page.evaluate(
        "(codes) => codes.map((code) => writing.forLatex(String.fromCharCode(code)))", codes
    )
    assert found == [for_latex(chr(code)) for code in codes]


def test_fields_of_csv_are_escaped_as_in_python(page):
    found = page.evaluate("(texts) => texts.map((text) => ['a', writing.forCsv(text)].join(','))", NASTY)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(["a", for_csv(text)] for text in NASTY)
    assert found == buffer.getvalue().split("\n")[:-1]


def test_numbers_are_rounded_as_in_python(page):
    rng = np.random.default_rng(0)
    values = [
        *(number / 2**power for number in range(-40, 41) for power in range(8)),  # many are halfway
        *(round(number * 0.005, 3) for number in range(-50, 450)),
        *rng.normal(size=200) * 10.0 ** rng.integers(-6, 24, 200),
        *(0.0, -0.0, 1.45, 1.85, -0.0004, 1e21, -1e22, 1e300, 5e-324),
    ]
    for digits in range(5):
        quantity = Quantity("x", "x", digits=digits)
        found = page.evaluate(f"(values) => values.map((value) => writing.fixed(value, {digits}))", values)
        assert found == [quantity.format(value) for value in values]


def test_numbers_are_written_in_full_as_in_python(page):
    rng = np.random.default_rng(1)
    values = [
        *rng.normal(size=300) * 10.0 ** rng.integers(-30, 30, 300),
        *(10.0**power for power in range(-9, 24)),
        *(0.0, 1.0, -2.5, 1e16, 123456789012345680.0, 9999999999999998.0, 5e-324, 1.7e308),
    ]
    found = page.evaluate("(values) => values.map(writing.formatFloat)", values)
    assert found == [repr(float(value)) for value in values]


def test_the_markdown_of_the_whole_table_is_that_of_the_file(page, many):
    text = page.evaluate("table.write('Markdown')")
    rows = [line for line in text.split("\n") if line]
    written = write_markdown(many.settings, many.tables, many.quantities)
    assert rows == [line for line in written.split("\n") if line.startswith("|")]
    assert any("**" in line for line in rows)


def test_the_latex_of_the_whole_table_is_that_of_the_file(page, many):
    text = page.evaluate("table.write('LaTeX')")
    assert text == write_latex(many.settings, many.tables, many.quantities)
    assert r"\textbf{" in text


def test_the_csv_of_the_whole_table_has_the_values_of_the_file(page, many):
    text = page.evaluate("table.write('CSV')")
    whole = pd.read_csv(
        io.StringIO(write_csv(many.settings, many.tables)), dtype=str, keep_default_na=False, na_values=[]
    )
    columns = text.split("\n")[0].split(",")
    assert columns[:6] == ["series", "dial", "dial_value", "beta", "beta_norm", "n"]
    assert len(columns) == 6 + 3 * len(many.quantities)
    assert text == whole[columns].to_csv(index=False, lineterminator="\n")


def test_a_table_of_beta_alone_has_its_column(nine_cells, tmp_path, open_page):
    written = write_page(nine_cells, tmp_path / "index.html")
    page = open_page(written.path)
    assert page.evaluate("table.write('LaTeX')") == write_latex(
        written.settings, written.tables, written.quantities
    )
    assert "| model | β | β norm | n |" in page.evaluate("table.write('Markdown')")


def test_the_rules_in_the_page_are_in_ascii(many):
    [data] = re.findall(r'id="data">(.*?)</script>', many.path.read_text("utf-8"), re.S)
    assert data.isascii()
    assert json.loads(data)["comparison"]["escape"]["hidden"].isascii()
