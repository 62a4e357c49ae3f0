"""The card of an exported cell says how long it trained."""

import pytest

from dis_bench.reports.card import write_card


@pytest.mark.parametrize(
    ("adapted", "words"),
    [
        ({}, "for 3,000 steps; "),
        ({"stopped_at": 1200, "scored_at": 700}, "for 1,200 steps (its weights are those after 700); "),
        ({"stopped_at": 3000, "scored_at": 3000}, "for 3,000 steps; "),
    ],
)
def test_the_steps_are_those_that_were_taken(study, adapted, words):
    [record] = study(betas=[4], seeds=[0])
    card = write_card(record | {"adapted": adapted}, False, "It has no pictures.")
    assert f"Trained with dis-bench {words}" in card


def test_scores_of_one_label_have_their_columns_beside_it(study):
    [record] = study(betas=[4], seeds=[0])
    metrics = {name: {"label": {name: "Mine"}} for name in ("mig", "sap")}
    card = write_card(record | {"declared": {"metrics": metrics}}, False, "It has no pictures.")
    assert "| Mine (mig) |" in card
    assert "| Mine (sap) |" in card
