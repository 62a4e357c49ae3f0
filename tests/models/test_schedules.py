"""Schedules have the values that can be computed by hand, and one text each."""

import math
import random

import pytest

from dis_bench.errors import InputError
from dis_bench.models import build_model
from dis_bench.models.schedules import Cyclical, Linear, read_schedule, split_schedules


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Linear(0.0, 4.0), {0.0: 0.0, 0.25: 1.0, 0.5: 2.0, 1.0: 4.0}),
        (Linear(0.0, 4.0, 0.5), {0.0: 0.0, 0.25: 2.0, 0.5: 4.0, 0.75: 4.0, 1.0: 4.0}),
        (Linear(10.0, 2.0, 0.25), {0.0: 10.0, 0.125: 6.0, 0.25: 2.0, 1.0: 2.0}),
        # Of Fu et al. 2019 with four cycles, a rise of one half, and the steps 0, 5, 12, 20, 24, 25 of 100.
        (Cyclical(0.0, 1.0), {0.0: 0.0, 0.05: 0.4, 0.12: 0.96, 0.2: 1.0, 0.24: 1.0, 0.25: 0.0}),
        (Cyclical(0.0, 1.0, form="cosine"), {0.0: 0.0, 0.0625: 0.5, 0.125: 1.0, 0.2: 1.0, 0.25: 0.0}),
        (
            Cyclical(0.0, 1.0, form="sigmoid"),
            {0.0: 1 / (1 + math.exp(6)), 0.0625: 0.5, 0.125: 1.0, 0.25: 1 / (1 + math.exp(6))},
        ),
        (Cyclical(2.0, 10.0, 2, 1.0), {0.0: 2.0, 0.25: 6.0, 0.5: 2.0, 0.75: 6.0}),
    ],
)
def test_values_are_those_of_the_papers(schedule, values):
    for progress, value in values.items():
        assert schedule(progress) == pytest.approx(value, abs=1e-12), progress


@pytest.mark.parametrize("form", ["linear", "sigmoid", "cosine"])
@pytest.mark.parametrize("cycles", [1, 3, 4])
def test_the_last_cycle_ends_with_the_training(form, cycles):
    assert Cyclical(0.0, 4.0, cycles, 1.0, form)(1.0) == 4.0


def test_rounding_neither_leaves_the_range_nor_moves_what_is_constant():
    chance = random.Random(0)
    for _ in range(2_000):
        low, high = sorted([chance.random(), chance.random()])
        progress = chance.random()
        for schedule in (Linear(low, high), Linear(high, low, 0.3), Cyclical(low, high, 3, 0.7, "cosine")):
            assert low <= schedule(progress) <= high
        assert Linear(high, high)(progress) == Cyclical(high, high)(progress) == high


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("linear(0, 4, .1)", "linear(0,4,0.1)"),
        (" linear (0.0,4.0,1e-1) ", "linear(0,4,0.1)"),
        ("linear(0,4)", "linear(0,4,1)"),
        ("linear(1e-5,0.30000000000000004)", "linear(1e-05,0.30000000000000004,1)"),
        ("cyclical(0,4)", "cyclical(0,4,4,0.5,linear)"),
        ("cyclical(0,4,2,1,cosine)", "cyclical(0,4,2,1,cosine)"),
    ],
)
def test_one_schedule_has_one_text_which_reads_back_as_itself(given, text):
    schedule = read_schedule("beta", given)
    assert str(schedule) == text
    assert read_schedule("beta", text) == schedule


def test_a_constant_is_the_value_itself():
    assert read_schedule("beta", "constant(4)") == 4.0
    assert build_model("betavae", beta="constant(4)")[0].chosen == {"beta": 4.0}


def test_what_is_no_call_is_left_to_the_hyperparameter():
    for given in ("4", 4.0, "word", True, Linear(0.0, 1.0)):
        assert read_schedule("beta", given) is given


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("linaer(0,4)", "unknown schedule of beta 'linaer': did you mean 'linear'?"),
        ("linear(4)", "a schedule of beta must be linear(start,end,share), where the share is 1 if left out"),
        ("linear(0,4,1,1)", "but 'linear(0,4,1,1)' was given"),
        ("linear(0,four)", "but 'four' was given"),
        ("linear(0,)", "but '' was given"),
        ("linear(0,nan)", "the numbers of a schedule of beta must be finite, but 'nan' was given"),
        ("constant()", "a schedule of beta must be constant(value), but '' was given"),
        ("constant(1,2)", "but 'constant(1,2)' was given"),
        ("linear(0,4,0)", "the share of a schedule must be above 0 and at most 1, but 0.0 was given"),
        ("linear(0,4,1.5)", "the share of a schedule must be above 0 and at most 1, but 1.5 was given"),
        ("cyclical(0,4,2.5)", "cycles of a schedule must be a whole number from 1 to 10,000, but 2.5 was"),
        ("cyclical(0,4,4,2)", "the rise of a schedule must be above 0"),
        ("cyclical(0,4,4,1,cos)", "unknown form of a cyclical schedule 'cos': did you mean 'cosine'?"),
        ("linear(-1,4)", "beta must be at least 0, but -1.0 was given"),
        ("linear(4,-1)", "beta must be at least 0, but -1.0 was given"),
        ("linear(0,4", "beta must be a number, but 'linear(0,4' was given"),
    ],
)
def test_what_is_no_schedule_is_refused_in_a_sentence(given, sentence):
    with pytest.raises(InputError) as refusal:
        build_model("betavae", beta=given)
    assert sentence in str(refusal.value)


def test_only_floats_follow_schedules():
    with pytest.raises(InputError, match=r"levels must be a whole number, but 'linear\(1,4\)' was given"):
        build_model("qlae", levels="linear(1,4)")
    with pytest.raises(InputError, match=r"unknown estimator 'linear\(1,4\)'"):
        build_model("betatcvae", estimator="linear(1,4)")


def test_a_model_has_the_end_value_and_the_schedule():
    model, _ = build_model("annealedvae", gamma="linear(1,100,0.5)")
    assert model.gamma == model.values["gamma"] == 100.0
    assert model.schedules == {"gamma": Linear(1.0, 100.0, 0.5)}
    ends, texts = split_schedules(model.chosen)
    assert ends == {"capacity": 25.0, "gamma": 100.0, "share": 1 / 3}
    assert texts == {"gamma": "linear(1,100,0.5)"}
