"""Published figures are shown beside measured ones, and change nothing that was measured."""

import csv
import dataclasses
import io
import re
from types import SimpleNamespace

import pytest

from dis_bench.cli.main import main
from dis_bench.reports.published.reported import (
    Reported,
    describe_reported,
    find_reported,
    format_figure,
)
from dis_bench.reports.published.source import Figure, read_source
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.report import build_report
from tests.records.kept_store import put_encoder
from tests.reports.made_up import write_study
from tests.reports.mixed import write_mixed

SOURCES = ["cfasl2024", "higgins2017", "infogancr2020"]
MIG = Quantity("mig", "MIG", better="higher", is_score=True)


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return a report of several models without and with published figures."""
    folder = write_mixed(tmp_path_factory.mktemp("mixed"), pictures=False)
    return build_report(folder), build_report(folder, SOURCES)


def test_answers_and_measured_rows_are_the_same_without_them(reports):
    plain, beside = reports
    assert plain.headlines == beside.headlines
    assert plain.summary == beside.summary
    assert plain.caveats == beside.caveats
    for name in ("table.md", "table.tex"):
        lines = beside.files[name].decode().splitlines()
        measured = [line for line in plain.files[name].decode().splitlines() if "betavae" in line]
        assert measured
        assert set(measured) <= set(lines)
    for kind in ("tradeoff", "agreement"):
        [path] = [path for path in plain.files if f"plots/{kind}" in path]
        assert plain.files[path] == beside.files[path]


def test_without_sources_nothing_is_added(reports):
    plain, beside = reports
    assert not [path for path in plain.files if "plots/published" in path]
    assert "published figures" not in plain.files["table.md"].decode()
    assert "published" not in plain.files["table.csv"].decode()
    assert [path for path in beside.files if "plots/published" in path]


def test_rows_of_the_csv_have_columns_of_their_own(reports):
    plain, beside = ([*csv.DictReader(io.StringIO(r.files["table.csv"].decode()))] for r in reports)
    measured = [row for row in beside if not row["published"]]
    assert [{name: row[name] for name in plain[0]} for row in measured] == plain
    published = [row for row in beside if row["published"]]
    own = {name for row in published for name, value in row.items() if value}
    assert not [name for name in own if re.search("_(mean|std|n|perfect|chance)$", name) and name in plain[0]]
    [row] = [r for r in published if (r["published"], r["series"]) == ("cfasl2024", "β-VAE")]
    assert (row["steps"], row["published_n"], row["n"]) == ("300000", "10", "")
    assert row["mig_published"] == "0.1319"
    assert float(row["mig_published_low"]) == pytest.approx(0.1319 - 0.0448)
    assert row["published_spread"] == "standard deviation"
    assert row["published_hyperparameters"] == "β one of 1, 2, 4, 6"


def test_rows_of_printed_tables_are_marked_and_never_bold(reports):
    lines = reports[1].files["table.md"].decode().splitlines()
    rows = [line for line in lines if re.match(r"\| \*.*\\\[\w+\\\]", line)]
    assert len(rows) == 5 + 8 + 13
    assert not [line for line in rows if "**" in line]
    [row] = [line for line in rows if "ControlVAE" in line]
    assert "*0.059 ± 0.028*" in row
    latex = reports[1].files["table.tex"].decode()
    assert r"\emph{0.059" in latex
    assert "published figures: not measured here" in latex
    assert r"\caption{Measured rows: mean $\pm$ standard deviation over $n$ seeds" in latex
    caption = latex[latex.index(r"\caption") :]
    for name in SOURCES:
        assert (
            f"{{[}}{name}{{]}}: its figures are " in caption or f"{{[}}{name}{{]}}, Table" in caption
        )  # with its statistic and spread
    assert r"its figures are the mean of its runs; the standard deviation follows $\pm$." in caption


def test_the_page_says_what_differs(reports):
    page = reports[1].files["index.html"].decode()
    assert page.count('<tr class="published">') == 5 + 8 + 13
    assert "Second-hand: read in three public summaries" in page
    assert "Unlike here: images official (here rendered), steps 300,000 (here 3,000)" in page
    assert "a spread of unknown kind follows ±" in page
    assert "Sampled codes are scored, also in evaluation, not posterior means." in page
    assert 'class="published"' not in reports[0].files["index.html"].decode()


def test_values_of_a_published_dial_have_its_name_on_the_page(tmp_path):
    folder = write_study(tmp_path, betas=[1, 4], seeds=[0], pictures=False)
    page = build_report(folder, SOURCES).files["index.html"].decode()
    assert "[higgins2017] <small>β = 4</small>" in page
    assert "[cfasl2024] <small>β one of 1, 2, 4, 6</small>" in page


def test_only_rows_of_the_dataset_and_of_measured_scores_are_shown(study, tabulated):
    study(dataset="shapes3d")
    settings, _, quantities = tabulated(study())
    source = read_source("cfasl2024")
    found = {s.cell["dataset"]: find_reported(s, [source], quantities) for s in settings}
    assert {one.table.dataset for one in found["dsprites"]} == {"dsprites"}
    assert {one.table.budget["steps"] for one in found["shapes3d"]} == {500_000}
    assert find_reported(settings[0], [source], [Quantity("irs", "IRS", is_score=True)]) == []
    described = describe_reported(settings[0], found["dsprites"])
    assert [text.partition("]")[0] for text in described] == ["[cfasl2024"] * 2


def test_figures_are_formatted_with_the_spread_that_they_have():
    assert format_figure(None, MIG) == "\N{EN DASH}"
    assert format_figure(Figure(0.5), MIG) == "0.500"
    assert format_figure(Figure(0.5, 0.25, 0.75), MIG) == "0.500 ± 0.250"
    assert format_figure(Figure(0.5, 0.1, 0.75, is_range=True), MIG) == "0.500 (0.100 to 0.750)"


def test_a_source_that_fits_nothing_is_a_caveat(tmp_path, capsys):
    write_study(tmp_path, betas=[4], seeds=[0], pictures=False)
    assert main(["report", str(tmp_path), "--published", "hsu2023"]) == 0
    capsys.readouterr()
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert "No published figure of hsu2023 is shown" in page
    assert not [*(tmp_path / "report" / "plots").glob("published*")]


def test_a_name_of_no_source_writes_no_report(tmp_path, capsys):
    write_study(tmp_path, betas=[4], seeds=[0], pictures=False)
    assert main(["report", str(tmp_path), "--published", "cfasl2024", "higins2017"]) == 2
    assert "did you mean 'higgins2017'?" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_correlated_factors_are_among_the_differences(reports):
    setting, source = reports[1].settings[0], read_source("higgins2017")
    for key, value, words in (
        ("correlate", "posX~posY:0.2", "correlated factors none (here posX~posY:0.2)"),
        ("holdout_rule", "scale<3", "held-out combinations none (here scale<3)"),
    ):
        other = dataclasses.replace(setting, cell={**setting.cell, key: value})
        for one, is_said in ((setting, False), (other, True)):
            texts = describe_reported(one, [Reported(source, source.tables[0], source.tables[0].rows[0])])
            assert any(words in text for text in texts) == is_said


def test_an_encoder_that_was_trained_elsewhere_has_no_budget_to_compare(tmp_path):
    put_encoder(tmp_path)
    text = build_report(tmp_path, ["cfasl2024"]).files["table.md"].decode()
    assert r"*CFASL \[cfasl2024\]*" in text
    assert r"Unlike here\: images official (here external)." in text


def test_names_of_a_file_stay_text(tmp_path):
    folder = write_study(tmp_path / "results", betas=[1, 4], pictures=False)
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'title = "<b>T</b> = |x|"\nread = "$a$ & b"\nsecond_hand = true\n'
        '[[tables]]\nwhere = "<i>"\ndataset = "dsprites"\nspread = "none"\n'
        'rows = [{name = "=1+1", values = {M = 0.5}}, {name = "<script>", values = {M = 0.25}}]\n'
        '[tables.scores]\nM = {score = "mig"}\n',
        encoding="utf-8",
    )
    files = build_report(folder, [mine]).files
    page = files["index.html"].decode()
    assert "&lt;script&gt; [mine]" in page
    assert "<script> [mine]" not in page
    assert "<b>T" not in page
    assert "'=1+1" in files["table.csv"].decode()
    assert r"\|x\|" in files["table.md"].decode()


@pytest.mark.parametrize(
    ("parameters", "sources"),
    [
        ({"dataset_parameters": "variant=complex"}, {"hsu2023", "disco"}),
        ({"dataset_parameters": "size=9 variant=complex"}, {"hsu2023", "disco"}),
        ({"dataset_parameters": "variant=toy"}, {"disco"}),
        ({}, {"disco"}),
    ],
)
def test_rows_of_a_variant_are_shown_beside_cells_of_that_variant_alone(parameters, sources):
    """Rows that do not say their variant are shown beside any, which their differences say."""
    setting = SimpleNamespace(cell={"dataset": "mpi3d", **parameters})
    quantities = [MIG, Quantity("infomec_modularity", "InfoM", is_score=True)]
    found = find_reported(setting, map(read_source, ("hsu2023", "disco")), quantities)
    assert {one.source.name for one in found} == sources
    for one in found:
        assert bool(one.table.dataset_parameters) == (one.source.name == "hsu2023")
        assert one.table.dataset_parameters or "Which of the four sets" in " ".join(one.table.differences)
