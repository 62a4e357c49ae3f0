"""The beta-VAE score against its reference, and how it draws its pairs."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation, interventions
from dis_bench.metrics import betavae_score as module
from dis_bench.metrics.betavae_score import betavae_score
from dis_bench.metrics.interventions import sharing_rows

from .cases import CASES, draw_factors, load_case, reference, rotated_pairs, standardise

FEW = {"train_points": 2_000, "test_points": 1_000}


def mean_over_seeds(codes, factors, **parameters):
    return np.mean([betavae_score(codes, factors, seed=seed, **parameters) for seed in range(3)])


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_reference(case):
    assert mean_over_seeds(*load_case(case)) == pytest.approx(
        reference(case)["betavae_score"]["score"], abs=0.015
    )


def test_agrees_with_the_reference_on_a_larger_table():
    factors = draw_factors("A", rows=100_000)
    codes = rotated_pairs(factors, standardise(factors, "A"), np.random.default_rng(0))
    assert mean_over_seeds(codes, factors) == pytest.approx(
        reference("A_rot_pairs")["betavae_score"]["score"], abs=0.015
    )


def test_noise_and_dead_codes_score_chance():
    _, factors = load_case("A_identity")
    noise = np.random.default_rng(0).standard_normal((len(factors), 10))
    assert betavae_score(noise, factors, **FEW) == pytest.approx(0.2, abs=0.04)
    assert betavae_score(np.full((len(factors), 2), 3.7), factors, **FEW) == pytest.approx(0.2, abs=0.04)


def test_duplicates_and_noise_beside_the_factors_go_unseen():
    codes, factors = load_case("A_nuisance")
    assert betavae_score(codes, factors, **FEW) == 1.0


def test_features_are_mean_differences_of_pairs():
    # Code 0 repeats the factor, code 1 is one of two numbers per value.
    factor = np.repeat([0, 1, 2], 2)
    codes = np.stack([factor, [0, 1, 0, 2, 0, 4]], axis=1).astype(float)
    sharing = sharing_rows(Representation(codes, factor[:, None], seed=None), 0)
    features = module._mean_differences(sharing, 3_000, np.random.default_rng(0), batch=1)
    assert (features[:, 0] == 0).all()
    assert set(features[:, 1]) == {1, 2, 4}
    features = module._mean_differences(sharing, 10, np.random.default_rng(0), batch=10_000)
    assert features[:, 1] == pytest.approx([7 / 3] * 10, abs=0.1)


def test_the_memory_bound_changes_nothing(monkeypatch):
    sharing = sharing_rows(Representation(*load_case("A_vae_like")), 2)
    draw = [module._mean_differences(sharing, 50, np.random.default_rng(1), batch=8)]
    monkeypatch.setattr(interventions, "CHUNK", 100)
    draw.append(module._mean_differences(sharing, 50, np.random.default_rng(1), batch=8))
    assert np.array_equal(*draw)


def test_with_one_factor_there_is_nothing_to_tell():
    factor = np.arange(100)[:, None] % 5
    assert betavae_score(factor.astype(float), factor, **FEW) == 1.0


def test_refusals():
    unique = np.stack([np.arange(50) % 5, np.arange(50)], axis=1)
    with pytest.raises(InputError, match="betavae_score: the values of factor 1 occur once each"):
        betavae_score(unique.astype(float), unique, **FEW)
    with pytest.raises(InputError, match="must be at least 1"):
        betavae_score(unique.astype(float), unique, batch=0)
