"""Scoring of a study: check that its datasets allow it, and score one cell."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from dis_bench.datasets.dataset import NO_FACTORS, Dataset
from dis_bench.errors import RECORD, InputError, Option, blaming, describe
from dis_bench.metrics import add_columns, find_metrics, protocol, resolve_parameters
from dis_bench.metrics.declaration import describe as describe_metric
from dis_bench.metrics.metric import Metric
from dis_bench.metrics.protocols import STUDY_ROWS, check_rows
from dis_bench.metrics.representation import Representation
from dis_bench.records.checks.scores import check_returned, check_scores
from dis_bench.records.columns import find_metric, join_images
from dis_bench.records.schema import LACKS_FACTORS, Damaged
from dis_bench.runners.scoring.rows import ROWS, draw_rows, read_factors

SCORING_SEED = 0  # of the metrics' own draws, which are the same for every model

_DIGITS = 6  # of parts of scores

TRIED_ROWS = 300  # enough for any metric to read its parameters, and few enough to be quick

Protocol = dict[str, dict[str, Any]]
Parameters = Mapping[str, Mapping[str, Any]]


def list_unscorable(name: str, dataset: Dataset, metrics: Mapping[str, Metric]) -> dict[str, str]:
    """List the metrics that a dataset has no factors for, with the reason."""
    if dataset.known_factors is not None:
        return {}
    reason = f"{LACKS_FACTORS}, but dataset '{name}' has {NO_FACTORS}"
    return {own: reason for own, metric in metrics.items() if metric.reads_factors}


def check_scoring(
    name: str,
    dataset: Dataset,
    metrics: Mapping[str, Metric],
    parameters: Mapping[str, Mapping[str, Any]],
    allow_small: bool,
) -> Protocol:
    """Check that metrics can score the images of a dataset, for any codes.

    Args:
        name: name of the dataset.
        dataset: the dataset; its factors are read, but no image is drawn.
        metrics: metrics by name; those of :func:`list_unscorable` are left out.
        parameters: parameters that differ from the defaults, by metric.
        allow_small: whether protocols are reduced to the images that there are.

    Returns:
        Version and parameters of each metric, as cells of this dataset will record them.

    Raises:
        InputError: there are too few images, or no factor varies.
    """
    unscorable = list_unscorable(name, dataset, metrics)
    metrics = {own: metric for own, metric in metrics.items() if own not in unscorable}
    parameters = {own: given for own, given in parameters.items() if own in metrics}
    if not metrics:
        return {}
    rows = min(ROWS, len(dataset))
    used = resolve_parameters(metrics, parameters)
    check_rows(used, rows, allow_small, whose=f"dataset '{name}'")
    with blaming(f"dataset '{name}' cannot give its factors"):
        factors = read_factors(dataset, draw_rows(dataset))
    try:
        Representation(np.zeros((rows, 1)), factors)
    except InputError as error:
        without = ("; ", Option("metrics", ()), " trains without scores.")
        raise InputError(f"dataset '{name}' cannot be scored: {str(error).rstrip('.')}", *without) from None
    _check_values(metrics, parameters, None if factors is None else factors[:TRIED_ROWS], rows)
    protocols = protocol(metrics.values(), parameters, rows if allow_small else None)
    for metric in metrics.values():  # a caveat may be a function, which may fail
        describe_metric(metric, metric.outputs or (), name, protocols[metric.name])
    return protocols


def _check_values(
    metrics: Mapping[str, Metric],
    parameters: Mapping[str, Mapping[str, Any]],
    factors: np.ndarray | None,
    rows: int,
) -> None:
    """Check parameters on a small table that the metrics score with their defaults."""
    codes = np.random.default_rng(SCORING_SEED).standard_normal((min(rows, TRIED_ROWS), 2))
    for name, given in parameters.items():
        try:
            table = Representation(codes, factors, log_variances=0 * codes, allow_small=True)
            metrics[name].scores(table)
        except InputError:  # then a small table shows nothing
            continue
        metrics[name].scores(table, **given)


def score_cell(
    record: dict[str, Any],
    arrays: Mapping[str, Any],
    metrics: Mapping[str, str],
    parameters: Mapping[str, Mapping[str, Any]],
    allow_small: bool,
    watch: Callable[[str], None],
    others: Mapping[str, Mapping[str, Any] | str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return a record with the scores of metrics, their protocols and their failures.

    Errors are recorded rather than raised, so that they do not lose the training. The next run tries again;
    not so for a metric that only lacks a score on other images.

    Args:
        record: the record, which is not changed; the new one differs in ``scores``, ``per_factor``,
            ``protocol``, ``unscored``, ``small``, ``left_out`` and ``declared``.
        arrays: codes, and factors and log_variances if there are any.
        metrics: what to load for each name: the name itself, or ``path/file.py:name``.
        parameters: parameters that differ from the defaults, by metric.
        allow_small: whether protocols are reduced to the rows that there are.
        watch: called with each stage.
        others: by other images (a key of :data:`dis_bench.records.columns.OTHER_IMAGES`), their arrays, or
            the reason why there are none. Their scores have the names of these images; the rows may be fewer
            than a protocol needs, and such scores are marked as small.
    """
    record = copy.deepcopy(record)
    representation = _represent(arrays, allow_small)
    if isinstance(representation, str):
        record["unscored"].update(dict.fromkeys(metrics, representation))
        return record
    # A rule may hold out few images.
    on_others = {images: _represent(given, allow_small=True) for images, given in others.items()}
    columns = {c: v for c, v in record["scores"].items() if find_metric(c, record["protocol"]) not in metrics}
    for name, specification in metrics.items():
        watch(f"scoring {name}")
        try:
            [metric] = find_metrics([specification]).values()
            given = {name: parameters.get(name, {})}
            if _is_too_wide(record, metric, representation):
                _leave_out(record, metric, given, representation)
                continue
            scores = metric.scores(representation, **given[name])
            check_returned(name, scores)
            columns = add_columns(columns, name, scores)
            used = protocol([metric], given, len(representation) if allow_small else None)
            check_scores(scores, used, taken=record["cell"]["hyperparameters"])  # as readers do
            said = describe_metric(metric, scores, record["cell"]["dataset"], used[name])
        except (Exception, SystemExit) as error:  # a plug-in may raise anything when it is loaded
            record["unscored"][name] = _reason(error)
            continue
        _replace_scores(record, name, scores, _list_small(metric, scores, representation))
        for images, other in on_others.items():
            watch(f"scoring {join_images(name, images)}")
            _score_others(record, metric, given, images, other)
        _replace_parts(record, name, scores, representation)
        record["protocol"].update(used)
        record.setdefault("declared", {}).setdefault("metrics", {})[name] = said
        record["unscored"].pop(name, None)
    _replace_left_out(record, metrics, representation.list_mostly_dropped())
    return record


