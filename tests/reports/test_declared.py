"""Reports say of plug-ins what these said themselves, also where they are not installed."""

import json

import pytest

from dis_bench.records.record import read_records
from dis_bench.records.table import tabulate
from dis_bench.reports.caveats import find_caveats
from dis_bench.reports.declared import Declared
from dis_bench.reports.headline import lead_score
from dis_bench.reports.quantities import find_quantities
from dis_bench.reports.report import build_report
from dis_bench.reports.settings import split_settings
from dis_bench.reports.tables import summarise_text
from tests.reports.made_up import reseal, write_study

MINE = {
    "label": {"mine_a": "My A", "mine_b": "My B"},
    "short": {"mine_a": "M A", "mine_b": "M B"},
    "better": "lower",
    "range": [0.0, None],
    "summary": "How little.",
    "leads": True,
    "caveat": "Mine is blind.",
}
DECLARED = {
    "dataset": {"caveat": "Stripes are thin."},
    "model": {"note": "as it was in 1987"},
    "metrics": {"mine": MINE},
}


@pytest.fixture
def strangers(tmp_path):
    """Return a folder whose plug-ins are not installed, but declared in the records."""
    write_study(tmp_path, betas=[None], model="old", dataset="stripes", steps=300_000)
    for folder in (tmp_path / "cells").iterdir():
        record = json.loads((folder / "record.json").read_text("utf-8"))
        scores = {"mine_a": 0.5, "mine_b": 0.25, **record["scores"]}
        protocol = {"mine": {"version": "abc"}, **record["protocol"]}
        reseal(folder, scores=scores, protocol=protocol, declared=DECLARED)
    return tmp_path


def test_a_page_says_what_plug_ins_said_that_are_not_installed(strangers):
    report = build_report(strangers)
    assert "Stripes are thin." in report.caveats
    assert "Mine is blind." in report.caveats
    assert "My A 0.500" in report.headlines[0][0].sentences[0]
    page, table = report.files["index.html"].decode(), report.files["table.md"].decode()
    assert "M A ↓" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "How little. Range 0 to inf." in page
    assert "M A, B are My A and My B" in table
    assert split_settings(read_records(strangers)[0])[0].notes == {"old": "as it was in 1987"}


def test_a_score_is_shown_as_its_metric_says(strangers):
    records, _ = read_records(strangers)
    quantities = find_quantities(tabulate(records), ["mig", "mine_a"], Declared(records))
    assert lead_score(quantities).name == "mig"  # the first of two that lead
    mine = quantities[-1]
    assert (mine.label, mine.better, mine.range) == ("My A", "lower", (0.0, float("inf")))
    assert mine.short_heading == "M\N{NO-BREAK SPACE}A\N{NO-BREAK SPACE}↓"


def test_scores_of_one_label_have_their_columns_beside_it(tmp_path):
    write_study(tmp_path, betas=[1, 4], pictures=False)
    for number, folder in enumerate((tmp_path / "cells").iterdir()):
        said = {name: {**MINE, "label": {name: "Mine"}, "short": {}} for name in ("one", "two")}
        said |= {"three": {**MINE, "label": {"three": "KL"}, "short": {}}}
        scores = {name: number / (10 + place) for place, name in enumerate(said)}
        protocol = {name: {"version": "1"} for name in said}
        reseal(folder, scores=scores, protocol=protocol, declared={"metrics": said})
    report = build_report(tmp_path)
    table = report.files["table.md"].decode().replace("\N{NO-BREAK SPACE}", " ")
    assert "| KL |" in table
    assert "| Mine (one) ↓ | Mine (two) ↓ | KL (three) ↓ |" in table
    page = report.files["index.html"].decode()
    assert "rank correlations between reconstruction, KL, Mine (one), Mine (two), KL (three)." in page
    assert "Mine (two)" in summarise_text(read_records(tmp_path)[0])


@pytest.fixture
def two_versions(tmp_path):
    """Return a folder with a score that rises with beta: lower was better, by the newer version higher is."""
    write_study(tmp_path, betas=[1, 4], seeds=range(6), pictures=False)
    for folder in (tmp_path / "cells").iterdir():
        record = json.loads((folder / "record.json").read_text("utf-8"))
        cell, is_new = record["cell"], record["cell"]["seed"] > 2
        said = {**MINE, "better": "higher" if is_new else "lower", "range": [0.0, 2.0 if is_new else 1.0]}
        score = cell["hyperparameters"]["beta"] / 10 + cell["seed"] / 1000
        reseal(
            folder,
            scores={"mine_a": score},
            protocol={"mine": {"version": "new" if is_new else "old"}},
            declared={"metrics": {"mine": said}},
            created=f"202{7 if is_new else 6}-11-20T09:30:00+00:00",
        )
    return tmp_path


