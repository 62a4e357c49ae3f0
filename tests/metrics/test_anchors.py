"""Anchors: closed forms on whole grids, and known ceilings on the grid of dSprites."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.metrics import Representation
from dis_bench.metrics.anchors import anchor_scores
from dis_bench.metrics.mig import mig

from .cases import load_case, whole_grid

GRID = np.tile(whole_grid(8, 8, 8), (20, 1))  # 10,240 rows: every combination equally often


def anchors(*metrics, width=4, **parameters):
    table = Representation(np.zeros((len(GRID), width)), GRID)
    return anchor_scores(table, metrics, parameters)


@pytest.mark.parametrize(("bins", "ceiling"), [(2, 1 / 3), (4, 2 / 3), (8, 1.0), (20, 1.0)])
def test_the_ceiling_of_mig_is_the_share_of_entropy_that_bins_resolve(bins, ceiling):
    parameters = {"mig": {"rows": len(GRID), "bins": bins}}
    assert anchors("mig", **parameters)["mig"].perfect == pytest.approx(ceiling, abs=1e-12)


def test_scores_of_perfect_codes_where_they_are_known():
    rows = {"rows": len(GRID)}
    found = anchors(
        "sap_continuous", "modularity", "mig_sup", sap_continuous=rows, modularity=rows, mig_sup=rows
    )
    assert {name: anchor.perfect for name, anchor in found.items()} == pytest.approx(
        {"sap_continuous": 1, "modularity": 1, "mig_sup": 1}, abs=1e-12
    )
    assert found["sap_continuous"].chance < 0.002
    assert found["mig_sup"].chance < 0.01


@pytest.mark.parametrize("name", ["betavae_score", "factorvae_score"])
def test_chance_is_one_over_the_number_of_factors(name):
    anchor = anchors(name)[name]
    assert anchor.perfect > 0.999
    assert anchor.chance == pytest.approx(1 / 3, abs=4 * np.sqrt(2 / 9 / 5_000))


def test_noise_has_as_many_codes_as_the_representation():
    def width(codes, factors):
        return codes.shape[1]

    assert anchors(width, width=7)["width"] == (3, 7)


def test_posteriors_are_narrow():
    table = Representation(np.zeros((512, 3)), GRID[:512])
    found = anchor_scores(table, "mig_sampled", {"mig_sampled": {"rows": 512, "samples": 512}})
    assert found["mig_sampled"].perfect == pytest.approx(1, abs=1e-6)
    assert "mig_sampled" not in anchor_scores(table, None, {})


def test_ceilings_on_the_grid_of_dsprites():
    codes, factors = load_case("A_vae_like")
    table = Representation(codes, factors)
    found = anchor_scores(table, ["mig", "sap"])
    assert 0.894 < found["mig"].perfect < 0.897
    assert 0.23 < found["sap"].perfect < 0.26
    assert 0 < found["mig"].chance < 0.002
    assert 0 <= found["sap"].chance < 0.01


def test_rows_and_seed_are_those_of_the_representation():
    codes, factors = load_case("A_identity")
    table = Representation(codes, factors, seed=3)
    # The codes are the factors except for scale and float32, which moves a few values to another bin.
    assert anchor_scores(table, "mig")["mig"].perfect == pytest.approx(mig(table), abs=0.002)
    again = Representation(codes * 0, factors, seed=3)
    assert anchor_scores(again, "mig") == anchor_scores(table, "mig")
    assert anchor_scores(Representation(codes, factors, seed=4), "mig") != anchor_scores(table, "mig")


def test_a_metric_that_cannot_score_them_has_none():
    def picky(codes, factors):
        raise RuntimeError("not my codes")

    assert anchors(picky, "mig", mig={"rows": 100}).keys() == {"mig"}
    failures = {}
    table = Representation(np.zeros((len(GRID), 4)), GRID)
    anchor_scores(table, [picky, "mig"], {"mig": {"rows": 100}}, failures)
    assert failures == {"picky": "metric 'picky' failed: RuntimeError: not my codes."}
