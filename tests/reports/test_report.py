"""Reports of entire result folders: from one cell to many, whatever is missing."""

import base64
import csv
import html
import io
import json
import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dis_bench.errors import InputError
from dis_bench.reports import write_report
from dis_bench.reports.figures import plan
from dis_bench.reports.figures.plan import Image
from dis_bench.reports.page.document import SCRIPTS
from dis_bench.reports.quantities import DASH
from dis_bench.reports.report import build_report
from dis_bench.reports.writing import make_report
from tests.records.kept_store import changes, first_cell, make_store, put_record, replace_at
from tests.reports.made_up import LATENTS, PROTOCOL, write_anchors, write_study

# The smallest picture, for reports of which the figures do not matter.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def kinds(report):
    return sorted(
        name.rpartition("/")[2].partition("-dsprites")[0] for name in report.files if name.endswith(".png")
    )


def test_nothing_in_the_results_is_touched(nine_cells):
    before = {path: path.stat().st_mtime_ns for path in (nine_cells / "cells").rglob("*")}
    write_report(nine_cells)
    assert {path: path.stat().st_mtime_ns for path in (nine_cells / "cells").rglob("*")} == before


def test_the_same_results_give_the_same_files(nine_cells):
    assert build_report(nine_cells).files == build_report(nine_cells).files


def test_out_writes_elsewhere(tmp_path):
    folder = write_study(tmp_path / "results", betas=[4], seeds=[0], pictures=False)
    index = write_report(folder, tmp_path / "there")
    assert index == tmp_path / "there" / "index.html"
    assert not (folder / "report").exists()


def test_one_cell(tmp_path):
    report = build_report(write_study(tmp_path, betas=[4], seeds=[0]))
    assert kinds(report) == ["reconstructions", "training", "traversals"]
    assert report.summary == "1 cell: betavae; β = 4; 1 seed"


def test_one_beta_with_seeds(tmp_path):
    report = build_report(write_study(tmp_path, betas=[4], pictures=False))
    assert kinds(report) == ["tradeoff", "training"]


def test_all_failed_still_gives_a_page(tmp_path):
    failed = [(beta, seed) for beta in (1.0, 4.0) for seed in (0, 1)]
    report = build_report(write_study(tmp_path, betas=[1, 4], seeds=[0, 1], failed=failed))
    page = report.files["index.html"].decode()
    assert kinds(report) == []
    assert "No cell finished: all 4 failed (the loss is not finite at step 120: loss = nan)." in page
    assert "Failed cells (4)" in page
    rows = list(csv.DictReader(report.files["table.csv"].decode().splitlines()))
    assert [(row["n"], row["failed"]) for row in rows] == [("0", "2"), ("0", "2")]


def test_no_score_was_asked_for(tmp_path):
    study = write_study(tmp_path, protocol={"none": {}}, pictures=False)
    report = build_report(study)
    assert kinds(report) == ["against-beta", "training"]
    assert (
        report.headlines[0][0]
        .sentences[0]
        .startswith("After 3,000 of the published 300,000 steps, raising β from 1 to 10 costs")
    )


def test_settings_stand_apart_on_the_page_and_in_the_files(tmp_path):
    write_study(tmp_path, betas=[1, 4], pictures=False)
    write_study(tmp_path, betas=[1, 4], seeds=[0], source="official", pictures=False)
    write_study(tmp_path, betas=[None], model="vae", seeds=[0], dataset="shapes3d", pictures=False)
    report = build_report(tmp_path)
    assert [setting.title for setting in report.settings] == [
        "dsprites (official), 3,000 steps",
        "dsprites (rendered), 3,000 steps",
        "shapes3d (rendered), 3,000 steps",
    ]
    assert {name for name in report.files if "tradeoff" in name} == {
        "plots/tradeoff-dsprites-official-3000steps.png",
        "plots/tradeoff-dsprites-rendered-3000steps.png",
    }
    page = report.files["index.html"].decode()
    for setting in report.settings:
        assert page.count(f">{setting.title}<") == 3  # answer, pictures, table


def test_each_budget_has_its_own_answer(tmp_path):
    for steps in (1_200, 300_000):
        write_study(tmp_path, betas=[1, 4], steps=steps, pictures=False)
    report = build_report(tmp_path)
    firsts = [answer.sentences[0] for answers in report.headlines for answer in answers]
    assert [first.partition(" steps, raising")[0] for first in firsts] == [
        "After 1,200 of the published 300,000",
        "After 300,000",
    ]
    page = html.unescape(report.files["index.html"].decode())
    assert all(first in page for first in firsts)


