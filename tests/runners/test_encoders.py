"""An encoder that was trained elsewhere becomes a cell beside those of a study."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import dis_bench
from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.records.anchors import read_anchors
from dis_bench.records.codes import read_codes
from dis_bench.records.record import read_newest
from dis_bench.reports.report import build_report
from dis_bench.runners import encoders
from dis_bench.runners.encoders import Scoring, add_encoder
from dis_bench.runners.run import run_study
from dis_bench.runners.scoring.choosing import choose_metrics
from dis_bench.runners.scoring.encoding import encode_dataset
from dis_bench.runners.scoring.rows import draw_rows
from dis_bench.runners.study import Study
from tests.runners.trained.conftest import TINY
from tests.tiny import Tiny

OPTIONS = {"dataset": TINY, "metrics": ["mig", "sap_continuous"], "allow_small": True}


def place(images):
    """Encode the place and the size of a square, perfectly."""
    image = images[:, 0].double()
    return torch.stack([image.amax(1).argmax(1), image.amax(2).argmax(1), image.sum((1, 2)).sqrt()], 1)


def blind(images):
    return torch.cat([place(images)[:, :1], torch.zeros(len(images), 3)], 1)


def posterior(images):
    return place(images), torch.zeros(len(images), 3) - 4


def add(encoder, out, **options):
    return dis_bench.score_encoder(encoder, **{**OPTIONS, "name": "mine", "out": out, **options})


def read(table):
    return [read_newest(Path(folder), []) for folder in table["folder"]]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a result folder with two cells of a study, scored with mig."""
    out = tmp_path_factory.mktemp("study")
    given = {"seeds": 1, "steps": 1, "latent_size": 2, "metrics": ["mig"], "allow_small": True}
    run_study(Study(models=["vae", "pca"], datasets=[TINY], device="cpu", **given), out, workers=0)
    return out


def test_a_record_of_kind_encoder_is_written(tmp_path):
    [record] = read(add(place, tmp_path))
    cell = record["cell"]
    assert (cell["kind"], cell["model"], cell["dataset"], cell["seed"]) == ("encoder", "mine", "tiny", 0)
    assert (cell["source"], cell["fingerprint"], cell["latent_size"]) == ("rendered", "tiny-1", 3)
    assert record["scores"]["sap_continuous"] == pytest.approx(1)
    kept = read_codes(record["folder"])
    expected = dis_bench.score(kept["codes"], kept["factors"], ["mig"], allow_small=True)
    assert record["scores"]["mig"] == expected["mig"]
    assert np.array_equal(kept["factors"], Tiny().factors(draw_rows(Tiny())))
    assert sorted(path.stem for path in (tmp_path / "anchors").iterdir()) != []


def test_posteriors_and_several_seeds(tmp_path):
    table = add([posterior, posterior], tmp_path, seeds=[3, 5], metrics=["mig", "mig_sampled"])
    assert table["seed"].tolist() == [3, 5]
    assert table["mig_sampled"].notna().all()
    assert "log_variances" in read_codes(table["folder"][0])


def test_a_network_gets_floats(tmp_path):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64 * 64, 2))
    assert add(network, tmp_path)["latent_size"].item() == 2


def test_it_stands_in_the_table_of_the_same_images(study, tmp_path):
    add(place, study, metrics=None)
    report = build_report(study)
    [setting] = report.settings
    assert set(setting.cells["model_name"]) == {"vae", "pca", "mine"}
    latex = report.files["table.tex"].decode()
    assert "\nmine & " in latex
    [row] = [line for line in latex.splitlines() if line.startswith("mine & ")]
    record = next(r for r in read(dis_bench.read_results(study)) if "kind" in r["cell"])
    assert list(record["protocol"]) == ["mig"]  # as the folder's records have it
    assert f"{record['scores']['mig']:.3f}" in row
    assert not [caveat for caveat in report.caveats if "mine" in caveat and "missing" in caveat]


