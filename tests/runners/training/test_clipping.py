"""Gradients are clipped by the norm of all of a player's, in each cell of a stack apart."""

import copy
import dataclasses

import pytest
import torch

from dis_bench.runners.training.clipping import clip_norms
from dis_bench.runners.training.steps import Training
from tests.models.cells import prepare_cell

SHAPES = [(3, 2), (5,), (2, 3, 2, 2), ()]


def with_gradients(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.nn.Parameter(torch.zeros(shape)) for shape in SHAPES]
    for weight in weights[1:]:  # its loss does not reach the first one
        weight.grad = scale * torch.randn(weight.shape, generator=generator)
    return weights


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_gradients_are_those_of_torch(scale):
    own, theirs = with_gradients(0, scale), with_gradients(0, scale)
    clip_norms(own, 1.5, stacked=False)
    torch.nn.utils.clip_grad_norm_(theirs, 1.5)
    for one, other in zip(own[1:], theirs[1:], strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    assert own[0].grad is None


def test_each_cell_of_a_stack_has_a_norm_of_its_own():
    cells = [with_gradients(seed, scale) for seed, scale in enumerate([1e-3, 1.0, 1e3])]
    stack = [
        torch.nn.Parameter(torch.stack([weight.detach() for weight in group]))
        for group in zip(*cells, strict=True)
    ]
    for place, weight in enumerate(stack[1:], 1):
        weight.grad = torch.stack([cell[place].grad for cell in cells])
    clip_norms(stack, 1.5, stacked=True)
    for number, cell in enumerate(cells):
        clip_norms(cell, 1.5, stacked=False)
        for place, weight in enumerate(stack[1:], 1):
            torch.testing.assert_close(weight.grad[number], cell[place].grad)


def take_a_step(cells):
    """Take the first step of a training; return the norms of each player's gradients, and the training."""
    training = Training(cells)
    training.take(next(training.draw_ahead([1])))
    return training


def find_norms(training):
    return {
        player: torch.cat([weight.grad.flatten() for weight in weights]).norm().item()
        for player, weights in training._players.items()
    }


def prepare(model, clip_norm, **given):
    one = prepare_cell(model, **given)
    return dataclasses.replace(one, cell=dataclasses.replace(one.cell, clip_norm=clip_norm))


def test_players_are_clipped_apart():
    free = find_norms(take_a_step([prepare("factorvae", 0.0)]))
    assert free["autoencoder"] > 10 * free["critic"]
    most = (free["autoencoder"] * free["critic"]) ** 0.5  # between the two
    clipped = find_norms(take_a_step([prepare("factorvae", most)]))
    assert clipped["autoencoder"] == pytest.approx(most, rel=1e-4)
    assert clipped["critic"] == pytest.approx(free["critic"], rel=1e-6)


def test_a_clipped_cell_of_a_stack_is_the_cell_alone():
    def cells():
        return [prepare("betavae", 0.5, seed=seed, beta=10.0**seed) for seed in range(3)]

    together = take_a_step(cells())
    for number, one in enumerate(cells()):
        alone = take_a_step([copy.copy(one)])
        for name, weight in alone.weights.items():
            torch.testing.assert_close(
                together.weights[name].grad[number], weight.grad, rtol=1e-3, atol=1e-6, msg=name
            )


def test_a_norm_that_is_never_reached_changes_nothing():
    free, clipped = (take_a_step([prepare("betavae", norm)]) for norm in (0.0, 1e9))
    for name, weight in free.weights.items():
        assert torch.equal(weight, clipped.weights[name])
