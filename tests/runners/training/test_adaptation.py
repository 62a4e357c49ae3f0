"""Rates fall and trainings end when the reconstruction of held-out images no longer improves."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.records.seal import read_record
from dis_bench.runners.engines.sizes import is_stackable
from dis_bench.runners.job import Job
from dis_bench.runners.run import build_pipeline, run_study
from dis_bench.runners.training.adaptation import Adaptation
from dis_bench.runners.training.checkpoints import Checkpoints
from dis_bench.runners.training.loop import train
from dis_bench.runners.training.plateau import read_plateau
from tests.models.cells import SMALL, prepare_cell
from tests.runners.test_run import TINY
from tests.runners.training.test_checkpoints import through_a_file, train_until


def prepare(model="betavae", holdout=0.25, lr_schedule="", early_stop=0, **options):
    one = prepare_cell(model, **options)
    cell = dataclasses.replace(one.cell, holdout=holdout, lr_schedule=lr_schedule, early_stop=early_stop)
    return dataclasses.replace(one, cell=cell)


def adapt(lr=1e-2, **options):
    """Return an adaptation of one weight, its optimiser and the weight."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.AdamW([{"params": [weight], "lr": lr}, {"params": [], "lr": 10 * lr}])
    return Adaptation(prepare(**options).cell, optimiser, {"weight": weight}), optimiser, weight


def losses(seed):
    """Return losses that fall, then wander; one of them is no number."""
    steps = np.random.default_rng(seed).normal(-0.02, 0.1, 60)
    return [*np.exp(np.cumsum(steps)), float("nan"), 0.5]


@pytest.mark.parametrize("seed", range(5))
def test_rates_are_those_of_torch_with_patience_in_measurements(seed):
    every, patience, threshold = 7, 3, 0.01
    text = f"plateau(0.5,{every * patience},{threshold})"
    ours, optimiser, _ = adapt(steps=1000, lr_schedule=text)
    theirs = torch.optim.AdamW([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 1e-2}])
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        theirs, factor=0.5, patience=patience, threshold=threshold
    )
    for number, loss in enumerate(losses(seed), 1):
        ours.consider(every * number, loss)
        plateau.step(loss)
        assert optimiser.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"])
        assert optimiser.param_groups[1]["lr"] == pytest.approx(10 * theirs.param_groups[0]["lr"])
    assert len(ours.describe(1000)["lr_fell_at"]) > 1


def test_a_training_ends_after_its_patience_and_keeps_the_best_weights():
    ours, _, weight = adapt(steps=100, early_stop=30)
    for step, loss in [(10, 5.0), (20, 4.0), (30, float("nan")), (40, 4.0), (50, 4.5)]:
        assert not ours.has_stopped
        weight.data.fill_(step)
        ours.consider(step, loss)
    assert ours.has_stopped
    ours.keep_best()
    assert weight.item() == 20
    said = ours.describe(50)
    assert (said["stopped_at"], said["scored_at"]) == (50, 20)
    assert said["reason"].endswith("lowest after step 20, and not lower in the 30 steps after it")


def test_a_training_that_goes_on_improving_takes_all_steps():
    ours, _, _ = adapt(steps=40, early_stop=10)
    for step in (10, 20, 30, 40):
        ours.consider(step, -float(step))
    assert not ours.has_stopped
    said = ours.describe(40)
    assert (said["stopped_at"], said["scored_at"]) == (40, 40)
    assert said["reason"].endswith("took all of its steps")


# A rate at which the reconstruction of held-out images soon gets worse.
WILD = {"steps": 40, "lr": 0.05, "batch_size": 8}
GAMES = {
    "rates fall": {"lr_schedule": "plateau(0.5,2)"},
    "ends early": {"early_stop": 6},
    "both, two players": {"lr_schedule": "plateau(0.5,2)", "early_stop": 8, "model": "factorvae"},
    "both, a state in buffers": {"lr_schedule": "plateau(0.5,2)", "early_stop": 8, "model": "controlvae"},
}


@pytest.mark.parametrize("game", GAMES)
def test_a_resumed_training_ends_bit_for_bit_as_an_undisturbed_one(game, tmp_path):
    given = {**WILD, **GAMES[game]}
    whole = prepare(**given)
    trained = train([whole], logs=[tmp_path / "whole.csv"], watch=lambda *_: None)
    said = trained.adapted
    assert said.get("lr_fell_at", [1])
    assert trained.steps == said.get("stopped_at", 40)
    assert trained.steps < 40 or "early_stop" not in given
    states = None
    fell = said.get("lr_fell_at", [])[:1]  # also stopped in the very step of a decision
    for step in [*sorted({3, 8, *fell, trained.steps - 1}), None]:
        one = prepare(**given)
        if step is None:
            break
        states = train_until([one], step, tmp_path, states)
        assert states[0]["step"] == step
        states = [through_a_file(states[0], tmp_path)]
    again = resume(one, states, tmp_path)
    assert again.adapted == said
    assert again.steps == trained.steps
    for name, value in whole.networks.state_dict().items():
        assert torch.equal(value, one.networks.state_dict()[name]), name
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def resume(one, states, folder):
    checkpoints = Checkpoints(states, lambda number, state: None, 1e9)
    return train([one], logs=[folder / "0.csv"], watch=lambda *_: None, checkpoints=checkpoints)


