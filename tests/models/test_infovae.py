"""InfoVAE: a discrepancy of codes from the prior, with the KL or without it."""

import pytest

from dis_bench.errors import InputError
from dis_bench.models import build_model
from dis_bench.models.infovae import KERNELS, similarities, squared_mmd
from tests.models.reference import CODES, KL, MEAN, PRIOR, TOLERANCE, loss_of, terms

OF = terms(reconstruction=3.0, prior=PRIOR)
MMD = {"gaussian": 0.0744519443, "imq": 0.1095369236}


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_discrepancy(kernel):
    assert squared_mmd(CODES, PRIOR, kernel).item() == pytest.approx(MMD[kernel], **TOLERANCE)


def test_it_is_that_of_samples_and_not_of_means():
    assert squared_mmd(MEAN, PRIOR).item() == pytest.approx(0.0582462166, **TOLERANCE)
    assert loss_of("infovae", OF, alpha=1.0, lambda_mmd=1.0) == pytest.approx(
        3 + MMD["gaussian"], **TOLERANCE
    )


def test_without_the_diagonal_the_kernel_gives_the_unbiased_statistic_which_may_be_negative():
    def mean_of_others(ones):
        within = similarities(ones, ones, "gaussian")
        return (within.sum() - within.diagonal().sum()) / (len(ones) * (len(ones) - 1))

    unbiased = (
        mean_of_others(CODES) + mean_of_others(PRIOR) - 2 * similarities(CODES, PRIOR, "gaussian").mean()
    )
    assert unbiased.item() == pytest.approx(-0.1278359374, **TOLERANCE)


@pytest.mark.parametrize("kernel", KERNELS)
def test_it_is_symmetric_and_zero_between_equal_samples(kernel):
    assert squared_mmd(CODES, CODES, kernel).item() == 0
    swapped = squared_mmd(PRIOR, CODES, kernel).item()
    assert swapped == pytest.approx(MMD[kernel], **TOLERANCE)
    assert squared_mmd(CODES, CODES.flip(0) + 1e-3, kernel).item() >= 0


@pytest.mark.parametrize("kernel", KERNELS)
def test_without_alpha_and_with_lambda_one_it_is_the_vae(kernel):
    assert loss_of("infovae", OF, alpha=0.0, lambda_mmd=1.0, kernel=kernel) == loss_of("vae", OF)


@pytest.mark.parametrize("kernel", KERNELS)
def test_weights(kernel):
    loss = loss_of("infovae", OF, alpha=-9.0, lambda_mmd=110.0, kernel=kernel)
    assert loss == pytest.approx(3 + 10 * KL + 100 * MMD[kernel], rel=0, abs=1e-7)


def test_a_reward_for_codes_far_from_the_prior_is_refused():
    with pytest.raises(InputError, match=r"alpha \+ lambda_mmd must be at least 1, .* lambda_mmd 0.001 were"):
        build_model("infovae", alpha=0.0, lambda_mmd=1e-3)


@pytest.mark.parametrize("schedule", ["linear(0,1000,0.5)", "cyclical(0.5,2,4,0.5)"])
def test_no_schedule_rewards_codes_far_from_the_prior_on_its_way(schedule):
    with pytest.raises(InputError, match=r"alpha \+ lambda_mmd must be at least 1"):
        build_model("infovae", alpha=0.0, lambda_mmd=schedule)
    build_model("infovae", alpha=0.0, lambda_mmd=schedule.replace("(0", "(1").replace(".5,2,", ",2,"))
