"""Studies on images without a grid: what works, what is left empty, and what is refused beforehand."""

import json

import numpy as np
import pytest

from dis_bench import score_encoder
from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.records.codes import read_codes
from dis_bench.records.record import read_newest
from dis_bench.reports import write_report
from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study

PLUGINS = """
import numpy as np
from dis_bench.datasets.grid import Factor
from dis_bench.datasets.labels import Labels
from dis_bench.parameters import Parameter
from tests.tiny import Tiny

class Own(Tiny):
    '''Squares of which nobody knows the factors.'''
    name, grid, count, fingerprint = "own", None, 256, "own-1"
    def draw(self, indices):
        return Tiny().draw(indices)

class Labelled(Own):
    '''Squares with a label: few of them are large.'''
    name, fingerprint = "labelled", "labelled-1"
    large = (np.arange(256)[:, None] % 5 == 0) + 0
    labels = Labels([Factor("large", 2, ("no", "yes"), "categorical")], large)

class Turned(Own):
    '''Squares, turned or not.'''
    name, fingerprint = "turned", "turned-1"
    parameters = (Parameter("turn", False, "rows as columns"), Parameter("image_size", 64, "in pixels"))
    def draw(self, indices):
        images = super().draw(indices)
        return images.transpose(2, 3) if self.turn else images

def mean_code(codes, factors):
    return float(codes.mean())
"""


@pytest.fixture(autouse=True)
def plugins(tmp_path, monkeypatch):
    (tmp_path / "plugins.py").write_text(PLUGINS)
    monkeypatch.chdir(tmp_path)


def make(name, *metrics, models=("vae",), **options):
    return Study(
        models=models,
        datasets=[f"plugins.py:{name}"],
        metrics=metrics,
        seeds=2,
        steps=3,
        batch_size=8,
        latent_size=4,
        allow_small=True,
        **options,
    )


def find_records(out):
    return [read_newest(folder, []) for folder in sorted((out / "cells").iterdir())]


def test_images_without_factors_are_trained_and_scored_as_far_as_possible(tmp_path, capsys):
    study = make("Own", "mig", "plugins.py:mean_code", "gaussian_total_correlation")
    table = run_study(study, tmp_path / "out", workers=0)
    assert table["status"].tolist() == ["done", "done"]
    assert table["gaussian_total_correlation"].notna().all()
    assert "mig" not in table
    record, _ = find_records(tmp_path / "out")
    reason = "it needs factors, but dataset 'own' has neither a grid nor labels"
    assert record["unscored"] == {"mig": reason, "mean_code": reason}
    assert sorted(read_codes(record["folder"])) == ["codes", "log_variances"]
    before = [path.read_bytes() for path in sorted(tmp_path.glob("out/cells/*/record*"))]
    again = run_study(study, tmp_path / "out", workers=0)
    assert again["hash"].tolist() == table["hash"].tolist()
    assert [path.read_bytes() for path in sorted(tmp_path.glob("out/cells/*/record*"))] == before
    assert not list(tmp_path.glob("out/anchors/*mig*"))


def test_scores_without_factors_can_be_added_later(tmp_path):
    run_study(make("Own", "mig"), tmp_path / "out", workers=0)
    table = run_study(make("Own", "mig", "mutual_info_score"), tmp_path / "out", workers=0)
    assert table["mutual_info_score"].notna().all()
    assert {len(list(folder.glob("record*.json"))) for folder in tmp_path.glob("out/cells/*")} == {2}


def test_what_is_left_empty_is_said_before_anything_starts(tmp_path, capsys):
    words = [
        "--datasets",
        "plugins.py:Own",
        "--models",
        "vae",
        "--steps",
        "3",
        "--seeds",
        "1",
        "--allow-small",
    ]
    assert main(["run", "--dry-run", *words]) == 0
    said = (
        "betavae_score, mig, sap, dci are left empty for dataset 'own', which has neither a grid nor labels."
    )
    assert said in capsys.readouterr().err


def test_a_report_of_images_without_factors_shows_reconstructions_and_udr(tmp_path):
    run_study(make("Own", "mig", "gaussian_total_correlation"), tmp_path / "out", workers=0)
    page = write_report(tmp_path / "out").read_text("utf-8")
    assert "needs factors, but dataset" in page
    assert "UDR" in page
    assert "perfect code" not in (tmp_path / "out" / "report" / "table.md").read_text("utf-8")


def test_labels_are_scored_as_a_factor_in_their_own_proportion(tmp_path):
    table = run_study(make("Labelled", "mig", "sap"), tmp_path / "out", workers=0)
    assert table[["mig", "sap"]].notna().all(axis=None)
    record, _ = find_records(tmp_path / "out")
    factors = read_codes(record["folder"])["factors"]
    assert np.bincount(factors[:, 0]).tolist() == [204, 52]
    anchors = [json.loads(path.read_text()) for path in (tmp_path / "out" / "anchors").iterdir()]
    assert {anchor["metric"]: anchor["grid"] for anchor in anchors} == {"mig": [2], "sap": [2]}
    assert all(len(anchor["labels"]) == 16 for anchor in anchors)
    write_report(tmp_path / "out")
    assert "perfect code" in (tmp_path / "out" / "report" / "table.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("model", "name", "sentence"),
    [
        ("adagvae", "Own", "needs a grid of factors, an image for each combination"),
        ("adagvae", "Labelled", "but dataset 'labelled' has labels alone."),
        ("dcign", "Labelled", "but dataset 'labelled' has labels alone."),
        ("slowvae", "Labelled", "but dataset 'labelled' has labels alone."),
        ("supervised", "Own", "model 'supervised' needs factors, by which it draws pairs or labels"),
    ],
)
def test_models_that_need_more_are_refused(model, name, sentence):
    with pytest.raises(InputError) as error:
        make(name, models=[model]).plan()
    assert sentence in str(error.value)


