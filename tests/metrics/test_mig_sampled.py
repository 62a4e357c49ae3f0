"""MIG from posteriors against quadrature on whole grids, and known defects of others."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation, score
from dis_bench.metrics import mig_sampled as module
from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.mig_sampled import mig_sampled, posterior_information

from .cases import load_case

SIZES = (3, 4, 5)
GRID = np.stack(np.meshgrid(*map(np.arange, SIZES), indexing="ij"), axis=-1).reshape(-1, 3)  # 60 rows, whole
MANY = {"rows": 60, "samples": 120_000}


def integrate_information(means, log_variances, factor):
    """Compute I(latent; factor) of one latent by quadrature of the densities."""
    deviations = np.exp(log_variances / 2)
    step = deviations.min() / 20
    z = np.arange((means - 9 * deviations).min(), (means + 9 * deviations).max(), step)

    def entropy(rows):
        squares = ((z[:, None] - means[rows]) / deviations[rows]) ** 2
        density = (np.exp(-squares / 2) / deviations[rows]).mean(axis=1) / np.sqrt(2 * np.pi)
        positive = density[density > 0]
        return -(positive * np.log(positive)).sum() * step

    of_value = [entropy(factor == value) for value in np.unique(factor)]
    return entropy(np.full(len(factor), True)) - np.mean(of_value)


def mixed_latents():
    """Return latents: a factor, a blend, noise, a variance that shows a factor."""
    means = np.stack(
        [GRID[:, 0], 0.5 * GRID[:, 1] + 0.3 * GRID[:, 2], 0 * GRID[:, 0], GRID[:, 2] / 2], axis=1
    )
    log_variances = np.full(means.shape, -2.0)
    log_variances[:, 1] = -3 + 0.3 * GRID[:, 0]
    log_variances[:, 2] = GRID[:, 1]
    return means, log_variances


def test_information_is_that_of_quadrature():
    means, log_variances = mixed_latents()
    table = Representation(means, GRID, log_variances=log_variances)
    exact = np.array(
        [
            [integrate_information(m, v, factor) for factor in GRID.T]
            for m, v in zip(means.T, log_variances.T, strict=True)
        ]
    )
    assert exact.max() > 0.8
    assert np.allclose(posterior_information(table, **MANY), exact, atol=0.01)
    gap = (top_two_gap(exact) / np.log(SIZES)).mean()
    assert mig_sampled(table, **MANY) == pytest.approx(gap, abs=0.01)
    assert 0.3 < gap < 0.9


def test_a_latent_is_told_by_its_own_draws_only():
    # disentangling-vae reads the draws [N, D] of all latents as if they were [D, N]: identity scores half.
    means, log_variances = mixed_latents()
    together = posterior_information(Representation(means, GRID, log_variances=log_variances), 60, 600)
    for d in range(means.shape[1]):
        alone = Representation(means[:, [d]], GRID, log_variances=log_variances[:, [d]])
        assert np.array_equal(posterior_information(alone, 60, 600)[0], together[d])


@pytest.mark.parametrize("log_variance", [-200.0, -60.0, -12.0])
def test_narrow_posteriors_of_perfect_codes_tell_everything(log_variance):
    log_variances = np.full(GRID.shape, log_variance)
    assert mig_sampled(GRID.astype(float), GRID, log_variances=log_variances, **MANY) == pytest.approx(1)


def test_posteriors_that_are_the_prior_tell_nothing():
    zeros = np.zeros(GRID.shape)
    assert mig_sampled(zeros, GRID, log_variances=zeros, rows=60) == pytest.approx(0, abs=1e-6)


def test_twins_leave_no_gap_and_a_single_latent_is_compared_with_none():
    codes, narrow = GRID.astype(float), np.full(GRID.shape, -12.0)
    both = {"log_variances": np.hstack([narrow, narrow]), "rows": 60}
    assert mig_sampled(np.hstack([codes, codes]), GRID, **both) == 0.0
    single = mig_sampled(codes[:, :1], GRID, log_variances=narrow[:, :1], rows=60)
    assert single == pytest.approx(1 / 3, abs=1e-6)


def test_wide_posteriors_hide_what_means_would_tell():
    codes, factors = load_case("A_identity")
    by_width = [
        mig_sampled(codes, factors, log_variances=np.full(codes.shape, v), rows=2_000, samples=2_000)
        for v in (-8.0, -4.0, 0.0)
    ]
    assert by_width[0] > by_width[1] + 0.2 > by_width[2] + 0.4


@pytest.mark.parametrize("factor", [1e-20, 1.0, 1e20])
def test_scale_and_shift_do_not_matter(factor):
    means, log_variances = mixed_latents()
    scaled = (means + 3) * factor
    log_variances = log_variances + 2 * np.log(factor)
    score = mig_sampled(scaled, GRID, log_variances=log_variances, rows=60)
    assert score == pytest.approx(
        mig_sampled(means, GRID, log_variances=mixed_latents()[1], rows=60), abs=1e-4
    )


def test_neither_precision_nor_the_memory_bound_matters(monkeypatch):
    codes, factors = load_case("A_vae_like")
    log_variances = np.random.default_rng(0).uniform(-6, 0, codes.shape)

    def information():
        table = Representation(codes[:400], factors[:400], log_variances=log_variances[:400])
        return posterior_information(table, 400, 800)

    single_precision = information()
    monkeypatch.setattr(module, "WIDE_ENOUGH", np.inf)
    double_precision = information()
    assert not np.array_equal(single_precision, double_precision)
    assert np.allclose(single_precision, double_precision, atol=1e-5)
    monkeypatch.setattr(module, "CHUNK", 1_000)
    assert np.allclose(information(), double_precision, atol=1e-12)


def test_values_that_the_rows_do_not_show():
    factors = np.array([0, 2] * 30 + [1, 1])[:, None]  # value 1 comes after the rows that are read
    narrow = {"log_variances": np.full(factors.shape, -12.0), "rows": 60, "seed": None}
    assert mig_sampled(factors.astype(float), factors, **narrow) == pytest.approx(1)


def test_information_never_exceeds_the_entropy_of_the_factor():
    codes, factors = load_case("A_vae_like")
    table = Representation(codes, factors, log_variances=np.full(codes.shape, -15.0))
    information = posterior_information(table, 1_000, 500)
    assert (information <= table.factor_entropies(1_000) + 1e-9).all()
    assert (information >= 0).all()


def test_it_is_refused_without_log_variances_and_left_out_by_default():
    codes, factors = load_case("B_identity")
    refusal = "mig_sampled needs log_variances beside codes and factors"
    with pytest.raises(InputError, match=refusal):
        mig_sampled(codes, factors)
    with pytest.raises(InputError, match=refusal):
        mig_sampled(Representation(codes, factors))
    with pytest.raises(InputError, match=refusal):
        score(codes, factors, ["mig", "mig_sampled"])
    with pytest.raises(InputError, match="samples must be at least 1"):
        mig_sampled(codes, factors, log_variances=np.zeros(codes.shape), samples=0)


def test_codes_far_from_0_are_scored_like_those_around_it():
    log_variances = np.full(GRID.shape, -4.0)
    scores = [
        mig_sampled(GRID + shift, GRID, log_variances=log_variances, rows=60, samples=600)
        for shift in (0, 2.0**52)
    ]
    assert scores[1] == pytest.approx(scores[0], abs=1e-12)
