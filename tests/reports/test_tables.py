"""Tables report what the seeds say, in every format."""

import csv
import io
import math
import statistics

import numpy as np
import pytest

from dis_bench.records.cell import NO_BUDGET
from dis_bench.records.record import read_records
from dis_bench.reports.anchors import gather_anchors
from dis_bench.reports.quantities import DASH
from dis_bench.reports.tables import summarise_text, write_csv, write_latex, write_markdown
from tests.reports.made_up import write_anchors
from tests.reports.mixed import write_one

MIG = {1.0: [0.10, 0.20, 0.30], 4.0: [0.25, 0.20, 0.15], 10.0: [0.81, 0.80, 0.82]}
VALUES = {(beta, seed): {"mig": value} for beta, some in MIG.items() for seed, value in enumerate(some)}


def test_mean_and_standard_deviation_over_seeds(study, tabulated):
    _, [table], _ = tabulated(study(values=VALUES))
    assert list(table["beta"]) == [1, 4, 10]
    assert list(table["mig_mean"]) == pytest.approx([0.2, 0.2, 0.81])
    assert list(table["mig_std"]) == pytest.approx([0.1, 0.05, 0.01])  # n - 1 in the denominator
    assert list(table["mig_n"]) == [3, 3, 3]
    assert list(table["seeds"]) == ["0 1 2"] * 3
    assert list(table["beta_norm"]) == pytest.approx([beta * 10 / 4096 for beta in (1, 4, 10)])


def test_failed_cells_are_in_no_mean(study, tabulated):
    _, [table], _ = tabulated(study(values=VALUES, failed=[(1.0, 2)]))
    row = table.iloc[0]
    assert (row["n"], row["failed"], row["seeds"]) == (2, 1, "0 1")
    assert row["mig_mean"] == pytest.approx(0.15)
    assert row["mig_std"] == pytest.approx(statistics.stdev([0.1, 0.2]))


def test_one_seed_has_no_spread(study, tabulated):
    settings, tables, quantities = tabulated(study(seeds=[0], values=VALUES))
    assert math.isnan(tables[0]["mig_std"].iloc[0])
    assert "±" not in write_markdown(settings, tables, quantities).partition("Mean ±")[0]


def test_csv_has_a_row_per_configuration_in_full_precision(study, tabulated):
    study(values=VALUES)
    settings, tables, _ = tabulated(study(source="official", seeds=[7], values={(1.0, 7): {"mig": 1 / 3}}))
    rows = list(csv.DictReader(io.StringIO(write_csv(settings, tables))))
    assert [(row["source"], row["beta"], row["n"]) for row in rows] == [
        *(("official", beta, "1") for beta in ("1.0", "4.0", "10.0")),
        *(("rendered", beta, "3") for beta in ("1.0", "4.0", "10.0")),
    ]
    assert float(rows[0]["mig_mean"]) == 1 / 3
    assert rows[0]["mig_std"] == ""
    for name in ("reconstruction", "mse", "kl", "elbo", "active_latents", "sap", "dci_completeness"):
        assert {f"{name}_mean", f"{name}_std", f"{name}_n"} <= set(rows[0])


def test_every_number_of_the_csv_comes_back_through_pandas(study, tabulated):
    import pandas as pd

    rng = np.random.default_rng(0)
    names = ("elbo", "reconstruction", "kl")
    values = {
        (beta, seed): dict(zip(names, rng.normal(size=3) * 10.0 ** rng.integers(-100, 100, 3), strict=True))
        for beta in (1.0, 4.0, 10.0)
        for seed in range(3)
    }
    settings, tables, _ = tabulated(study(values=values, model="-mine", dataset="=d"))
    text = write_csv(settings, tables)
    read = pd.read_csv(io.StringIO(text), engine="python")
    numbers = tables[0].select_dtypes("number").columns.drop("level")
    for name in numbers:
        pd.testing.assert_series_equal(read[name], tables[0][name], check_exact=True, check_dtype=False)
    assert (read["elbo_mean"] < 0).any()
    assert set(read["model"]) == {"'-mine"}
    assert set(read["dataset"]) == {"'=d"}


def test_markdown_shows_spread_and_direction_and_bolds_only_what_is_separated(study, tabulated):
    text = write_markdown(*tabulated(study(values=VALUES)))
    lines = text.splitlines()
    assert lines[0] == "## dsprites (rendered), 3,000 steps"
    heads = [cell.strip() for cell in lines[2].strip("|").split("|")]
    column = next(i for i, head in enumerate(heads) if head.split() == ["MIG", "↑"])
    cells = [line.strip("|").split("|")[column].strip() for line in lines[4:7]]
    assert cells == ["0.200 ± 0.100", "0.200 ± 0.050", "**0.810 ± 0.010**"]
    assert [line.strip("|").split("|")[1].strip() for line in lines[4:7]] == ["1", "4", "10"]


def test_betas_that_differ_look_different_in_each_table(study, tabulated):
    settings, tables, quantities = tabulated(study(betas=[1000, 1004, 1234.5], seeds=[0]))
    lines = write_markdown(settings, tables, quantities).splitlines()[4:7]
    assert [line.split("|")[2].strip() for line in lines] == ["1000", "1004", "1234.5"]
    latex = write_latex(settings, tables, quantities)
    assert all(f"betavae & {beta} & " in latex for beta in ("1000", "1004", "1234.5"))


