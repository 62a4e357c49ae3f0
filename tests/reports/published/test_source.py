"""Sources of published figures are checked, as printed, and name what we have by our names."""

import math

import pytest

from dis_bench import registry
from dis_bench.errors import InputError
from dis_bench.metrics import find_metrics
from dis_bench.models.model import Hyperparameter
from dis_bench.reports.published.source import (
    SPREADS,
    STATISTICS,
    find_sources,
    read_source,
    read_sources,
)

SOURCES = [read_source(name) for name in find_sources()]
ROWS = [(s, t, r) for s in SOURCES for t in s.tables for r in t.rows]
FILE = """
title = "Mine 2026"
read = "its table"
second_hand = false
[[tables]]
where = "Table 1"
dataset = "dsprites"
spread = "standard deviation"
n = 3
steps = 1000
rows = [{name = "A", model = "betavae", hyperparameters = {beta = 4}, values = {MIG = [20.5, 1]}}]
[tables.scores]
MIG = {score = "mig", scale = 0.01}
"""


def columns():
    """Return the names of all columns of the built-in metrics."""
    found = set()
    for name, metric in find_metrics(given=["log_variances"]).items():
        found |= {*(metric.outputs or (name,))}
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_scores_and_models_are_ours(source):
    models, known = registry.plugins("models"), columns()
    for table in source.tables:
        dataset = registry.plugins("datasets")[table.dataset].load()
        declared_there = {one.name: one for one in dataset.parameters}
        for text in table.dataset_parameters.split():
            name, _, value = text.partition("=")
            assert declared_there[name].parse(value) != declared_there[name].default
        assert table.budget.get("network", "mlp") in registry.plugins("networks")
        assert table.rows
        for row in table.rows:
            assert row.figures
            assert row.figures.keys() <= known
            assert row.model in {"", *models}
            if row.model:
                declared: list[Hyperparameter] = models[row.model].load().hyperparameters
                assert {*row.hyperparameters, *row.grid} <= {one.name for one in declared}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_figures_are_finite_and_on_the_scale_of_our_scores(source):
    for table in source.tables:
        assert table.spread in SPREADS
        assert table.statistic in STATISTICS
        for row in table.rows:
            for figure in row.figures.values():
                assert 0 <= figure.value <= 1
                assert math.isnan(figure.low) == math.isnan(figure.high)
                assert math.isnan(figure.low) or figure.low <= figure.value <= figure.high