def test_broken_and_missing_files_are_told_and_left_out(tmp_path):
    write_study(tmp_path, betas=[1, 4], seeds=[0, 1, 2])
    cells = sorted((tmp_path / "cells").iterdir())
    (cells[0] / "record.json").write_text("{")
    (cells[1] / "pictures.npz").write_bytes(b"broken")
    (cells[2] / "training.csv").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = build_report(tmp_path)
    text = " ".join(report.caveats)
    assert f"{cells[0]}/record.json cannot be read" in text
    assert f"{cells[1]}/pictures.npz cannot be read" in text
    assert f"{cells[2]}/training.csv is missing" in text
    assert "too few seeds" in report.headlines[0][0].sentences[0]


def test_anchors_are_in_every_part_of_a_report(tmp_path):
    write_study(tmp_path, betas=[1, 4], pictures=False)
    write_anchors(tmp_path, {"mig": (0.8, 0.01)})
    report = build_report(tmp_path)
    page = report.files["index.html"].decode()
    foot = re.findall(r'<tr class="anchor">(.*?)</tr>', page)
    assert [re.findall("<t[hd].*?>(.*?)</t[hd]>", row) for row in foot] == [
        ["perfect code", *[DASH] * 8, "0.800", *[DASH] * 4],
        ["noise", *[DASH] * 8, "0.010", *[DASH] * 4],
    ]
    assert page.count("Dotted lines are the scores of a perfect code (the factors themselves)") == 2
    assert page.count("MIG of a perfect code: 0.800; of noise: 0.010.") == 2
    assert "Rows named perfect code and noise" in page
    assert "scores MIG 0.800, SAP about 0.245." in page


@pytest.mark.parametrize(
    "change",
    [{"protocol": {**PROTOCOL["mig"], "bins": 40}}, {"latent_size": LATENTS + 1}, {"dataset": "shapes3d"}],
)
def test_anchors_of_something_else_are_nowhere(tmp_path, change):
    write_study(tmp_path, betas=[1, 4], seeds=[0], pictures=False)
    before = build_report(tmp_path).files
    write_anchors(tmp_path, {"mig": (0.8, 0.01)}, **change)
    assert build_report(tmp_path).files == before


def test_damaged_anchors_are_told_and_left_out(tmp_path):
    write_study(tmp_path, betas=[1], seeds=[0], pictures=False)
    write_anchors(tmp_path, {"mig": (0.8, 0.01)}).write_text("{")
    report = build_report(tmp_path)
    assert any("/anchors/" in caveat and "cannot be read" in caveat for caveat in report.caveats)
    assert 'class="anchor"' not in report.files["index.html"].decode()


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_a_report_is_made_of_any_sealed_record(whole, tmp_path_factory, data):
    root = Path(shutil.copytree(whole, tmp_path_factory.mktemp("changed") / "results"))
    record = json.loads((first_cell(root) / "record.json").read_text())
    put_record(root, replace_at(record, *data.draw(changes(record))))
    drawn = plan.Image("kind", "plots/x.png", "", "", "", bytes(24), b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan.Plan, "__call__", lambda plan: drawn)  # drawing takes seconds
        report = build_report(root)
    shutil.rmtree(root)
    named = [caveat for caveat in report.caveats if "record.json cannot be read" in caveat]
    assert report.summary.startswith("4 cells" if not named else "3 cells")


@pytest.mark.parametrize("beta", ["linear", "$x_{$", True])
def test_a_beta_that_is_no_number_has_a_report(whole, tmp_path, beta):
    root = Path(shutil.copytree(whole, tmp_path / "results"))
    record = json.loads((first_cell(root) / "record.json").read_text())
    put_record(root, replace_at(record, ("cell", "hyperparameters", "beta"), beta))
    assert build_report(root).summary.startswith("4 cells: betavae; β = 1, 4;")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("name", ["codes.npz", "pictures.npz", "training.csv"])
def test_kept_files_that_changed_are_named_and_left_out(whole, tmp_path, name):
    root = Path(shutil.copytree(whole, tmp_path / "results"))
    path = first_cell(root) / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    [caveat] = [caveat for caveat in build_report(root).caveats if str(path) in caveat]
    assert caveat.startswith(f"{path} cannot be read (it has changed since it was written")


def test_every_record_broken_is_an_error(tmp_path):
    write_study(tmp_path, betas=[1], seeds=[0], pictures=False)
    [record] = tmp_path.glob("cells/*/record.json")
    record.write_text("[]")
    with pytest.raises(InputError, match="holds no readable results"):
        write_report(tmp_path)