def test_labels_alone_are_enough_for_models_with_labels(tmp_path):
    study = make("Labelled", models=["supervised"], settings={"supervised.labels": 20})
    assert run_study(study, tmp_path / "out", workers=0)["status"].tolist() == ["done", "done"]


def test_a_parameter_changes_the_images_and_the_hash_only_if_it_is_set(tmp_path):
    plain, same, turned = (
        make("Turned", settings=given).plan().cells[0]
        for given in ({}, {"turned.turn": "false"}, {"turned.turn": True})
    )
    assert "dataset_parameters" not in plain.identity
    assert plain.hash == same.hash
    assert turned.identity["dataset_parameters"] == "turn=true"
    table = run_study(make("Turned", settings={"turned.turn": [True]}), tmp_path / "out", workers=0)
    assert table["dataset_parameters"].tolist() == ["turn=true"] * 2
    run_study(make("Turned"), tmp_path / "out", workers=0)
    page = write_report(tmp_path / "out").read_text("utf-8")
    assert "dataset parameters turn=true" in page  # two settings, which are not mixed
    assert "dataset parameters none" in page


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"settings": {"turned.turn": "maybe"}}, "turn must be true or false, but 'maybe' was given."),
        ({"settings": {"turned.turn": [True, False]}}, "turned.turn takes one value, since a dataset is"),
        (
            {"settings": {"turned.turns": 1}},
            "unknown parameter of dataset turned 'turns': did you mean 'turn'?",
        ),
        ({"settings": {"turnd.turn": 1}}, "unknown model, metric or dataset 'turnd': did you mean 'turned'?"),
        ({"image_size": 0}, "image_size must be a whole number of at least 1, but 0 was given."),
        ({"image_size": 9_999}, "image_size must be at most 256, but 9999 was given."),
        (
            {"image_size": 64, "settings": {"turned.image_size": 32}},
            "image_size 64 was given, and setting 'turned.image_size' 32: give one of the two.",
        ),
        ({"datasets": [3]}, "datasets must be a list of names, classes or datasets, but 3 is in it."),
    ],
)
def test_parameters_that_fit_nothing_are_refused(options, sentence):
    options = {"datasets": ["plugins.py:Turned"], "metrics": [], **options}
    with pytest.raises(InputError) as error:
        Study(**options).plan()
    assert sentence in str(error.value)


def test_a_size_that_a_dataset_cannot_give_is_refused(capsys):
    assert main(["run", "--dry-run", "--datasets", "plugins.py:Own", "--image-size", "32"]) == 2
    sentence = (
        "dataset 'own' has images of 64x64 pixels and cannot resize them, but --image-size 32 was given."
    )
    assert sentence in capsys.readouterr().err


@pytest.fixture
def encoder(tmp_path):
    code = "import torch\ndef encode(images):\n    return images.float().mean(dim=2).flatten(1)[:, 20:28]\n"
    (tmp_path / "mine.py").write_text(code)
    return ["score", "--encoder", "mine.py:encode", "--dataset", "plugins.py:Own", "--allow-small"]


def test_an_encoder_is_scored_on_its_codes_alone(encoder, capsys):
    assert main(encoder) == 0
    out = capsys.readouterr().out
    assert "256 rows; codes: 8; no factors." in out
    assert "gaussian_total_correlation" in out
    assert "mig" not in out


def test_an_encoder_of_such_images_is_a_row_of_reports(encoder, tmp_path, capsys):
    assert main([*encoder, "--out", "results", "--name", "mine"]) == 0
    [folder] = (tmp_path / "results" / "cells").iterdir()
    record = read_newest(folder, [])
    assert "gaussian_total_correlation" in record["scores"]
    assert record["unscored"] == {}
    assert "factors" not in read_codes(folder, record=record)
    assert ">mine<" in write_report("results", "report").read_text(encoding="utf-8")


def test_the_function_scores_codes_alone_too():
    table = score_encoder(
        lambda images: images.float().mean(2).flatten(1)[:, :4],
        "plugins.py:Own",
        name="mine",
        allow_small=True,
    )
    assert table["gaussian_total_correlation"].notna().all()
    assert "mig" not in table
    with pytest.raises(InputError, match="mig cannot be scored: it needs factors"):
        score_encoder(lambda images: images, "plugins.py:Own", name="mine", metrics=["mig"])


def test_a_named_metric_that_needs_factors_is_refused(encoder, capsys):
    assert main([*encoder, "--metrics", "mig"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "mig cannot be scored: it needs factors, but dataset 'own' has neither a grid nor labels" in line
    assert "gaussian_total_correlation" in line
