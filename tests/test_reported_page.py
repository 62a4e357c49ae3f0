"""The page of published beside measured figures is up to date, and judges as it says."""

import importlib.util
import math
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from dis_bench.models.annealedvae import AnnealedVAE
from dis_bench.reports.published.source import Figure, Row, Table, find_sources

DOCS = Path(__file__).parent.parent / "docs"


def load_page():
    spec = importlib.util.spec_from_file_location("reported_page", DOCS / "reported_page.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PAGE = load_page()


def measured(mean, std=0.1, dial=4.0, study="mine", unlike=""):
    return PAGE.Measured(study, dial, mean, std, 3, 6000, unlike)


def test_the_page_is_up_to_date():
    assert (DOCS / "reported.md").read_text("utf-8") == PAGE.make_page(PAGE.read_tables())


def test_a_row_meets_an_interval_that_the_spread_reaches():
    figure = Figure(0.5, 0.45, 0.55)
    assert PAGE.judge(figure, [measured(0.36)]) == "meets"
    assert PAGE.judge(figure, [measured(0.34)]) == "below"
    assert PAGE.judge(figure, [measured(0.66)]) == "above"
    assert PAGE.judge(figure, [measured(0.34), measured(0.66)]) == "around"
    assert PAGE.judge(figure, [measured(0.34), measured(0.5)]) == "meets"


def test_without_spreads_only_the_same_value_meets():
    figure = Figure(0.5, math.nan, math.nan)
    assert PAGE.judge(figure, [measured(0.5, math.nan)]) == "meets"
    assert PAGE.judge(figure, [measured(0.49, math.nan)]) == "below"


@pytest.fixture
def table():
    rows = [
        {"model": "betavae", "dial_value": dial, "mig_mean": dial / 10, "dataset": "dsprites"}
        for dial in (1.0, 4.0, 8.0)
    ]
    return pd.DataFrame(rows).assign(mig_std=0.01, n=3, steps=6000, study="mine", correlate="none")


def a_row(**values):
    figures = {"mig": Figure(0.4, 0.4, 0.4)}
    known = {"name": "β-VAE", "model": "betavae", "hyperparameters": {}, "grid": {}, "figures": figures}
    return Row(**{**dict.fromkeys(Row.__dataclass_fields__), **known, **values})


def a_table(**values):
    known = {"dataset": "dsprites", "budget": {}}
    return Table(**{**dict.fromkeys(Table.__dataclass_fields__), **known, **values})


def test_a_row_is_set_beside_the_values_of_the_dial_that_it_names(table):
    def dials(**values):
        return [one.dial for one in PAGE.find_measured(table, a_table(), a_row(**values), "mig")]

    assert dials(hyperparameters={"beta": 4.0}) == [4.0]
    assert dials(grid={"beta": [1.0, 4.0, 6.0]}) == [1.0, 4.0]
    assert dials() == [1.0, 4.0, 8.0]
    assert dials(hyperparameters={"beta": 5.0}) == []


def test_networks_other_than_the_usual_one_are_named(table):
    [one] = PAGE.find_measured(
        table.assign(network="mlp"), a_table(), a_row(hyperparameters={"beta": 4.0}), "mig"
    )
    assert "6,000 steps, mlp, n = 3" in PAGE.show_all([one])
    assert "6,000 steps, n = 3" in PAGE.show_all([measured(0.5)])


def test_vaes_are_beta_vaes_with_a_beta_of_1():
    table = PAGE.read_tables()
    table = table[table["study"] == "betavae-dsprites"]
    assert (
        table[table["model"] == "vae"]["mig_mean"].tolist()
        == table[table["beta"] == 1]["mig_mean"].tolist()[:1]
    )
    [one] = PAGE.find_measured(table, a_table(), a_row(model="vae"), "mig")
    assert "at" not in PAGE.show_all([one])


def test_rows_of_other_datasets_models_and_scores_are_left_out(table):
    assert PAGE.find_measured(table, a_table(dataset="shapes3d"), a_row(), "mig") == []
    assert PAGE.find_measured(table, a_table(), a_row(model=""), "mig") == []
    assert PAGE.find_measured(table, a_table(), a_row(), "sap") == []


def test_other_hyperparameters_are_named_where_they_differ():
    annealed = a_row(model="annealedvae", hyperparameters={"capacity": 25.0, "gamma": 100.0})
    assert PAGE.name_unlike(AnnealedVAE, annealed) == ["gamma = 1000"]


def test_notes_are_of_sources_that_exist():
    notes = tomllib.loads((DOCS / "reported.toml").read_text("utf-8"))
    for name, note in notes.items():
        if name == "introduction":
            continue
        assert name in find_sources()
        assert set(note) == {"why"}
