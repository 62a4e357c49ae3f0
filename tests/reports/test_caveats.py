"""Each caveat appears when it is warranted, and only then."""

import pytest

from dis_bench.reports.anchors import gather_anchors
from dis_bench.reports.caveats import find_caveats
from tests.reports.made_up import PROTOCOL, write_anchors

# A study without flaws: many seeds, the published budget, the official file, no score with a known limit.
SOUND = {
    "betas": [4],
    "seeds": range(10),
    "steps": 300_000,
    "source": "official",
    "protocol": {"dci": PROTOCOL["dci"]},
}


def test_a_training_that_is_long_enough_for_an_order_is_only_shorter_than_the_published(study):
    [caveat] = find_caveats(study(**{**SOUND, "steps": 30_000}))
    assert caveat.startswith("Training ran for 30,000 steps, fewer than the 300,000")
    assert "turned" not in caveat


def test_sound_results_have_no_caveat(study):
    assert find_caveats(study(**SOUND)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": [0]}, "Every configuration has one seed"),
        ({"seeds": range(2)}, "fewer than 3 finished seeds"),
        ({"seeds": range(3)}, "in about 16% of comparisons"),
        ({"seeds": range(5)}, "in about 6% of comparisons"),
        ({"steps": 3000}, "3,000 steps, fewer than the 300,000 of the published study"),
        (
            {"steps": 3000},
            "ranking of configurations still changed before 10,000 steps, and in some scores after that",
        ),
        ({"source": "rendered"}, "bit-exact; this is not proven for all 737,280"),
        ({"source": "rendered", "dataset": "shapes3d"}, "mean absolute error is about 1 of 255"),
        ({"protocol": {"mig": PROTOCOL["mig"]}}, "on dsprites, with the protocol used here, a perfect code"),
        ({"protocol": {"mig": PROTOCOL["mig"]}}, "(the factors themselves) scores MIG about 0.895. Read"),
        ({"protocol": {"sap": PROTOCOL["sap"]}}, "scores SAP about 0.245. Read"),
        ({"protocol": {"betavae_score": PROTOCOL["betavae_score"]}}, "hardly sees rotation"),
        (
            {"values": {(4, 3): {"active_latents": 0.0}}},
            "1 cell has no active latent (one whose mean code varies by more than 0.01)",
        ),
        (
            {"seeds": range(11), "failed": [(4, 3)]},
            "1 cell failed and is in no mean: dsprites, betavae, β = 4, seed 3",
        ),
    ],
)
def test_a_fault_gives_its_caveat_and_no_other(study, change, words):
    [caveat] = find_caveats(study(**{**SOUND, **change}))
    assert words in caveat


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"protocol": {"mig": {**PROTOCOL["mig"], "bins": 40}}}, "mig bins=40"),
        ({"protocol": {"mig": {**PROTOCOL["mig"], "rows": 300}}}, "mig rows=300"),
        ({"protocol": {"sap": {**PROTOCOL["sap"], "train": 300}}}, "sap train=300"),
        ({"protocol": {"mig": PROTOCOL["mig"], "sap": PROTOCOL["sap"]}, "dataset": "shapes3d"}, ""),
        ({"dataset": "cars3d", "source": "rendered"}, ""),
    ],
)
def test_limits_of_dsprites_are_said_of_dsprites_only(study, change, changed):
    expected = [f"Not scored with the published protocol: {changed}."] if changed else []
    assert find_caveats(study(**{**SOUND, **change})) == expected


def test_collapse_is_a_word_for_latents_without_kl_alone(study):
    records = study(**{**SOUND, "values": {(4, 0): {"active_latents": 0.0}}})
    [caveat] = [caveat for caveat in find_caveats(records) if "active latent" in caveat]
    assert "collapse" not in caveat
    assert "0.01" in caveat


def test_scores_from_fewer_images_are_named(study):
    records = study(**SOUND)
    for record in records:
        record["small"] = ["mig", "sap"]
    [caveat] = find_caveats(records)
    assert caveat.startswith(f"{records[0]['cell']['dataset']} has fewer images than the published protocol")
    assert "mig, sap are comparable only" in caveat
    for record in records:
        record["small"] = ["heldout_mig"]
    [caveat] = find_caveats(records)
    assert "holds out fewer images than the published protocol reads: heldout_mig" in caveat


@pytest.fixture
def ceiling(study, tmp_path):
    """Return a function that lists a sound study's caveats with the given anchors."""

    def find(*anchors, **change):
        protocol = {name: PROTOCOL[name] for name in ("mig", "sap", "dci")}
        records = study(**{**SOUND, "protocol": protocol, **change})
        for scores in anchors:
            write_anchors(tmp_path / "results", scores)
        return find_caveats(records, [], gather_anchors(tmp_path / "results", problems=[]))

    return find


def test_ceilings_are_those_of_the_anchors(ceiling):
    [caveat] = ceiling({"mig": (0.8, 0.0)}, {"sap": (0.25, 0.0)}, {"dci_completeness": (0.951, 0.0)})
    assert "a perfect code (the factors themselves) scores MIG 0.800, SAP 0.250. Read these" in caveat


def test_what_reaches_its_top_has_no_ceiling(ceiling):
    assert ceiling({"mig": (0.96, 0.0)}, {"sap": (1.0, 0.0)}) == []


def test_an_anchor_that_is_missing_leaves_the_published_ceiling(ceiling):
    [caveat] = ceiling({"mig": (0.8, 0.0)})
    assert "scores MIG 0.800, SAP about 0.245. Read" in caveat


