"""The table has a row for every cell, and columns that do not depend on the cells or their order."""

import dataclasses

import pandas as pd
import pytest

from dis_bench.records.columns import FIXED
from dis_bench.records.table import tabulate
from tests.records.kept_store import make_encoder
from tests.records.test_cell import CELL
from tests.records.test_store import record_of


def make(cell=CELL, **changes):
    return {**record_of(cell, **changes), "folder": f"results/cells/{cell.folder}"}


def with_model(model, seed=0, **hyperparameters):
    return dataclasses.replace(CELL, model=model, hyperparameters=hyperparameters, seed=seed)


def test_a_schedule_has_a_column_beside_that_of_the_value_it_ends_with():
    scheduled = dataclasses.replace(CELL, schedules={"beta": "linear(0,4,0.1)"})
    table = tabulate([make(scheduled), make(CELL)])
    assert table["beta"].tolist() == [4.0, 4.0]
    assert sorted(table["schedules"]) == ["", "beta=linear(0,4,0.1)"]


def test_columns_come_by_what_they_are_in_whatever_order_the_cells_do():
    records = [
        make(status="failed", failure={"reason": "x"}, evaluation={}, scores={}, timing={}),
        make(with_model("betavae", beta=1.0)),
        make(with_model("other", gamma=2.0, beta=1.0), scores={"sap": 0.5, "mig": 0.2}),
    ]
    columns = list(tabulate(records).columns)
    first = ["dataset", "model", "dial", "dial_value", "seed", "status"]
    assert columns[:8] == [*first, "mig", "sap"]
    assert columns[-3:] == ["failure", "hash", "folder"]
    rest = [name for name in FIXED if name in columns and name not in (*first, *columns[-2:])]
    assert [name for name in columns[8:-2] if name in FIXED] == rest
    assert columns[columns.index("correlate") + 1 : columns.index("schedules")] == [
        *("beta", "gamma", "betavae.beta", "other.beta")
    ]
    assert columns[columns.index("active_latents") + 1 : columns.index("train_seconds")] == [
        *(f"kl_{latent}" for latent in range(10))
    ]
    assert set(tabulate(records[::-1]).columns) == set(columns)


def test_the_dial_and_its_value_stand_beside_the_hyperparameters():
    records = [
        make(with_model("betavae", beta=4.0), dial="beta"),
        make(with_model("factorvae", gamma=10.0, beta=1.0), dial="gamma"),
        make(with_model("annealedvae", gamma=1000.0, capacity=25.0), dial="capacity"),
        make(with_model("schedule", shape="cosine"), dial="shape"),
        make(with_model("vae"), dial=None),
    ]
    table = tabulate(records).set_index("model")
    assert table["dial"].dropna().to_dict() == {
        "betavae": "beta",
        "factorvae": "gamma",
        "annealedvae": "capacity",
        "schedule": "shape",
    }
    assert table["dial_value"].dropna().to_dict() == {
        "betavae": 4.0,
        "factorvae": 10.0,
        "annealedvae": 25.0,
        "schedule": "cosine",
    }


def test_dials_that_are_numbers_are_a_column_of_numbers():
    table = tabulate([make(with_model("betavae", beta=4.0)), make(with_model("vae"))])
    assert table["dial_value"].dtype == float
    assert table["dial_value"].isna().tolist() == [False, True]


def test_a_hyperparameter_that_several_models_have_gets_a_column_of_each():
    records = [
        make(with_model("factorvae", gamma=10.0)),
        make(with_model("files/mine.py:AnnealedVAE", gamma=1000.0)),
        make(with_model("betavae", beta=4.0)),
    ]
    table = tabulate(records).set_index("model")
    assert table["gamma"].dropna().tolist() == [10.0, 1000.0]
    assert table["factorvae.gamma"].dropna().to_dict() == {"factorvae": 10.0}
    assert table["AnnealedVAE.gamma"].dropna().to_dict() == {"files/mine.py:AnnealedVAE": 1000.0}
    assert "betavae.beta" not in table
    assert "factorvae.gamma" not in tabulate(records[:1])


def test_an_encoder_has_no_budget_and_its_cells_are_empty():
    table = tabulate([make(), make_encoder()]).set_index("source")
    lacking = ["network", "likelihood", "steps", "batch_size", "lr", "precision", "kernels", "reconstruction"]
    assert table.loc["external", [*lacking, "kl_0", "train_seconds", "dial"]].isna().all()
    assert table.loc["external", ["model", "mig", "status", "latent_size"]].tolist() == [
        *("mine.py:encode", 0.1, "done", 10)
    ]
    assert table.loc["rendered", lacking].notna().all()
    alone = tabulate([make_encoder()])
    assert alone[lacking[:-1]].isna().all(axis=None)


@pytest.mark.parametrize("name", ["mig", "sap"])
def test_scores_follow_the_records_and_not_their_place(name):
    one, other = make(scores={name: 0.5}), make(with_model("betavae", beta=1.0), scores={}, evaluation={})
    pd.testing.assert_frame_equal(tabulate([one, other]), tabulate([other, one]), check_like=False)
