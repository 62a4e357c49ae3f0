"""Synthetic representations of ground-truth factors, with known reference values.

Two grids of factor values: A has the sizes of dSprites (without its constant colour), B those of 3DShapes.
Factors are drawn uniformly. A recipe turns *standardised* factors (mean 0 and variance 1 under the uniform
distribution) into codes. reference.json has the results of disentanglement_lib on the same rows, of which the
first 10,000 train and the next 5,000 test: read them with ``seed=None``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Factors = NDArray[np.int32]
Recipe = Callable[[Factors, Array, np.random.Generator], Array]

GRIDS = {"A": (3, 6, 40, 32, 32), "B": (10, 10, 10, 8, 4, 15)}
FACTOR_SEEDS = {"A": 20240601, "B": 20240602}
NOISE_SEED = 777
ROWS = 15_000


def identity(factors: Factors, standard: Array, rng: np.random.Generator) -> Array:
    """Return one code per factor."""
    return standard


def nuisance(factors: Factors, standard: Array, rng: np.random.Generator) -> Array:
    """Return one code per factor, and five codes of noise."""
    return np.hstack([standard, rng.standard_normal((len(standard), 5))])


def noise05(factors: Factors, standard: Array, rng: np.random.Generator) -> Array:
    """Return one code per factor, with noise of half its standard deviation."""
    return standard + 0.5 * rng.standard_normal(standard.shape)


def rotated_pairs(factors: Factors, standard: Array, rng: np.random.Generator) -> Array:
    """Rotate factors 0 and 1, and factors 2 and 3, by 45 degrees; keep factor 4."""
    codes = standard.copy()
    scaled = np.sqrt(0.5) * standard
    for i, j in ((0, 1), (2, 3)):
        codes[:, i] = scaled[:, i] - scaled[:, j]
        codes[:, j] = scaled[:, i] + scaled[:, j]
    return codes


def duplicated(factors: Factors, standard: Array, rng: np.random.Generator) -> Array:
    """Return every code twice."""
    return np.hstack([standard, standard])


def vae_like(factors: Factors, standard: Array, rng: np.random.Generator) -> Array:
    """Return ten codes like a VAE's: an angle, mixtures, weak codes and a dead one."""
    shape, scale, orientation, x, y = standard.T
    noise = rng.standard_normal((len(standard), 9)).T
    angle = 2 * np.pi * factors[:, 2] / GRIDS["A"][2]
    return np.stack(
        [
            0.95 * x + 0.05 * noise[0],
            0.95 * y + 0.05 * noise[1],
            np.tanh(0.9 * scale + 0.3 * shape) + 0.1 * noise[2],
            np.cos(angle) + 0.2 * shape + 0.1 * noise[3],
            np.sin(angle) + 0.1 * noise[4],
            0.02 * orientation + 0.06 * noise[5],
            0.02 * x + 0.03 * noise[6],
            0.01 * noise[7],
            0.001 * noise[8],
            np.zeros(len(standard)),
        ],
        axis=1,
    )


def warped(factors: Factors, standard: Array, rng: np.random.Generator) -> Array:
    """Bend one code per factor, by exponentials and hyperbolic tangents in turn."""
    codes = np.empty_like(standard)
    codes[:, 0::2] = np.exp(1.5 * standard[:, 0::2])
    codes[:, 1::2] = np.tanh(2.0 * standard[:, 1::2])
    return codes


CASES: dict[str, tuple[str, Recipe]] = {
    "A_identity": ("A", identity),
    "A_nuisance": ("A", nuisance),
    "A_noise05": ("A", noise05),
    "A_rot_pairs": ("A", rotated_pairs),
    "A_dup": ("A", duplicated),
    "A_vae_like": ("A", vae_like),
    "B_identity": ("B", identity),
    "B_warp": ("B", warped),
}


@cache
def load_case(name: str) -> tuple[NDArray[np.float32], Factors]:
    """Return codes float32 [15000, D] and factors int32 [15000, F], read-only."""
    grid, recipe = CASES[name]
    factors = draw_factors(grid)
    noise = np.random.default_rng(NOISE_SEED)
    codes = recipe(factors, standardise(factors, grid), noise).astype(np.float32)
    codes.flags.writeable = factors.flags.writeable = False
    return codes, factors


def draw_factors(grid: str, rows: int = ROWS) -> Factors:
    """Draw factor classes [rows, F], uniform and independent."""
    rng = np.random.default_rng(FACTOR_SEEDS[grid])
    return rng.integers(0, GRIDS[grid], size=(rows, len(GRIDS[grid]))).astype(np.int32)


def whole_grid(*sizes: int) -> NDArray[np.int64]:
    """Return every combination of factor classes once [rows, F]."""
    return np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1).reshape(-1, len(sizes))


def standardise(factors: Factors, grid: str) -> Array:
    """Scale factor classes [N, F] to mean 0 and variance 1 under uniformity."""
    sizes = np.array(GRIDS[grid], dtype=float)
    return (factors - (sizes - 1) / 2) / np.sqrt((sizes**2 - 1) / 12)


def reference(case: str) -> dict[str, Any]:
    """Return the results of disentanglement_lib on a case, by metric."""
    return json.loads((Path(__file__).parent / "reference.json").read_text())["cases"][case]
