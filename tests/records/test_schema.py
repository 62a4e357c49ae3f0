"""A record that passes the schema can be tabulated and drawn; any other one is named in a warning."""

import dataclasses
import json
import re
import shutil
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dis_bench import registry
from dis_bench.errors import InputError
from dis_bench.metrics import protocol
from dis_bench.records import codes, curves, pictures, schema
from dis_bench.records.anchors import read_anchors
from dis_bench.records.cell import Cell
from dis_bench.records.checks.cell import check_cell
from dis_bench.records.checks.record import check_record
from dis_bench.records.checks.scores import check_scores
from dis_bench.records.columns import FIXED, OTHER_IMAGES, RESERVED, Kind, kind_of, split_images
from dis_bench.records.record import read_records, write_record
from dis_bench.records.schema import SCHEMA, CellIdentity, Damaged
from dis_bench.records.seal import seal
from dis_bench.records.store import Store
from dis_bench.records.table import read_results
from dis_bench.reports.anchors import match_anchors
from dis_bench.runners.remaining import choose_jobs
from dis_bench.runners.study import Study
from tests.records.kept_store import (
    NAMES,
    changes,
    first_anchor,
    first_cell,
    put_anchor,
    put_encoder,
    put_record,
    replace_at,
)
from tests.records.test_cell import CELL


def record_in(root):
    return json.loads((first_cell(root) / "record.json").read_text())


def change(*path, to):
    return lambda record: replace_at(record, path, to)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_sealed_record_is_read_or_named(whole, tmp_path_factory, data):
    root = Path(shutil.copytree(whole, tmp_path_factory.mktemp("changed") / "results"))
    record = record_in(root)
    at, new = data.draw(changes(record))
    put_record(root, replace_at(record, at, new))
    records, problems = read_records(root)
    assert len(records) + len(problems) == 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table, before = read_results(root), read_results(whole)
    assert table.columns.is_unique
    assert set(before.columns) <= set(table.columns)  # nothing hides a column
    for name in before.select_dtypes("number"):
        assert table[name].dtype.kind in "fi" or name in ("beta", "dial_value")
    shutil.rmtree(root)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_sealed_anchor_is_read_or_named(whole, tmp_path_factory, data):
    root = Path(shutil.copytree(whole, tmp_path_factory.mktemp("changed") / "results"))
    anchor = json.loads(first_anchor(root).read_text())
    at, new = data.draw(changes(anchor))
    put_anchor(root, replace_at(anchor, at, new))
    anchors, problems = read_anchors(root)
    assert len(anchors) + len(problems) == 1
    record = record_in(whole)
    for both in match_anchors(anchors, record["cell"], record["protocol"]).values():
        assert all(0 <= value <= 1 for value in both)
    shutil.rmtree(root)


