"""A scheduled hyperparameter has the value of each step: alone, in a stack, and after a stop."""

import pandas as pd
import pytest
import torch

from dis_bench.models import build_model
from dis_bench.runners.training.loop import train
from dis_bench.runners.training.scheduling import Scheduling
from dis_bench.runners.training.steps import Training
from tests.models.cells import prepare_cell
from tests.runners.training.test_checkpoints import train_until

SCHEDULES = ["linear(0,8,0.5)", "cyclical(1,5,2,0.5)", 3.0, "linear(6,2)"]


def train_cells(cells, folder):
    logs = [folder / f"{number}.csv" for number in range(len(cells))]
    trained = train(cells, logs=logs, watch=lambda *_: None)
    assert trained.failures == [None] * len(cells)
    return [pd.read_csv(log) for log in logs]


def prepare_all(steps=9):
    """Cells with posteriors that are narrow at once, so that the KL is no rounding error."""
    cells = [prepare_cell("betavae", steps=steps, seed=n, beta=beta) for n, beta in enumerate(SCHEDULES)]
    for one in cells:
        with torch.no_grad():
            one.networks.autoencoder.encoder[-1].bias[4:] = -1.0
    return cells


def find_betas(log):
    """Return the beta of each step, as the loss had it."""
    return (log["weighted_kl"] / log["kl"]).to_numpy()


BY_HAND = {  # at steps 0 to 8, whose progress is 0, 1/8, ..., 1
    0: [0, 2, 4, 6, 8, 8, 8, 8, 8],
    1: [1, 3, 5, 5, 1, 3, 5, 5, 5],  # the last cycle has come to its end
    2: [3] * 9,
    3: [6, 5.5, 5, 4.5, 4, 3.5, 3, 2.5, 2],
}


@pytest.mark.parametrize("number", BY_HAND)
def test_the_loss_of_each_step_has_the_value_of_that_step(number, tmp_path):
    one = prepare_all()[number]
    [log] = train_cells([one], tmp_path)
    assert find_betas(log) == pytest.approx(BY_HAND[number], abs=1e-3)
    assert one.model.beta == one.model.values["beta"]
    assert isinstance(one.model.beta, float)


def test_a_stack_has_the_schedules_of_its_cells(tmp_path, monkeypatch):
    monkeypatch.setattr("dis_bench.runners.training.loop.MOST_AHEAD", 4)  # spans of 4, 4 and 1 steps
    stack = prepare_all()
    logs = train_cells(stack, tmp_path)
    for number, own in enumerate(prepare_all()):
        assert find_betas(logs[number]) == pytest.approx(BY_HAND[number], abs=1e-3)
        [log] = train_cells([own], tmp_path)
        pd.testing.assert_frame_equal(logs[number], log, rtol=1e-4, atol=1e-4)
        assert stack[number].model.beta == own.model.values["beta"]


def test_a_schedule_that_does_not_move_trains_bit_for_bit_as_its_value(tmp_path):
    beta = 0.1 + 0.2  # which fp32 rounds

    def weights(given):
        one = prepare_cell("betavae", steps=6, beta=given)
        train_cells([one], tmp_path)
        return torch.cat([weight.flatten() for weight in one.networks.parameters()])

    assert torch.equal(weights(f"linear({beta},{beta},0.5)"), weights(beta))
    assert not torch.equal(weights(f"linear({beta},1,0.5)"), weights(beta))


def test_a_cell_of_a_stack_goes_on_alone_along_its_schedule(tmp_path, monkeypatch):
    monkeypatch.setattr("dis_bench.runners.training.loop.MOST_AHEAD", 2)
    states = train_until(prepare_all(), 4, tmp_path)
    for number, own in enumerate(prepare_all()):
        train_until([own], None, tmp_path, [states[number]])
        log = pd.read_csv(tmp_path / "0.csv")
        assert log["step"].tolist() == [*range(1, 10)]
        assert find_betas(log) == pytest.approx(BY_HAND[number], abs=1e-3)


def test_a_cell_that_is_scored_along_the_way_keeps_to_its_schedule():
    training = Training([prepare_all()[0]])
    [one] = training.trainees
    seen = []
    for drawn in training.draw_ahead([2, 2]):
        training.take(drawn)
        seen.append(one.model.beta)
        training.give_back()
        seen.append(one.model.beta)
        training.go_on()
    assert seen == [2.0, 8.0, 6.0, 8.0]


def test_on_other_devices_a_cell_alone_reads_a_tensor_that_is_changed_in_place():
    model, _ = build_model("betavae", beta="linear(0,8)")
    scheduling = Scheduling([model], None, torch.device("meta"))
    assert isinstance(model.beta, torch.Tensor)
    assert model.beta.shape == ()
    read = model.beta
    scheduling.prepare([0.0, 0.5])
    scheduling.write(1)
    assert model.beta is read
    scheduling.end()
    assert model.beta == 8.0
    scheduling.begin()  # after codes were scored along the way
    assert model.beta is read
