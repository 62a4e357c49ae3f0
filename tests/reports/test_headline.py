"""The answer in words claims what the numbers allow, and no more."""

import pytest

from dis_bench.reports.headline import EACH_SCORE, MODELS, MOST_ANSWERS, OTHER_DIALS, write_headlines
from dis_bench.reports.tables import in_use

CLEAR = {1.0: [(20, 0.10), (21, 0.11), (22, 0.12)], 10.0: [(50, 0.30), (51, 0.31), (52, 0.32)]}
NOISE = {1.0: [(20, 0.10), (21, 0.20), (22, 0.30)], 10.0: [(50, 0.15), (51, 0.25), (52, 0.35)]}
WHEN = "After 3,000 of the published 300,000 steps, "


def values(cells):
    return {
        (beta, seed): {"reconstruction": float(nats), "mig": mig}
        for beta, some in cells.items()
        for seed, (nats, mig) in enumerate(some)
    }


@pytest.fixture
def headlines(study, tabulated):
    def write(**options):
        [setting], [table], quantities = tabulated(study(**options))
        return write_headlines(setting, table, in_use(table, quantities))

    return write


def test_a_clear_trade(headlines):
    [answer] = headlines(betas=[10, 1], values=values(CLEAR))
    assert answer.levels == (1.0, 10.0)
    assert answer.sentences[0] == (
        f"{WHEN}raising β from 1 to 10 costs 30.0 ± 1.4 nats of reconstruction and buys 0.200 ± 0.014 of MIG "
        "(3 seeds each)."
    )


def test_a_gain_within_the_spread_is_no_gain(headlines):
    [answer] = headlines(betas=[1, 10], values=values(NOISE))
    assert answer.sentences[0] == (
        f"{WHEN}raising β from 1 to 10 costs 30.0 ± 1.4 nats of reconstruction (3 seeds each); MIG changes "
        "by +0.050 ± 0.141, within the spread over seeds: no ordering claimed."
    )
    [mig] = [contrast for contrast in answer.contrasts if contrast.quantity.name == "mig"]
    assert mig.verdict == "within the spread"
    assert mig.best == "β = 10, not separated from 1"


def test_nothing_beyond_the_spread(headlines):
    flat = {beta: [(20, 0.1), (30, 0.2), (40, 0.3)] for beta in (1.0, 10.0)}
    [answer] = headlines(betas=[1, 10], values=values(flat))
    assert answer.sentences[0] == (
        f"{WHEN}raising β from 1 to 10 changes reconstruction by +0.0 ± 14.1 nats and MIG by +0.000 ± 0.141 "
        "(3 seeds each): within the spread over seeds, no ordering claimed."
    )


@pytest.mark.parametrize(
    ("seeds", "first"),
    [
        (1, "changes reconstruction by +30.0 nats and MIG by +0.200 (1 seed each)"),
        (2, "changes reconstruction by +30.0 ± 1.0 nats and MIG by +0.200 ± 0.010 (2 seeds each)"),
    ],
)
def test_too_few_seeds_claim_nothing(headlines, seeds, first):
    [answer] = headlines(betas=[1, 10], seeds=range(seeds), values=values(CLEAR))
    assert answer.sentences[0] == f"{WHEN}raising β from 1 to 10 {first}: too few seeds, no ordering claimed."
    text = " ".join([*answer.sentences, *(c.verdict for c in answer.contrasts)])
    assert not any(word in text for word in ("better", "worse", "costs", "buys", "rises", "falls"))


def test_a_failed_seed_counts_against_the_claim(headlines):
    [answer] = headlines(betas=[1, 10], values=values(CLEAR), failed=[(10.0, 2)])
    assert "(3 and 2 seeds): too few seeds" in answer.sentences[0]


def test_a_loss_is_called_a_loss(headlines):
    swapped = {1.0: CLEAR[10.0], 10.0: CLEAR[1.0]}
    [answer] = headlines(betas=[1, 10], values=values(swapped))
    assert answer.sentences[0] == (
        f"{WHEN}raising β from 1 to 10 buys 30.0 ± 1.4 nats of reconstruction and costs 0.200 ± 0.014 of MIG "
        "(3 seeds each)."
    )


def test_the_other_scores_are_told_too(headlines):
    sap = {(beta, seed): {"sap": 0.01 * beta + 0.001 * seed} for beta in (1.0, 10.0) for seed in range(3)}
    [answer] = headlines(betas=[1, 10], noise=0, values=sap)
    assert "Also better:" in answer.sentences[1]
    assert "SAP (+0.090 ± 0.001)" in answer.sentences[1]
    assert answer.sentences[2].startswith("Worse: DCI informativeness")


def test_one_configuration_has_nothing_to_compare(headlines):
    [answer] = headlines(betas=[4], seeds=[0], values={(4.0, 0): {"reconstruction": 21.0, "mig": 0.2}})
    assert answer.sentences == [
        f"{WHEN}betavae, β = 4 reaches reconstruction 21.0 nats and MIG 0.200 (1 seed). "
        "One configuration: nothing to compare."
    ]


