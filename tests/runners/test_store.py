"""Records are whole or absent, never overwritten, and come back as a tidy table."""

import dataclasses
import json
import shutil

import pytest

from dis_bench.errors import InputError
from dis_bench.runners.schema import SCHEMA
from dis_bench.runners.store import Store, read_records, read_results, tabulate, write_record
from tests.runners.test_cell import CELL


def record_of(cell, **changes):
    return {
        "schema": SCHEMA,
        "status": "done",
        "hash": cell.hash,
        "cell": cell.identity,
        "beta_norm": cell.hyperparameters.get("beta"),
        "evaluation": {
            "reconstruction": 20.0,
            "mse": 0.01,
            "kl": 10.0,
            "elbo": -30.0,
            "active_latents": 2,
            "kl_per_latent": [9.0, 1.0, *[0.0] * (cell.latent_size - 2)],
        },
        "scores": {"mig": 0.1},
        "protocol": {"mig": {"bins": 20}},
        "unscored": {},
        "timing": {"train_seconds": 1.0},
        "failure": None,
        "environment": {},
        "command": "dis-bench run",
        "created": "2026-11-20T09:30:00+00:00",
    } | changes


def put(store, cell, **changes):
    with store.new_folder(cell) as folder:
        write_record(folder, record_of(cell, **changes))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


def with_beta(beta, seed=0):
    return dataclasses.replace(CELL, hyperparameters={"beta": beta}, seed=seed)


def test_a_record_comes_back(store):
    put(store, CELL)
    found = store.find(CELL)
    assert record_of(CELL).items() <= found.items()
    assert found["folder"] == str(store.folder(CELL))
    assert store.find(with_beta(5.0)) is None


def test_a_failed_block_leaves_nothing_behind(store):
    with pytest.raises(RuntimeError), store.new_folder(CELL) as folder:
        raise RuntimeError((folder / "half.csv").write_text("x"))
    assert list(store.cells.iterdir()) == []


def test_what_is_replaced_is_kept(store):
    put(store, CELL, scores={"mig": 0.1})
    put(store, CELL, scores={"mig": 0.2})
    assert store.find(CELL)["scores"] == {"mig": 0.2}
    [old] = (store.root / "superseded").iterdir()
    assert json.loads((old / "record.json").read_text())["scores"] == {"mig": 0.1}


def test_further_records_stand_beside_the_first_and_the_newest_counts(store):
    put(store, CELL)
    for number in range(2, 12):  # past 10: numbers sort as numbers
        write_record(store.folder(CELL), record_of(CELL, scores={"mig": number / 100}))
    assert store.find(CELL)["scores"] == {"mig": 0.11}
    assert len(list(store.folder(CELL).glob("record*.json"))) == 11


def test_two_writers_of_one_cell_do_no_harm(store):
    with store.new_folder(CELL) as one:
        write_record(one, record_of(CELL))
        put(store, CELL)
    assert store.find(CELL)["status"] == "done"
    assert len(list((store.root / "superseded").iterdir())) == 1


def test_nan_is_no_number_for_a_record(store):
    with pytest.raises(ValueError, match="Out of range float"):
        put(store, CELL, scores={"mig": float("nan")})
    assert store.find(CELL) is None


def test_table_is_tidy_and_numbers_sort_as_numbers(store):
    for beta in (10.0, 4.0, 1.0):
        for seed in (1, 0):
            put(store, with_beta(beta, seed))
    table = read_results(store.root)
    assert table["beta"].tolist() == [1, 1, 4, 4, 10, 10]
    assert table["seed"].tolist() == [0, 1, 0, 1, 0, 1]
    assert table["beta"].dtype == float
    assert table.loc[0, ["kl_0", "kl_1", "mig", "reconstruction"]].tolist() == [9.0, 1.0, 0.1, 20.0]
    assert "kl_per_latent" not in table


def test_models_without_a_hyperparameter_have_an_empty_cell(store):
    put(store, with_beta(4.0))
    put(store, dataclasses.replace(CELL, model="vae", hyperparameters={}))
    table = read_results(store.root).set_index("model")
    assert table.loc["betavae", "beta"] == 4.0
    assert table["beta"].isna()["vae"]