def test_each_setting_is_judged_by_what_its_own_records_declare(two_versions):
    report = build_report(two_versions)
    assert [setting.title.rpartition(", ")[2] for setting in report.settings] == [
        "mine version new",
        "mine version old",
    ]
    new, old = [answers[0].sentences[0] for answers in report.headlines]
    assert "buys 0.300 ± 0.001 of My A" in new
    assert "costs 0.300 ± 0.001 of My A" in old
    tables = report.files["table.md"].decode().replace("\N{NO-BREAK SPACE}", " ").split("## ")[1:]
    assert ["M A ↑" in table for table in tables] == [True, False]
    assert ["M A ↓" in table for table in tables] == [False, True]
    assert ["**0.404 ± 0.001**" in table for table in tables] == [True, False]
    assert ["**0.101 ± 0.001**" in table for table in tables] == [False, True]


def test_a_column_that_settings_judge_differently_has_no_arrow_in_the_table_of_all(two_versions):
    latex = build_report(two_versions).files["table.tex"].decode()
    [heads] = [line for line in latex.splitlines() if line.startswith("model")]
    assert r"recon. $\downarrow$" in heads
    assert heads.endswith(r"& M~A \\")
    assert r"\textbf{0.404 $\pm$ 0.001}" in latex
    assert r"\textbf{0.101 $\pm$ 0.001}" in latex


def test_the_page_explains_a_score_in_all_ways_in_which_it_was_declared(two_versions):
    page = build_report(two_versions).files["index.html"].decode().replace("\N{NO-BREAK SPACE}", " ")
    assert "How little. Range 0 to 1." in page
    assert "How little. Range 0 to 2." in page


def test_the_terminal_shows_each_setting_as_its_own_records_declare(two_versions):
    new, old = summarise_text(read_records(two_versions)[0]).split("mine version old")
    assert "My A\N{NO-BREAK SPACE}↑" in new
    assert "My A\N{NO-BREAK SPACE}↓" in old


def test_the_newest_record_counts_and_none_is_asked_twice(study):
    records = study(betas=[4], steps=300_000, source="official")
    for record, text in zip(records, ("New.", "Old.", "Old."), strict=True):
        record["declared"] = {"dataset": {"caveat": text}}
        record["created"] = "2027" if text == "New." else "2026"
    assert Declared(records).caveat_of("dsprites", "official") == "New."
    assert [caveat for caveat in find_caveats(records) if caveat in ("New.", "Old.")] == ["New."]


def test_records_that_keep_nothing_are_explained_by_what_is_installed(study):
    records = study(betas=[None], model="vae")
    assert all("declared" not in record for record in records)
    said = Declared(records)
    assert "bit-exact" in said.caveat_of("dsprites", "rendered")
    assert said.caveat_of("dsprites", "official") == said.caveat_of("none", "rendered") == ""
    assert said.note_of("vae") == "its objective: β = 1"
    assert said.note_of("betavae") == said.note_of("none") == ""
    assert said.of_score("dci_completeness")["label"] == {"dci_completeness": "DCI completeness"}
    assert said.of_score("none") is None
    assert said.of_metric("none", "dsprites", {}) == {}


def test_what_a_record_keeps_goes_before_what_is_installed(study):
    records = study(betas=[4])
    for record in records:
        record["declared"] = {"dataset": {"caveat": ""}, "model": {"note": "mine"}, "metrics": {"mig": MINE}}
    said = Declared(records)
    assert said.caveat_of("dsprites", "rendered") == ""
    assert said.note_of("betavae") == "mine"
    assert said.of_metric("mig", "dsprites", {}) == MINE
    assert said.of_score("sap")["label"] == {"sap": "SAP"}


@pytest.mark.parametrize("name", ["evil.py:x", "evil:x", "evil"])
def test_no_name_in_a_record_is_imported(name, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("open('RAN', 'w')\nx = None\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    said = Declared()
    assert (said.of_score(name), said.of_metric(name, "", {})) == (None, {})
    assert said.caveat_of(name, "rendered") == said.note_of(name) == ""
    assert not (tmp_path / "RAN").exists()