LIES = {
    "a hash of another cell": change("hash", to="0" * 12),
    "a score beyond its range": change("scores", "mig", to=7.5),
    "a score below its range": change("scores", "mig", to=-0.01),
    "a score of no metric": change("scores", "mine", to=0.5),
    "a score that is a path": lambda r: change("protocol", "a/b.py:x", to={})(
        change("scores", "a/b.py:x", to=0.5)(r)
    ),
    "a score that is a module": lambda r: change("protocol", "os:x", to={})(
        change("scores", "os:x", to=0.5)(r)
    ),
    "a score called like its hyperparameter": lambda r: change("protocol", "beta", to={})(
        change("scores", "beta", to=0.5)(r)
    ),
    "a score that is true": change("scores", "mig", to=True),
    "a score that is a text": change("scores", "mig", to="0.5"),
    "a whole number beyond all tables": change("cell", "seed", to=2**70),
    "digits without end": change("evaluation", "kl", to=10**400),
    "too few KLs": change("evaluation", "kl_per_latent", to=[1.0]),
    "done, with a failure": change("failure", to={"reason": "none"}),
    "failed, without a reason": change("status", to="failed"),
    "no evaluation": change("evaluation", to={}),
    "a measure of its own": change("evaluation", "seed", to=1.0),
    "a time below zero": change("timing", "train_seconds", to=-1.0),
    "a date that is none": change("created", to="yesterday"),
    "half a character": change("command", to="\ud800"),
    "nested without end": change("environment", "x", to=json.loads("[" * 50 + "]" * 50)),
    "nested hyperparameters": change("cell", "hyperparameters", "beta", to=[4.0]),
    "a later schema": change("schema", to=SCHEMA + 1),
    "a schema that is a truth": change("schema", to=True),
    "no lists of files": change("files", to=["codes.npz"]),
    "an end before its time without early stopping": change("adapted", to={"stopped_at": 1}),
    "rates that fell without a schedule": change("adapted", to={"lr_fell_at": [1]}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_sealed_lie_is_named(store, lie):
    put_record(store, LIES[lie](record_in(store)))
    if lie == "a hash of another cell":  # which put_record has just corrected
        record = LIES[lie](record_in(store))
        (first_cell(store) / "record.json").write_text(json.dumps(seal(record, first_cell(store))))
    records, [problem] = read_records(store)
    assert len(records) == 3
    assert "record.json cannot be read (" in problem
    assert len(problem) < 500


@pytest.mark.parametrize("name", sorted({*NAMES, *RESERVED, "kl_12"}))
def test_no_hyperparameter_hides_a_column(store, name):
    put_record(store, change("cell", "hyperparameters", name, to=1.0)(record_in(store)))
    assert len(read_records(store)[0]) == 3


@pytest.mark.parametrize(("name", "left"), [("gamma", "betavae"), ("mig", "other")])
def test_of_a_score_called_like_another_models_hyperparameter_the_fewer_are_left_out(store, name, left):
    record = record_in(store)
    put_record(store, change("protocol", "gamma", to={})(change("scores", "gamma", to=0.5)(record)))
    other = dataclasses.replace(CELL, model="other", hyperparameters={name: 1.0})
    with Store(store).new_folder(other) as folder:
        write_record(folder, {**record, "cell": other.identity, "hash": other.hash, "scores": {}})
    records, [problem] = read_records(store)
    assert len(records) == 4
    assert f"'{name}' is a score of some cells and a hyperparameter of others" in problem
    assert f"-{left}-" in problem or left == "betavae"
    with pytest.warns(UserWarning, match="is left out"):
        assert read_results(store).columns.is_unique


@pytest.mark.parametrize("value", ["linear", "$x_{$", True, 3, 2.5, "", "inf"])
@pytest.mark.parametrize("name", ["beta", "gamma", "kl_weight"])
def test_words_truths_and_numbers_are_hyperparameters(store, name, value):
    put_record(store, change("cell", "hyperparameters", name, to=value)(record_in(store)))
    table = read_results(store)
    assert value in table[name].tolist()
    assert len(table) == 4


@pytest.mark.parametrize("score", [1.0 + 1e-9, 1.0, 0.0, -1e-9])
def test_a_score_may_leave_its_range_by_rounding(score):
    check_scores({"mig": score}, protocol(["mig"]))


@pytest.mark.parametrize("score", [1.01, -0.01, 7.5])
def test_an_installed_metric_is_asked_for_its_range(score):
    with pytest.raises(Damaged, match="outside the range 0 to 1 of mig"):
        check_scores({"mig": score}, protocol(["mig"]))
    check_scores({"mig": score}, {"mig": {"version": "of another range"}})


def test_a_metric_that_is_not_installed_has_no_range():
    check_scores({"mine_a": 7.5}, {"mine": {"version": 1}})


def test_no_name_in_a_record_is_imported(store, monkeypatch):
    (store / "evil.py").write_text("raise SystemExit('this ran')")
    monkeypatch.chdir(store)
    monkeypatch.syspath_prepend(store)
    record = record_in(store)
    for name in ("evil.py:x", "evil:x", "evil"):
        put_record(store, change("protocol", name, to={})(change("scores", name, to=0.5)(record)))
        assert len(read_records(store)[0]) == (4 if name == "evil" else 3)


def test_records_of_an_earlier_version_are_named_once_with_what_to_do(store):
    for path in store.glob("cells/*/record.json"):
        record = json.loads(path.read_text())
        del record["digest"], record["files"]
        path.write_text(json.dumps({**record, "schema": 1}))
    records, [problem] = read_records(store)
    assert records == []
    assert f"{first_cell(store)}/record.json and 3 more cannot be read (an earlier version" in problem
    assert "run the same command again, or read it with dis-bench 0.1" in problem


def test_the_schema_has_every_field_of_a_cell():
    optional = {"network_version": "abc", "holdout": 0.1, "score_at": (10,), "clip_norm": 1.0}
    optional |= {"lr_schedule": "plateau(0.1,9,0.0001)", "early_stop": 9}
    optional |= {"dataset_parameters": "image_size=32", "holdout_rule": "shape=heart"}
    optional["correlate"] = "posX~posY:0.2"
    whole = dataclasses.replace(CELL, **optional, schedules={"beta": "linear(0,4,1)"})
    assert set(whole.identity) == set(CellIdentity.__annotations__) - {"kind", "codes"}
    assert set(CELL.identity) == set(whole.identity) - {*optional, "schedules"}
    assert {field.name for field in dataclasses.fields(Cell)} <= set(CellIdentity.__annotations__)


def test_a_version_of_networks_is_a_text():
    check_cell({**CELL.identity, "network_version": "abc"})
    for version in ("", 3, None):
        with pytest.raises(Damaged, match="its network_version is"):
            check_cell({**CELL.identity, "network_version": version})


@pytest.mark.parametrize(
    "lie",
    [
        {"clip_norm": -1.0},
        {"clip_norm": "1"},
        {"lr_schedule": ""},
        {"early_stop": 0},
        {"early_stop": 2.5},
        {"schedules": "linear(0,4,1)"},
        {"schedules": {"beta": 4.0}},
        {"schedules": {"gamma": "linear(0,4,1)"}},  # of a hyperparameter that it does not have
    ],
)
def test_schedules_and_norms_that_no_cell_has(lie):
    check_cell({**CELL.identity, "clip_norm": 1.0, "schedules": {"beta": "linear(0,4,1)"}})
    with pytest.raises(Damaged):
        check_cell({**CELL.identity, **lie})


@pytest.mark.parametrize("name", sorted(CELL.identity))
def test_a_trained_cell_lacks_nothing_of_its_identity(store, name):
    record = record_in(store)
    put_record(store, {**record, "cell": {n: value for n, value in record["cell"].items() if n != name}})
    assert len(read_records(store)[0]) == 3


def test_an_encoder_s_record_needs_no_budget_and_no_losses(tmp_path):
    folder = put_encoder(tmp_path)
    [record], problems = read_records(tmp_path)
    assert (record["cell"]["kind"], record["cell"]["source"]) == ("encoder", "external")
    assert problems == []
    assert record["folder"] == str(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "decoder"},
        {"kind": None},
        {"steps": "many"},
        {"lr": -1.0},
        {"network": 3},
        {"dataset": ""},
        {"latent_size": 0},
        {"seed": "a"},
    ],
    ids=str,
)
def test_what_an_encoder_s_record_has_must_be_right(tmp_path, change):
    put_encoder(tmp_path, **change)
    records, [problem] = read_records(tmp_path)
    assert records == []
    assert f"its {next(iter(change))} is" in problem