def test_what_is_done_is_done_once_and_further_metrics_are_added(tmp_path):
    first = add(place, tmp_path, metrics=["mig"])
    again = add(place, tmp_path, metrics=["mig"])
    pd.testing.assert_frame_equal(first, again)
    more = add(place, tmp_path, metrics=["mig", "modularity"])
    [record] = read(more)
    assert record["scores"]["mig"] == first["mig"].item()
    assert "modularity" in record["scores"]
    assert "rescored" in record
    assert {path.name for path in Path(record["folder"]).iterdir()} == {
        *("record.json", "record.2.json", "codes.npz")
    }


def test_damaged_codes_are_no_trouble_for_who_gives_them_again(tmp_path):
    add(place, tmp_path, metrics=["mig"])
    [path] = tmp_path.glob("cells/*/codes.npz")
    path.write_bytes(path.read_bytes()[:-9])
    assert "modularity" in read(add(place, tmp_path, metrics=["mig", "modularity"]))[0]["scores"]


def test_other_codes_of_a_name_and_seed_are_refused_or_replace(tmp_path, capsys):
    add(place, tmp_path)
    with pytest.raises(InputError, match="has other codes of encoder 'mine' with seed 0; give another name"):
        add(blind, tmp_path)
    add(blind, tmp_path, seeds=[1])
    module = tmp_path / "encoder.py"
    module.write_text(
        "import torch\ndef encode(images):\n    return images.sum((1, 2, 3))[:, None].float()\n"
    )
    words = ["--encoder", f"{module}:encode", "--dataset", TINY, "--allow-small", "--out", str(tmp_path)]
    assert main(["score", *words, "--name", "mine", "--replace", "--metrics", "mig"]) == 0
    assert "mine seed=0: mig 0." in capsys.readouterr().out
    assert len(list((tmp_path / "superseded").iterdir())) == 1
    assert len(dis_bench.read_results(tmp_path)) == 2


@pytest.mark.parametrize("order", [("both", "codes"), ("codes", "both")])
def test_anchors_are_kept_for_what_any_of_the_encoders_gives(order, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "def codes(images):\n    return images.float().mean((2, 3)).repeat(1, 2)\n"
        "def both(images):\n    return codes(images), 0 * codes(images) - 4\n",
        encoding="utf-8",
    )
    named = [f"mine.py:{name}" for name in order]
    words = ["--dataset", TINY, "--allow-small", "--out", "out", "--name", "mine"]
    words = ["--encoder", *named, *words]
    names = ["mig", "mig_sampled"]
    for folder, metric in zip("ab", names, strict=True):  # a folder's metrics are those of its records
        add(posterior, "out", metrics=[metric], name=folder)
    shutil.rmtree("out/anchors")
    assert main(["score", *words]) == 0
    anchors, _ = read_anchors("out")
    assert {name for anchor in anchors for name in anchor["scores"]} == {*names}
    assert {(anchor["fingerprint"], anchor["dataset_parameters"]) for anchor in anchors} == {
        (Tiny().fingerprint, "none")
    }


def test_two_runs_that_score_an_encoder_at_once_lose_no_score(tmp_path, monkeypatch):
    add(place, tmp_path, metrics=["mig"])
    both_scored, score = threading.Barrier(2), encoders._score

    def score_beside_another(*given):
        record = score(*given)
        with suppress(threading.BrokenBarrierError):  # the other waits for its turn
            both_scored.wait(timeout=1)
        return record

    monkeypatch.setattr(encoders, "_score", score_beside_another)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: add(place, tmp_path, metrics=[name]), ["modularity", "sap_continuous"]))
    [record] = read(dis_bench.read_results(tmp_path))
    assert record["scores"].keys() == {"mig", "modularity", "sap_continuous"}


