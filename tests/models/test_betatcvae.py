"""Beta-TCVAE: the parts of the KL, their estimators, and what they add up to."""

import math

import pytest
import torch

from dis_bench.datasets.holdout import find_holdout
from dis_bench.errors import InputError
from dis_bench.models import build_model
from dis_bench.models.betatcvae import ESTIMATORS, decompose_kl, log_density, stratified_weights
from dis_bench.models.draws import Draws
from dis_bench.runners.study import Study
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
def test_the_log_has_no_constant_of_the_number_of_images(estimator):
    found = []
    for size in (DATASET_SIZE, ONE * 8):
        model, _ = build_model(
            "betatcvae", latent_size=3, alpha=2.0, beta=4.0, gamma=0.5, estimator=estimator
        )
        of = terms(reconstruction=3.0, dataset_size=size)
        measures = model.measures(of, model.loss(of))
        found.append(measures["weighted_kl"].item())
        assert measures["reconstruction"].mean().item() == 3.0
    if estimator == "mws":  # the parts of the mixture of the batch alone
        kl = terms().kl.sum(1).mean().item()
        parts = parts_of(dataset_size=ONE)
        assert found == pytest.approx(2 * [kl + parts[0] + 3 * parts[1] - 0.5 * parts[2]], **TOLERANCE)
    else:
        of = terms(dataset_size=ONE * 8)
        weights = {"alpha": 2.0, "beta": 4.0, "gamma": 0.5, "estimator": estimator}
        assert found[1] == pytest.approx(loss_of("betatcvae", of, **weights), **TOLERANCE)


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


def test_it_learns_how_many_images_it_trains_on():
    model, _ = build_model("betatcvae")
    assert model.draw(Draws(737_280, 8, 10, seed=0))["dataset_size"].item() == 737_280
    holdout = find_holdout(3_000_000, 0.1)
    draws = Draws(3_000_000, 8, 10, seed=0, keeps=holdout.keeps)
    assert model.draw(draws)["dataset_size"].item() == 3_000_000 - holdout.size


def test_the_number_of_images_changes_no_gradient_of_equal_weights():
    """Nor those of cells with a holdout, whose images that are held out once counted."""
    gradients = []
    for size in (4.0, 100.0, 737_280.0):
        mean, logvar = (part.clone().requires_grad_() for part in (MEAN, LOGVAR))
        parts = decompose_kl(CODES - MEAN + mean, mean, logvar, size * ONE)
        gradients.append(torch.autograd.grad(parts.total_correlation, [mean, logvar]))
    for other in gradients[1:]:
        torch.testing.assert_close(other, gradients[0])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_too_few_images_for_a_batch_are_refused_when_planned(estimator):
    def plan(batch_size):
        settings = {"betatcvae.estimator": sorted({"mws", estimator}, reverse=True)}
        options = {"datasets": ["tests.tiny:Tiny"], "metrics": (), "seeds": 1, "settings": settings}
        Study(models=["betatcvae"], batch_size=batch_size, **options).plan()

    plan(257)  # 256 images; those of a batch are drawn with replacement
    if estimator == "mws":
        plan(258)
        return
    sentence = (
        rf"'betatcvae' on dataset 'tiny' .*: estimator {estimator} needs .* 256 for a batch_size of 258;"
    )
    with pytest.raises(InputError, match=sentence):
        plan(258)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_with_the_fewest_images_parts_and_gradients_are_finite(estimator):
    mean = MEAN.clone().requires_grad_()
    parts = decompose_kl(CODES - MEAN + mean, mean, LOGVAR, 3 * ONE, estimator)
    [gradient] = torch.autograd.grad(sum(parts), mean)
    assert all(part.isfinite() for part in (*parts, *gradient.flatten()))


def test_an_estimator_that_there_is_not_is_refused():
    with pytest.raises(InputError, match=r"unknown estimator 'mvs': .*There are: mss, mss_as_published, mws"):
        build_model("betatcvae", estimator="mvs")
