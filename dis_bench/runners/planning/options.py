"""Check the options of a study and of a run, before anything is loaded."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from numbers import Real
from typing import Any

from dis_bench.datasets.combinations import EXAMPLE as COMBINATIONS
from dis_bench.datasets.combinations import read_combinations
from dis_bench.datasets.correlation import read_correlations
from dis_bench.errors import InputError, Option, shown, unknown
from dis_bench.paths import check_path
from dis_bench.records.schema import PARTS
from dis_bench.runners.planning.shards import list_seeds, read_shard

# Numbers beyond these limits are typing errors, or exceed the memory of any machine.
MOST = {
    "steps": 1_000_000_000,
    "batch_size": 100_000,
    "latent_size": 4_096,
    "early_stop": 1_000_000_000,
    "image_size": 256,
}
MOST_CELLS = 100_000
MOST_WORKERS = 10_000
MOST_SCORED = 100  # steps of a training whose codes are kept and scored
LARGEST_FLOAT = sys.float_info.max

AUTO = "auto"  # the address of the cluster that this machine belongs to
_ADDRESS = re.compile(r"(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")

RERUN = ("never", "missing", "always")
ENGINES = ("local", "ray")
LOGS = ("csv", "tensorboard")  # csv is training.csv alone


def check_options(options: Mapping[str, Any], choices: Mapping[str, Sequence[str]]) -> None:
    """Check the types and the limits of all options of a study.

    Args:
        options: values by name.
        choices: the allowed words, for options that have a fixed choice.

    Raises:
        InputError: the first invalid option.
    """
    for name, allowed in choices.items():
        check_choice(name, options[name], allowed)
    for name, most in MOST.items():
        value = options[name]
        if value is not None:
            _check_whole(name, value, most)
    if options["seeds"] is not None:
        list_seeds(options["seeds"])
    settings, allow_small, source = (options[name] for name in ("settings", "allow_small", "source"))
    _check_holdout(options["holdout"])
    if options["correlate"] is not None:
        read_correlations(options["correlate"])
    _check_score_at(options["score_at"])
    _check_keep(options["keep"])
    for name in ("lr", "clip_norm"):
        if options[name] is not None:
            _check_positive(name, options[name])
    _check_adaptation(options)
    if not isinstance(options["network"], (str, type)):
        raise InputError(f"network must be a name or a class, but {shown(options['network'])} was given.")
    for name in ("models", "datasets", "metrics", "betas"):
        _check_list(name, options[name])
    if not isinstance(settings, dict):
        raise InputError(f"settings must be a table by name.key, but {shown(settings)} was given.")
    if not isinstance(allow_small, bool):
        raise InputError(f"allow_small must be true or false, but {shown(allow_small)} was given.")
    if source is not None and not isinstance(source, str):
        raise InputError(f"source must be a text, but {shown(source)} was given.")
    if options["data_dir"] is not None:
        check_path("data_dir", options["data_dir"])


def check_choice(name: str, value: Any, allowed: Sequence[str]) -> None:
    """Check that an option is one of the allowed words.

    Raises:
        InputError: it is not one of them.
    """
    if not isinstance(value, str):
        raise InputError(f"{name} must be one of {', '.join(allowed)}, but {shown(value)} was given.")
    if value not in allowed:
        raise unknown(name, value, allowed)


def check_alone(name: str, word: str, given: Sequence[Any]) -> None:
    """Check that a word such as ``all``, which stands for others, is given alone.

    Raises:
        InputError: it has.
    """
    if word in given and len(given) > 1:
        raise InputError(f"'{word}' of {name} must stand alone, but {' '.join(map(str, given))} was given.")


def check_run(options: Mapping[str, Any]) -> None:
    """Check the options of a run; one that is missing has its default.

    All of them are checked here, and nowhere else. The command line calls this before it loads torch or makes
    a study; :func:`dis_bench.runners.run.run_study`, the entry from Python, calls it before it plans one.

    Args:
        options: values by the names of ``run_study``'s parameters.

    Raises:
        InputError: the first invalid option.
    """
    check_choice("rerun", options.get("rerun", "missing"), RERUN)
    if "checkpoint_minutes" in options:
        _check_positive("checkpoint_minutes", options["checkpoint_minutes"])
    _check_log(options.get("log", LOGS[0]))
    workers = options.get("workers")
    if workers is not None:
        _check_workers(workers)
    if options.get("shard") is not None:
        read_shard(options["shard"])
    _check_engine(options.get("engine", ENGINES[0]), options.get("address"), workers)


def _check_log(value: Any) -> None:
    """Check where a training is logged beside training.csv.

    Raises:
        InputError: there is no such log, or its package is not installed.
    """
    check_choice("log", value, LOGS)
    if value != LOGS[0] and find_spec(value) is None:
        raise InputError(
            f"log '{value}' needs the package {value}, which is not installed: "
            f"`pip install {value}` installs it."
        )


def _check_engine(engine: Any, address: Any, workers: Any) -> None:
    """Check what runs the cells.

    Args:
        engine: one of :data:`ENGINES`.
        address: of a cluster; None if none was given.
        workers: number of tasks at a time; None for all that the cluster can run.

    Raises:
        InputError: there is no such engine, its package is not installed, or it takes no such option.
    """
    check_choice("engine", engine, ENGINES)
    if engine != "ray":
        if address is not None:
            raise InputError(
                f"address '{address}' was given, which only a cluster has: give ",
                Option("engine", "ray"),
                " too.",
            )
        return
    if find_spec(engine) is None:
        raise InputError(
            f"engine '{engine}' needs the package {engine}, which is not installed: "
            f"`pip install 'dis-bench[{engine}]'` installs it."
        )
    if address is not None and not is_address(address):
        raise InputError(
            f"address must be auto, or HOST:PORT of a Ray cluster's head, but {shown(address)} was given."
        )
    if workers == 0:
        raise InputError("workers 0 starts no other process, but the tasks of engine 'ray' are processes.")


def is_address(value: Any) -> bool:
    """Return True for ``auto``, and for ``HOST:PORT``."""
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    return value == AUTO or (match is not None and 0 < int(match["port"]) < 65536)


def _check_workers(value: Any) -> None:
    """Check a number of worker processes.

    Raises:
        InputError: it is not a whole number from 0 to :data:`MOST_WORKERS`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_WORKERS:
        raise InputError(
            f"workers must be a whole number from 0 to {MOST_WORKERS:,}, where 0 starts no other process, "
            f"but {shown(value)} was given."
        )