def test_an_encoder_has_no_training_log(store):
    record = record_in(store)
    cell = {name: record["cell"][name] for name in CellIdentity.__required_keys__}
    put_record(store, {**record, "cell": {**cell, "kind": "encoder"}, "evaluation": {}})
    records, [problem] = read_records(store)
    assert len(records) == 3
    assert "but an encoder trained elsewhere has only codes" in problem


def test_a_model_may_lack_losses_but_never_its_codes(store):
    evaluation = {"active_latents": 3, "mse": 0.1, "heldout_mse": 0.2}
    put_record(store, change("evaluation", to=evaluation)(record_in(store)))
    assert len(read_records(store)[0]) == 4
    assert sorted(read_results(store)["heldout_mse"].dropna()) == [0.2]
    for wrong in ({"mse": 0.1}, {**evaluation, "nowhere_mse": 0.2}, {**evaluation, "heldout_mse": "x"}):
        put_record(store, change("evaluation", to=wrong)(record_in(store)))
        assert len(read_records(store)[0]) == 3


def test_a_score_on_other_images_has_its_metric_s_range(store):
    record = record_in(store)
    for value, count in ((0.5, 4), (1.5, 3)):
        put_record(store, change("scores", "mig_correlated", to=value)(record))
        assert len(read_records(store)[0]) == count


def test_a_readout_has_two_accuracies_for_each_factor(store):
    record = record_in(store)
    for readout, count in (
        ({"shape": [0.9, 0.4]}, 4),
        *(
            (wrong, 3)
            for wrong in ({"shape": 0.9}, {"shape": [0.9]}, {"shape": [0.9, "x"]}, [0.9], {"a\nb": [0, 1]})
        ),
    ):
        put_record(store, {**record, "readout": readout})
        assert len(read_records(store)[0]) == count


@pytest.mark.parametrize(("dial", "left"), [("beta", 4), (None, 4), ("gone", 4), (3, 3), ("", 3)])
def test_a_dial_is_a_name_or_none(store, dial, left):
    put_record(store, {**record_in(store), "dial": dial})
    assert len(read_records(store)[0]) == left


def test_what_no_reader_would_take_is_refused_before_training(tmp_path):
    plan = Study(models=["betavae"], betas=[4], seeds=1, steps=1, metrics=["mig"]).plan()
    for hyperparameters in (
        {"mig": 1.0},
        {"label": 1.0},
        {"beta": 2**70},
        {"beta": "\udcff"},
        {"beta": 1e200},
    ):
        cell = dataclasses.replace(plan.cells[0], hyperparameters=hyperparameters)
        with pytest.raises(InputError, match="no record can hold it"):
            choose_jobs(dataclasses.replace(plan, cells=(cell,)), Store(tmp_path), "missing")


