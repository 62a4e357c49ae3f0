"""A training that was stopped and resumed ends as if it had never stopped."""

import contextlib
import math

import pandas as pd
import pytest
import torch

from dis_bench.records.checkpoint import is_whole, read_checkpoint, write_checkpoint
from dis_bench.runners.training.checkpoints import Checkpoints
from dis_bench.runners.training.loop import train
from tests.runners.training.test_loop import HERE, train_alone, trainee


class Stop(BaseException):
    """A request to stop."""


def train_until(cells, step, folder, states=None, minutes=1e9):
    """Train cells until a step, or to the end; return the states that were saved last."""
    saved = {}

    def watch(number, progress):
        if progress.step == step:
            raise Stop

    logs = [folder / f"{number}.csv" for number in range(len(cells))]
    checkpoints = Checkpoints(states or [None] * len(cells), saved.__setitem__, minutes)
    if step is None:
        trained = train(cells, logs=logs, watch=watch, checkpoints=checkpoints)
        assert trained.failures == [None] * len(cells)
    else:
        with pytest.raises(Stop):
            train(cells, logs=logs, watch=watch, checkpoints=checkpoints)
    return [saved.get(number) for number in range(len(cells))]


def through_a_file(state, folder):
    write_checkpoint(folder, "a hash", state)
    return read_checkpoint(folder, "a hash")


GAMES = {
    "beta-VAE": {},
    "its steps draw from torch's stream": {"model": f"{HERE}:Drawing"},
    "batch normalisation": {"network": "tutorial"},
    "bf16": {"precision": "bf16"},
    "two players": {"model": "factorvae", "gamma": 6.4},
    "a weight that is reached at some steps": {"model": f"{HERE}:Rarely", "kernels": "torch"},
    "a schedule": {"beta": "cyclical(0,8,2)"},
}


