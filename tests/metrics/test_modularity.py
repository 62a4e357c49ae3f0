"""Modularity against its reference and in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.metrics.modularity import modularity, modularity_per_code

from .cases import CASES, load_case, reference, whole_grid

EYE = np.eye(5)
GRID = whole_grid(4, 4, 4)
ALL = {"rows": 64, "bins": 4}


@pytest.mark.parametrize("case", [case for case in CASES if "modularity" in reference(case)])
def test_agrees_with_the_reference(case):
    assert modularity(*load_case(case), seed=None) == pytest.approx(
        reference(case)["modularity"]["score"], abs=1e-6
    )


def test_counts_dead_codes_as_the_reference_does():
    codes, factors = load_case("A_vae_like")  # the last of ten codes is dead
    counted = modularity(codes, factors, seed=None)
    information = np.array(reference("A_vae_like")["mig"]["mutual_information"])
    assert counted == pytest.approx(modularity_per_code(information).mean(), abs=2e-6)
    assert counted == pytest.approx(0.827, abs=5e-4)
    assert modularity(codes, factors, seed=None, count_dead=False) == pytest.approx(counted * 10 / 9)


@pytest.mark.parametrize(
    ("information", "expected"),
    [
        (EYE, [1] * 5),
        (np.vstack([EYE[:2, :2], np.zeros((1, 2))]), [1, 1, 0]),
        (np.zeros((10, 10)), [0] * 10),
        (np.vstack([EYE, EYE]), [1] * 10),
        (EYE[:2], [1, 1]),
        (np.hstack([EYE, EYE]), [1 - 1 / 9] * 5),
        (np.ones((2, 3)), [0, 0]),
        (np.array([[0.4, 0.2, 0.1]]), [1 - (0.25 + 0.0625) / 2]),
        (np.array([[2e-170, 1e-170]]), [0.75]),  # squares would vanish
        (np.array([[0.3], [0.0]]), [1, 0]),  # one factor: there is none to confuse it with
    ],
    ids=[
        *("identity", "empty_code", "nothing", "codes_twice", "two_codes", "factors_twice"),
        *("uniform", "by_hand", "tiny", "one_factor"),
    ],
)
def test_closed_forms_of_matrices(information, expected):
    assert modularity_per_code(information) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (GRID, 1.0),
        (GRID * [-1, 1e3, 1e-3] + [7, 0, -2], 1.0),
        (np.hstack([GRID, GRID]), 1.0),
        (GRID[:, :1], 1.0),
        (GRID // 2, 1.0),  # telling half of one factor is as modular
        (np.hstack([GRID, np.full((64, 3), 3.7)]), 0.5),
        (np.full((64, 2), 0.1), 0.0),
    ],
    ids=["identity", "scaled", "duplicated", "single", "halved", "half_dead", "all_dead"],
)
def test_closed_forms_of_codes(codes, expected):
    assert modularity(codes.astype(np.float32), GRID, **ALL) == pytest.approx(expected, abs=1e-12)


def test_dead_codes_can_be_left_out():
    with_dead = np.hstack([GRID, np.full((64, 3), 3.7)])
    assert modularity(with_dead, GRID, **ALL, count_dead=False) == pytest.approx(1.0)
    assert modularity(with_dead[:, 3:], GRID, **ALL, count_dead=False) == 0.0


def test_two_factors_in_one_code_are_seen_as_far_as_bins_resolve_them():
    merged = np.column_stack([4 * GRID[:, 0] + GRID[:, 1], GRID[:, 2]])
    assert modularity(merged, GRID, rows=64, bins=16) == pytest.approx((1 / 2 + 1) / 2)
    assert modularity(merged, GRID, rows=64, bins=4) == pytest.approx(1.0)


def test_noise_is_as_modular_as_its_bins_happen_to_be():
    # Known to be a fault of the definition: what is measured here stands in its docstring.
    _, factors = load_case("B_identity")
    noise = np.random.default_rng(0).standard_normal((len(factors), 10))
    assert 0.6 < modularity(noise, factors) < 0.8