def _represent(arrays: Mapping[str, Any] | str, allow_small: bool) -> Representation | str:
    """Return a representation, or the reason why there is none."""
    if isinstance(arrays, str):
        return arrays
    try:
        return Representation(
            arrays["codes"],
            arrays.get("factors"),
            log_variances=arrays.get("log_variances"),
            seed=SCORING_SEED,
            allow_small=allow_small,
        )
    except Exception as error:  # such as factors none of which varies
        return _reason(error)


def _score_others(
    record: dict[str, Any], metric: Metric, given: Parameters, images: str, other: Representation | str
) -> None:
    """Add the scores of a metric on other images, or the reason why there are none."""
    own = join_images(metric.name, images)
    record["unscored"].pop(own, None)
    if isinstance(other, str):
        record["unscored"][own] = other
        return
    try:
        found = metric.scores(other, **given[metric.name])
        scores = {join_images(column, images): value for column, value in found.items()}
        used = protocol([metric], given)
        check_scores(scores, used, taken=record["cell"]["hyperparameters"])
    except (Exception, SystemExit) as error:
        record["unscored"][own] = _reason(error)
        return
    record["scores"] |= scores
    small = [join_images(column, images) for column in _list_small(metric, found, other)]
    record["small"] = sorted({*record["small"], *small})


def _is_too_wide(record: Mapping[str, Any], metric: Metric, representation: Representation) -> bool:
    """Return whether codes are as wide as images, and a metric does not take so many."""
    is_wide = record["cell"].get("latent_size") == 0
    return is_wide and metric.widest is not None and representation.codes.shape[1] > metric.widest


def _leave_out(
    record: dict[str, Any], metric: Metric, given: Parameters, representation: Representation
) -> None:
    """Record why a metric gives no score, with its protocol: no later run tries again."""
    rows = len(representation) if representation.allow_small else None
    record["protocol"].update(protocol([metric], given, rows))
    record["unscored"][metric.name] = (
        f"it takes at most {metric.widest:,} codes in a study, since its time grows fast with them, but "
        f"there are {representation.codes.shape[1]:,}"
    )


def _replace_scores(
    record: dict[str, Any], name: str, scores: dict[str, float], small: Iterable[str]
) -> None:
    """Replace the scores that a metric had with another protocol."""
    names = {*record["protocol"], name}
    kept = {c: value for c, value in record["scores"].items() if find_metric(c, names) != name}
    record["scores"] = kept | scores
    record["small"] = sorted({c for c in record.get("small", []) if find_metric(c, names) != name} | {*small})


def _replace_parts(
    record: dict[str, Any], name: str, scores: dict[str, float], representation: Representation
) -> None:
    """Replace the parts of a metric's scores, if it kept any that are finite."""
    parts = record.get("per_factor", {})
    before, importances = parts.get("scores", {}), {**parts.get("importances", {})}
    names = {*record["protocol"], name}
    kept = {column: values for column, values in before.items() if find_metric(column, names) != name}
    for column in scores:
        values = representation.per_factor.get(column)
        if values is not None and np.isfinite(values).all():
            kept[column] = np.round(values, _DIGITS).tolist()
    importances.pop(name, None)
    found = representation.importances.get(name)
    if found is not None and np.isfinite(found).all():
        importances[name] = np.round(found, _DIGITS).tolist()
    given = {"scores": kept, "importances": importances}
    given = {key: table for key, table in given.items() if table}
    record.pop("per_factor", None)
    record |= {"per_factor": given} if given else {}


def _replace_left_out(record: dict[str, Any], metrics: Collection[str], dropped: Mapping[str, int]) -> None:
    """Replace the numbers of codes that metrics left out, if they left out most."""
    before = {name: count for name, count in record.pop("left_out", {}).items() if name not in metrics}
    record |= {"left_out": {**before, **dropped}} if dropped or before else {}


def _list_small(metric: Metric, scores: dict[str, float], representation: Representation) -> list[str]:
    """List the scores from fewer rows than a study with a large dataset has."""
    drawn_from_few = metric.draws_rows and len(representation) < STUDY_ROWS
    return [column for column in scores if drawn_from_few or column in representation.small]


def _reason(error: BaseException) -> str:
    if isinstance(error, InputError):
        error.door = RECORD
    return str(error) if isinstance(error, (InputError, Damaged)) else describe(error)
