"""An encoder that was trained elsewhere has a row in every report, without a budget, losses or a log."""

import csv
import io

import numpy as np
import pytest

from dis_bench.records.record import read_records
from dis_bench.reports.quantities import DASH
from dis_bench.reports.report import build_report
from dis_bench.reports.tables import summarise_text
from tests.records.kept_store import put_encoder
from tests.reports.made_up import ENVIRONMENT, LATENTS, reseal, write_study


@pytest.fixture
def results(tmp_path):
    """Three trained cells, and an encoder of two trainings that kept their codes."""
    write_study(tmp_path, betas=[4], pictures=False)
    shared = np.random.default_rng(0).standard_normal((200, LATENTS))
    for seed in (0, 1):
        put_encoder(tmp_path, shared + seed * 0.1, seed=seed)
    return tmp_path


def test_an_encoder_has_a_row_in_each_table(results):
    report = build_report(results)
    assert [setting.title for setting in report.settings] == [
        "dsprites (external), encoders trained elsewhere",
        "dsprites (rendered), 3,000 steps",
    ]
    encoder, trained = csv.DictReader(io.StringIO(report.files["table.csv"].decode()))
    assert (encoder["series"], encoder["mig_mean"], encoder["n"]) == ("encode", "0.1", "2")
    assert [encoder[name] for name in ("steps", "batch_size", "lr", "network", "kl_mean")] == [""] * 5
    assert (float(trained["steps"]), trained["network"]) == (3000, "burgess")
    for name, row in (
        ("table.md", f"| encode | {DASH} | {DASH} | 2 |"),
        ("table.tex", "encode & -- & -- & 2 &"),
        ("index.html", "encode"),
    ):
        assert row in report.files[name].decode()
    assert float(encoder["udr_mean"]) > 0.8  # of codes without a KL, all are compared


def test_nothing_is_said_to_be_missing_that_an_encoder_cannot_have(results):
    report = build_report(results)
    assert not [caveat for caveat in report.caveats if "/encode-" in caveat]
    [answer] = report.headlines[0]
    assert answer.sentences[0] == "Trained elsewhere, encode reaches MIG 0.100 ± 0.000 (2 seeds). " + (
        "One configuration: nothing to compare."
    )


def test_arithmetic_of_scoring_an_encoder_is_not_compared_with_that_of_training(tmp_path):
    write_study(tmp_path, betas=[4], pictures=False)
    reseal(put_encoder(tmp_path), environment={**ENVIRONMENT, "precision": "bf16", "kernels": "compiled"})
    assert not [caveat for caveat in build_report(tmp_path).caveats if "different" in caveat]


def test_a_report_of_encoders_alone(tmp_path):
    for model in ("mine.py:encode", "codes.npz"):
        put_encoder(tmp_path, model=model)
    report = build_report(tmp_path)
    assert report.summary == "2 cells: codes.npz, encode; 1 seed"
    assert len(list(csv.DictReader(io.StringIO(report.files["table.csv"].decode())))) == 2


def test_an_encoder_has_a_column_on_the_terminal(results):
    text = summarise_text(read_records(results)[0])
    assert "dsprites (external), encoders trained elsewhere" in text
    assert "  encode" in text


@pytest.fixture
def joined(tmp_path):
    """Three trained cells, and an encoder of the same images with fewer latents."""
    write_study(tmp_path, betas=[4], pictures=False)
    for seed in range(3):
        put_encoder(
            tmp_path, source="rendered", fingerprint="dsprites-rendered-f00d", latent_size=6, seed=seed
        )
    return tmp_path


def test_an_encoder_beside_trained_cells_does_not_get_their_budget(joined):
    report = build_report(joined)
    assert len(report.settings) == 1
    trained, encoder = csv.DictReader(io.StringIO(report.files["table.csv"].decode()))
    assert (encoder["series"], encoder["dataset"], encoder["latent_size"]) == ("encode", "dsprites", "6")
    for name in ("network", "likelihood", "steps", "lr", "batch_size"):
        assert (name, encoder[name]) == (name, "")
    assert [trained[name] for name in ("network", "steps", "latent_size")] == ["burgess", "3000", "10"]


def test_words_say_that_an_encoder_was_trained_elsewhere(joined):
    report = build_report(joined)
    [[answer, *_]] = report.headlines
    assert answer.sentences[0].startswith("After 3,000 of the published 300,000 steps, the best ")
    assert answer.sentences[-1] == "encode was trained elsewhere."
    [caveat] = [caveat for caveat in report.caveats if caveat.startswith("Training ran")]
    assert caveat.endswith(" encode was trained elsewhere.")


def test_where_only_the_encoder_finished_no_steps_are_told(tmp_path):
    write_study(tmp_path, betas=[4], seeds=[0], failed=[(4, 0)], pictures=False)
    put_encoder(tmp_path, source="rendered", fingerprint="dsprites-rendered-f00d")
    [[answer]] = build_report(tmp_path).headlines
    assert answer.sentences == [
        "Trained elsewhere, encode reaches MIG 0.100 (1 seed). " + ("One configuration: nothing to compare.")
    ]


def test_codes_of_one_seed_in_two_folders_count_once(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    newer = "2026-11-21T09:30:00+00:00"
    kept = [
        put_encoder(folder, np.random.default_rng(number).standard_normal((200, LATENTS)))
        for number, folder in enumerate(folders)
    ]
    reseal(kept[0], scores={"mig": 0.3}, created=newer)
    report = build_report(folders)
    [row] = csv.DictReader(io.StringIO(report.files["table.csv"].decode()))
    assert (row["seeds"], row["n"], row["mig_mean"]) == ("0", "1", "0.3")
    assert "udr_mean" not in row
    assert (
        f"{kept[1]} and {kept[0]} hold different codes of encoder 'mine.py:encode' with seed 0; "
        "only the second counts."
    ) in report.caveats


def test_no_mean_mixes_encoders_of_different_widths(tmp_path):
    write_study(tmp_path, betas=[4], pictures=False)
    for seed, width in enumerate([2, 10, 7, 7]):
        put_encoder(
            tmp_path, source="rendered", fingerprint="dsprites-rendered-f00d", latent_size=width, seed=seed
        )
    report = build_report(tmp_path)
    assert len(report.settings) == 1
    rows = list(csv.DictReader(io.StringIO(report.files["table.csv"].decode())))
    assert [(row["series"], row["latent_size"], row["seeds"]) for row in rows] == [
        ("betavae", "10", "0 1 2"),
        ("encode [2 latents]", "2", "0"),
        ("encode [7 latents]", "7", "2 3"),
        ("encode [10 latents]", "10", "1"),
    ]
    assert "encode [7 latents]" in report.files["index.html"].decode()
