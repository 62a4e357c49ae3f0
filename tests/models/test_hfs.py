"""HFS: codes are to fill the product of the values that single latents take."""

import pytest
import torch

from dis_bench.models import build_model
from dis_bench.models.draws import Draws
from dis_bench.models.hfs import measure_support
from tests.models.reference import MEAN, TOLERANCE, loss_of, terms

ALL = torch.combinations(torch.arange(3))


def by_definition(codes, pairs):
    total = 0.0
    for first, second in pairs.tolist():
        points = codes[:, [first, second]]
        product = torch.cartesian_prod(points[:, 0], points[:, 1])
        total += (product[:, None] - points).square().sum(2).amin(1).amax()
    return total


@pytest.mark.parametrize(
    ("pair", "expected"), [((0, 1), 0.4904914916), ((0, 2), 2.5544781174), ((1, 2), 0.5025853910)]
)
def test_distances(pair, expected):
    assert measure_support(MEAN, torch.tensor([pair])).item() == pytest.approx(expected, **TOLERANCE)


def test_distances_add_up_over_pairs():
    total = 0.4904914916 + 2.5544781174 + 0.5025853910
    assert measure_support(MEAN, ALL).item() == pytest.approx(total, rel=0, abs=3e-9)


def test_a_product_set_has_none():
    codes = torch.cartesian_prod(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([5.0, 6.0]))
    assert measure_support(codes, torch.tensor([[0, 1]])).item() == 0


def test_two_corners_of_a_square_are_a_side_apart():
    assert measure_support(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[0, 1]])).item() == 1


def test_a_hole_does_not_bring_codes_closer():
    codes = torch.cartesian_prod(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([5.0, 6.0]))
    assert measure_support(codes[:-1], torch.tensor([[0, 1]])).item() > 0


@pytest.mark.parametrize("seed", range(5))
def test_without_an_image_whose_values_others_have_it_is_never_less(seed):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(4, 2, generator=generator)
    codes = values.gather(0, torch.randint(4, (12, 2), generator=generator))
    before, tried = measure_support(codes, torch.tensor([[0, 1]])), 0
    for left_out in range(len(codes)):
        others = torch.cat([codes[:left_out], codes[left_out + 1 :]])
        if (others == codes[left_out]).any(0).all():
            assert measure_support(others, torch.tensor([[0, 1]])) >= before
            tried += 1
    assert tried > 5


def test_gradients_are_those_of_the_definition():
    codes = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gradients = [
        torch.autograd.grad(function(leaf, ALL), leaf)[0]
        for function in (measure_support, by_definition)
        for leaf in [codes.clone().requires_grad_()]
    ]
    torch.testing.assert_close(*gradients)


def test_without_gamma_it_is_the_betavae():
    of = terms(reconstruction=3.0, pairs=ALL)
    assert loss_of("hfs", of, gamma=0.0, beta=4.0) == loss_of("betavae", of, beta=4.0)


def test_a_single_latent_is_the_betavae():
    model, _ = build_model("hfs", latent_size=1)
    pairs = model.draw(Draws(100, 4, 1, seed=0))["pairs"]
    assert len(pairs) == 0
    assert measure_support(MEAN[:, :1], pairs) == 0


@pytest.mark.parametrize(("latents", "count"), [(2, 1), (5, 10), (10, 25)])
def test_pairs_are_of_different_latents_and_none_is_drawn_twice(latents, count):
    model, _ = build_model("hfs", latent_size=latents)
    pairs = model.draw(Draws(100, 4, latents, seed=0))["pairs"]
    assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs) == count
    assert (pairs[:, 0] != pairs[:, 1]).all()
