"""UDR in a report is dis_bench.udr of the stored codes, and absent without codes."""

import csv
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from dis_bench import udr
from dis_bench.records.table import read_results
from dis_bench.reports import udr as reports_udr
from dis_bench.reports.quantities import DASH
from dis_bench.reports.report import build_report
from dis_bench.reports.udr import FEWEST_SEEDS, MOST_SEEDS
from tests.reports.made_up import LATENTS, reseal, write_study

BETAS = (1.0, 4.0)


def keep_codes(folder, rows=200, **changed):
    """Write a cell's codes: five latents shared by all up to sign, and five others."""
    shared = np.random.default_rng(0).standard_normal((rows, 5))
    rng = np.random.default_rng(zlib.crc32(folder.encode()))
    codes = np.hstack([shared * rng.choice([-1, 1], 5), rng.standard_normal((rows, LATENTS - 5))])
    np.savez(f"{folder}/codes.npz", **{"codes": codes.astype(np.float32), **changed})
    reseal(folder)


@pytest.fixture
def study(tmp_path):
    """Write two betas with three seeds and codes each, and return the table."""
    write_study(tmp_path, betas=BETAS, pictures=False)
    table = read_results(tmp_path)
    for folder in table["folder"]:
        keep_codes(folder)
    return table


def rows_of(report):
    return list(csv.DictReader(report.files["table.csv"].decode().splitlines()))


def expected(cells):
    kl = cells[[f"kl_{latent}" for latent in range(LATENTS)]].to_numpy()
    return udr([np.load(f"{folder}/codes.npz")["codes"] for folder in cells["folder"]], kl)


def test_each_configuration_has_the_mean_over_its_seeds(study, tmp_path):
    report = build_report(tmp_path)
    rows = rows_of(report)
    for row, beta in zip(rows, BETAS, strict=True):
        assert float(row["udr_mean"]) == pytest.approx(expected(study[study["beta"] == beta]).mean())
        assert (row["udr_std"], row["udr_n"]) == ("", "3")
    text = report.files["table.md"].decode()
    cells = [line.strip("| ").split(" | ")[-1] for line in text.splitlines() if line.startswith("| ")]
    assert cells == ["UDR\N{NO-BREAK SPACE}↑", "--:", *(f"{float(row['udr_mean']):.3f}" for row in rows)]
    assert "UDR compares the seeds of a configuration with each other" in text
    page = report.files["index.html"].decode()
    assert page.count('<th scope="col">UDR') == 1
    assert "<dt>UDR\N{NO-BREAK SPACE}↑</dt>" in page
    assert f"<td>{float(rows[0]['udr_mean']):.3f}</td>" in page


def test_it_is_in_no_figure_and_no_ordering(study, tmp_path):
    report = build_report(tmp_path)
    assert not [q for headline in report.headlines[0] for q in headline.contrasts if q.quantity.name == "udr"]
    assert not re.search(r"alt=\"[^\"]*UDR", report.files["index.html"].decode())


def test_a_seed_without_codes_is_left_out_in_silence(study, tmp_path):
    first = study[study["beta"] == 1]
    Path(first["folder"].iloc[0], "codes.npz").unlink()
    before = build_report(tmp_path)
    rows = rows_of(before)
    assert [row["udr_n"] for row in rows] == ["2", "3"]
    assert float(rows[0]["udr_mean"]) == pytest.approx(expected(first.iloc[1:]).mean())
    assert "(n = 2)" in before.files["table.md"].decode()
    Path(first["folder"].iloc[1], "codes.npz").unlink()
    report = build_report(tmp_path)
    assert [(row["udr_mean"] == "", row["udr_n"]) for row in rows_of(report)] == [(True, "0"), (False, "3")]
    assert report.files["table.md"].decode().splitlines()[4].endswith(f"| {DASH} |")
    assert report.caveats == before.caveats


def test_without_codes_there_is_no_column(tmp_path):
    write_study(tmp_path, betas=BETAS, pictures=False)
    report = build_report(tmp_path)
    assert not [name for name in rows_of(report)[0] if "udr" in name]
    assert "UDR" not in report.files["table.md"].decode()
    assert ">UDR" not in report.files["index.html"].decode()


def test_of_many_seeds_the_first_are_compared_and_no_other_file_is_read(tmp_path):
    write_study(tmp_path, betas=[4], seeds=range(MOST_SEEDS + 3), pictures=False)
    table = read_results(tmp_path)
    for number, folder in enumerate(table["folder"]):
        keep_codes(folder)
        if number > MOST_SEEDS:
            Path(folder, "codes.npz").write_bytes(b"broken")
    Path(table["folder"].iloc[0], "codes.npz").unlink()
    report = build_report(tmp_path)
    [row] = rows_of(report)
    assert row["udr_n"] == str(MOST_SEEDS)
    assert float(row["udr_mean"]) == pytest.approx(expected(table.iloc[1 : MOST_SEEDS + 1]).mean())
    assert not [caveat for caveat in report.caveats if "codes.npz" in caveat]
    assert f"the first {MOST_SEEDS} seeds" in report.files["table.md"].decode()


def test_of_many_configurations_fewer_seeds_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(reports_udr, "_MOST_FILES", 14)
    write_study(tmp_path, betas=BETAS, seeds=range(9), pictures=False)
    for folder in read_results(tmp_path)["folder"]:
        keep_codes(folder)
    assert [row["udr_n"] for row in rows_of(build_report(tmp_path))] == ["7", "7"]
    monkeypatch.setattr(reports_udr, "_MOST_FILES", 1)
    assert [row["udr_n"] for row in rows_of(build_report(tmp_path))] == [str(FEWEST_SEEDS)] * 2


def test_damaged_codes_are_told(study, tmp_path):
    damaged, strange, short = study["folder"].iloc[[0, 1, 3]]
    Path(damaged, "codes.npz").write_bytes(b"broken")
    np.savez(f"{strange}/codes.npz", factors=np.zeros(3))
    reseal(strange)
    keep_codes(short, rows=199)
    report = build_report(tmp_path)
    text = " ".join(report.caveats)
    assert f"{damaged}/codes.npz cannot be read" in text
    assert f"{strange}/codes.npz cannot be read" in text
    assert "betavae, β = 4 has no UDR: udr needs codes of the same images" in text
    assert not [name for name in rows_of(report)[0] if "udr" in name]


def test_codes_are_never_unpickled(study, tmp_path):
    keep_codes(study["folder"].iloc[0], codes=np.array([[{}]]))
    report = build_report(tmp_path)
    assert any("its codes is object [1, 1]" in caveat for caveat in report.caveats)
    assert [row["udr_n"] for row in rows_of(report)] == ["2", "3"]