def test_settings_that_share_their_ceilings_share_a_sentence(ceiling):
    ceiling({"mig": (0.8, 0.0)}, {"sap": (0.25, 0.0)})
    caveats = ceiling(steps=400_000)
    assert sum("scores MIG 0.800, SAP 0.250" in caveat for caveat in caveats) == 1


def test_codes_that_a_metric_leaves_out_are_those_of_configurations(study):
    records = study(**{**SOUND, "betas": [4, 16, 100]})
    for number, record in enumerate(records):
        if record["cell"]["hyperparameters"]["beta"] > 4:
            record["left_out"] = {"dci": 4 if number % 2 else 3}
    [caveat] = [caveat for caveat in find_caveats(records) if "leaves out" in caveat]
    assert "of betavae, β = 16 (3 to 4 of 10); betavae, β = 100 (3 to 4 of 10), which" in caveat


def test_metrics_that_failed_are_gathered_by_metric_and_reason(study):
    records = study(**SOUND)
    for number in (0, 3, 4):
        records[number]["unscored"] = {"mig": "InputError: mig wants 10,000 rows, but there are 256."}
    records[3]["unscored"]["my_score"] = "ZeroDivisionError: division by zero"
    names = [f"dsprites, betavae, β = 4, seed {records[number]['cell']['seed']}" for number in (0, 3, 4)]
    assert find_caveats(records) == [
        f"MIG gave no score of 3 cells: {'; '.join(names)}. "
        "Reason: InputError: mig wants 10,000 rows, but there are 256.",
        f"my_score gave no score of 1 cell: {names[1]}. Reason: ZeroDivisionError: division by zero.",
    ]


def test_metrics_that_need_factors_are_named_by_their_labels(study):
    records = study(**SOUND)
    for record in records:
        record["unscored"] = dict.fromkeys(
            ("betavae_score", "mig", "dci", "mine"), "it needs factors, but there are none."
        )
    assert find_caveats(records) == [
        "Left empty: β-VAE score, MIG, DCI, mine. Each needs factors, but there are none."
    ]


@pytest.mark.parametrize("damaged", [None, [], "mig", 3])
def test_a_record_whose_unscored_is_damaged_has_no_caveat_of_it(study, damaged):
    records = study(**SOUND)
    records[0]["unscored"] = damaged
    assert find_caveats(records) == []


def test_sources_that_stand_side_by_side(study):
    study(**SOUND)
    caveats = " ".join(find_caveats(study(**{**SOUND, "source": "rendered"})))
    assert "dsprites comes from 2 sources (official, rendered)" in caveats
    assert "fall into 2 settings" in caveats


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("torch", "different versions of torch: 2.13.0 (10 cells), 2.12.0 (10 cells)"),
        ("dis_bench", "different versions of dis_bench"),
        ("device", "different device: cpu (10 cells), 2.12.0 (10 cells)"),
        ("kernels", "different kernels: torch (10 cells), 2.12.0 (10 cells)"),
        ("instructions", "different instructions: AVX512 (10 cells), 2.12.0 (10 cells)"),
    ],
)
def test_versions_and_devices_that_differ(study, name, words):
    study(**SOUND)
    records = study(**{**SOUND, "seeds": range(10, 20), "environment": {name: "2.12.0"}})
    [caveat] = find_caveats(records)
    assert words in caveat


def test_a_cell_that_was_trained_further_elsewhere(study):
    records = study(**SOUND)
    records[3]["environment"] = {
        **records[3].get("environment", {}),
        "earlier": [{"until": 9, "kernels": "torch"}],
    }
    [caveat] = find_caveats(records)
    assert caveat.startswith(
        "1 cell was stopped and trained further on other hardware or with other versions"
    )


def test_few_of_many_have_too_few_seeds(study):
    study(**SOUND)
    [caveat] = find_caveats(study(**{**SOUND, "betas": [1], "seeds": [0]}))
    assert caveat.startswith("1 of 2 configurations has fewer than 3 finished seeds")


def test_failures_are_gathered_by_reason_and_shortened(study):
    failed = [(beta, seed) for beta in (1.0, 4.0, 10.0) for seed in range(3)]
    caveats = find_caveats(study(failed=failed))
    assert caveats[0].startswith("9 cells failed and are in no mean: dsprites, betavae, β = 1, seed 0;")
    assert "and 3 more. Reason: the loss is not finite at step 120: loss = nan." in caveats[0]


def test_unreadable_records_are_told(study):
    problem = "results/cells/x/record.json is corrupt (JSONDecodeError: ...); skipped."
    assert find_caveats(study(**SOUND), [problem]) == [problem]


def test_trainings_that_ended_early_are_counted_with_their_steps(study):
    records = study(**{**SOUND, "steps": 3000})
    for record in records:
        seed = record["cell"]["seed"]
        record["cell"]["early_stop"] = 500
        stopped = min(3000, 2600 + 100 * seed)
        record["adapted"] = {"stopped_at": stopped, "scored_at": stopped - 500}
    steps, stops = find_caveats(records)
    assert "Training ran for at most 3,000 steps" in steps
    assert stops == (
        "With --early-stop, trainings took 2,600 to 3,000 steps (4 of 10 ended early). The weights that are "
        "scored are those after 2,100 to 2,500 steps, when the reconstruction of held-out images was best."
    )


def test_chance_is_told_beside_a_configuration_of_one_seed(study):
    study(**{**SOUND, "seeds": range(4)})
    few, rough = find_caveats(study(**{**SOUND, "betas": [8], "seeds": [0]}))
    assert few.startswith("1 of 2 configurations has fewer than 3 finished seeds")
    assert rough.startswith("The spread is that of 4 seeds, which")