@pytest.mark.parametrize("other", [blind, lambda images: place(images) * 2], ids=["wider", "as wide"])
def test_a_replacement_that_was_killed_before_the_old_codes_moved_is_completed(other, tmp_path, monkeypatch):
    def replace(encoder):
        add_encoder(tmp_path, TINY, Tiny(), "mine", 0, encode_dataset(encoder, Tiny()), scoring, replace=True)

    scoring = Scoring({"mig": "mig"}, {}, True, "a command")
    replace(place)
    with monkeypatch.context() as patch:
        patch.setattr(encoders, "_supersede", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            replace(other)
    assert len([*(tmp_path / "cells").iterdir()]) == 2
    replace(other)
    assert len(dis_bench.read_results(tmp_path)) == 1


def test_codes_of_a_file_need_the_same_rows_to_stand_beside_others(tmp_path, capsys):
    dataset = Tiny()
    factors = np.asarray(dataset.factors(draw_rows(dataset)))
    codes, out = factors + 0.1, str(tmp_path / "results")
    same, other = str(tmp_path / "same.npz"), str(tmp_path / "other.npz")
    np.savez(same, codes=codes, factors=factors)
    np.savez(other, codes=codes, factors=factors[::-1])
    words = ["--out", out, "--allow-small", "--metrics", "mig"]
    assert main(["score", same, "--dataset", TINY, *words]) == 0
    assert main(["score", other, "--dataset", TINY, *words]) == 2
    assert "are not those [256, 3] of the images of dataset 'tiny'" in capsys.readouterr().err
    assert main(["score", other, *words]) == 0  # in a table of its own
    table = dis_bench.read_results(out)
    assert table.set_index("model")["source"].to_dict() == {"same": "rendered", "other": "external"}
    assert len(build_report(out).settings) == 2


def test_codes_that_a_metric_leaves_out_are_noted(tmp_path, capsys):
    [record] = read(add(blind, tmp_path, metrics=["mig", "mig_sup"]))
    assert record["left_out"] == {"mig_sup": 3}
    assert (
        "MIG-sup leaves out most codes of mine (3 of 4), which hardly vary." in build_report(tmp_path).caveats
    )
    np.savez(tmp_path / "c.npz", **read_codes(record["folder"]))
    main(["score", str(tmp_path / "c.npz"), "--allow-small", "--metrics", "mig_sup", "--no-anchors"])
    assert "mig_sup leaves out 3 of 4 codes, which hardly vary." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        (lambda images: place(images) * float("nan"), "must return finite numbers, but code 0 of image"),
        (
            lambda images: (place(images),) * 3,
            r"a tuple of means and log-variances \[B, D\], but it returned a",
        ),
        (lambda images: (place(images), place(images)[:, :1]), r"it returned an array \[256, 1\]"),
        (lambda images: None, "it returned None"),
        (torch.nn.Linear, "the encoder is a class"),
        (3, "the encoder cannot be called: it is a int"),
    ],
)
def test_what_no_encoder_does_is_refused(encoder, said, tmp_path):
    with pytest.raises(InputError, match=said):
        add(encoder, tmp_path)
    assert not (tmp_path / "cells").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "a:b"}, "an encoder's name must be a text without ':' and '/'"),
        ({"name": ""}, "an encoder's name must be a text"),
        ({"seeds": [0, 1]}, "each encoder needs a seed of its own"),
        ({"seeds": [-1]}, "each seed must be a whole number of at least 0"),
        ({"allow_small": False}, "rows"),
        ({"dataset": "nope"}, "unknown dataset 'nope'"),
    ],
)
def test_other_options_are_refused(options, said, tmp_path):
    with pytest.raises(InputError, match=said):
        add(place, tmp_path, **options)


def test_the_default_family_is_fast_and_all_are_all():
    fast, every = choose_metrics(None), choose_metrics(["all"])
    assert {"mig", "sap", "betavae_score", "factorvae_score"} <= {*fast} < {*every}
    assert not {"dci", "dci_forest", "mig_sampled"} & {*fast}
    assert choose_metrics(["sap"]) == ["sap"]
