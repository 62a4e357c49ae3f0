"""The FactorVAE score against its reference, and how it votes."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation, interventions
from dis_bench.metrics import factorvae_score as module
from dis_bench.metrics.factorvae_score import factorvae_score, majority_accuracy
from dis_bench.metrics.interventions import sharing_rows

from .cases import CASES, draw_factors, load_case, reference, rotated_pairs, standardise

FEW = {"train_votes": 2_000, "test_votes": 1_000}


def mean_over_seeds(codes, factors, **parameters):
    return np.mean([factorvae_score(codes, factors, seed=seed, **parameters) for seed in range(3)])


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_reference(case):
    assert mean_over_seeds(*load_case(case)) == pytest.approx(
        reference(case)["factorvae_score"]["score"], abs=0.015
    )


def test_agrees_with_the_reference_on_a_larger_table():
    factors = draw_factors("A", rows=100_000)
    codes = rotated_pairs(factors, standardise(factors, "A"), np.random.default_rng(0))
    assert mean_over_seeds(codes, factors) == pytest.approx(
        reference("A_rot_pairs")["factorvae_score"]["score"], abs=0.015
    )


def test_votes_by_hand():
    # Of the training votes, code 2 got two for factor 0 and one for factor 1, code 1 one for factor 1.
    votes = np.array([2, 2, 2, 1, *[2, 2, 1, 1, 3]])
    factors = np.array([0, 0, 1, 1, *[0, 1, 1, 2, 0]])
    # Right: the first and the third test vote, and the last, since a code without votes predicts factor 0.
    assert majority_accuracy(votes, factors, train_votes=4) == 3 / 5


def test_group_deviations_of_known_groups():
    # Code 0 repeats the factor; code 1 is 0 or twice the factor, evenly.
    factor = np.repeat([0, 1, 2], 40)
    codes = np.stack([factor, 2 * factor * (np.arange(120) % 2)], axis=1).astype(float)
    sharing = sharing_rows(Representation(codes, factor[:, None], seed=None), 0)
    deviations = module._group_deviations(sharing, 30, np.random.default_rng(0), batch=20_000)
    assert (deviations[:, 0] == 0).all()
    nearest = deviations[:, 1].round()
    assert set(nearest) == {0, 1, 2}
    assert deviations[:, 1] == pytest.approx(nearest, abs=0.03)


def test_the_memory_bound_changes_nothing(monkeypatch):
    sharing = sharing_rows(Representation(*load_case("A_vae_like")), 2)
    draw = [module._group_deviations(sharing, 50, np.random.default_rng(1), batch=8)]
    monkeypatch.setattr(interventions, "CHUNK", 100)
    draw.append(module._group_deviations(sharing, 50, np.random.default_rng(1), batch=8))
    assert np.array_equal(*draw)


def test_a_dead_code_is_never_voted_for_whatever_the_threshold():
    codes, factors = load_case("A_rot_pairs")
    expected = factorvae_score(codes, factors, **FEW)
    for value in (0.0, 3.7):
        for position in (0, 5):
            with_dead = np.insert(codes, position, np.float32(value), axis=1)
            assert factorvae_score(with_dead, factors, **FEW) == expected
            assert factorvae_score(with_dead, factors, prune_std=0.0, **FEW) == expected


def test_only_dead_or_pruned_codes_score_zero():
    codes, factors = load_case("A_identity")
    for dead in (np.zeros_like(codes), np.full_like(codes, 3.7)):
        assert factorvae_score(dead, factors, **FEW) == 0.0
        assert factorvae_score(dead, factors, prune_std=0.0, **FEW) == 0.0
    assert factorvae_score(codes / 1_000, factors, **FEW) == 0.0
    assert factorvae_score(codes / 1_000, factors, prune_std=0.0, **FEW) == 1.0


def test_the_threshold_is_on_the_standard_deviation():
    codes, factors = load_case("A_identity")
    codes = codes * (0.05 * np.array([1.03, 1.03, 1.03, 1.03, 0.97]))
    # Four votes for the factor that is held, and none for the last one, which is never identified.
    assert factorvae_score(codes, factors) == pytest.approx(0.8, abs=0.015)
    assert factorvae_score(codes, factors, prune_std=0.04) == 1.0


def test_scale_and_shift_of_each_code_do_not_matter():
    codes, factors = load_case("A_rot_pairs")
    moved = codes * np.array([1, 2, 0.5, 4, 1]) + [0, 7, -3, 0, 100]
    assert factorvae_score(moved, factors, **FEW) == pytest.approx(
        factorvae_score(codes, factors, **FEW), abs=0.005
    )


def test_duplicates_and_noise_beside_the_factors_go_unseen():
    codes, factors = load_case("A_nuisance")
    assert factorvae_score(codes, factors, **FEW) == 1.0
    assert factorvae_score(np.hstack([codes, codes]), factors, **FEW) == 1.0


def test_noise_scores_chance():
    _, factors = load_case("A_identity")
    noise = np.random.default_rng(0).standard_normal((len(factors), 10))
    assert factorvae_score(noise, factors, **FEW) == pytest.approx(0.2, abs=0.04)


def test_with_one_factor_there_is_nothing_to_tell():
    factor = np.arange(100)[:, None] % 5
    assert factorvae_score(factor.astype(float), factor, rows=100, **FEW) == 1.0


def test_refusals():
    codes, factors = load_case("A_identity")
    with pytest.raises(
        InputError, match=r"factorvae_score: the protocol needs 10000 rows, but there are 50: .*rows=50"
    ):
        factorvae_score(codes[:50], factors[:50])
    for wrong in ({"batch": 1}, {"train_votes": 0}, {"test_votes": 0}):
        with pytest.raises(InputError, match="must be at least 1, and batch at least 2"):
            factorvae_score(codes, factors, **wrong)
    unique = np.stack([np.arange(50) % 5, np.arange(50)], axis=1)
    with pytest.raises(InputError, match="the values of factor 1 occur once each"):
        factorvae_score(unique.astype(float), unique, rows=50, **FEW)


@pytest.mark.parametrize(("scale", "shift"), [(1, 1e15), (2.0**-46, 1)])
def test_codes_far_from_0_are_scored_like_those_around_it(scale, shift):
    factors = np.random.default_rng(0).integers(0, [3, 6, 8], (1_000, 3))
    assert factorvae_score(scale * factors + shift, factors, rows=1_000, prune_std=0, **FEW) == 1.0


def test_codes_whose_variance_vanishes_in_the_rows_that_are_read_get_no_vote():
    rng = np.random.default_rng(0)
    codes, factors = rng.standard_normal((200, 2)), rng.integers(0, 3, (200, 2))
    codes[:100] *= 1e-200
    assert factorvae_score(codes, factors, seed=None, rows=100, prune_std=0, **FEW) == 0.0


@pytest.mark.parametrize("scale", [1.0, 0.3, 1 / 3, 1e-3])
def test_rounding_breaks_no_ties(scale):
    factors = np.random.default_rng(0).integers(0, [3, 12], size=(2_000, 2))
    one_hot = np.hstack([np.eye(size)[column] for size, column in zip((3, 12), factors.T, strict=True)])
    few = {"train_votes": 500, "test_votes": 500, "rows": 2_000, "prune_std": 0.0}
    for codes in (one_hot, one_hot[:, ::-1]):
        expected = factorvae_score(codes, factors, **few)
        assert factorvae_score(scale * codes, factors, **few) == expected
        standard = (codes - codes.mean(0)) / codes.std(0)
        assert factorvae_score(standard, factors, **few) == expected