def test_a_training_that_was_stopped_in_its_last_step_is_not_trained_on(tmp_path):
    given = {**WILD, "early_stop": 6}
    whole = prepare(**given)
    trained = train([whole], logs=[tmp_path / "whole.csv"], watch=lambda *_: None)
    states = train_until([prepare(**given)], trained.steps, tmp_path)
    one = prepare(**given)
    assert resume(one, states, tmp_path).steps == trained.steps
    for name, value in whole.networks.state_dict().items():
        assert torch.equal(value, one.networks.state_dict()[name]), name


def test_scored_weights_are_those_of_a_training_of_that_many_steps(tmp_path):
    early = prepare(**WILD, early_stop=6)
    said = train([early], logs=[tmp_path / "early.csv"], watch=lambda *_: None).adapted
    log = pd.read_csv(tmp_path / "early.csv").dropna()
    best = log.loc[log["heldout_reconstruction"].idxmin()]
    assert said["scored_at"] == best["step"] < said["stopped_at"] == log["step"].max()
    exact = prepare(**{**WILD, "steps": said["scored_at"]})
    train([exact], logs=[tmp_path / "exact.csv"], watch=lambda *_: None)
    for name, value in exact.networks.state_dict().items():
        assert torch.equal(value, early.networks.state_dict()[name]), name


STUDY = dataclasses.replace(
    TINY,
    **{"betas": [1], "seeds": 1, "steps": 40, "lr": 0.05, "network": SMALL, "precision": "fp32"},
    **{"holdout": 0.25, "lr_schedule": "plateau(0.5,2)", "early_stop": 6},
)


def test_a_record_says_when_and_why(tmp_path):
    [row] = run_study(STUDY, tmp_path, workers=0).to_dict("records")
    [path] = tmp_path.glob("cells/*/record.json")
    record = read_record(path)
    said = record["adapted"]
    assert said["lr_fell_at"]
    assert said["scored_at"] < said["stopped_at"] < 40
    assert "lowest after step" in said["reason"]
    assert row["lr_schedule"] == record["cell"]["lr_schedule"] == "plateau(0.5,2,0.0001)"
    assert row["early_stop"] == 6
    rate = said["stopped_at"] * 8 / record["timing"]["train_seconds"]
    assert record["timing"]["images_per_second"] == pytest.approx(rate)


def test_such_cells_are_trained_alone_and_others_keep_their_hash():
    plain = dataclasses.replace(STUDY, lr_schedule=None, early_stop=None)
    assert {"lr_schedule", "early_stop"}.isdisjoint(plain.plan().cells[0].identity)
    for study, expected in [(plain, True), (STUDY, False)]:
        plan = study.plan()
        [cell] = plan.cells
        assert is_stackable([Job(cell)], build_pipeline(plan, None, "")) is expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"holdout": 0.0}, "depends on held-out images, but none are held out: give holdout=0.1"),
        ({"lr_schedule": "plateau(0.5,1)"}, "must be at least 2, but 1 was given"),
        ({"lr_schedule": "plateau(1.5,9)"}, "the factor of lr_schedule must be between 0 and 1"),
        ({"lr_schedule": "plateau(0.5,9.5)"}, "must be a whole number, but 9.5 was given"),
        ({"lr_schedule": "plateau(0.5,9,2)"}, "the threshold of lr_schedule must be at least 0 and below 1"),
        ({"lr_schedule": "plateau(0.5,9,0,1)"}, "lr_schedule must be plateau or plateau"),
        ({"lr_schedule": "cosine"}, "lr_schedule must be plateau or plateau"),
        ({"lr_schedule": 3}, "lr_schedule must be plateau or plateau"),
        ({"early_stop": 1}, "held-out images are measured every 2 of them, so it must be at least 2"),
        ({"early_stop": 40}, "early_stop must be fewer than the 40 steps"),
        ({"early_stop": 0}, "early_stop must be a whole number of at least 1"),
        ({"score_at": [10]}, "score_at cannot be combined with early_stop"),
        (
            {"models": ["infogan"], "betas": [], "network": "burgess"},
            "does not reconstruct images",
        ),
    ],
)
def test_what_cannot_be_decided_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(STUDY, **given).plan()


def test_the_default_waits_for_ten_measurements_as_torch_does():
    assert str(read_plateau("plateau", 300_000, 3_000)) == "plateau(0.1,30000,0.0001)"
    assert str(read_plateau(" plateau( 0.5 ) ", 10, 2)) == "plateau(0.5,2,0.0001)"
