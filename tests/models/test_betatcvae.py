"""Beta-TCVAE: the parts of the KL, their estimators, and what they add up to."""

import math

import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.models import build_model
from dis_bench.models.betatcvae import ESTIMATORS, decompose_kl, log_density, stratified_weights
from tests.models.reference import CODES, DATASET_SIZE, LOGVAR, MEAN, TOLERANCE, loss_of, terms

ONE = torch.ones((), dtype=torch.float64)
PARTS = {
    "mws": (5.5219424753, 9.5249448100, -13.6414232278),
    "mss": (1.7531985128, 0.1344679026, -0.4822023580),
    "mss_as_published": (1.1987211881, 0.1802601358, 0.0264827336),
}


def parts_of(estimator="mws", dataset_size=DATASET_SIZE, codes=CODES, mean=MEAN, logvar=LOGVAR):
    return [part.item() for part in decompose_kl(codes, mean, logvar, dataset_size, estimator)]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_parts(estimator):
    assert parts_of(estimator) == pytest.approx(PARTS[estimator], **TOLERANCE)


def test_parts_of_the_mixture_of_the_batch_alone():
    expected = (0.9167722893, 0.3146044380, 0.1740873301)
    assert parts_of(dataset_size=ONE) == pytest.approx(expected, **TOLERANCE)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_parts_add_up_to_the_sampled_kl(estimator):
    conditional, prior = log_density(CODES, MEAN, LOGVAR), log_density(CODES, ONE * 0, ONE * 0)
    kl = (conditional - prior).sum(1).mean().item()
    assert kl == pytest.approx(1.4054640575, **TOLERANCE)
    assert sum(parts_of(estimator)) == pytest.approx(kl, **TOLERANCE)


def test_constants_are_those_that_locatello_et_al_leave_out():
    without = parts_of()[1] - 2 * math.log(100 * 4)
    assert without == pytest.approx(-2.4579842842, **TOLERANCE)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_with_all_weights_one_it_is_the_vae(estimator):
    of = terms(reconstruction=3.0, dataset_size=DATASET_SIZE)
    assert loss_of("betatcvae", of, beta=1.0, estimator=estimator) == loss_of("vae", of)


def test_each_weight_multiplies_its_part():
    of = terms(dataset_size=DATASET_SIZE)
    plain = loss_of("betatcvae", of, beta=1.0)
    for name, part in zip(("alpha", "beta", "gamma"), PARTS["mws"], strict=True):
        changed = loss_of("betatcvae", of, **{"beta": 1.0, name: 3.0})
        assert changed - plain == pytest.approx(2 * part, **TOLERANCE)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_single_latent_has_no_total_correlation(estimator):
    one = {"codes": CODES[:, :1], "mean": MEAN[:, :1], "logvar": LOGVAR[:, :1]}
    assert parts_of(estimator, **one)[1] == pytest.approx(0, **TOLERANCE)


@pytest.mark.parametrize("count", [4, 5, 100, 737_280])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_stratified_weights_of_a_row_add_up_to_one(count, size):
    weights = stratified_weights(size, torch.tensor(float(count), dtype=torch.float64))
    assert weights.shape == (size, size)
    assert weights.sum(1).tolist() == pytest.approx([1.0] * size, **TOLERANCE)


def test_stratified_weights_are_those_of_the_paper():
    weights = stratified_weights(4, DATASET_SIZE)
    assert weights[2].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 100, 97 / 300], **TOLERANCE)
    assert weights[3].tolist() == pytest.approx([97 / 300, 1 / 3, 1 / 3, 1 / 100], **TOLERANCE)


def test_rows_of_the_published_weights_do_not():
    rows = stratified_weights(4, DATASET_SIZE, as_published=True).sum(1).tolist()
    assert rows == pytest.approx([1, 1, 1.3133333333, 1], **TOLERANCE)


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_total_correlation_of_gaussian_codes_is_known(correlation):
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(1500, 2, generator=generator, dtype=torch.float64)
    codes[:, 1] = correlation * codes[:, 0] + (1 - correlation**2) ** 0.5 * codes[:, 1]
    logvar = torch.full_like(codes, math.log(0.01))
    noisy = codes + 0.1 * torch.randn(codes.shape, generator=generator, dtype=torch.float64)
    correlated = correlation / 1.01  # of noisy codes
    expected = -0.5 * math.log(1 - correlated**2)
    estimate = parts_of(dataset_size=ONE, codes=noisy, mean=codes, logvar=logvar)[1]
    assert estimate == pytest.approx(expected, abs=0.15)


def test_it_learns_how_many_images_there_are():
    from dis_bench.models.draws import Draws

    model, _ = build_model("betatcvae")
    assert model.draw(Draws(737_280, 8, 10, seed=0))["dataset_size"].item() == 737_280


def test_an_estimator_that_there_is_not_is_refused():
    with pytest.raises(InputError, match=r"unknown estimator 'mvs': .*There are: mss, mss_as_published, mws"):
        build_model("betatcvae", estimator="mvs")