def test_models_without_beta_are_compared_by_the_same_rule(headlines, study):
    study(betas=[None], model="vae", values={(None, s): {"mig": 0.9 + 0.01 * s} for s in range(3)})
    answer, scores = headlines(betas=[None], model="mine", values={(None, s): {"mig": 0.1} for s in range(3)})
    assert scores.series == EACH_SCORE
    assert answer.sentences[0] == f"{WHEN}the best MIG is that of vae: 0.910 ± 0.010."
    assert "reconstruction" in answer.sentences[1]


def test_all_failed_is_said_in_words(headlines):
    [answer] = headlines(betas=[1, 4], seeds=[0], failed=[(1.0, 0), (4.0, 0)])
    assert answer.sentences == [
        "No cell finished: all 2 failed (the loss is not finite at step 120: loss = nan)."
    ]


def test_each_series_gets_its_own_answer(headlines, study):
    study(model="betatcvae", betas=[1, 4])
    answers = headlines(model="betavae", betas=[1, 10])
    assert [(answer.series, answer.levels) for answer in answers] == [
        (MODELS, ()),
        (EACH_SCORE, ()),
        ("betatcvae", (1, 4)),
        ("betavae", (1, 10)),
    ]


@pytest.mark.parametrize(
    ("steps", "when"),
    [
        (1, "After 1 of the published 300,000 steps, "),
        (1_200, "After 1,200 of the published 300,000 steps, "),
        (299_999, "After 299,999 of the published 300,000 steps, "),
        (300_000, "After 300,000 steps, "),
        (1_000_000, "After 1,000,000 steps, "),
    ],
)
@pytest.mark.parametrize("cells", [{"betas": [1, 4]}, {"betas": [4]}, {"betas": [4], "seeds": [0]}])
def test_every_answer_says_after_how_many_steps_it_holds(headlines, cells, steps, when):
    [answer] = headlines(**cells, steps=steps)
    assert answer.sentences[0].startswith(when)
    assert not answer.sentences[1:] or "steps" not in " ".join(answer.sentences[1:])


def test_a_dial_other_than_beta_gets_an_answer(headlines, study):
    for gamma, cells in ((40.0, CLEAR[10.0]), (5.0, CLEAR[1.0])):
        study(model="factorvae", betas=[None], others={"gamma": gamma}, values=values({None: cells}))
    [answer] = headlines(
        model="factorvae", betas=[None], others={"gamma": 20.0}, values=values({None: CLEAR[1.0]})
    )
    assert (answer.dial, answer.levels) == ("gamma", (5, 40))
    assert answer.sentences[0] == (
        f"{WHEN}raising gamma from 5 to 40 costs 30.0 ± 1.4 nats of reconstruction and buys 0.200 ± 0.014 of "
        "MIG (3 seeds each)."
    )
    assert {contrast.best for contrast in answer.contrasts if contrast.quantity.name == "mig"} == {
        "gamma = 40"
    }


def test_the_best_of_each_model_is_compared_by_the_ordering_rule(headlines, study):
    study(model="vae", betas=[None], values=values({None: CLEAR[1.0]}))
    study(model="mine", betas=[None], others={"gamma": 5.0}, values=values({None: CLEAR[10.0]}))
    comparison, _, *answers = headlines(
        model="betavae", betas=[1, 4], values=values({1: CLEAR[1.0], 4: NOISE[10.0]})
    )
    assert [answer.series for answer in answers] == ["betavae"]
    assert comparison.sentences == [
        f"{WHEN}the best mean of MIG of 3 models is that of mine: 0.310 ± 0.010, but betavae is not "
        "separated from it: no ordering claimed.",
        "The best MIG of each model: mine (0.310 ± 0.010); betavae, β = 4 (0.250 ± 0.100); "
        "vae (0.110 ± 0.010).",
        "Their reconstruction: mine (51.0 ± 1.0 nats); betavae, β = 4 (51.0 ± 1.0 nats); "
        "vae (21.0 ± 1.0 nats).",
        "Each is the best of 1 to 2 configurations, and the best of many is partly luck.",
    ]


def test_a_model_that_is_separated_from_all_others_is_called_the_best(headlines, study):
    study(model="vae", betas=[None], values=values({None: CLEAR[1.0]}))
    comparison, *_ = headlines(model="betavae", betas=[1, 10], values=values(CLEAR))
    assert (
        comparison.sentences[0]
        == f"{WHEN}the best MIG of 2 models is that of betavae, β = 10: 0.310 ± 0.010."
    )


def test_words_are_compared_as_configurations(headlines, study):
    study(model="mine", betas=[None], others={"beta": "weak"}, values=values({None: CLEAR[1.0]}))
    [answer] = headlines(
        model="mine", betas=[None], others={"beta": "strong"}, values=values({None: CLEAR[10.0]})
    )
    assert answer.sentences[0].endswith("the best MIG is that of mine, beta = strong: 0.310 ± 0.010.")


