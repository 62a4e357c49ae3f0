"""Kill a study at random moments, in every way, and compare the table that the same command then ends with.

    python benchmarks/kills.py                        # 50 kills: half an hour
    python benchmarks/kills.py --json kills.json      # goes on where the file ends, if it was stopped
    python benchmarks/kills.py --short                # ten of a small study, as the suite runs them

The study has four kinds of model: with one player, with two, on pairs, without steps. After each kill the
same command runs to its end. Then all columns of the table except times must be those of an undisturbed run;
each cell must have been trained from its last checkpoint, and a finished one not at all; and no process,
temporary file, claim or unfinished folder may be left. Steps are counted as they begin.

No checkpoint may be lost: those that there were just before the kill, or later ones, must be there after it.
A run that is asked to stop must keep all steps of a training that is under way but the one that has begun.

A full disk is a small tmpfs that a file fills, or where none can be mounted, a limit on the size of files.
Memory that runs out is a limit of a control group at which the kernel kills, or where none can be made, a
limit on the address space. A power cut is a copy of the folder, taken while the run writes to it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import scipy.stats
import sklearn.decomposition
import torch._dynamo
import torch.multiprocessing
from killing import WAYS, Command, Place, disturb, prepared, start, wait_for_moment
from machine import describe_machine, print_machine, print_table
from tqdm import tqdm

from dis_bench import read_results
from dis_bench.records.checkpoint import read_checkpoint
from dis_bench.records.columns import TIMES
from dis_bench.records.record import read_newest
from dis_bench.runners import run

# Imported once, before commands are forked, which would otherwise import them each time.
LOADED = (run, scipy.stats, sklearn.decomposition, torch._dynamo, torch.multiprocessing)

ROOT = Path(__file__).parent.parent
COUNTED, TINY, SMALL = (
    ROOT / place for place in ("benchmarks/counted.py", "tests/tiny.py", "tests/models/small.py")
)
STEPLESS = "fitted"
ASKED = ("SIGTERM", "closed terminal")  # ways to ask a run to stop; the others kill it


@dataclass
class Study:
    """A study to kill.

    Attributes:
        steps: of each cell.
        seeds: of each model.
        betas: of the model with one player.
        minutes: between checkpoints.
        workers: numbers of workers to choose from, where the way to kill leaves a choice.
    """

    steps: int
    seeds: int
    betas: tuple[int, ...]
    minutes: float
    workers: tuple[int, ...]

    def words(self, out: Path, workers: int) -> list[str]:
        """Return the command line."""
        models = [f"{COUNTED}:{name}" for name in ("Steps", "Players", "Pairs", "Fitted")]
        return [
            *("run", "--models", *models, "--set", f"steps.beta={','.join(map(str, self.betas))}"),
            *("--datasets", f"{TINY}:Tiny", "--network", f"{SMALL}:Small", "--metrics", f"{TINY}:mean_code"),
            *("--steps", str(self.steps), "--seeds", str(self.seeds), "--batch-size", "16"),
            *("--latent-size", "4", "--precision", "fp32", "--kernels", "torch", "--device", "cpu"),
            *("--checkpoint-minutes", str(self.minutes), "--workers", str(workers), "--out", str(out)),
        ]


def table(out: Path) -> Any:
    """Return the table of a result folder without places and times."""
    found = read_results(out)
    return found.drop(columns=["folder", *(name for name in TIMES if name in found)])


class Counted(NamedTuple):
    """A cell whose steps are counted.

    Attributes:
        steps: of its training.
        counter: name under which ``counted.py`` counts them.
    """

    steps: int
    counter: str


def count_cell(record: Any) -> Counted:
    """Return the steps of a cell and where they are counted; the study has one cell for each counter."""
    model = record["cell"]["model"].rpartition(":")[2].lower()
    beta = f"-{record['cell']['hyperparameters']['beta']:g}" if model == "steps" else ""
    return Counted(record["cell"]["steps"], model + beta)


def steps_left(out: Path, cells: dict[str, Counted]) -> int:
    """Return the steps from the checkpoints of all cells to their ends.

    Args:
        out: the result folder after a kill.
        cells: the cells by name.
    """
    return sum(
        cell.steps - newest_step(out, name) for name, cell in cells.items() if not has_result(out, name)
    )


def list_lost(out: Path, seen: Path, cells: dict[str, Counted], taken: dict[str, int]) -> list[str]:
    """List the cells that lost steps in a kill which they should have kept.

    Args:
        out: the result folder after the kill.
        seen: the checkpoints just before it, from :func:`keep_checkpoints`.
        cells: the cells by name.
        taken: steps begun by counter, where the run was asked to stop; empty where it was killed. Of a
            complete training only the checkpoints count: a short one writes none before it encodes.
    """
    lost = []
    for name, cell in cells.items():
        kept, wanted, begun = newest_step(out, name), newest_step(seen, name), taken.get(cell.counter, 0)
        if begun < cell.steps:
            wanted = max(wanted, begun - 1)
        if kept < wanted and not has_result(out, name):
            lost.append(f"{name}: {kept} of {wanted}")
    return lost


def choose_comparable(way: str, out: Path, cells: dict[str, Counted]) -> dict[str, Counted]:
    """Leave out the cells that may be without a checkpoint after this way to kill.

    These are cells that moved from ``unfinished/`` to ``cells/`` during a copy, which may then have neither,
    and cells that failed for lack of memory, which start again from the beginning.
    """
    folders = {name: [*unfinished(out, name), *out.glob(f"cells/{name}")] for name in cells}
    if way == "power cut":
        return {name: cell for name, cell in cells.items() if folders[name]}
    if way == "memory":
        records = {name: read_newest(out / "cells" / name, []) for name in cells}
        return {name: cell for name, cell in cells.items() if not (records[name] or {}).get("failure")}
    return cells


def keep_checkpoints(out: Path, seen: Path) -> None:
    """Copy the checkpoints of a result folder, which a run may be writing to."""
    for path in out.glob("unfinished/*/checkpoint.pt"):
        with contextlib.suppress(OSError):  # it is moved just now
            content = path.read_bytes()
            target = seen / path.relative_to(out)
            target.parent.mkdir(parents=True)
            target.write_bytes(content)


def newest_step(out: Path, name: str) -> int:
    """Return the step of a cell's newest checkpoint; 0 without any."""
    states = [read_checkpoint(folder, name.rpartition("-")[2]) for folder in unfinished(out, name)]
    return max((state["step"] for state in states if state), default=0)