def _check_whole(name: str, value: Any, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} must be a whole number of at least 1, but {shown(value)} was given.")
    if value > most:
        raise InputError(f"{name} must be at most {most:,}, but {shown(value)} was given.")


def _check_positive(name: str, value: Any) -> None:
    if not (_is_number(value) and 0 < value <= LARGEST_FLOAT):
        raise InputError(f"{name} must be a positive number, but {shown(value)} was given.")


def _check_adaptation(options: Mapping[str, Any]) -> None:
    """Check that images are held out if a training adapts to them."""
    for name in ("lr_schedule", "early_stop"):
        if options[name] is not None and not options["holdout"]:
            raise InputError(
                f"{name} depends on held-out images, but none are held out: give ",
                Option("holdout", 0.1),
                ".",
            )
    if options["early_stop"] is not None and options["score_at"]:
        raise InputError(
            "score_at cannot be combined with early_stop, which may end a training before those steps; give "
            "one of the two."
        )


def _check_holdout(value: Any) -> None:
    if isinstance(value, str):
        read_combinations(value)
    elif not (_is_number(value) and 0 <= value < 1):
        raise InputError(
            "holdout must be a number between 0 and 1, the share of the images that are kept out of training "
            f"(0 keeps none out), or a rule such as '{COMBINATIONS}', but {shown(value)} was given."
        )


def _check_score_at(value: Any) -> None:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise InputError(f"score_at must be a list of steps, but {shown(value)} was given.")
    if len(value) > MOST_SCORED:
        raise InputError(f"score_at may have {MOST_SCORED} steps at most, but {len(value):,} were given.")
    for place, step in enumerate(value):
        _check_whole("each step of score_at", step, MOST["steps"])
        if step in value[:place]:
            raise InputError(f"the steps of score_at must differ, but {step} was given twice.")


def _check_keep(value: Any) -> None:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise InputError(f"keep must be a list of {', '.join(PARTS)}, but {shown(value)} was given.")
    for part in value:
        check_choice("keep", part, PARTS)


def _check_list(name: str, value: Any) -> None:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise InputError(f"{name} must be a list, but {shown(value)} was given.")
    if not value and name in ("models", "datasets"):
        raise InputError(f"{name} is empty; name at least one.")
    if name == "betas":
        wrong = [one for one in value if isinstance(one, bool) or not isinstance(one, (Real, str))]
        what = "a list of numbers"
    else:
        wrong = [one for one in value if not (isinstance(one, (str, type)) or callable(one))]
        what = "a list of names, classes or functions"
    if name == "datasets" and wrong:
        from dis_bench.datasets.dataset import Dataset  # which costs numpy, where there is a dataset anyway

        wrong = [one for one in wrong if not isinstance(one, Dataset)]
        what = "a list of names, classes or datasets"
    if wrong:
        raise InputError(f"{name} must be {what}, but {shown(wrong[0])} is in it.")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
