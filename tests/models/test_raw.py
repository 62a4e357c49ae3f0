"""Raw pixels: codes as wide as images, scored where metrics take so many, and not kept."""

import dataclasses
import math
import warnings

import pandas as pd
import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.metrics import find_metrics
from dis_bench.metrics.metric import metric
from dis_bench.models import build_model
from dis_bench.records.record import FILE as RECORD
from dis_bench.records.seal import read_record
from dis_bench.reports.report import build_report
from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study
from tests.runners.test_run import HERE

STUDY = Study(
    models=["raw", "pca", "betavae"],
    betas=[4],
    datasets=[f"{HERE}:Tiny"],
    metrics=["mig", "sap"],
    seeds=2,
    steps=3,
    batch_size=8,
    latent_size=4,
    allow_small=True,
)


def run(study, out):
    return run_study(study, out, workers=0)


def test_codes_are_the_pixels():
    model, networks = build_model("raw", image_shape=(3, 8, 8))
    images = torch.rand(5, 3, 8, 8)
    codes, log_variances = model.encode(networks, images)
    assert torch.equal(codes, images.reshape(5, 192))
    assert log_variances is None
    assert model.decode(networks, codes) is None


def test_a_study_has_one_cell_of_it_which_leaves_out_what_it_does_not_use():
    changed = dataclasses.replace(STUDY, latent_size=6, steps=7, batch_size=4, lr=0.1, seeds=3)
    [cell], [other] = (
        [cell for cell in study.plan().cells if cell.model == "raw"] for study in (STUDY, changed)
    )
    assert (cell.seed, cell.latent_size, cell.steps, cell.batch_size, cell.lr) == (0, 0, 0, 0, 0.0)
    assert cell.hash == other.hash
    assert [c.seed for c in STUDY.plan().cells if c.model == "pca"] == [0, 1]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("raw")
    return out, run(STUDY, out)


def test_metrics_that_take_wide_codes_score_it_and_others_say_why_not(results):
    _, table = results
    assert set(table["status"]) == {"done"}
    [raw] = table[table["model"] == "raw"].to_dict("records")
    assert 0 <= raw["mig"] <= 1
    assert math.isnan(raw["sap"])
    assert table.loc[table["model"] == "pca", "sap"].notna().all()
    record = read_record(next((results[0] / "cells").glob("*raw*")) / RECORD)
    assert record["unscored"] == {
        "sap": "it takes at most 1,000 codes in a study, since its time grows fast with them, but there are "
        "4,096"
    }
    assert record["protocol"].keys() == {"mig", "sap"}


def test_its_codes_are_not_kept_and_nothing_is_done_twice(results):
    out, table = results
    [folder] = (out / "cells").glob("*raw*")
    assert sorted(path.name for path in folder.iterdir()) == ["record.json", "weights.safetensors"]
    before = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/*")}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # not even that its codes are lacking
        again = run(STUDY, out)
    assert {path: path.stat().st_mtime_ns for path in out.glob("cells/*/*")} == before
    pd.testing.assert_frame_equal(again, table)


def test_a_metric_that_is_wanted_later_takes_another_encoding(results, tmp_path):
    run(dataclasses.replace(STUDY, models=["raw"], betas=(), metrics=["mig"]), tmp_path)
    table = run(dataclasses.replace(STUDY, models=["raw"], betas=(), metrics=["mig", "irs"]), tmp_path)
    assert table["irs"].notna().all()
    assert len(list(tmp_path.glob("cells/*/codes.npz"))) == 0


def test_it_stands_beside_the_models_whose_latents_it_has_not(results):
    report = build_report(results[0])
    [setting] = report.settings
    assert setting.cell["latent_size"] == 4
    assert {"raw", "pca", "betavae"} == set(setting.cells["model"])
    page = report.files["index.html"].decode()
    assert "SAP gave no score of 1 cell" in page
    assert "it takes at most 1,000 codes in a study" in page
    rows = pd.read_csv(pd.io.common.BytesIO(report.files["table.csv"])).set_index("model")
    assert rows["latent_size"].to_dict() == {"raw": 0, "pca": 4, "betavae": 4}
    assert rows["steps"].to_dict() == {"raw": 0, "pca": 0, "betavae": 3}


def test_alone_it_has_a_report_too(tmp_path):
    run(dataclasses.replace(STUDY, models=["raw"], betas=(), metrics=["mig"]), tmp_path)
    [setting] = build_report(tmp_path).settings
    assert list(setting.cells["model"]) == ["raw"]


def test_the_widest_that_a_metric_takes_is_a_number_of_codes():
    @metric(widest=2)
    def narrow(representation):
        """Score nothing."""
        return 0.0

    assert narrow.widest == 2
    assert find_metrics(["mig"])["mig"].widest is None
    for wrong in (0, 1.5, "many", True):
        with pytest.raises(InputError, match=r"widest of metric 'score' must be a whole number"):

            @metric(widest=wrong)
            def score(representation):
                """Score nothing."""
                return 0.0


def test_narrow_codes_of_a_study_are_scored_by_every_metric(results):
    assert results[1].loc[results[1]["model"] != "raw", ["mig", "sap"]].notna().all(axis=None)