def test_no_results_is_an_error_and_nothing_is_made(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        write_report(tmp_path / "nothing")
    with pytest.raises(InputError, match="holds no results"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_page_is_refused(tmp_path):
    write_study(tmp_path / "results", betas=[1], seeds=[0], pictures=False)
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(InputError, match="is left alone"):
        make_report(tmp_path / "results", tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_a_second_report_follows_the_results(tmp_path):
    write_study(tmp_path, betas=[1, 4], seeds=[0], pictures=False)
    _, index = make_report(tmp_path)
    first = {path.name for path in index.parent.glob("plots/*")}
    assert "against-beta-dsprites-rendered-3000steps.png" in first
    for path in (tmp_path / "cells").glob("*beta4*"):
        path.rename(tmp_path / path.name)
    make_report(tmp_path)
    assert {path.name for path in index.parent.glob("plots/*")} == {
        "training-dsprites-rendered-3000steps.png"
    }


@pytest.mark.slow
def test_many_betas_and_series(tmp_path):
    betas = np.round(np.geomspace(0.1, 100, 14), 3)
    write_study(tmp_path, betas=[0, *betas], seeds=range(4), pictures=False)
    for gamma in range(10):
        write_study(
            tmp_path,
            betas=[None],
            model="factorvae",
            others={"gamma": float(gamma)},
            seeds=range(2),
            pictures=False,
        )
    report = build_report(tmp_path)
    assert kinds(report) == ["against-beta", "against-dial1", "agreement", "tradeoff", "training"]
    assert len(report.files["table.md"].decode().splitlines()) == 4 + 15 + 10 + 2


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><b>",
    '=HYPERLINK("http://e.org","x")',
    "-1+1",
    r"\input{/etc/passwd}^^5c",
    "a\nb | c\n# d\n\\\\[1ex]",
    "\x1b]0;title\x07\u202egnp\u200b",
    "$x_{$y$",
    "![x](https://e.org)",
)


def write_hostile_study(folder, text, failed=()):
    """Write three cells with ``text`` as every name for which it is valid."""
    metric = text if text.isprintable() and not set(text) & set(":/\\") else "plain"
    protocol = {**PROTOCOL, metric: {"version": 1, text: text}}
    values = {(beta, 0): {f"{metric}_score": beta / 10} for beta in (1.0, 4.0)}
    study = {"dataset": text, "others": {"kind": text}, "command": text, "environment": {text: text}}
    write_study(folder, betas=[1, 4], seeds=[0], values=values, protocol=protocol, **study)
    return write_study(folder, model=text, betas=[2], seeds=[0], failed=failed, protocol=protocol, **study)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_texts_in_every_file(tmp_path, text, monkeypatch):
    monkeypatch.setattr(
        "dis_bench.reports.figures.plan.Plan.__call__",
        lambda plan: Image(plan.kind, f"plots/{plan.name}.png", plan.title, plan.caption, plan.alt, PNG, b""),
    )
    files = build_report(write_hostile_study(tmp_path, text, failed=[(2, 0)])).files
    assert all(re.fullmatch(r"[\w./-]{1,200}", name) and ".." not in name for name in files)
    page, table, markdown, latex = (
        files[name].decode() for name in ("index.html", "table.csv", "table.md", "table.tex")
    )
    for content in (page, table, markdown, latex):
        assert not set(content) & set("\x1b\x07\u202e\u200b\r")
    assert not re.search(r"<(img src=x|b>)", page)
    assert page.count("<script") == page.count("</script") == 1 + len(SCRIPTS)  # its data and its own scripts
    rows = list(csv.reader(io.StringIO(table)))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not [cell for row in rows for cell in row if re.match("[=+@]|-(?!\\d*[.]?\\d*$)", cell)]
    lines = markdown.splitlines()
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")}) == 1
    assert len(lines) == 9
    assert "<" not in markdown
    assert not re.search(r"(?<!\\)[\[`$]|https:", markdown)
    assert latex.isascii()
    assert not re.search(r"\\(input|write)\b|\^\^|^\[", latex, flags=re.M)
    assert len([line for line in latex.splitlines() if line.endswith(r" \\")]) == 5


def test_hostile_names_are_drawn(tmp_path):
    text = "$x_{$ \x1b\n\u202e\u200b \\frac"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns about characters that it cannot draw
        report = build_report(write_hostile_study(tmp_path, text))
    assert {"tradeoff", "against-beta", "reconstructions"} <= {
        name.split("/")[-1].partition("--")[0] for name in report.files
    }