def test_an_offset_moves_a_figure_and_not_its_spread(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(FILE.replace("scale = 0.01", "scale = 0.008, offset = 0.2"), "utf-8")
    [table] = read_source(str(file)).tables
    figure = table.rows[0].figures["mig"]
    assert [figure.value, figure.low, figure.high] == pytest.approx([0.364, 0.356, 0.372], abs=1e-12)


def test_a_negative_scale_turns_a_range_around(tmp_path):
    file, error = tmp_path / "mine.toml", FILE.replace("scale = 0.01", "scale = -0.01, offset = 1")
    file.write_text(error, "utf-8")
    figure = read_source(str(file)).tables[0].rows[0].figures["mig"]
    assert [figure.value, figure.low, figure.high] == pytest.approx([0.795, 0.785, 0.805], abs=1e-12)
    file.write_text(
        error.replace("standard deviation", "range").replace("[20.5, 1]", "[20.5, 20, 23]"), "utf-8"
    )
    figure = read_source(str(file)).tables[0].rows[0].figures["mig"]
    assert [figure.value, figure.low, figure.high] == pytest.approx([0.795, 0.77, 0.8], abs=1e-12)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_says_where_it_was_read_and_how_it_differs(source):
    assert source.title
    assert source.read
    assert source.differences
    for line in (*source.differences, *(line for table in source.tables for line in table.differences)):
        assert line.endswith(".")
    assert source.second_hand == any(word in source.read for word in ("note", "summaries"))


@pytest.mark.parametrize(
    ("source", "dataset", "name", "score", "value", "spread"),
    [
        ("cfasl2024", "dsprites", "β-TCVAE", "mig", 0.2395, 0.1013),
        ("cfasl2024", "shapes3d", "ControlVAE", "dci_disentanglement", 0.48, 0.1855),
        ("cfasl2024", "cars3d", "CFASL", "betavae_score", 1.0, 0.0),
        ("higgins2017", "dsprites", "β-VAE", "betavae_score", 0.9923, 0.001),
        ("encdiff2024", "mpi3d", "FactorVAE", "factorvae_score", 0.152, 0.025),
        ("pcaposterior2024", "dsprites", "WAE-MMD", "factorvae_score", 0.1782, 0.0052),
        ("infogancr2020", "dsprites", "InfoGAN-CR", "betavae_score", 0.95, 0.01),
    ],
)
def test_figures_are_those_of_the_publication(source, dataset, name, score, value, spread):
    [figure] = [
        row.figures[score]
        for s, table, row in ROWS
        if (s.name, table.dataset, row.name) == (source, dataset, name) and score in row.figures
    ]
    assert figure.value == value
    assert (figure.high - figure.low) / 2 == pytest.approx(spread)


def test_triples_are_in_the_order_of_their_names():
    [row] = [r for s, t, r in ROWS if (s.name, t.dataset, r.name) == ("hsu2023", "shapes3d", "β-VAE")]
    assert {name.rpartition("_")[2]: figure.value for name, figure in row.figures.items()} == {
        "modularity": 0.59,
        "explicitness": 0.99,
        "compactness": 0.49,
    }


def test_a_doubtful_spread_is_left_out():
    [row] = [r for s, t, r in ROWS if (s.name, t.dataset, r.name) == ("cfasl2024", "shapes3d", "β-VAE")]
    assert "sap" not in row.figures


def test_a_file_of_your_own_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(FILE, encoding="utf-8")
    source = read_source(str(path))
    [table] = source.tables
    assert (source.name, table.budget) == ("mine", {"source": "official", "steps": 1000})
    figure = table.rows[0].figures["mig"]
    assert (figure.value, figure.low, figure.high) == pytest.approx((0.205, 0.195, 0.215))
    assert table.rows[0].n == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[20.5, 1]", "nan", "must be a finite number"),
        ("[20.5, 1]", "[20.5, 1, 2]", "a list of 2"),
        ("[20.5, 1]", "[20.5, -1]", "must not be negative"),
        ("[20.5, 1]", '"20.5"', "must be a finite number"),
        ("[20.5, 1]", "true", "must be a finite number"),
        ("standard deviation", "std", "unknown spread 'std'"),
        ('spread = "standard deviation"', 'spread = "none"', "a list of 1"),
        ('spread = "standard deviation"', 'spread = "range"', "a list of 3"),
        ("n = 3", "n = 0", "n must be a whole number"),
        ("n = 3", "seeds = 3", "unknown key of a table 'seeds'"),
        ("steps = 1000", 'steps = "many"', "steps must be a whole number"),
        ("scale = 0.01", "scale = inf", "scale must be a finite number"),
        ("values = {MIG", "values = {MGI", "unknown score of the table 'MGI'"),
        ("[tables.scores]", '[tables.scores]\nOther = {score = "mig"}', "'Other' and 'MIG' are both 'mig'"),
        ('title = "Mine 2026"', "", "title is missing"),
        ('title = "Mine 2026"', r'title = "a\u0007b"', "title must be one line of text"),
        ('dataset = "dsprites"', "", "dataset is missing"),
        ('where = "Table 1"', "where = 1", "where must be a text"),
        ("second_hand = false", 'second_hand = "no"', "second_hand must be true or false"),
        ("[[tables]]", "[tables]", "tables must be a list"),
        ('dataset = "dsprites"', "", "table 1: dataset is missing"),
        ('name = "A", ', "", "table 1: row 1: name is missing"),
        ("{beta = 4}", "4", "hyperparameters must be a table"),
        ("hyperparameters = {beta = 4}", "grid = {beta = 4}", "grid must hold a list"),
        ("read =", "read", "is not TOML"),
    ],
)
def test_a_bad_file_is_refused_in_a_sentence(old, new, message, tmp_path):
    assert old in FILE
    path = tmp_path / "mine.toml"
    path.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        read_source(path)
    assert "mine.toml" in str(error.value)


def test_what_is_neither_a_source_nor_a_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="did you mean 'cfasl2024'"):
        read_source("cfasl")
    with pytest.raises(InputError, match="is not a regular file"):
        read_source(tmp_path)
    (tmp_path / "large.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(InputError, match="larger than the limit"):
        read_source("large.toml")


def test_a_source_counts_once_and_two_of_a_name_are_refused(tmp_path):
    assert [one.name for one in read_sources(["disco", "tcgan", "disco"])] == ["disco", "tcgan"]
    (tmp_path / "disco.toml").write_text(FILE, encoding="utf-8")
    with pytest.raises(InputError, match="two sources of published figures are named 'disco'"):
        read_sources(["disco", str(tmp_path / "disco.toml")])
