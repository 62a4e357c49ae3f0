"""ControlVAE: beta follows the error of the KL by the published law, from step to step."""

import math

import pandas as pd
import pytest
import torch

from dis_bench.models import build_model
from tests.models.cells import SMALL, prepare_cell, train_cell

HERE = {"network": SMALL, "latent_size": 4}


def control(errors, **hyperparameters):
    """Return the betas of a sequence of errors."""
    model, networks = build_model("controlvae", **HERE, **hyperparameters)
    networks.double()
    return [model.control(networks.controller, torch.tensor(e, dtype=torch.float64)).item() for e in errors]


def control_by_hand(errors, kp, ki):
    """Return the betas as the authors' code computes them, which this was read from."""
    integral, before, betas = 0.0, 1.0, []
    for error in errors:
        integral = integral + ki * error if before >= 1 else integral
        before = kp / (1 + math.exp(error)) + 1 + integral
        betas.append(max(before, 1.0))
    return betas


def test_the_law():
    errors = [20 * math.sin(step) - 3 for step in range(40)]
    expected = control_by_hand(errors, 1.0, -0.01)
    assert max(expected) > 2
    assert 1.0 in expected
    assert control(errors, kp=1.0, ki=-0.01) == pytest.approx(expected, rel=0, abs=1e-12)


def test_a_kl_at_its_capacity_leaves_half_of_the_proportional_part():
    assert control([0.0] * 5, kp=0.02) == pytest.approx([1.01] * 5)


def test_a_capacity_out_of_reach_makes_it_the_vae():
    assert control([1e4] * 5) == [1.0] * 5


def test_the_integral_waits_while_beta_is_at_its_floor():
    betas = control([100.0] * 50 + [-100.0] * 3, kp=1.0, ki=-0.001)
    assert betas == pytest.approx([1.0] * 50 + [1.9, 2.0, 2.1])


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.5),
        (4_999, 0.5),
        (5_000, 0.65),
        (292_500, 9.2),
        (584_999, 17.9),
        (585_000, 18.0),
        (1_500_000, 18.0),
    ],
)
def test_the_capacity_rises_as_in_the_authors_code(step, expected):
    model, _ = build_model("controlvae", **HERE)
    progress = torch.tensor(step / 1_500_000, dtype=torch.float64)
    assert model.capacity_at(progress).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("capacity", [0.5, 0.6, 0.65, 12.0, 16.0])
def test_the_capacity_ends_where_it_was_asked_to(capacity):
    model, _ = build_model("controlvae", **HERE, capacity=capacity)
    assert model.capacity_at(torch.ones(())).item() == pytest.approx(capacity, abs=1e-6)


def test_the_loss_has_the_beta_of_the_controller():
    one = prepare_cell("controlvae", capacity=0.5, kp=5.0)
    batch = {**one.model.draw(one.draws()), "progress": torch.zeros(())}
    batch["images"] = one.pixels(batch["images"])
    made = one.model.step(one.networks, batch)
    terms = one.model.terms(one.networks, batch)
    kl = terms.kl.sum(1).mean()
    beta = 1 + 5 / (1 + math.exp(0.5 - kl.item())) - 0.001 * (0.5 - kl.item())
    assert made.measures["beta"].item() == pytest.approx(max(beta, 1.0), rel=1e-6)
    expected = terms.reconstruction.mean() + max(beta, 1.0) * kl
    assert made.losses["autoencoder"].item() == pytest.approx(expected.item(), rel=1e-6)
    weights = [*one.networks.autoencoder.parameters()]
    gradients = torch.autograd.grad(made.losses["autoencoder"], weights)
    for ours, other in zip(gradients, torch.autograd.grad(expected, weights), strict=True):
        assert torch.allclose(ours, other, rtol=1e-4, atol=1e-6)


def test_the_state_changes_in_place_and_is_kept():
    one = prepare_cell("controlvae")
    state = one.networks.state_dict()
    places = [state[f"controller.{name}"].data_ptr() for name in ("integral", "previous")]
    one.model.control(one.networks.controller, torch.tensor(-2.0))
    after = one.networks.state_dict()
    assert [after[f"controller.{name}"].data_ptr() for name in ("integral", "previous")] == places
    assert after["controller.integral"].item() == pytest.approx(0.002)


def test_beta_does_not_depend_on_the_weights():
    one = prepare_cell("controlvae")
    batch = {**one.model.draw(one.draws()), "progress": torch.zeros(())}
    batch["images"] = one.pixels(batch["images"])
    assert not one.model.step(one.networks, batch).measures["beta"].requires_grad


def test_the_kl_comes_down_to_its_capacity(tmp_path):
    given = {"capacity": 0.5, "kp": 5.0, "ki": -1.0, "steps": 200, "lr": 3e-3}
    train_cell("controlvae", tmp_path, **given)
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["kl"].max() > 1
    assert log["kl"].tail(20).mean() == pytest.approx(0.5, abs=0.3)
    assert log["beta"].min() >= 1


@pytest.mark.parametrize("stairs", range(1, 120, 7))
def test_rounding_adds_no_stair_and_loses_none(stairs):
    model, _ = build_model("controlvae", **HERE, capacity=round(0.5 + 0.15 * stairs, 2), share=1.0)
    middles = (torch.arange(stairs + 1) + 0.5) / stairs
    expected = (0.5 + 0.15 * torch.arange(stairs + 1)).clamp(max=model.capacity)
    torch.testing.assert_close(model.capacity_at(middles), expected)
    model.capacity = torch.tensor(model.capacity)  # as in a stack
    torch.testing.assert_close(model.capacity_at(middles), expected)