def has_result(out: Path, name: str) -> bool:
    """Return True if a cell was finished, whether or not its folder was moved into place."""
    return any(is_done(folder) for folder in (out / "cells" / name, *unfinished(out, name)))


def unfinished(out: Path, name: str) -> list[Path]:
    """List the folders of an unfinished cell, claimed or not."""
    return [path for path in (out / "unfinished").glob(f"*{name}") if path.is_dir()]


def is_done(folder: Path) -> bool:
    """Return True if a folder has a valid record of a finished cell."""
    record = read_newest(folder, []) if folder.is_dir() else None
    return record is not None and record["status"] == "done"


def leftovers(place: Place, command: Command) -> list[str]:
    """List what a finished command should not leave behind."""
    found = [str(path.relative_to(place.out)) for path in place.out.rglob(".*")]
    found += [f"unfinished/{path.name}" for path in (place.out / "unfinished").glob("[!.]*")]
    found += [f"temporary {path.name}" for path in place.temporary.iterdir()]
    found += [f"shared memory {path.name}" for path in Path("/dev/shm").glob(f"torch_{command.pid}_*")]
    return found


def kill_once(
    way: str,
    study: Study,
    place: Place,
    cells: dict[str, Counted],
    wanted: Any,
    rng: random.Random,
    seconds: float,
) -> dict[str, Any]:
    """Kill a study once, run the same command again, and report how it went."""
    workers = 1 if way == "kill -9, worker" else rng.choice(study.workers)
    words = study.words(place.out, workers)
    log, seen = place.root / "log", place.root / "seen"
    with prepared(way, place) as means:
        command = start(words, log, terminal=way == "closed terminal")
        moment = wait_for_moment(command, place.out, rng, seconds)
        if moment:
            keep_checkpoints(place.out, seen)
        remark = disturb(way, command, place, means, rng) if moment else ""
        code = command.wait()
        if command.terminal is not None:
            os.close(command.terminal)
    deadline = time.monotonic() + 30
    while (orphans := command.members()) and time.monotonic() < deadline:
        time.sleep(0.05)
    left, before = steps_left(place.out, cells), place.taken()
    taken = place.count() if moment and way in ASKED else {}
    lost = list_lost(place.out, seen, choose_comparable(way, place.out, cells), taken)
    done = sum(is_done(folder) for folder in place.out.glob("cells/[!.]*"))
    after = start(words, log)
    last = after.wait()
    same = (place.out / "cells").is_dir() and table(place.out).equals(wanted)
    total = sum(cell.steps for cell in cells.values())
    return {
        "way": way,
        "moment": moment or "it had ended",
        "workers": workers,
        "code": code,
        "cells done": done,
        "steps": total,
        "trained again": place.taken() - total,
        "from its checkpoint": "yes"
        if place.taken() - before == left
        else f"no: {place.taken() - before} for {left}",
        "lost": ", ".join(lost) or "nothing",
        "same table": "yes" if same and last == 0 else f"no: exit code {last}",
        "left over": ", ".join(leftovers(place, after) + [f"process {pid}" for pid in orphans]) or "nothing",
        "remark": remark,
    }


