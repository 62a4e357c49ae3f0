"""The scores of the codes alone, against their reference and in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.metrics import Representation
from dis_bench.metrics.unsupervised import (
    gaussian_total_correlation,
    gaussian_wasserstein_correlation,
    gaussian_wasserstein_correlation_norm,
    information_between_codes,
    mutual_info_score,
)

from .cases import CASES, load_case, reference

GAUSSIAN = (
    gaussian_total_correlation,
    gaussian_wasserstein_correlation,
    gaussian_wasserstein_correlation_norm,
)
FACTORS = np.arange(400)[:, None] % 2


def codes_with_covariance(covariance, rows=400):
    """Draw codes with exactly the given sample covariance, up to rounding."""
    noise = np.random.default_rng(0).standard_normal((rows, len(covariance)))
    noise -= noise.mean(axis=0)
    whitened = noise @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(noise.T)))).T
    return whitened @ np.linalg.cholesky(covariance).T


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_reference(case):
    table = Representation(*load_case(case), seed=None)
    published = reference(case)
    for metric in (*GAUSSIAN, mutual_info_score):
        if metric is gaussian_total_correlation and case in ("A_dup", "A_vae_like"):
            assert metric.name not in published  # infinite with a twin, NaN with a dead code
        else:
            assert metric(table) == pytest.approx(published[metric.name]["score"], abs=1e-6), metric.name


def test_closed_forms_of_two_correlated_codes():
    covariance = np.array([[4.0, 1.2], [1.2, 1.0]])  # correlation 0.6
    table = Representation(codes_with_covariance(covariance), FACTORS)
    assert gaussian_total_correlation(table, rows=400) == pytest.approx(-np.log(1 - 0.6**2) / 2)
    # tr((DC)^(1/2)) of two by two: the root of tr(DC) + 2 det(DC)^(1/2)
    root = np.sqrt(16 + 1 + 2 * np.sqrt(4 * (4 - 1.44)))
    assert gaussian_wasserstein_correlation(table, rows=400) == pytest.approx(2 * 5 - 2 * root)
    assert gaussian_wasserstein_correlation_norm(table, rows=400) == pytest.approx(2 - 2 * root / 5)


def test_uncorrelated_codes_score_zero():
    table = Representation(codes_with_covariance(np.diag([1.0, 9.0, 0.01])), FACTORS)
    for metric in GAUSSIAN:
        assert metric(table, rows=400) == pytest.approx(0, abs=1e-9)


def test_only_the_wasserstein_scores_see_scale():
    codes = codes_with_covariance(np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 2.0]]))
    for unit in (1e-30, 1e3, 1e30):
        shifted = Representation((codes + 1) * unit, FACTORS)
        for metric, factor in zip(GAUSSIAN, (1, unit**2, 1), strict=True):
            assert metric(shifted, rows=400) == pytest.approx(
                metric(codes, FACTORS, rows=400) * factor, rel=1e-6
            )
    scaled = Representation(codes * [1, 10, 0.1], FACTORS)
    assert gaussian_total_correlation(scaled, rows=400) == pytest.approx(
        gaussian_total_correlation(codes, FACTORS, rows=400)
    )


@pytest.mark.parametrize("value", [0.0, 3.7, -1e6])
def test_dead_codes_depend_on_nothing(value):
    codes = codes_with_covariance(np.array([[1.0, 0.5], [0.5, 2.0]])).astype(np.float32)
    with_dead = np.insert(codes, [0, 1, 2], np.float32(value), axis=1)
    for metric in GAUSSIAN:
        assert metric(with_dead, FACTORS, rows=400) == metric(codes, FACTORS, rows=400)
        assert metric(np.full((400, 3), value), FACTORS, rows=400) == 0.0


def test_each_dependent_code_adds_so_much_and_no_more():
    codes = codes_with_covariance(np.eye(3))
    nats = np.log(1e12) / 2
    twice = gaussian_total_correlation(np.hstack([codes, codes]), FACTORS, rows=400)
    assert twice == pytest.approx(3 * nats - 3 * np.log(2) / 2)  # the twins' eigenvalues are 2 and 0
    sum_besides = np.column_stack([codes, codes.sum(axis=1)]).astype(np.float32)
    assert gaussian_total_correlation(sum_besides, FACTORS, rows=400) == pytest.approx(
        nats - np.log(2) / 2, abs=1e-5
    )
    one_hot = np.eye(4)[np.arange(400) % 4]  # any is one less the others
    assert gaussian_total_correlation(one_hot, FACTORS, rows=400) == pytest.approx(
        nats - 3 / 2 * np.log(4 / 3), abs=1e-9
    )


@pytest.mark.parametrize("twins", [2, 3, 10])
def test_equal_codes_in_the_wasserstein_scores(twins):
    codes = np.tile(codes_with_covariance(np.eye(1)), twins)
    share = 2 - 2 / np.sqrt(twins)
    assert gaussian_wasserstein_correlation(codes, FACTORS, rows=400) == pytest.approx(share * twins)
    assert gaussian_wasserstein_correlation_norm(codes, FACTORS, rows=400) == pytest.approx(share)


def test_more_codes_than_rows():
    codes = np.random.default_rng(0).standard_normal((400, 50))
    for metric in GAUSSIAN:
        assert 0 < metric(codes, FACTORS, rows=10, seed=3) < 50 * 14


BITS = np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (100, 1))
SMALL = {"rows": 400, "bins": 2}


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (BITS, 0.0),
        (np.hstack([BITS, BITS]), np.log(2) * 2 / 6),  # two pairs of six are twins
        (BITS[:, [0, 0, 0]], np.log(2)),
        (BITS[:, :1], 0.0),  # no pair
        (np.zeros((400, 3)), 0.0),
        (np.column_stack([BITS[:, [0, 0]], np.full(400, 3.7)]), np.log(2) / 3),
    ],
    ids=["independent", "twice", "three_equal", "single", "dead", "twins_and_a_dead_one"],
)
def test_mutual_information_in_closed_form(codes, expected):
    assert mutual_info_score(codes.astype(float), BITS, **SMALL) == pytest.approx(expected, abs=1e-12)


def test_pairs_with_dead_codes_need_not_count():
    twins = np.column_stack([BITS[:, [0, 0]], np.full(400, 3.7), np.zeros(400)]).astype(float)
    assert mutual_info_score(twins, BITS, **SMALL) == pytest.approx(np.log(2) / 6)
    assert mutual_info_score(twins, BITS, **SMALL, count_dead=False) == pytest.approx(np.log(2))
    assert mutual_info_score(twins[:, 2:], BITS, **SMALL, count_dead=False) == 0.0


def test_information_between_codes_is_computed_once():
    table = Representation(BITS.astype(float), BITS)
    assert information_between_codes(table, 2, 400) is information_between_codes(table, 2, 400)


def test_factors_do_not_matter():
    codes, factors = load_case("A_vae_like")
    for metric in (*GAUSSIAN, mutual_info_score):
        assert metric(codes, factors) == metric(codes, factors[:, :1])


@pytest.mark.parametrize(
    "metric", [gaussian_total_correlation, gaussian_wasserstein_correlation, mutual_info_score]
)
def test_a_rare_class_of_a_factor_does_not_matter(metric):
    rng = np.random.default_rng(0)
    codes, factors = rng.standard_normal((1_200, 2)), rng.integers(0, 4, (1_200, 2))
    rare = np.column_stack([factors, np.arange(1_200) == 1_199])  # a class that no row has that is read
    values = [metric(Representation(codes, table, seed=None), rows=1_000) for table in (factors, rare)]
    assert values[0] == values[1]
