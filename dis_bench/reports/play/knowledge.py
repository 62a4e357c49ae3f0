"""The knowledge of each latent about each factor, and the factors that a code loses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dis_bench.errors import InputError
from dis_bench.metrics.representation import Representation
from dis_bench.records.schema import Record
from dis_bench.registry import installed
from dis_bench.reports.quantities import Quantity

# Of the mutual information that the page shows, whatever the study's metrics use.
ROWS, BINS = 10_000, 20


def describe_knowledge(
    record: Record, arrays: Mapping[str, NDArray[Any]], quantities: list[Quantity], problems: list[str]
) -> dict[str, Any] | None:
    """Describe what the latents of a cell know.

    Args:
        record: the cell's record.
        arrays: its codes and factors; without them, nothing is known.
        quantities: the quantities of its setting, for the labels of scores.
        problems: receives a sentence if they cannot be compared.

    Returns:
        ``factors``, their names; ``information`` `[D, F]`, the mutual information of each latent and factor
        as a share of the factor's entropy; ``directions`` `[D, F]`, 1 where a latent rises with a factor and
        -1 where it falls; ``importances`` `[D, F]` by metric, and ``scores`` `[F]` by label, as recorded.
        None if a cell has no factors.
    """
    if "codes" not in arrays or "factors" not in arrays or not arrays["factors"].size:
        return None
    try:
        table = Representation(arrays["codes"], arrays["factors"])
        rows = min(ROWS, len(table))
        shares = table.mutual_information(BINS, rows) / table.factor_entropies(rows)
    except InputError as error:  # such as a rare value that the first rows lack
        problems.append(f"{record['folder']} does not show what its latents know: {error}")
        return None
    said = record.get("declared", {}).get("dataset", {}).get("factors", ())
    names = name_factors(record["cell"]["dataset"], arrays["factors"].shape[1], said)
    return {
        "factors": [names[place] for place in table.kept_factors],
        "information": [_round(latent) for latent in shares.tolist()],
        "directions": _find_directions(table),
        **_read_parts(record, quantities, len(table.kept_factors)),
    }


def _read_parts(record: Record, quantities: list[Quantity], factors: int) -> dict[str, Any]:
    """Read importances by metric and scores by label, if they fit the factors."""
    parts = record.get("per_factor", {})
    importances, scores = parts.get("importances", {}), parts.get("scores", {})
    return {
        "importances": {
            metric: [_round(latent) for latent in latents]
            for metric, latents in importances.items()
            if len(latents[0]) == factors
        },
        "scores": {
            quantity.label: _round(scores[quantity.name])
            for quantity in quantities
            if len(scores.get(quantity.name, ())) == factors
        },
    }


def _round(values: list[float]) -> list[float]:
    return [round(value, 3) for value in values]


def name_factors(dataset: str, count: int, said: Sequence[str] = ()) -> list[str]:
    """Name factors as record or installed dataset do; number those of others."""
    names = list(said)
    plugin = None if names else installed("datasets", dataset)
    if plugin is not None:
        try:
            names = [str(name) for name in plugin.load().grid.names]
        except Exception:  # another author's class may have anything under these names
            names = []
    return names if len(names) == count else [f"factor {number + 1}" for number in range(count)]


def _find_directions(table: Representation) -> list[list[int]]:
    """Return whether each latent rises (1) or falls (-1) with each factor [D, F]."""
    codes, factors = table.rows(min(ROWS, len(table)))
    centred = codes - codes.mean(axis=0)
    signs = np.sign(centred.T @ (factors - factors.mean(axis=0)))
    return [[int(sign) for sign in latent] for latent in signs]