def run_undisturbed(study: Study, place: Place) -> tuple[Any, dict[str, Counted], float]:
    """Run a study to its end; return its table, its cells by name, and its seconds."""
    begin = time.monotonic()
    command = start(study.words(place.out, 0), place.root / "log")
    if command.wait() != 0:
        raise RuntimeError((place.root / "log").read_text("utf-8", "replace"))
    seconds = time.monotonic() - begin
    records = [read_newest(folder, []) for folder in place.out.glob("cells/*")]
    cells = {Path(record["folder"]).name: count_cell(record) for record in records if record}
    wanted = {cell.counter: cell.steps for cell in cells.values() if cell.steps}
    if place.count() != wanted:
        raise RuntimeError(f"{place.count()} steps were taken for {wanted}")
    return table(place.out), cells, seconds


def read_rows(path: Path | None) -> list[dict[str, Any]]:
    """Read the kills that an earlier call kept."""
    if path is None or not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["kills"]
    return rows


def write_rows(path: Path | None, rows: list[dict[str, Any]]) -> None:
    """Keep kills, and their summary, in a file."""
    if path is not None:
        kept = {"machine": describe_machine("torch"), "summary": summarise(rows), "kills": rows}
        path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each way: kills, faults, and the most steps that one cell or all trained again."""
    return [
        {
            "way": way,
            "kills": len(some),
            "while it ran": sum(row["moment"] != "it had ended" for row in some),
            "faults": sum(map(is_fault, some)),
            "steps trained again, at most": max(row["trained again"] for row in some),
            "of steps in all": max(row["steps"] for row in some),
        }
        for way in dict.fromkeys(row["way"] for row in rows)
        if (some := [row for row in rows if row["way"] == way])
    ]


def is_fault(row: dict[str, Any]) -> bool:
    """Return True if a kill was not survived as it should be."""
    wanted = {"same table": "yes", "from its checkpoint": "yes", "lost": "nothing", "left over": "nothing"}
    return any(row.get(name, good) != good for name, good in wanted.items())  # earlier files lack "lost"


def main() -> int:
    """Kill, and print what happened; return 1 if anything was not as it should be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, metavar="N", help="(default: 50, or 10 of a small study)")
    parser.add_argument("--short", action="store_true", help="a small study")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="in turn (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep each kill there; go on after those")
    options = parser.parse_args()
    small, large = Study(40, 1, (1,), 0.002, (0,)), Study(400, 1, (1, 4), 0.01, (0, 0, 1))
    study = small if options.short else large
    kills = options.kills or (10 if options.short else 50)
    rows = read_rows(options.json)
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        wanted, cells, seconds = run_undisturbed(study, Place(Path(scratch, "whole")))
        for number in tqdm(range(len(rows), kills), desc="killing", disable=None):
            place = Place(Path(scratch, str(number)))
            way, rng = options.ways[number % len(options.ways)], random.Random(f"{options.seed}-{number}")
            rows.append(kill_once(way, study, place, cells, wanted, rng, seconds))
            tqdm.write(
                f"{way}, {rows[-1]['moment']}: {'a fault' if is_fault(rows[-1]) else 'survived'}", sys.stderr
            )
            if is_fault(rows[-1]):
                print((place.root / "log").read_text("utf-8", "replace")[-3000:], file=sys.stderr)
            shutil.rmtree(place.root)
            write_rows(options.json, rows)
    print_table(rows)
    print()
    print_table(summarise(rows))
    faults = sum(map(is_fault, rows))
    undisturbed = f"{len(cells)} cells of {study.steps} steps, {seconds:.1f} s undisturbed"
    print(f"\n{len(rows)} kills of {undisturbed}: {faults} faults.")
    print_machine(describe_machine("torch"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