def test_failed_cells_say_why(store):
    reason = "the loss is not finite at step 3: loss = nan"
    put(store, CELL, status="failed", failure={"reason": reason}, evaluation={}, scores={}, timing={})
    assert read_results(store.root)["failure"].tolist() == [reason]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema": 2}', "\0" * 100, "[" * 100_000])
def test_a_corrupt_record_is_named_and_skipped(store, content):
    put(store, CELL)
    put(store, with_beta(7.0))
    path = store.folder(CELL) / "record.json"
    path.write_text(content)
    records, [problem] = read_records(store.root)
    assert [r["cell"]["hyperparameters"]["beta"] for r in records] == [7.0]
    assert str(path) in problem
    with pytest.warns(UserWarning, match="cannot be read"):
        assert len(read_results(store.root)) == 1


def test_a_corrupt_newer_record_leaves_the_older_one(store):
    put(store, CELL)
    (store.folder(CELL) / "record.2.json").write_text("{")
    assert store.find(CELL)["status"] == "done"


@pytest.mark.parametrize("number", [2, 3, 10, 999])
def test_numbers_may_be_missing_between_records(store, number):
    put(store, CELL)
    write_record(store.folder(CELL), record_of(CELL, scores={"mig": 0.2}))
    (store.folder(CELL) / "record.2.json").rename(store.folder(CELL) / f"record.{number}.json")
    assert store.find(CELL)["scores"] == {"mig": 0.2}


ODD_NAMES = [
    "record.².json",
    "record.²json",
    "record.٣.json",
    "record.1.json",
    "record.02.json",
    "record-2.json",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_what_is_not_named_like_a_record_is_named_and_none(store, name):
    put(store, CELL)
    folder = store.folder(CELL)
    write_record(folder, record_of(CELL, scores={"mig": 0.2}))
    (folder / "record.2.json").rename(folder / name)
    [record], [problem] = read_records(store.root)
    assert record["scores"] == {"mig": 0.1}
    assert f"{folder / name} cannot be read (no record has such a name)" in problem
    (folder / "record.json").unlink()
    assert store.find(CELL) is None


def test_a_corrupt_newer_record_is_named_though_an_older_one_counts(store):
    put(store, CELL)
    (store.folder(CELL) / "record.2.json").write_text("{")
    [record], [problem] = read_records(store.root)
    assert record["scores"] == {"mig": 0.1}
    assert "record.2.json cannot be read (" in problem
    assert problem.endswith("an older record of its cell counts.")


def test_a_copied_folder_counts_once_and_both_are_named(store):
    put(store, CELL)
    folder = store.folder(CELL)
    copy = folder.with_name(f"copy of {folder.name}")
    shutil.copytree(folder, copy)
    [record], [problem] = read_records(store.root)
    assert record["folder"] == str(folder)
    assert problem == f"{copy} and {folder} hold the same cell; only the second counts."
    shutil.copytree(folder, folder.with_name(f"{folder.name} (copy)"))
    assert len(read_records(store.root)[0]) == 1
    assert len(read_records(store.root)[1]) == 2


def test_a_record_in_the_folder_of_another_cell_is_neithers(store):
    put(store, CELL)
    put(store, with_beta(7.0))
    shutil.copy(store.folder(CELL) / "record.json", store.folder(with_beta(7.0)) / "record.json")
    assert store.find(with_beta(7.0)) is None
    records, [problem] = read_records(store.root)
    assert [record["hash"] for record in records] == [CELL.hash]
    assert str(store.folder(with_beta(7.0)) / "record.json") in problem


@pytest.mark.parametrize("make", [lambda root: None, lambda root: root.mkdir(), lambda root: foreign(root)])
def test_empty_and_foreign_folders_are_refused(store, make):
    make(store.root)
    with pytest.raises(InputError, match="dis-bench run"):
        read_results(store.root)


def foreign(root):
    root.mkdir()
    (root / "holiday.jpg").write_bytes(b"")


def test_out_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is a file"):
        Store(tmp_path / "out").check_writable()
    with pytest.raises(InputError, match="cannot be written"):
        Store(tmp_path / "out" / "below").check_writable()


def test_tabulate_takes_any_plain_records():
    assert tabulate([{**record_of(CELL), "folder": "x"}]).loc[0, "hash"] == CELL.hash
