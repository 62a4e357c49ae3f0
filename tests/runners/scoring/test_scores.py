"""Errors in scoring never lose a training, and scores follow their protocols."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.records.anchors import read_anchors
from dis_bench.records.store import Store
from dis_bench.records.table import read_results
from dis_bench.reports.report import build_report
from dis_bench.runners.remaining import choose_jobs
from dis_bench.runners.run import run_study
from dis_bench.runners.scoring.scores import score_cell
from tests.runners.test_run import HERE, TINY

RNG = np.random.default_rng(0)
CODES, FACTORS = RNG.standard_normal((90, 3)), RNG.integers(0, 3, (90, 2))
STUDY = dataclasses.replace(TINY, betas=[1], seeds=1, steps=1)


def score(metrics, record=None, codes=CODES, parameters=None, allow_small=True):
    cell = {"dataset": "tiny", "hyperparameters": {}}
    kept = {"cell": cell, "scores": {}, "protocol": {}, "unscored": {}, "small": []}
    record = record or kept
    arrays = {"codes": codes, "factors": FACTORS, "log_variances": 0 * CODES}
    return score_cell(record, arrays, metrics, parameters or {}, allow_small, watch=lambda stage: None)


def named(*names):
    return {name: name for name in names}


def test_scores_protocols_and_marks():
    record = score(named("mig", "betavae_score", "modularity"), parameters={"modularity": {"rows": 50}})
    assert record["scores"].keys() == {"mig", "betavae_score", "modularity"}
    assert record["protocol"]["mig"] == {"version": 1, "rows": 90, "bins": 20}
    assert record["protocol"]["modularity"]["rows"] == 50
    assert record["small"] == ["betavae_score", "mig"]
    assert json.loads(json.dumps(record)) == record


def test_codes_that_cannot_be_scored_leave_a_reason():
    for codes in (CODES * 1e300, CODES * np.nan, None):
        record = score(named("mig", "sap"), codes=codes)
        assert record["unscored"].keys() == {"mig", "sap"}
        assert record["scores"] == record["protocol"] == {}


def test_metrics_that_fail_leave_a_reason_and_the_others_their_scores(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import sys\n"
        "def ends(codes, factors): sys.exit(0)\n"
        "def raises(codes, factors): raise MemoryError('no memory')\n"
        "def words(codes, factors): return 'much'\n"
        "def mig(codes, factors): return 0.5\n"
    )
    metrics = {name: f"{tmp_path / 'mine.py'}:{name}" for name in ("ends", "raises", "words", "gone")}
    metrics |= {"elsewhere": f"{tmp_path / 'none.py'}:x", "sap": "sap"}
    record = score(metrics)
    assert record["scores"].keys() == {"sap"}
    reasons = {
        "ends": "metric 'ends' failed: SystemExit: 0.",
        "raises": "metric 'raises' failed: MemoryError: no memory.",
        "words": "metric 'words' returned 'much'",
        "gone": "unknown attribute",
        "elsewhere": "there is no file",
    }
    assert record["unscored"].keys() == reasons.keys()
    for name, reason in reasons.items():
        assert reason in record["unscored"][name]


def test_a_key_that_names_other_images_has_no_score(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def gap(codes, factors): return {'correlated': 0.3, 'independent': 0.5}\n"
    )
    record = score({"gap": f"{tmp_path / 'mine.py'}:gap", "sap": "sap"})
    assert record["scores"].keys() == {"sap"}
    assert record["unscored"]["gap"].startswith(
        "metric 'gap' returned a score called 'gap_correlated', as scores on other images are;"
    )


def test_advice_in_a_record_works_anywhere():
    record = score(named("mig"), allow_small=False)
    assert "--" not in record["unscored"]["mig"]
    assert "(mig.rows=90)" in record["unscored"]["mig"]


def test_scores_by_another_protocol_replace_the_old_ones():
    record = score(named("downstream", "mig"))
    assert {"downstream_10", "downstream_60"} & record["scores"].keys() == {"downstream_10"}
    fewer = {"downstream": {"labels": (5, 20), "test": 30}}
    again = score(named("downstream"), record, parameters=fewer, allow_small=False)
    assert again["scores"].keys() == {"downstream_5", "downstream_20", "mig"}
    assert again["small"] == ["mig"]
    assert again["protocol"]["downstream"]["labels"] == [5, 20]


def test_a_metric_that_fills_the_column_of_another_has_no_score(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def a(codes, factors): return {'b_c': 0.1}\ndef a_b(codes, factors): return {'c': 0.2}\n"
    )
    mine = {name: f"{tmp_path / 'mine.py'}:{name}" for name in ("a", "a_b")}
    later = score({"a_b": mine["a_b"]}, score({"a": mine["a"]}))
    for record in (score(mine), later):
        assert record["scores"] == {"a_b_c": 0.1}
        assert "fills the column 'a_b_c' of another metric" in record["unscored"]["a_b"]


def weights(out):
    return {path: path.stat().st_mtime_ns for path in Path(out).glob("cells/*/weights.safetensors")}


def test_other_parameters_score_a_study_again_without_training(tmp_path):
    few = {"mig.rows": 200}
    first = run_study(dataclasses.replace(STUDY, metrics=["mig"], settings=few), tmp_path, workers=0)
    trained = weights(tmp_path)
    other = dataclasses.replace(STUDY, metrics=["mig"], settings={**few, "mig.bins": 3})
    assert [job.scores_only for job in choose_jobs(other.plan(), Store(tmp_path), "missing")] == [True]
    second = run_study(other, tmp_path, workers=0)
    assert first["mig"][0] != second["mig"][0]
    assert weights(tmp_path) == trained
    assert choose_jobs(other.plan(), Store(tmp_path), "missing") == []
    protocols = [anchor["protocol"] for anchor in read_anchors(tmp_path)[0]]
    assert sorted(protocol["bins"] for protocol in protocols) == [3, 20]
    assert all(anchor["scores"]["mig"]["perfect"] > 0 for anchor in read_anchors(tmp_path)[0])


def test_what_a_metric_refuses_is_trained_once(tmp_path):
    study = dataclasses.replace(STUDY, metrics=[f"{HERE}:refusing"])
    assert run_study(study, tmp_path, workers=0)["status"].tolist() == ["done"]
    trained = weights(tmp_path)
    assert run_study(study, tmp_path, workers=0)["status"].tolist() == ["done"]
    assert weights(tmp_path) == trained


def test_small_scores_are_named_everywhere(tmp_path, capsys):
    words = ["--datasets", f"{HERE}:Tiny", "--seeds", "1", "--steps", "1", "--betas", "1"]
    words += ["--latent-size", "2", "--batch-size", "4", "--out", str(tmp_path / "out")]
    assert main(["run", *words, "--metrics", "none"]) == 0
    assert "KL" in capsys.readouterr().out
    assert main(["report", str(tmp_path / "out")]) == 0
    assert main(["run", *words, "--metrics", "mig", "--allow-small"]) == 0
    assert "From fewer rows than the protocol needs: mig." in capsys.readouterr().out
    assert read_results(tmp_path / "out").attrs["small"] == ["mig"]
    assert main(["report", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert re.search(r"tiny has fewer images than the published protocol reads: mig", page)


@pytest.mark.parametrize("metrics", [["none"], [], ["none", "mig"]])
def test_none_is_no_metric(metrics, tmp_path, capsys):
    (tmp_path / "study.toml").write_text(f"metrics = {metrics}\n")
    words = ["run", "--dry-run", "--datasets", f"{HERE}:Tiny", "--seeds", "1", "--steps", "1"]
    code = main(
        [*words, *(["--metrics", *metrics] if metrics else ["--study", str(tmp_path / "study.toml")])]
    )
    assert code == (2 if "mig" in metrics else 0)


DECLARED = """
from dis_bench.metrics.metric import metric
from dis_bench.models.betavae import BetaVAE
from tests.tiny import Tiny

