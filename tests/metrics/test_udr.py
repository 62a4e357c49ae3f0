"""UDR against its reference, in closed form, and where other programs fail."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.udr import lasso_weights, relative_strength, udr, udr_of_pairs

from .cases import load_case

BASE = np.random.default_rng(0).standard_normal((1_000, 10))
_rng = np.random.default_rng(1)
TWIN = BASE[:, _rng.permutation(10)] * _rng.choice([-1.0, 1.0], 10)
EYE = np.eye(3)


def models(*cases):
    return [load_case(case)[0][:1_000] for case in cases]


@pytest.mark.parametrize(
    ("correlations", "expected"),
    [
        (EYE, 1.0),
        (0.9 * EYE, 0.9),
        ([[1, 1, 0], [1, 1, 0], [0, 0, 1]], 2 / 3),
        (np.ones((3, 3)), 1 / 3),
        (np.zeros((3, 3)), 0.0),
        (np.vstack([EYE, np.zeros((1, 3))]), (1 + 3 / 4) / 2),
        (np.hstack([EYE, EYE]), (1 / 2 + 1) / 2),
        ([[0.8, 0.2]], (0.64 + (0.8 + 0.2) / 2) / 2),
        (np.zeros((0, 3)), 0.0),
    ],
    ids=[
        *("identity", "scaled", "block", "ones", "zeros"),
        *("code_without_match", "matched_twice", "one_row", "no_codes"),
    ],
)
def test_relative_strength_in_closed_form(correlations, expected):
    assert relative_strength(np.array(correlations, dtype=float)) == pytest.approx(expected, abs=1e-15)


def test_a_permuted_twin_with_other_signs_matches():
    # In 1,000 rows, chance lowers rank correlations by up to a fifth; the lasso shrinks all by 0.1.
    assert udr([BASE, TWIN], correlation="lasso") == pytest.approx([0.9, 0.9], abs=0.01)
    assert (udr([BASE, TWIN], correlation="spearman") > 0.8).all()
    whole = np.tile(np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3), (2, 1))
    assert udr([whole, -whole[:, ::-1]], correlation="spearman") == pytest.approx([1, 1])
    assert udr([whole, -whole[:, ::-1]], alpha=0.01) == pytest.approx([0.99, 0.99])


# disentanglement_lib's definition with its libraries, on the first 1,000 rows of each case; KL 0 for the weak
# codes of A_vae_like and 1 for all others.
PUBLISHED = {
    "lasso": {
        ("A_identity", "A_noise05", "A_rot_pairs"): [0.609931, 0.584586, 0.401397],
        ("A_nuisance", "A_dup", "A_vae_like"): [0.477326, 0.534663, 0.504376],
    },
    "spearman": {
        ("A_identity", "A_noise05", "A_rot_pairs"): [0.630673, 0.608833, 0.437305],
        ("A_nuisance", "A_dup", "A_vae_like"): [0.490526, 0.512398, 0.487901],
    },
}


@pytest.mark.parametrize("correlation", PUBLISHED)
@pytest.mark.parametrize("cases", PUBLISHED["lasso"])
def test_agrees_with_the_reference(correlation, cases):
    kl = [np.ones(codes.shape[1]) for codes in models(*cases)]
    if "A_vae_like" in cases:
        kl[2][5:] = 0
    assert udr(models(*cases), kl, correlation=correlation) == pytest.approx(
        PUBLISHED[correlation][cases], abs=1e-5
    )


def test_lasso_weights_are_scikit_learn_s():
    predictors, targets = (standardise(codes.astype(float)) for codes in models("A_rot_pairs", "A_noise05"))
    n = len(predictors)
    ours = lasso_weights(predictors.T @ predictors / n, predictors.T @ targets / n, 0.1)
    theirs = Lasso(alpha=0.1, tol=1e-10).fit(predictors, targets).coef_.T
    assert np.allclose(ours, theirs, atol=1e-5)


def test_the_median_is_over_the_other_models():
    many = [BASE, TWIN, BASE[:, ::-1], np.random.default_rng(2).standard_normal((1_000, 4))]
    pairs = udr_of_pairs(many)
    assert (np.diag(pairs) == 0).all()
    expected = [np.median(np.delete(pairs[:, model], model)) for model in range(4)]
    assert np.array_equal(udr(many), expected)
    assert udr(many)[3] < 0.1 < 0.8 < udr(many)[:3].min()


def test_the_first_model_predicts_the_second():
    half = np.hstack([BASE[:, :1], 0.7 * BASE[:, :1] + BASE[:, 1:2]])
    pairs = udr_of_pairs([half, BASE[:, :1]])
    assert pairs[0, 1] != pytest.approx(pairs[1, 0], abs=0.01)


@pytest.mark.parametrize("correlation", ["lasso", "spearman"])
def test_dead_codes_and_different_sizes_do_not_matter(correlation):
    with_dead = np.insert(TWIN, [0, 10], 3.7, axis=1)  # one of them makes disentanglement_lib's Spearman 0
    assert np.array_equal(
        udr([BASE, with_dead], correlation=correlation), udr([BASE, TWIN], correlation=correlation)
    )
    all_dead = udr([BASE, TWIN, np.zeros((1_000, 3))], correlation=correlation)
    assert all_dead[2] == 0.0
    assert (all_dead[:2] > 0.4).all()  # the median of a match and of none


@pytest.mark.parametrize("correlation", ["lasso", "spearman"])
def test_the_threshold_is_the_one_that_is_given(correlation):
    noise = [np.hstack([BASE[:, :1], np.random.default_rng(s).random((1_000, 9))]) for s in (3, 4)]
    kl = [np.array([0.008] + [0.004] * 9)] * 2
    low = udr(noise, kl, kl_threshold=0.005, correlation=correlation)
    assert low == pytest.approx([0.9, 0.9] if correlation == "lasso" else [1, 1], abs=1e-6)
    assert (udr(noise, kl, kl_threshold=0.001, correlation=correlation) < 0.2).all()
    assert np.array_equal(udr(noise, kl, correlation=correlation), [0, 0])  # none exceeds 0.01
    assert (udr(noise, correlation=correlation) < 0.2).all()


@pytest.mark.parametrize("correlation", ["lasso", "spearman"])
def test_neither_scale_nor_shift_nor_order_of_models_matters(correlation):
    table = models("A_identity", "A_noise05", "A_rot_pairs")
    scores = udr(table, correlation=correlation)
    moved = [codes.astype(float) * 1e-3 + 2 for codes in table]
    assert udr(moved, correlation=correlation) == pytest.approx(scores, abs=1e-5)
    assert udr(table[::-1], correlation=correlation) == pytest.approx(scores[::-1], abs=1e-12)


def test_only_the_rank_correlation_is_blind_to_bending():
    bent = np.exp(2 * TWIN)
    straight = udr([BASE, TWIN], correlation="spearman")
    assert udr([BASE, bent], correlation="spearman") == pytest.approx(straight, abs=1e-12)
    assert (udr([BASE, bent], correlation="lasso") < 0.5).all()


@pytest.mark.parametrize(
    ("codes", "options", "message"),
    [
        ([BASE], {}, "needs at least two, but 1 was given"),
        ([BASE[:0], TWIN[:0]], {}, "needs at least 2 rows, but 0"),
        ([BASE, TWIN[:10]], {}, "model 0 has 1000 rows and model 1 has 10"),
        ([BASE, np.full(BASE.shape, np.nan)], {}, "model 1: codes must be finite"),
        ([BASE, TWIN], {"correlation": "spearmen"}, "unknown correlation of udr 'spearmen'"),
        ([BASE, TWIN], {"alpha": 0.0}, "alpha must be positive, but 0.0"),
        ([BASE, TWIN], {"alpha": np.nan}, "alpha of udr must be a finite number, but nan"),
        ([BASE, TWIN], {"alpha": np.inf}, "alpha of udr must be a finite number, but inf"),
        (
            [BASE, TWIN],
            {"kl": [np.ones(10)] * 2, "kl_threshold": np.nan},
            "kl_threshold of udr must be a fin",
        ),
        ([BASE, TWIN], {"correlation": 3}, "correlation of udr must be a word, but 3"),
        (None, {}, "udr needs the codes of each model in a list, but None was given"),
        ([BASE, TWIN], {"kl": 3}, "udr needs the KL of each model in a list, but 3 was given"),
        (
            [BASE[:, :2], TWIN[:, :2]],
            {"kl": [["a", 1], [1, 1]]},
            r"KL of model 0 must be 2 .* \['a', 1\] was",
        ),
        ([BASE[:, :2], TWIN[:, :2]], {"kl": [[[1], 1], [1, 1]]}, "KL of model 0 must be 2 finite numbers"),
        ([BASE, TWIN], {"kl": [np.ones(10)]}, "2 models but the KL of 1"),
        ([BASE, TWIN], {"kl": [np.ones(10), np.ones(9)]}, "KL of model 1 must be 10 finite numbers"),
        ([BASE, TWIN], {"kl": [np.full(10, np.nan), np.ones(10)]}, "KL of model 0 must be 10 finite"),
    ],
)
def test_refusals(codes, options, message):
    with pytest.raises(InputError, match=message):
        udr(codes, **options)
