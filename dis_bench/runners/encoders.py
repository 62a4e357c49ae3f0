"""Score encoders that were trained elsewhere, as cells of a result folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from dis_bench import registry
from dis_bench.bars import bar
from dis_bench.datasets.dataset import Dataset
from dis_bench.errors import InputError, check_line, shown
from dis_bench.metrics import Representation, find_metrics, protocol, resolve_parameters
from dis_bench.metrics.inputs import check_count
from dis_bench.metrics.protocols import check_rows
from dis_bench.neutral import neutral
from dis_bench.records.cell import EXTERNAL, EncoderCell
from dis_bench.records.checks.cell import MOST_LATENTS, check_cell
from dis_bench.records.checks.scores import check_column
from dis_bench.records.claims import Claim, ClaimLost
from dis_bench.records.codes import LAYOUT, write_codes
from dis_bench.records.record import find_cells, read_newest, write_record
from dis_bench.records.schema import SCHEMA, Damaged, Record, stamp
from dis_bench.records.store import NotPlaced, Store
from dis_bench.requirements import names_missing_packages
from dis_bench.runners.device import describe_environment
from dis_bench.runners.planning.plan import Plan
from dis_bench.runners.planning.plugins import check_dataset, check_images
from dis_bench.runners.planning.study_code import StudyCode
from dis_bench.runners.scoring.anchors import keep_anchors
from dis_bench.runners.scoring.choosing import choose_metrics, keep_scorable
from dis_bench.runners.scoring.encoding import Encoded, check_encoder, encode_dataset, round_codes
from dis_bench.runners.scoring.lacking import lacking_scores
from dis_bench.runners.scoring.rows import ROWS, draw_rows
from dis_bench.runners.scoring.scores import score_cell

SECONDS_BETWEEN_CLAIMS = 0.2

_SCORED = ("scores", "protocol", "unscored")


@dataclass(frozen=True)
class Scoring:
    """The choices of scoring.

    Attributes:
        metrics: specifications by name.
        parameters: parameters that differ from the defaults, by metric.
        allow_small: whether protocols are reduced to the rows that there are.
        command: the command that the user typed, for the record.
    """

    metrics: Mapping[str, str]
    parameters: Mapping[str, Mapping[str, Any]]
    allow_small: bool
    command: str


@names_missing_packages
def score_encoder(
    encoder: Callable[[Any], Any] | Sequence[Callable[[Any], Any]],
    dataset: Any,
    *,
    name: str,
    out: str | Path = "results",
    seeds: Sequence[int] | None = None,
    metrics: Iterable[str] | None = None,
    source: str | None = None,
    data_dir: str | Path | None = None,
    allow_small: bool = False,
) -> Any:
    """Score an encoder that was trained elsewhere, as a row of reports.

    Args:
        encoder: takes uint8 images [B, C, H, W], and returns codes [B, D] or a tuple of means and
            log-variances; a ``torch.nn.Module`` gets floats in [0, 1]. Several may be given, one for each
            seed.
        dataset: name or class of the dataset to encode.
        name: the encoder's name in tables.
        out: the result folder.
        seeds: seed of each encoder's training; by default 0, 1, ...
        metrics: names; by default those of the records in ``out``, or else the fast ones; without factors,
            those among them that look at codes alone.
        source: as for :func:`dis_bench.load_dataset`.
        data_dir: likewise.
        allow_small: score even if a protocol needs more rows than there are.

    Returns:
        The table of :func:`dis_bench.read_results` with a row for each seed.

    Raises:
        InputError: input that cannot be encoded or scored, or other codes of the same name and seed.
    """
    from dis_bench.datasets import load_dataset
    from dis_bench.records.table import tabulate

    encoders: list[Any] = list(encoder) if isinstance(encoder, (list, tuple)) else [encoder]
    for one in encoders:
        check_encoder("the encoder", one)
    loaded = load_dataset(dataset, source=source, data_dir=data_dir)
    named = None if metrics is None else list(metrics)
    chosen = keep_scorable(loaded, {one: one for one in choose_metrics(named, out)}, named)
    scoring = Scoring(chosen, {}, allow_small, f"dis_bench.score_encoder(name={name!r})")
    cells = pair_seeds(name, seeds, len(encoders))
    used = resolve_parameters(find_metrics(chosen.values()), {})
    encoded = encode_all(encoders, loaded.name, loaded, used, allow_small)
    records = [
        add_encoder(out, dataset, loaded, who, seed, one, scoring)
        for (who, seed), one in zip(cells, encoded, strict=True)
    ]
    add_anchors(out, records, loaded, scoring)
    return tabulate(records)


def pair_seeds(name: str, seeds: Sequence[int] | None, count: int) -> list[tuple[str, int]]:
    """Return name and seed of each encoder, after checks.

    Raises:
        InputError: the name cannot be shown, or the seeds are not one for each encoder.
    """
    check_line("the name of an encoder", name, most=100)
    if not name.strip() or ":" in name or "/" in name:
        raise InputError(
            f"an encoder's name must be a text without ':' and '/', but {shown(name)} was given."
        )
    given = list(range(count)) if seeds is None else list(seeds)
    for seed in given:
        check_count("each seed", seed, least=0)
    if len(given) != count or len(set(given)) != count:
        raise InputError(f"each encoder needs a seed of its own, but {count} have the seeds {shown(given)}.")
    return [(name, seed) for seed in given]


def encode_all(
    encoders: Sequence[Callable[[Any], Any]],
    name: str,
    dataset: Dataset,
    protocols: Mapping[str, dict[str, Any]],
    allow_small: bool,
    rows: int = ROWS,
) -> list[Encoded]:
    """Encode the rows that studies score with each encoder, after checks.

    Args:
        encoders: the encoders.
        name: name of the dataset in messages.
        dataset: the dataset.
        protocols: parameters of each metric.
        allow_small: whether protocols are reduced to the rows that there are.
        rows: the most rows to encode.

    Raises:
        InputError: the dataset has too few rows for a protocol, or an encoder fails.
    """
    check_dataset(name, dataset)
    check_images(name, dataset)
    check_rows(protocols, min(rows, len(dataset)), allow_small)
    return [encode_dataset(encoder, dataset, rows) for encoder in encoders]


@neutral()
def add_encoder(
    out: str | Path,
    dataset: Any,
    loaded: Dataset | None,
    name: str,
    seed: int,
    encoded: Encoded,
    scoring: Scoring,
    replace: bool = False,
) -> Record:
    """Score codes, and write them as a cell of a result folder; return its record.

    A cell of the same codes is only completed: scores that it has are not computed again.

    Args:
        out: the result folder, created if it is missing.
        dataset: name or class of the dataset; a label for codes of an unknown one.
        loaded: the dataset; None if only codes and factors are known.
        name: name of the encoder.
        seed: of its training.
        encoded: the codes; their rows are those that studies score, if the dataset is known.
        scoring: how to score them.
        replace: move other codes of the same name and seed to ``superseded/``.

    Raises:
        InputError: codes that cannot be scored, or other codes of the same name and seed.
        NotPlaced: the cell could not be moved into place, or another process took it over.
    """
    codes, variances = round_codes(encoded.codes, encoded.log_variances)
    Representation(codes, encoded.factors, log_variances=variances)  # refuses what cannot be scored
    cell = _identify(dataset, loaded, name, seed, codes, variances, encoded.factors)
    _check(cell, scoring)
    used = protocol(
        find_metrics(scoring.metrics.values()).values(),
        scoring.parameters,
        len(codes) if scoring.allow_small else None,
    )
    factors = None if encoded.factors is None else _fit_classes(np.asarray(encoded.factors))
    arrays = {"codes": codes, "factors": factors, "log_variances": variances}
    store = Store(out)
    store.check_writable()
    with _claim(store, cell) as claim:
        before, others = store.find(cell), _find_others(store, cell)
        if before is not None:
            _complete(store, cell, before, arrays, used, scoring)
        elif others and not replace:
            raise InputError(
                f"'{out}' has other codes of encoder '{name}' with seed {seed}; give another name or seed, "
                "or --replace, which moves the old ones to superseded/."
            )
        else:
            record = _score(_begin(cell, scoring), arrays, dict(scoring.metrics), scoring)
            write_codes(claim.folder, codes, factors, variances)
            write_record(claim.folder, record, replace=True)
            store.place(claim, cell.folder)
        if replace:  # also after a run that was killed before it came to this
            _supersede(store, others)
    return _read_back(store, cell)


def _fit_classes(factors: np.ndarray) -> np.ndarray:
    """Renumber the values of factors that the file of codes could not hold.

    Metrics read ranks, so scores do not change.
    """
    limits = np.iinfo(LAYOUT["factors"][0])
    if factors.min() >= limits.min and factors.max() <= limits.max:
        return factors
    return np.stack([np.unique(column, return_inverse=True)[1] for column in factors.T], axis=1)


@contextmanager
def _claim(store: Store, cell: EncoderCell) -> Iterator[Claim]:
    """Claim an encoder's cell, once no other process scores it.

    Each then adds its scores to those of the others.

    Raises:
        NotPlaced: another process took the claim over, such as while this machine slept.
    """
    waiting = f"waiting for another run that scores {cell.folder}"
    try:
        with bar(desc=waiting, bar_format="{desc} [{elapsed}]") as wait:
            while (claim := store.claim(cell)) is None:
                time.sleep(SECONDS_BETWEEN_CLAIMS)
                wait.update()
        with claim:
            yield claim
    except ClaimLost:
        raise NotPlaced(
            f"another process has taken over {cell.folder}; score again when it has ended"
        ) from None


def _identify(
    dataset: Any,
    loaded: Dataset | None,
    name: str,
    seed: int,
    codes: np.ndarray,
    variances: np.ndarray | None,
    factors: np.ndarray | None,
) -> EncoderCell:
    content = hashlib.sha256(np.ascontiguousarray(codes).tobytes())
    content.update(b"" if variances is None else np.ascontiguousarray(variances).tobytes())
    if loaded is None:
        digest = hashlib.sha256(np.ascontiguousarray(factors, np.int64).tobytes()).hexdigest()[:16]
        source, fingerprint, version = EXTERNAL, f"factors:{digest}", EXTERNAL
    else:
        plugin = registry.find("datasets", dataset)
        dataset, version = plugin.name, plugin.version
        source, fingerprint = loaded.source, loaded.fingerprint
    return EncoderCell(
        dataset,
        source,
        fingerprint,
        version,
        name,
        codes.shape[1],
        seed,
        content.hexdigest(),
    )


def _check(cell: EncoderCell, scoring: Scoring) -> None:
    """Check, before it is scored, that readers will accept the record."""
    if cell.latent_size > MOST_LATENTS:
        raise InputError(f"there may be {MOST_LATENTS:,} codes at most, but {cell.latent_size:,} were given.")
    try:
        check_cell(cell.identity)
        for metric in scoring.metrics:
            check_column("metric", metric)
    except Damaged as error:
        raise InputError(f"no record can hold encoder '{cell.model}': {error}.") from None


def _find_others(store: Store, cell: EncoderCell) -> list[Record]:
    """List the records of other codes of the same encoder, seed and dataset."""
    same = ("kind", "dataset", "source", "fingerprint", "model", "seed")
    wanted = {name: cell.identity[name] for name in same}
    newest = (read_newest(folder, []) for folder in find_cells(store.root))
    return [
        record
        for record in newest
        if record is not None
        and {name: record["cell"].get(name) for name in same} == wanted
        and record["hash"] != cell.hash
    ]


def _supersede(store: Store, records: Sequence[Record]) -> None:
    """Move replaced cells aside; nothing is deleted."""
    for record in records:
        folder = Path(record["folder"])
        folder.rename(store.name_superseded(folder.name))


def _begin(cell: EncoderCell, scoring: Scoring) -> Record:
    return {
        "schema": SCHEMA,
        "status": "done",
        "hash": cell.hash,
        "cell": cell.identity,
        "beta_norm": None,
        "dial": None,
        "evaluation": {},
        "scores": {},
        "protocol": {},
        "unscored": {},
        "small": [],
        "timing": {},
        "failure": None,
        "environment": describe_environment("cpu", "fp32", "torch"),
        "command": scoring.command,
        "created": stamp(),
    }


def _score(record: Record, arrays: Mapping[str, Any], metrics: dict[str, str], scoring: Scoring) -> Record:
    """Return a record with the scores of metrics; those that fail are named in it."""
    start = time.perf_counter()
    with bar(total=len(metrics), desc="score", unit="metric") as progress:
        given = (record, arrays, metrics, scoring.parameters, scoring.allow_small)
        record = score_cell(*given, lambda _: progress.update())
    seconds = record["timing"].get("score_seconds", 0.0) + time.perf_counter() - start
    return {**record, "timing": {**record["timing"], "score_seconds": seconds}}


def _complete(
    store: Store,
    cell: EncoderCell,
    before: Record,
    arrays: Mapping[str, Any],
    used: dict[str, dict[str, Any]],
    scoring: Scoring,
) -> None:
    """Add the scores that a cell lacks in a further record, if there are any."""
    lacking = lacking_scores(before, used)
    if not lacking:
        return
    record = {name: value for name, value in before.items() if name != "folder"}
    record = _score(record, arrays, {name: scoring.metrics[name] for name in lacking}, scoring)
    if any(record[name] != before[name] for name in _SCORED):
        record["rescored"] = {
            "command": scoring.command,
            "environment": describe_environment("cpu", "fp32", "torch"),
            "created": stamp(),
        }
        write_record(store.folder(cell), record)


def _read_back(store: Store, cell: EncoderCell) -> Record:
    problems: list[str] = []
    record = read_newest(store.folder(cell), problems)
    assert record is not None, problems
    return record


def add_anchors(out: str | Path, records: Sequence[Record], loaded: Dataset | None, scoring: Scoring) -> None:
    """Keep the scores of a perfect code and of noise that a folder lacks."""
    if loaded is None:
        return
    named = [field.name for field in fields(_Scored)]
    cells: Any = tuple(
        _Scored(**{name: record["cell"].get(name, "") for name in named}) for record in records
    )
    used = {name: record["protocol"][name] for record in records for name in record["protocol"]}
    wanted = {name: specification for name, specification in scoring.metrics.items() if name in used}
    plan = Plan(
        cells=cells,
        datasets={cell.dataset: loaded for cell in cells},
        models={},
        networks={},
        metrics=dict(wanted),
        device="cpu",
        code=StudyCode(),
        parameters={name: dict(given) for name, given in scoring.parameters.items()},
        allow_small=scoring.allow_small,
        protocols={cell.dataset: {name: used[name] for name in wanted} for cell in cells},
    )
    keep_anchors(plan, wanted, Store(out))


@dataclass(frozen=True)
class _Scored:
    """The part of a cell on which its anchors depend."""

    dataset: str
    fingerprint: str
    dataset_version: str
    dataset_parameters: str
    latent_size: int


def match_rows(encoded: Encoded, dataset: Dataset) -> None:
    """Check that a file's factors are those of the rows that studies score, in order.

    Raises:
        InputError: they are not, so that the scores would not be comparable.
    """
    wanted, given = np.asarray(dataset.factors(draw_rows(dataset))), np.asarray(encoded.factors)
    if given.shape != wanted.shape or not np.array_equal(given, wanted):
        raise InputError(
            f"the file's factors {list(given.shape)} are not those {list(wanted.shape)} of the images of "
            f"dataset '{dataset.name}' that studies score: leave out --dataset, and it gets its own table."
        )
