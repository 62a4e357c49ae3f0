"""Keep a study small enough for git: its records, table, figures, command, machine and hours.

    python benchmarks/reference.py results results/reference/betavae-dsprites

The new folder is a result folder without weights, codes and pictures, which `dis-bench report` reads. Where
the study was written is taken out of each record's command, and the record is sealed again. `--replace` lets
an older copy give way, as a study that has grown needs.
"""

from __future__ import annotations

import argparse
import copy
import shlex
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from dis_bench.records.record import find_cells, read_newest, write_record
from dis_bench.records.schema import Record
from dis_bench.reports.words import count_things
from dis_bench.reports.writing import make_report

FIGURES = ("tradeoff", "against", "agreement", "scores-along")  # beginnings of the names of kept figures
COLOURS = 256  # of a kept figure; hues that name models stay as they are


def main() -> None:
    """Copy what is kept, and describe it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("study", type=Path, help="result folder of the study")
    add("out", type=Path, help="folder to make")
    add("--replace", action="store_true", help="let the folder replace an older one")
    options = parser.parse_args()
    if options.out.exists() and not options.replace:
        parser.error(f"{options.out} exists already; --replace replaces it")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out.parent) as scratch:
        new = Path(scratch, "new")
        records = copy_records(options.study, new)
        copy_report(options.study, new, Path(scratch, "report"))
        (new / "README.md").write_text(describe(options.out.name, records, new), encoding="utf-8")
        if options.out.exists():
            options.out.rename(Path(scratch, "old"))
        new.rename(options.out)
    print(f"{len(records)} cells, {sum(file.stat().st_size for file in options.out.rglob('*')) / 1e6:.1f} MB")


def copy_records(study: Path, new: Path) -> list[Record]:
    """Write the newest record of each finished cell, sealed without its files, and the anchors."""
    records = []
    for folder in tqdm(find_cells(study), desc="copying", unit="cell", leave=False):
        record = read_newest(folder, [])
        if record is None or record["status"] != "done":
            continue
        kept = copy.copy(record)
        kept.pop("folder", None)  # where it was read
        kept.update(command=drop_option(record["command"], "--out"), files={})
        (new / "cells" / folder.name).mkdir(parents=True)
        write_record(new / "cells" / folder.name, kept)
        records.append(kept)
    if (study / "anchors").exists():
        shutil.copytree(study / "anchors", new / "anchors")
    return records


def drop_option(command: str, option: str) -> str:
    """Return a command without an option and its value."""
    words = shlex.split(command)
    if option not in words:
        return command
    place = words.index(option)
    return shlex.join(words[:place] + words[place + 2 :])


def copy_report(study: Path, new: Path, report: Path) -> None:
    """Make the study's report, and keep its tables and its figures of scores."""
    make_report(study, report)
    for name in ("table.csv", "table.md"):
        shutil.copyfile(report / name, new / name)
    for figure in sorted((report / "plots").glob("*.png")):
        if figure.name.startswith(FIGURES):
            with Image.open(figure) as image:
                reduce_colours(image).save(new / figure.name, optimize=True)


def reduce_colours(image: Image.Image) -> Image.Image:
    """Return a figure with fewer colours, of which the rare ones keep their hue."""
    return image.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def describe(name: str, records: list[Record], new: Path) -> str:
    """Return a text on how the study was made, with its table."""
    hours = describe_hours(records)
    minutes = sum(record["timing"]["score_seconds"] or 0 for record in records) / 60
    last = max(record["created"][:10] for record in records)
    models = {record["cell"]["model"] for record in records}
    commands = "\n".join(f"    {command}" for command in dict.fromkeys(one["command"] for one in records))
    figures = "\n\n".join(f"![{path.stem}]({path.name})" for path in sorted(new.glob("*.png")))
    table = (new / "table.md").read_text(encoding="utf-8").replace("## ", "### ")
    parts = [
        f"# {name}",
        f"{count_things(len(records), 'cell')} of {count_things(len(models), 'model')}: "
        f"training took {hours}, scoring {minutes:.0f} min, up to {last}, on a "
        f"machine that did other work too ({list_values(records, 'processor')}, torch "
        f"{list_values(records, 'torch')}).",
        "Made by",
        commands,
        "These are the records alone, without weights, codes and pictures: `dis-bench report` draws all but "
        f"pictures and UDR from them (`dis-bench report results/reference/{name} --out page`).",
        "## Scores",
        table.strip(),
        figures,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def describe_hours(records: Iterable[Record]) -> str:
    """Return the hours of training on processors' cores, and on each kind of GPU."""
    seconds: dict[str, float] = {}
    for record in records:
        device = record["environment"]["device"]
        seconds[device] = seconds.get(device, 0.0) + (record["timing"]["train_seconds"] or 0)
    return " and ".join(
        f"{spent / 3600:.1f} {'core-hours by the clock' if device == 'cpu' else f'hours of one {device}'}"
        for device, spent in seconds.items()
        if spent or len(seconds) == 1
    )


def list_values(records: Iterable[Record], key: str) -> str:
    """List the different values of an entry of the records' environments."""
    return ", ".join(dict.fromkeys(str(record["environment"][key]) for record in records))


if __name__ == "__main__":
    main()