class Lined(Tiny):
    name = "lined"
    caveat = {"rendered": "Lines are thin."}

class Noted(BetaVAE):
    name = "noted"
    note = "as it was"
    baseline = True

@metric(label="Mine", higher_is_better=False, caveat=lambda data, given: f"{data}, {given['rows']} rows.")
def mine(representation, *, rows=100):
    \"\"\"How little.\"\"\"
    return 0.5
"""


def test_a_record_keeps_what_plug_ins_say_of_themselves(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(DECLARED, encoding="utf-8")
    names = {"models": [f"{path}:Noted"], "datasets": [f"{path}:Lined"], "metrics": [f"{path}:mine"]}
    study = dataclasses.replace(STUDY, **names, settings={"mine.rows": 50})
    table = run_study(study, tmp_path / "out", workers=0)
    record = json.loads((Path(table["folder"][0]) / "record.json").read_text("utf-8"))
    assert record["declared"] == {
        "dataset": {"caveat": "Lines are thin."},
        "model": {"note": "as it was", "baseline": True},
        "metrics": {
            "mine": {
                "label": {"mine": "Mine"},
                "better": "lower",
                "range": [0.0, 1.0],
                "summary": "How little.",
                "caveat": "lined, 50 rows.",
            }
        },
    }
    path.unlink()
    report = build_report(tmp_path / "out")
    assert {"Lines are thin.", "lined, 50 rows."} <= {*report.caveats}
    assert "| Mine\N{NO-BREAK SPACE}↓ |" in report.files["table.md"].decode()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Lined.caveat = 3", "dataset 'lined': caveat must be a text, or a text by source, but is 3"),
        ("Lined.caveat = {'rendered': 'a\\nb'}", "dataset 'lined': caveat must be one line of text"),
        ("Noted.note = None", "model 'noted': note must be one line of text"),
        ("Noted.baseline = 'yes'", "model 'noted': baseline must be True or False, but is 'yes'"),
        (
            "mine.caveat = lambda dataset, given: 1 / 0",
            "the caveat of metric 'mine' fails for dataset 'lined'",
        ),
    ],
)
def test_what_no_report_could_show_is_refused_before_training(tmp_path, line, message):
    path = tmp_path / "mine.py"
    path.write_text(f"{DECLARED}\n{line}\n", encoding="utf-8")
    names = {"models": [f"{path}:Noted"], "datasets": [f"{path}:Lined"], "metrics": [f"{path}:mine"]}
    with pytest.raises(InputError, match=message):
        dataclasses.replace(STUDY, **names).plan()
