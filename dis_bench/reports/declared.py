"""Declarations of plug-ins, from the records or, failing that, from installed plug-ins.

Earlier records have no key ``declared``. A name in a record is only looked up among installed plug-ins; it
never decides what is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from dis_bench.errors import InputError, blaming, check_line
from dis_bench.metrics.declaration import describe
from dis_bench.metrics.metric import Metric, as_metric, find_owner
from dis_bench.records.schema import Record
from dis_bench.registry import known


class Declared:
    """The declarations of the plug-ins of some records.

    Args:
        records: the records; of several with the same plug-in, the newest counts.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._metrics: dict[str, dict[str, Any]] = {}
        self._scores: dict[str, dict[str, Any]] = {}
        self._caveats: dict[tuple[str, str], str] = {}
        self._notes: dict[str, str] = {}
        self._baselines: dict[str, bool] = {}
        for record in sorted(records, key=lambda record: record["created"]):
            kept, cell = record.get("declared", {}), record["cell"]
            for metric, said in kept.get("metrics", {}).items():
                self._metrics[metric] = said
                self._scores |= dict.fromkeys(said["label"], said)
            if "dataset" in kept:
                self._caveats[cell["dataset"], cell["source"]] = kept["dataset"].get("caveat", "")
            if "model" in kept:
                self._notes[cell["model"]] = kept["model"].get("note", "")
            if "baseline" in kept.get("model", {}):
                self._baselines[cell["model"]] = kept["model"]["baseline"]

    def prefer(self, records: Iterable[Record]) -> Declared:
        """Return these declarations, in which those of some records take precedence."""
        own = Declared(records)
        for name, known_before in vars(self).items():
            setattr(own, name, known_before | vars(own)[name])
        return own

    def of_recorded_score(self, column: str) -> Mapping[str, Any] | None:
        """Return a score's declaration in the records; None if they have none."""
        return self._scores.get(column)

    def of_score(self, column: str) -> Mapping[str, Any] | None:
        """Return a score's declaration, possibly without its caveat; None if unknown."""
        said = self.of_recorded_score(column)
        if said is not None:
            return said
        metric = _load_metric(find_owner(column, known("metrics")))
        return None if metric is None else describe(replace(metric, caveat=""), [column], "", {})

    def of_metric(self, name: str, dataset: str, used: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a metric's declaration for a dataset and a protocol; empty if unknown."""
        if name in self._metrics:
            return self._metrics[name]
        try:
            metric = _load_metric(name)
            return {} if metric is None else describe(metric, metric.outputs or (name,), dataset, used)
        except InputError:  # its caveat is a function, which fails
            return {}

    def label_of(self, metric: str) -> str:
        """Return a metric's label, ``DCI`` for all of its scores; its name if unknown."""
        said = self._metrics.get(metric, {}).get("label", {})
        if len(said) == 1:
            return str(*said.values())
        found = _load_metric(metric)
        label = "" if found is None else found.label
        return label if isinstance(label, str) and label else metric

    def caveat_of(self, dataset: str, source: str) -> str:
        """Return the caveat of a dataset's source; empty if there is none."""
        if (dataset, source) in self._caveats:
            return self._caveats[dataset, source]
        return _ask("datasets", dataset, lambda plugin: plugin.caveat_of(source))

    def note_of(self, model: str) -> str:
        """Return the note that legends add to a model's name; empty if there is none."""
        if model in self._notes:
            return self._notes[model]
        return _ask("models", model, lambda plugin: plugin.note)

    def is_baseline(self, model: str) -> bool:
        """Return True if a model says that it is a baseline."""
        if model in self._baselines:
            return self._baselines[model]
        plugin = known("models").get(model)
        try:
            return plugin is not None and getattr(plugin.load(), "baseline", False) is True
        except InputError:
            return False


def _load_metric(name: str | None) -> Metric | None:
    plugin = None if name is None else known("metrics").get(name)
    try:
        return None if plugin is None else as_metric(plugin.load(), name)
    except InputError:
        return None


def _ask(kind: str, name: str, read: Callable[[Any], Any]) -> str:
    """Return one line that an installed plug-in declares; empty if there is none."""
    plugin = known(kind).get(name)
    try:
        with blaming(f"{kind} '{name}'"):  # another author's class may have anything under this name
            text = "" if plugin is None else read(plugin.load())
            check_line(name, text)
    except InputError:
        return ""
    return str(text)