def test_a_score_that_some_seeds_lack_says_so(study, tabulated):
    records = study(values=VALUES)
    del records[0]["scores"]["mig"]
    assert records[0]["cell"]["hyperparameters"]["beta"] == 1.0
    text = write_markdown(*tabulated(records))
    assert "0.250 ± 0.071 (n = 2)" in text


@pytest.fixture
def anchored(study, tabulated, tmp_path):
    """Return two settings; the first, of dsprites, has anchors for all but SAP."""
    study(values=VALUES, dataset="shapes3d")
    records = study(values=VALUES)
    folder = tmp_path / "results"
    write_anchors(folder, {"mig": (0.8957, 0.0002)})
    write_anchors(folder, {"betavae_score": (1.0, 0.21)})
    aspects = ("disentanglement", "completeness", "informativeness")
    write_anchors(folder, {f"dci_{aspect}": (1.0, 0.125) for aspect in aspects})
    return tabulated(records, gather_anchors(folder, []))


def test_the_foot_of_a_table_is_what_a_perfect_code_and_noise_score(anchored):
    first, second = write_markdown(*anchored).split("## ")[1:]
    feet = [[cell.strip() for cell in line.strip("|").split("|")] for line in first.splitlines()[-3:-1]]
    assert feet == [
        ["perfect code", *[DASH] * 8, "1.000", "0.896", DASH, "1.000", "1.000", "1.000"],
        ["noise", *[DASH] * 8, "0.210", "0.000", DASH, "0.125", "0.125", "0.125"],
    ]
    assert "perfect code |" not in second
    assert "Rows named perfect code and noise: what the factors themselves and noise score" in second


def test_csv_has_anchors_in_full_precision_beside_each_score(anchored):
    settings, tables, _ = anchored
    rows = list(csv.DictReader(io.StringIO(write_csv(settings, tables))))
    found = [(row["dataset"], row["mig_perfect"], row["mig_chance"], row["sap_perfect"]) for row in rows]
    assert found == [("dsprites", "0.8957", "0.0002", "")] * 3 + [("shapes3d", "", "", "")] * 3
    assert not [name for name in rows[0] if name.startswith(("kl_p", "kl_c", "reconstruction_p"))]


def test_latex_has_the_same_foot_in_as_many_columns(anchored):
    text = write_latex(*anchored)
    [perfect] = [line for line in text.splitlines() if line.startswith("perfect code & ")]
    [noise] = [line for line in text.splitlines() if line.startswith("noise & ")]
    assert perfect == "perfect code & " + "-- & " * 8 + r"1.000 & 0.896 & -- & 1.000 & 1.000 & 1.000 \\"
    assert noise.count("&") == perfect.count("&")
    assert text.isascii()
    assert "Rows named perfect code and noise" in text


def test_without_anchors_there_is_no_foot(study, tabulated):
    parts = tabulated(study(values=VALUES))
    for text in (write_markdown(*parts), write_latex(*parts)):
        assert "perfect code" not in text
        assert "noise" not in text


def test_latex_is_ascii_escaped_and_rectangular(study, tabulated):
    text = write_latex(*tabulated(study(dataset="mpi3d_toy", model="my_vae", values=VALUES)))
    assert text.isascii()
    assert r"mpi3d\_toy (rendered), 3,000 steps" in text
    assert r"my\_vae & 10 &" in text
    assert r"\textbf{0.810 $\pm$ 0.010}" in text
    assert r"MIG $\uparrow$" in text
    assert r"\toprule" in text
    assert "_" not in text.replace(r"\_", "").replace(r"\beta_\mathrm", "")
    body = [line for line in text.splitlines() if line.endswith(r"\\") and r"\multicolumn" not in line]
    [columns] = {line.count("&") for line in body}
    assert rf"\begin{{tabular}}{{l{'r' * columns}}}" in text


def test_terminal_text_fits_and_has_every_configuration(study):
    text = summarise_text(study(betas=[0.5, 1, 2, 4, 8, 16, 100], values=VALUES, failed=[(16.0, 0)]))
    assert max(map(len, text.splitlines())) <= 100
    for beta in ("0.5", "1", "2", "4", "8", "16", "100"):
        assert text.count(f"β = {beta} ") + text.count(f"β = {beta}\n") == 1
    assert "2 (1 failed)" in text
    [first, *_] = [line for line in text.splitlines() if line.startswith("MIG")]
    assert "0.200 ± 0.100" in first


def test_terminal_text_says_how_much_training_is_left_out(study):
    study(seeds=[0], steps=300_000)
    text = summarise_text(study(seeds=[0], steps=1_200))
    assert (
        "After 1,200 of the published 300,000 steps: longer training can change these values and their order."
        in text
    )
    assert text.count("published") == 1


def test_what_takes_no_steps_is_told_of_no_longer_training(tmp_path):
    write_one(tmp_path, "pca", {}, None, 0, NO_BUDGET, lacks=("kl", "elbo"))
    records, _ = read_records(tmp_path)
    assert "longer training" not in summarise_text(records)


def test_terminal_text_has_words_beside_numbers(study):
    study(model="mine", betas=[None], others={"beta": "strong"}, values={(None, 0): {"mig": 0.5}}, seeds=[0])
    study(model="mine", betas=[None], others={"beta": "weak"}, seeds=[0])
    text = summarise_text(study(betas=[10, 4], seeds=[0]))
    heads = [line for line in text.splitlines() if "β = " in line]
    assert heads[0].index("β = 4") < heads[0].index("β = 10")
    assert "mine, beta = strong" in text
    assert "mine, beta = weak" in text
