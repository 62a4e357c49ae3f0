"""Everything that a page plays with: data for its scripts, and the files beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dis_bench.neutral import one_thread
from dis_bench.records.pictures import Pictures
from dis_bench.records.schema import Damaged, Record
from dis_bench.records.weights import find_weights
from dis_bench.reports.doctor.parts import Parts
from dis_bench.reports.headline import lead_score
from dis_bench.reports.play.choose import Chosen
from dis_bench.reports.play.images import Played, decode_latents, find_reach, take_latents
from dis_bench.reports.play.knowledge import describe_knowledge
from dis_bench.reports.play.sheets import draw_animation, draw_sheet, to_uri
from dis_bench.reports.problems import FileProblem, unreadable
from dis_bench.reports.quantities import FROZEN, Quantity
from dis_bench.reports.settings import Setting

if TYPE_CHECKING:
    import pandas as pd

    from dis_bench.reports.play.program import Program

# The page decodes this many cells itself, each with at most that many weights; the others have pages of their
# own, up to a number of bytes in all.
LIVE = 2
MOST_WEIGHTS = 1_000_000
MOST_BYTES = 64_000_000

_LOSSES = ("its cell is played from its pictures", "their cells are played from their pictures")

NOT_KEPT = "its weights were not kept"


@dataclass
class Play:
    """Everything to play with.

    Attributes:
        data: for the page's scripts: ``cells``, in the order of the tables; ``shown``, the hashes of those to
            begin with; ``originals``, to which cells refer by number; ``choice``, a sentence on the cells
            that were chosen; and ``frozen``, the nats below which a latent carries nothing.
        pages: by path, the same for the page of one cell, with its decoder.
        files: animations by path.
    """

    data: dict[str, Any]
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


class Gathering:
    """Everything gathered so far, with the room that is left."""

    def __init__(self, problems: list[str]) -> None:
        """Begin with nothing.

        Args:
            problems: receives a sentence for each file that cannot be read.
        """
        self._play = Play({"frozen": FROZEN, "originals": [], "cells": []})
        self._problems = problems
        self._live, self._bytes = 0, 0

    def add(self, one: Chosen, setting: Setting, used: list[Quantity], parts: Parts) -> None:
        """Add a cell, if it keeps pictures.

        Args:
            one: the cell.
            setting: its setting.
            used: the quantities that the setting has.
            parts: what the cell has kept.
        """
        pictures, record, arrays = parts.pictures, parts.record, parts.codes or {}
        if pictures is None:  # the figures say so if they cannot be read
            return
        played, program, why = self._decode(record, pictures, arrays.get("codes"))
        entry = {
            "hash": record["hash"],
            "setting": setting.slug,
            "label": str(one.cell["label"]),
            "seed": int(one.cell["seed"]),
            "score": _write_score(one.cell, lead_score(used)),
            "kl": None if pictures.kl_per_latent is None else _round(pictures.kl_per_latent, 4),
            "why": why,
            **_describe(played),
            "originals": self._keep_originals(played),
            "knows": describe_knowledge(record, arrays, used, self._problems),
        }
        name = Path(record["folder"]).name
        self._play.files[f"play/{name}.webp"] = draw_animation(played.rows)
        self._place(entry, name, played, program)

    def finish(self, settings: list[Setting], choice: str) -> Play:
        """Return everything, in the order of the tables.

        Args:
            settings: all settings.
            choice: a sentence on the cells that were chosen.
        """
        # The best and the other end of its dial come first, if both could be rebuilt.
        self._play.data["shown"] = [entry["hash"] for entry in self._play.data["cells"][:LIVE]]
        order = {hash_: place for place, hash_ in enumerate(h for s in settings for h in s.cells["hash"])}
        self._play.data["cells"].sort(key=lambda entry: order[entry["hash"]])
        self._play.data["choice"] = choice
        return self._play

    def _decode(self, record: Record, pictures: Pictures, numbers: Any) -> tuple[Played, Program | None, str]:
        """Decode a cell's latents, or take what it kept; say why a page cannot decode."""
        file = find_weights(record["folder"])
        if file not in record["files"]:
            return take_latents(pictures), None, NOT_KEPT
        with one_thread():  # two take twice the processor time
            return self._decode_weights(file, record, pictures, numbers)

    def _decode_weights(
        self, file: str, record: Record, pictures: Pictures, numbers: Any
    ) -> tuple[Played, Program | None, str]:
        """Decode the latents of a cell whose record lists weights."""
        from dis_bench.reports.play.export import NotExported, export_decoder
        from dis_bench.reports.play.models import NotRebuilt, rebuild

        try:
            trained = rebuild(record, pictures.originals.shape[1:])
        except FileNotFoundError:
            return take_latents(pictures), None, NOT_KEPT
        except Damaged as error:
            path = Path(record["folder"]) / file
            self._problems.append(FileProblem(path, unreadable(error), _LOSSES))
            return take_latents(pictures), None, "its weights cannot be read"
        except NotRebuilt as error:
            return take_latents(pictures), None, str(error)
        played = decode_latents(trained, pictures, *find_reach(pictures, numbers))
        if played is None:
            return take_latents(pictures), None, "the installed code decodes other images than it kept"
        if self._bytes >= MOST_BYTES:
            return played, None, "there are too many larger models before it"
        try:
            return played, export_decoder(trained.model, trained.networks, len(played.low)), ""
        except NotExported as error:
            return played, None, str(error)

    def _keep_originals(self, played: Played) -> int:
        """Return the place of a cell's originals among all, which most cells share."""
        uri = to_uri(draw_sheet(played.originals[None]))
        kept = self._play.data["originals"]
        if uri not in kept:
            kept.append(uri)
        return int(kept.index(uri))

    def _place(self, entry: dict[str, Any], name: str, played: Played, program: Program | None) -> None:
        """Give a cell its decoder in the page, or a sheet there and a page of its own."""
        entry["animation"] = f"play/{name}.webp"
        if program is not None and self._live < LIVE and len(program.weights) <= MOST_WEIGHTS:
            self._live += 1
            entry["program"] = program.describe()
        else:
            entry["sheet"] = to_uri(draw_sheet(played.rows))
            entry["reconstructions"] = to_uri(draw_sheet(played.reconstructions[None]))
            if program is not None:
                entry["page"] = f"play/{name}.html"
                described = program.describe()
                self._bytes += len(described["weights"])
                self._play.pages[entry["page"]] = self._alone(entry, name, described)
        self._play.data["cells"].append(entry)

    def _alone(self, entry: dict[str, Any], name: str, program: dict[str, Any]) -> dict[str, Any]:
        """Return the data of a cell's own page."""
        left_out = ("sheet", "reconstructions", "page")
        own = {key: value for key, value in entry.items() if key not in left_out}
        own |= {"program": program, "originals": 0, "animation": f"{name}.webp"}
        originals = [self._play.data["originals"][entry["originals"]]]
        return {"frozen": FROZEN, "originals": originals, "cells": [own]}


def _describe(played: Played) -> dict[str, Any]:
    """Describe the images of a cell by their shape and the values of their latents."""
    return {
        "shape": [*played.originals.shape[1:]],
        "count": len(played.originals),
        "stops": played.rows.shape[1],
        "low": _round(played.low, 4),
        "high": _round(played.high, 4),
        "base": _round(played.base, 5),
        "codes": None if played.codes is None else [_round(code, 5) for code in played.codes],
    }


def _round(numbers: Any, digits: int) -> list[float]:
    return [round(float(number), digits) for number in np.asarray(numbers)]


def _write_score(cell: pd.Series, lead: Quantity | None) -> str:
    """Write a cell's leading score, such as ``MIG 0.312``; empty without one."""
    value = float("nan") if lead is None else float(cell.get(lead.name, float("nan")))
    return "" if lead is None or value != value else f"{lead.label} {lead.format(value)}"