@pytest.mark.parametrize("game", GAMES)
def test_a_stopped_training_ends_bit_for_bit_as_an_undisturbed_one(game, tmp_path, monkeypatch):
    monkeypatch.setattr("dis_bench.runners.training.log.LOG_ROWS", 4)  # stops are within rows
    given = {"steps": 13, "batch_size": 4, **GAMES[game]}
    whole = trainee(**given)
    train_alone(whole, tmp_path / "whole.csv")
    states = None
    for step in (1, 6, 11, None):
        one = trainee(**given)
        states = train_until([one], step, tmp_path, states)
        if step is not None:
            assert states[0]["step"] == step
            states = [through_a_file(states[0], tmp_path)]
    for name, weight in whole.networks.state_dict().items():
        assert torch.equal(weight, one.networks.state_dict()[name]), name
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_rows_later_than_the_checkpoint_are_cut_from_the_log(tmp_path):
    given = {"steps": 6, "batch_size": 4}
    states = train_until([trainee(**given)], 2, tmp_path)
    train_until([trainee(**given)], 5, tmp_path, states)
    assert pd.read_csv(tmp_path / "0.csv")["step"].tolist() == [1, 2, 3, 4, 5]
    train_until([trainee(**given)], 3, tmp_path, states)
    assert pd.read_csv(tmp_path / "0.csv")["step"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("then", ["alone", "in another stack"])
def test_a_cell_of_a_stack_goes_on_wherever_it_is(then, tmp_path, monkeypatch):
    monkeypatch.setattr("dis_bench.runners.training.loop.MOST_AHEAD", 2)
    cells = {
        seed: {"steps": 9, "batch_size": 8, "seed": seed, "beta": 1.0 + seed, "kernels": "torch"}
        for seed in range(4)
    }
    states = train_until([trainee(**cells[seed]) for seed in (0, 1, 2)], 4, tmp_path)
    others = train_until([trainee(**cells[3])], 4, tmp_path)
    whole = trainee(**cells[1])
    train_alone(whole, tmp_path / "whole.csv")
    own = trainee(**cells[1])
    if then == "alone":
        train_until([own], None, tmp_path, [states[1]])
    else:
        train_until([trainee(**cells[3]), own], None, tmp_path, [others[0], states[1]])
    log = pd.read_csv(tmp_path / ("0.csv" if then == "alone" else "1.csv"))
    pd.testing.assert_frame_equal(log, pd.read_csv(tmp_path / "whole.csv"), rtol=1e-3, atol=1e-3)


def test_states_of_several_steps_or_other_networks_are_no_beginning(tmp_path):
    early, late = (train_until([trainee(steps=6, batch_size=4)], step, tmp_path)[0] for step in (2, 3))
    seen = []

    def train_from(states, **given):
        cells = [trainee(steps=6, batch_size=4, kernels="torch", **given) for _ in states]
        checkpoints = Checkpoints(states, lambda number, state: None, 1e9)
        logs = [tmp_path / f"{number}.csv" for number in range(len(states))]
        train(
            cells,
            logs=logs,
            watch=lambda number, progress: seen.append(progress.step),
            checkpoints=checkpoints,
        )
        first, seen[:] = seen[0], []
        return first

    assert train_from([late]) == 4
    assert train_from([late], network="locatello") == 1
    assert train_from([early, late]) == train_from([late, None]) == 1
    assert train_from([early, early]) == 3


def test_checkpoints_are_written_when_they_are_due(tmp_path, monkeypatch):
    monkeypatch.setattr("dis_bench.runners.training.checkpoints.SHARE", math.inf)
    [state] = train_until([trainee(steps=4, batch_size=4)], None, tmp_path, minutes=0)
    assert state["step"] == 4
    assert train_until([trainee(steps=4, batch_size=4)], None, tmp_path, minutes=1) == [None]


def test_time_spent_before_counts(tmp_path):
    [state] = train_until([trainee(steps=4, batch_size=4)], 2, tmp_path)
    assert 0 < state["seconds"] < 60
    checkpoints = Checkpoints([{**state, "seconds": 1000.0}], lambda number, state: None)
    one = trainee(steps=4, batch_size=4)
    trained = train([one], logs=[tmp_path / "log.csv"], watch=lambda *_: None, checkpoints=checkpoints)
    assert 1000 < trained.seconds < 1060


def test_what_computed_the_earlier_steps_is_known_as_far_as_it_was_something_else(tmp_path):
    old, new = {"kernels": "compiled, AVX2"}, {"kernels": "compiled, AVX-512"}
    states = [None]
    for step, computer in ((1, old), (2, old), (3, new), (4, old), (None, old)):
        saved = {}
        checkpoints = Checkpoints(states, saved.__setitem__, 1e9, computer)

        def watch(number, progress, step=step):
            if progress.step == step:
                raise Stop

        with pytest.raises(Stop) if step else contextlib.nullcontext():
            train(
                [trainee(steps=5, batch_size=4)],
                logs=[tmp_path / "log.csv"],
                watch=watch,
                checkpoints=checkpoints,
            )
        states = [saved.get(0) and through_a_file(saved[0], tmp_path)]
    assert checkpoints.earlier[0] == [{"until": 2, **old}, {"until": 3, **new}]


def test_a_disk_that_is_full_costs_a_checkpoint_and_not_the_training(tmp_path):
    def refuse(number, state):
        raise OSError("No space left on device")

    checkpoints = Checkpoints([None], refuse, minutes=0)
    one = trainee(steps=1, batch_size=4)
    with pytest.warns(UserWarning, match="no checkpoint could be written: No space left"):
        trained = train([one], logs=[tmp_path / "log.csv"], watch=lambda *_: None, checkpoints=checkpoints)
    assert trained.failures == [None]


def test_a_folder_that_is_gone_costs_no_checkpoint_of_another_cell(tmp_path):
    saved = {}

    def refuse_first(number, state):
        if number == 0:
            raise FileNotFoundError("gone")
        saved[number] = state["step"]

    cells = [trainee(steps=1, batch_size=4, kernels="torch") for _ in range(2)]
    logs = [tmp_path / f"{number}.csv" for number in range(2)]
    checkpoints = Checkpoints([None, None], refuse_first, minutes=0)
    with pytest.warns(UserWarning, match="no checkpoint could be written: gone"):
        train(cells, logs=logs, watch=lambda *_: None, checkpoints=checkpoints)
    assert saved == {1: 1}


@pytest.mark.parametrize("damage", ["cut", "other hash", "pickle", "none"])
def test_only_a_whole_checkpoint_of_the_cell_is_read(damage, tmp_path):
    write_checkpoint(tmp_path, "a hash", {"step": 3, "weights": {"w": torch.ones(2)}})
    path = tmp_path / "checkpoint.pt"
    assert [one.name for one in tmp_path.iterdir()] == ["checkpoint.pt"]
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "pickle":
        torch.save({"format": 1, "hash": "a hash", "state": Stop}, path)
    elif damage == "none":
        path.unlink()
    expected = "another hash" if damage == "other hash" else "a hash"
    assert read_checkpoint(tmp_path, expected) is None


def test_no_bit_of_a_checkpoint_ends_its_cell(tmp_path):
    write_checkpoint(tmp_path, "a hash", {"step": 1})
    path = tmp_path / "checkpoint.pt"
    whole = path.read_bytes()
    for place in range(len(whole)):  # that of a header's length moves what follows beyond the end of the file
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 128]) + whole[place + 1 :])
        assert is_whole(path) in (True, False)