def test_a_record_needs_its_own_folder(store):
    record = json.loads((first_cell(store) / "record.json").read_text())
    check_record(record, first_cell(store).name)
    for folder in ("", record["hash"], f"x{record['hash']}", f"x-{record['hash']}-copy"):
        with pytest.raises(Damaged, match="its folder's name does not end in that"):
            check_record(record, folder)


PAGE = (Path(schema.__file__).parents[2] / "docs" / "results.md").read_text("utf-8")


def section(heading):
    """Return the text under a heading of docs/results.md."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def documented(heading):
    """Return the keys of the JSON under a heading."""
    return [line.split('"')[1] for line in section(heading).splitlines() if line.startswith('     "')]


def explained(heading, table):
    """Return the code in the first column of the table under a heading."""
    rows = section(heading).partition(f"| {table} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [name for row in rows for name in re.findall("`([^`]+)`", row.split("|")[1])]


def test_the_document_lists_the_keys():
    assert documented("record.json") == list(schema.KeptRecord.__annotations__)
    assert documented("Anchors") == list(schema.KeptAnchor.__annotations__)
    assert documented("Plans") == list(schema.KeptPlan.__annotations__)


def test_the_document_has_every_fixed_column_and_none_that_does_not_exist():
    named = explained("Columns of the table", "column")
    assert [name for name in FIXED if name not in named] == []
    metrics = registry.plugins("metrics")
    hyperparameters = {"beta", "factorvae.gamma"}  # of betavae, and as an example
    others = [name.replace("*", "x") for name in named if name not in {*FIXED, *hyperparameters}]
    assert others
    assert [name for name in others if kind_of(name, metrics) not in (Kind.MEASURE, Kind.SCORE)] == []
    assert {images for name in others if (images := split_images(name)[1])} == set(OTHER_IMAGES)


def test_the_document_explains_every_key_within_the_keys():
    keys = explained("record.json", "key")
    tables = {
        "cell": schema.CellIdentity,
        "evaluation": schema.Evaluation,
        "images": schema.Images,
        "per_factor": schema.PerFactor,
        "timing": schema.Timing,
        "declared": schema.Declared,
        "adapted": schema.Adapted,
        "failure": schema.Failure,
        "rescored": schema.Rescored,
        "files": schema.KeptFiles,
    }
    wanted = {f"{name}.{key}" for name, table in tables.items() for key in table.__annotations__}
    columns = {f"{name}.{column}" for column in FIXED for name in ("cell", "evaluation", "timing")}
    assert set(keys) == wanted - columns  # the columns are explained once
    assert len(keys) == len(set(keys))


def test_the_document_names_every_array_and_curve():
    named = set(re.findall(r"`?(\w+)`?", PAGE))
    for layout in (codes.LAYOUT, pictures.LAYOUT):
        assert set(layout) <= named
    assert f"`training.csv` has `{curves.STEP}`" in PAGE


SAID = {"label": {"mig": "MIG"}, "better": "higher", "range": [0.0, 1.0], "summary": "How much."}


def test_what_plug_ins_say_of_themselves_may_be_missing_or_there(store):
    record = record_in(store)
    del record["declared"]
    put_record(store, record)
    records, problems = read_records(store)
    assert (len(records), problems) == (4, [])
    assert sum("declared" in one for one in records) == 3
    put_record(store, {**record, "declared": {"metrics": {"mig": {**SAID, "later": "key"}}, "later": {}}})
    assert read_records(store)[1] == []


@pytest.mark.parametrize(
    "said",
    [
        {"label": "MIG"},
        {"label": {"mig": 3}},
        {"label": {"mig": "a\nb"}},
        {"short": {"mig": None}},
        {"better": "up"},
        {"better": ["higher"]},
        {"range": [0.0]},
        {"range": [1.0, 0.0]},
        {"range": ["0", "1"]},
        {"summary": "x" * 2000},
        {"caveat": ["x"]},
        {"leads": "yes"},
        {"perfect": {"mig": "high"}},
        {"perfect": 0.9},
    ],
)
def test_a_word_that_no_report_could_show_is_named(store, said):
    put_record(store, {**record_in(store), "declared": {"metrics": {"mig": {**SAID, **said}}}})
    records, [problem] = read_records(store)
    assert len(records) == 3
    assert "cannot be read (its" in problem


@pytest.mark.parametrize(
    "declared",
    [[], {"dataset": "x"}, {"dataset": {"caveat": 3}}, {"model": {"note": "\n"}}, {"model": {"baseline": 1}}],
)
def test_declarations_that_are_none_are_named(store, declared):
    put_record(store, {**record_in(store), "declared": declared})
    assert len(read_records(store)[0]) == 3
