"""The best model of each score, and what is said of the next ones."""

import pytest

from dis_bench.records.record import read_records
from dis_bench.reports.best import find_best_models, say_best_models
from tests.reports.made_up import write_study


@pytest.fixture
def said(tmp_path, tabulated):
    """Return a function from MIG by model and seed to the summary and the sentence on MIG."""

    def say(models):
        for model, scores in models.items():
            values = {(None, seed): {"mig": mig} for seed, mig in enumerate(scores)}
            seeds = range(len(scores))
            write_study(tmp_path, betas=[None], seeds=seeds, model=model, values=values, pictures=False)
        _, [table], quantities = tabulated(read_records(tmp_path)[0])
        quantities = [quantity for quantity in quantities if quantity.name == "mig"]
        summary, [sentence] = say_best_models(find_best_models(table, quantities))
        return summary, sentence

    return say


BEST = [0.50, 0.51, 0.52]


def test_a_model_that_is_separated_from_all_is_best(said):
    assert said({"a": BEST, "b": [0.1, 0.11, 0.12, 0.13], "c": [0.0, 0.01, 0.02]}) == (
        "one model is separated from all others in 1 of 1 quantity: MIG (a).",
        "MIG: a (0.510 ± 0.010, n = 3) is best, separated from the next, b (0.115 ± 0.013, n = 4).",
    )


def test_no_ordering_is_claimed_against_the_next(said):
    assert said({"a": BEST, "b": [0.49, 0.50, 0.51], "c": [0.0, 0.01, 0.02], "d": [0.2, 0.5, 0.8]}) == (
        "no model is separated from all others in MIG: no ordering claimed.",
        "MIG: a (0.510 ± 0.010, n = 3) has the best mean, not separated from the next, "
        "b (0.500 ± 0.010, n = 3), nor from d: no ordering claimed.",
    )


def test_the_next_may_be_separated_and_another_not(said):
    _, sentence = said({"a": BEST, "b": [0.3, 0.31, 0.32], "wide": [0.0, 0.3, 0.59]})
    assert sentence == (
        "MIG: a (0.510 ± 0.010, n = 3) is separated from the next, b (0.310 ± 0.010, n = 3), but not from "
        "wide: no ordering claimed."
    )


def test_too_few_seeds_separate_nothing(said):
    _, sentence = said({"a": BEST, "b": [0.1, 0.1]})
    assert sentence.endswith("not separated from the next, b (0.100 ± 0.000, n = 2): no ordering claimed.")


def test_one_model_with_a_value_has_nothing_to_beat(said):
    summary, sentence = said({"a": BEST})
    assert sentence == "MIG: a (0.510 ± 0.010, n = 3), the only model with a value."
    assert summary.startswith("no model is separated")
