"""The kept parts of a cell that diagnoses look at, and the reasons why others are missing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, TypeVar

import numpy as np

from dis_bench.records import codes, curves, pictures
from dis_bench.records.columns import join_images
from dis_bench.records.curves import STEP, Log, read_log
from dis_bench.records.pictures import Pictures, read_pictures
from dis_bench.records.schema import ENCODER, Damaged, Record
from dis_bench.reports.doctor.finding import Unseen

Columns = dict[str, np.ndarray]
Part = TypeVar("Part")

FEWEST_ROWS = 10  # of a training log, for statements about its course


@dataclass(frozen=True)
class Parts:
    """The parts of one cell; each is None if it is missing, and ``lacks`` then says why.

    Attributes:
        record: its record.
        curves: ``step``, losses and measures of its training [P], by name; those of latents are ``kl_0``, ...
        heldout: ``step`` and ``heldout_reconstruction`` [P] of the rows that were measured.
        codes: codes and factors [N, ...], and log-variances if there are any.
        pictures: originals, reconstructions and traversals.
        lacks: clauses by part.
    """

    record: Record
    curves: Columns | None = None
    heldout: Columns | None = None
    codes: Columns | None = None
    pictures: Pictures | None = None
    lacks: dict[str, str] = field(default_factory=dict)

    @property
    def cell(self) -> dict[str, Any]:
        """The cell's identity."""
        identity: dict[str, Any] = self.record["cell"]
        return identity

    @property
    def latents(self) -> int:
        """The number of latents."""
        return int(self.cell["latent_size"])

    @property
    def is_external(self) -> bool:
        """True for an encoder trained elsewhere, which no option of a study changes."""
        return self.cell.get("kind") == ENCODER

    @property
    def takes_steps(self) -> bool:
        """True for a model whose training has steps, of which there could be more."""
        return not self.is_external and self.cell.get("steps") != 0

    def need_curves(self, *measures: str) -> Columns:
        """Return the training log, if it has some rows and these measures."""
        found = self._need("curves")
        lacking = [name for name in measures if name not in found]
        if lacking:
            raise Unseen(f"its training measured no {' and no '.join(map(_name, lacking))}")
        if len(found[STEP]) < FEWEST_ROWS:
            raise Unseen(f"its training has fewer than {FEWEST_ROWS} rows in its log")
        return found

    def need_codes(self) -> Columns:
        """Return the codes and factors."""
        return self._need("codes")

    def need_pictures(self) -> Pictures:
        """Return the pictures."""
        found: Pictures = self._need("pictures")
        return found

    def need_measure(self, name: str) -> Any:
        """Return a measure of the record's evaluation."""
        if self.record["status"] != "done":
            raise Unseen("it failed before it was evaluated")
        if name not in self.record["evaluation"]:
            raise Unseen(f"it has no {_name(name)}")
        return self.record["evaluation"][name]

    def _need(self, part: str) -> Any:
        found = getattr(self, part)
        if found is None:
            raise Unseen(self.lacks[part])
        return found


def _name(measure: str) -> str:
    words = {"kl": "KL", "kl_per_latent": "KL", "mse": "reconstruction", "weighted_kl": "weight of the KL"}
    return words.get(measure, measure.replace("_", " "))


def read_parts(record: Record) -> Parts:
    """Read what a cell has kept, each file once.

    Args:
        record: its record, with its folder.
    """
    lacks: dict[str, str] = {}
    read = _Reading(record, lacks)
    log = cache(partial(read_log, record["folder"], record))
    return Parts(
        record,
        curves=read("curves", curves.FILE, lambda found: _list_measures(log(), found)),
        heldout=read("heldout", curves.FILE, lambda found: _list_heldout(log(), found)),
        codes=read("codes", codes.FILE, _read_codes),
        pictures=read("pictures", pictures.FILE, lambda found: read_pictures(found["folder"], found)),
        lacks=lacks,
    )


@dataclass(frozen=True)
class _Reading:
    """The reading of a cell's parts, which collects reasons for missing ones."""

    record: Record
    lacks: dict[str, str]

    def __call__(self, part: str, file: str, read: Callable[[Record], Part]) -> Part | None:
        if file not in self.record["files"]:
            self.lacks[part] = _explain_missing(self.record, part)
            return None
        try:
            return read(self.record)
        except FileNotFoundError:
            self.lacks[part] = f"its {file} was removed"
        except Damaged as error:
            self.lacks[part] = f"its {file} cannot be read ({error})"
        except Unseen as reason:
            self.lacks[part] = str(reason)
        return None


def _explain_missing(record: Record, part: str) -> str:
    """Return a clause on why a cell never had a part, or did not keep it."""
    cell = record["cell"]
    if part in ("curves", "heldout"):
        if cell.get("kind") == ENCODER:
            return "it was trained elsewhere"
        return "it takes no training steps" if not cell.get("steps") else "it has no training log"
    if record["status"] != "done":
        return "it failed before it was encoded"
    if part not in record.get("keep", (part,)):
        return f"its {part} were not kept"
    return "it has no decoder" if part == "pictures" else f"it has no {part}"


def _list_measures(log: Log, record: Record) -> Columns:
    """Return the columns of a log, including those of latents if all are there."""
    found = log.measure()
    names = [f"kl_{latent}" for latent in range(record["cell"]["latent_size"])]
    if "kl" in found:
        with suppress(Damaged):  # a measure with this name may have no parts
            found |= log.measure(names)
    return found


def _list_heldout(log: Log, record: Record) -> Columns:
    """Return the rows of a training log with measures of held-out images."""
    if not record["cell"].get("holdout"):
        raise Unseen("no images were held out (--holdout 0.1)")
    found = log.measure_heldout([join_images("reconstruction", "heldout")])
    if found is None:
        raise Unseen("its log has no reconstruction of held-out images")
    return found


def _read_codes(record: Record) -> Columns:
    """Return the codes and factors of a cell, which may have kept none of the latter."""
    found = dict(codes.read_codes(record["folder"], record=record))
    return {"factors": np.empty((len(found["codes"]), 0), np.int64), **found}