def test_many_series_are_told_of_the_best_ones_and_say_so(headlines, study):
    for gamma in range(2, 12):
        mig = {(beta, seed): {"mig": gamma / 100} for beta in (1, 4) for seed in range(3)}
        study(model="betatcvae", betas=[1, 4], others={"gamma": float(gamma)}, values=mig)
    _, _, *answers = headlines(model="betavae", betas=[1, 4], values=values({1: CLEAR[1.0], 4: CLEAR[1.0]}))
    assert [answer.series for answer in answers] == [
        *(f"betatcvae, gamma = {gamma}" for gamma in (7, 8, 9, 10, 11)),
        "betavae",
    ]
    assert answers[-1].sentences[-1] == (
        "Only 6 of 11 series are described here (the best by mean MIG, one of each model first); the "
        "table has all."
    )


def test_each_model_with_a_dial_has_at_least_a_sentence(headlines, study):
    for number in range(MOST_ANSWERS + 2):
        mig = {(beta, seed): {"mig": 0.12 + number / 100} for beta in (1, 4) for seed in range(3)}
        study(model=f"model{number}", betas=[1, 4], values=mig)
    *_, last = headlines(model="betavae", betas=[1, 4], values=values({1: CLEAR[1.0], 4: CLEAR[1.0]}))
    assert last.series == OTHER_DIALS
    assert last.sentences == [f"{WHEN}the dials of 3 more models have these effects."]
    assert [sentence.partition(":")[0] for sentence in last.listed] == ["model1", "model0", "betavae"]
    assert all(": raising β from 1 to 4 " in sentence for sentence in last.listed)


def test_the_best_model_of_each_score_has_a_sentence(headlines, study):
    study(model="vae", betas=[None], values=values({None: CLEAR[1.0]}))
    [answer] = [
        one
        for one in headlines(model="betavae", betas=[1, 10], values=values(CLEAR))
        if one.series == EACH_SCORE
    ]
    assert answer.sentences[0].startswith(f"{WHEN}one model is separated from all others in ")
    assert "MIG (betavae, β = 10)" in answer.sentences[0]
    assert (
        "MIG: betavae, β = 10 (0.310 ± 0.010, n = 3) is best, separated from the next, "
        "vae (0.110 ± 0.010, n = 3)." in answer.listed
    )
    assert len(answer.listed) == 7  # six scores and reconstruction


def test_trainings_that_may_end_early_have_at_most_these_steps(study, tabulated):
    records = study(betas=[4])
    for record in records:
        record["cell"]["early_stop"] = 500
    [setting], [table], quantities = tabulated(records)
    [answer] = write_headlines(setting, table, in_use(table, quantities))
    assert answer.sentences[0].startswith("After at most 3,000 of the published 300,000 steps, betavae")
    assert setting.title == "dsprites (rendered), at most 3,000 steps"


def test_each_quantity_has_the_number_of_its_own_seeds(study, tabulated):
    records = study(betas=[1, 10], seeds=range(4))
    for record in records:
        if record["cell"]["seed"] == 0:
            del record["scores"]["mig"]
    [setting], [table], quantities = tabulated(records)
    [answer] = write_headlines(setting, table, in_use(table, quantities))
    first = answer.sentences[0]
    assert first.count("(4 seeds each)") == first.count("(3 seeds each)") == 1
    assert first.index("reconstruction (4 seeds") < first.index("MIG")
    one = [record for record in records if record["cell"]["hyperparameters"]["beta"] == 1]
    [setting], [table], quantities = tabulated(one)
    [answer] = write_headlines(setting, table, in_use(table, quantities))
    assert " nats (4 seeds) and MIG " in answer.sentences[0]
    assert " (3 seeds). One configuration" in answer.sentences[0]


@pytest.mark.parametrize(
    ("lacking", "rest"),
    [
        ("d", "2 of 2 other configurations are not separated from it"),
        ("cd", "the other configuration is not separated from it"),
        ("bcd", "no other configuration has a value"),
    ],
)
def test_configurations_without_a_value_are_no_rivals(lacking, rest, study, tabulated):
    for model in "abcd":
        records = study(
            model=model, betas=[None], values={(None, seed): {"mig": seed / 10} for seed in range(3)}
        )
    for record in records:
        if record["cell"]["model"] in lacking:
            del record["scores"]["mig"]
    [setting], [table], quantities = tabulated(records)
    first = write_headlines(setting, table, in_use(table, quantities))[0].sentences[0]
    assert first == (f"{WHEN}the best mean of MIG is that of a: 0.100 ± 0.100; {rest}, no ordering claimed.")


def test_the_best_of_a_model_is_one_of_its_configurations_with_a_value(study, tabulated):
    study(model="a", betas=[1, 4])
    records = study(model="b", betas=[1, 4, 10])
    for record in records:
        if record["cell"]["hyperparameters"]["beta"] == 10:
            del record["scores"]["mig"]
    [setting], [table], quantities = tabulated(records)
    answer = write_headlines(setting, table, in_use(table, quantities))[0]
    assert answer.sentences[-1].startswith("Each is the best of 2 configurations, ")
