"""The options of a study have types and limits, and its settings belong to models or metrics."""

import dataclasses
import itertools
import math

import pytest

import dis_bench
from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.models.schedules import Linear
from dis_bench.runners.planning.settings import parse_settings, resolve_settings
from dis_bench.runners.study import Study, read_study_file
from tests.runners.test_run import HERE, TINY

VALUES = [
    *("3", "''", '"a\\u0000b"', "true", "[1]", "[[1]]", "[true]", "{a = 1}", "2020-01-01", "nan", "inf"),
    *("-1", "1.5", "1" + "0" * 30, "1" + "0" * 400, '"' + "long " * 900 + '"', '["a\\u0000b"]', '[""]'),
]
KEYS = [*(field.name for field in dataclasses.fields(Study)), "out", "rerun", "surprise", "'a.b'"]
BASE = {
    "models": '["betavae"]',
    "datasets": f'["{HERE}:Tiny"]',
    "metrics": f'["{HERE}:mean_code"]',
    "seeds": "1",
    "steps": "1",
}


@pytest.mark.parametrize("key", KEYS)
def test_a_study_file_with_any_value_is_planned_or_refused_in_a_sentence(key, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dis_bench.cli.run._print_plan", lambda wanted, *_: bool(wanted.study.plan()) - 1)
    refused = 0
    for value in VALUES:
        lines = [f"{name} = {text}" for name, text in ({**BASE, key: value}).items()]
        (tmp_path / "study.toml").write_text("\n".join(lines))
        code = main(["run", "--dry-run", "--study", "study.toml"])
        _, err = capsys.readouterr()
        assert code in (0, 2)
        if code == 2:
            [line] = err.splitlines()
            assert line.isprintable()
            assert len(line) < 1_100
            refused += 1
    assert refused >= len(VALUES) - 4  # at most three values are valid for any option


@pytest.mark.parametrize(
    "content",
    [
        *(b"[", b"a", b"\0", b"models = ['\xe9']", b"models = []\nmodels = []"),
        *(b"x=" + b"[" * 5_000 + b"]" * 5_000, b"x = 1" + b"0" * 5_000, b"# " + b"x" * 2_000_000),
    ],
    ids=range(8),
)
def test_a_file_that_is_no_study(content, tmp_path):
    (tmp_path / "study.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"the study file '.*' is "):
        read_study_file(tmp_path / "study.toml")


def test_what_is_no_file(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    for path in (
        tmp_path / "pipe",
        tmp_path,
        "/dev/zero",
        tmp_path / "none",
        "",
        "a\0b",
        "x" * 300,
        3,
        "\ud800",
    ):
        with pytest.raises(InputError, match="study file"):
            read_study_file(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"latent_size": 10**10}, "latent_size must be at most 4,096, but 10000000000 was given"),
        ({"steps": 10**30}, "steps must be at most 1,000,000,000"),
        ({"batch_size": 10**6}, "batch_size must be at most 100,000"),
        ({"lr": 10**400}, "lr must be a positive number"),
        ({"betas": range(1, 60_000)}, "a study may have 100,000 cells at most, but this one has 119,998"),
        ({"betas": [10**400]}, "beta must be a number"),
        ({"betas": [float("nan")]}, "beta must be finite"),
        ({"betas": [True]}, "betas must be a list of numbers, but True is in it"),
        ({"source": 3}, "source must be a text, but 3 was given"),
        ({"data_dir": "a\0b"}, "data_dir must be a path, but 'a\\x00b' holds a NUL"),
        ({"models": ["a" * 300 + ".py:X"]}, "is too long: names may have 255 bytes"),
        ({"allow_small": 1}, "allow_small must be true or false"),
        ({"network": ["burgess"]}, "network must be a name or a class, but ['burgess'] was given"),
    ],
)
def test_options_beyond_their_limits(changes, sentence):
    with pytest.raises(InputError) as refusal:
        dataclasses.replace(TINY, **changes).plan()
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("out", ["", "a\0b", "x" * 300, "\ud800", 3, None])
def test_folders_that_cannot_be(out):
    with pytest.raises(InputError, match="the output folder"):
        dis_bench.run(TINY, out)


def test_only_a_study_can_be_run(tmp_path):
    with pytest.raises(InputError, match=r"study must be a dis_bench.Study, but 'vae' was given"):
        dis_bench.run("vae", tmp_path)


def test_until_1_0_a_study_forwards_to_run(monkeypatch):
    monkeypatch.setattr("dis_bench.runners.run.run", lambda *words, **options: (words, options))
    forwarded = TINY.run("out", rerun="never", command="mine")
    assert forwarded == ((TINY, "out"), {"rerun": "never", "command": "mine"})


def plan(**changes):
    return dataclasses.replace(TINY, **{"metrics": ["mig", "downstream"], "betas": (), **changes}).plan()


SMALL = {"mig.rows": 200, "downstream.labels": "10,50", "downstream.test": [100]}


def test_settings_go_to_models_and_metrics():
    found = plan(settings={**SMALL, "betavae.beta": "1,4", "mig.bins": "7"})
    assert {cell.hyperparameters["beta"] for cell in found.cells} == {1.0, 4.0}
    [protocol] = found.protocols.values()
    assert protocol["mig"] == {"version": 1, "rows": 200, "bins": 7}
    assert (protocol["downstream"]["labels"], protocol["downstream"]["test"]) == ([10, 50], 100)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"mig.bins": [2, 3]}, "mig.bins takes one value, since a metric has one protocol per study"),
        ({"mig.bins": "2,3"}, "bins of mig must be a whole number, but '2,3' was given"),
        ({"mig.bins": math.nan}, "bins of mig must be a whole number, but nan was given"),
        ({"mig.bins": 0}, "mig: bins must be a whole number from 1 to 1000, but 0 was given"),
        ({"downstream.penalty": -1.0}, "downstream: penalty must be at least 0, but -1.0 was given"),
        ({"mig.bin": 3}, "unknown parameter of mig 'bin': did you mean 'bins'?"),
        ({"sap.train": 3}, "unknown model or metric 'sap'"),
        (
            {"beta": 3},
            "a key of settings must be NAME.KEY, as of a model and its hyperparameter, but 'beta' was given.",
        ),
        ({"betavae": 4}, "must be NAME.KEY, as of a model and its hyperparameter, but 'betavae' was given."),
        ({".": 4}, "must be NAME.KEY, as of a model and its hyperparameter, but '.' was given."),
        ({"mig": {"bins": 3}}, 'write the key in quotes, "mig.bins"'),
        ({"downstream.labels": 3}, "labels of downstream must be a list"),
    ],
)
def test_settings_that_fit_nothing(settings, sentence):
    with pytest.raises(InputError) as refusal:
        plan(settings={**SMALL, **settings})
    assert sentence in str(refusal.value)


def test_betas_set_the_models_whose_dial_is_beta(tmp_path):
    (tmp_path / "own.py").write_text(
        "from dis_bench.models.betavae import BetaVAE\n"
        "from dis_bench.models.model import Hyperparameter\n"
        "class Other(BetaVAE):\n"
        "    name, dial = 'other', 'alpha'\n"
        "    hyperparameters = (*BetaVAE.hyperparameters, Hyperparameter('alpha', 1.0, ''))\n"
        "class Silent(BetaVAE): name, dial = 'silent', None\n"
    )
    own = [f"{tmp_path / 'own.py'}:{name}" for name in ("Other", "Silent")]
    models = ["betavae", "factorvae", "pca", *own]
    settings = {**SMALL, "factorvae.gamma": [1, 40]}
    found = plan(models=models, betas=[1, 16], settings=settings, seeds=1)
    values = [tuple(cell.hyperparameters.values()) for cell in found.cells]
    assert values == [(1,), (16,), (1,), (40,), (), (4, 1), (1,), (16,)]
    with pytest.raises(
        InputError, match=r"the dial of no chosen model is beta \(factorvae: gamma, pca: none\)"
    ):
        plan(models=["factorvae", "pca"], betas=[1])


def test_a_model_without_steps_is_the_same_cell_in_every_budget():
    budgets = [
        {"steps": 100},
        {"steps": 1000, "batch_size": 16, "lr": 1e-3},
        {"budget": "paper", "steps": None},
    ]
    plans = [plan(models=["pca", "vae"], settings=SMALL, seeds=1, **budget).cells for budget in budgets]
    assert len({cells[0].hash for cells in plans}) == 1
    assert len({cells[1].hash for cells in plans}) == 3
    first = plans[0][0]
    assert (first.steps, first.batch_size, first.lr) == (0, 0, 0.0)
    [narrow] = plan(models=["pca"], settings=SMALL, seeds=1, latent_size=3).cells
    assert narrow.hash != first.hash


def test_a_name_of_a_model_and_a_metric_is_refused(tmp_path):
    (tmp_path / "mig.py").write_text(
        "from dis_bench.models.betavae import BetaVAE\nclass Mig(BetaVAE):\n    name = 'mig'\n"
    )
    with pytest.raises(InputError, match=r"setting 'mig.rows' may mean model 'mig' or metric 'mig'"):
        plan(models=[f"{tmp_path / 'mig.py'}:Mig"], settings={**SMALL, "mig.bins": 3})


def test_equal_hyperparameters_in_any_order_are_one_cell():
    given = itertools.chain.from_iterable([(1, "1"), (1.0, "1.0")])
    assert len(plan(metrics=(), settings={"betavae.beta": [*given]}).cells) == 2  # two seeds


def test_a_schedule_is_a_value_among_others():
    given = [
        {"betavae.beta": "1,linear(0, 4, .1),constant(2),cyclical(0,8)"},
        {"betavae.beta": [1, "linear(0,4.0,0.1)", 2.0, "cyclical(0,8,4,0.5,linear)"]},
    ]
    first, second = (plan(metrics=(), settings=settings, seeds=1).cells for settings in given)
    assert first == second
    assert [cell.hyperparameters for cell in first] == [{"beta": beta} for beta in (1.0, 4.0, 2.0, 8.0)]
    assert [cell.schedules.get("beta") for cell in first] == [
        *(None, "linear(0,4,0.1)", None, "cyclical(0,8,4,0.5,linear)")
    ]
    assert len({cell.hash for cell in first}) == 4
    assert first[0].hash == plan(metrics=(), settings={"betavae.beta": 1}, seeds=1).cells[0].hash


def test_zero_has_no_sign():
    given = ["-0", -0.0, "linear(-0,4)", Linear(-0.0, 4), "linear(4,-0)", Linear(4.0, -0.0)]
    cells = plan(metrics=(), settings={"betavae.beta": given}, seeds=1).cells
    same = plan(metrics=(), settings={"betavae.beta": [0, "linear(0,4)", "linear(4,0)"]}, seeds=1).cells
    assert [cell.hash for cell in cells] == [cell.hash for cell in same]


def test_betas_may_be_schedules_and_equal_ones_are_one_cell():
    cells = plan(metrics=(), betas=["linear(0,4)", "linear(0,4,1)", 4], seeds=1).cells
    assert [cell.schedules for cell in cells] == [{"beta": "linear(0,4,1)"}, {}]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"models": ["ae"], "settings": {"ae.weight_decay": "linear(0,0.1)"}},
            "model 'ae': weight_decay cannot follow a schedule, because the optimiser reads it only once",
        ),
        (
            {"models": ["infovae"], "settings": {"infovae.lambda_mmd": "linear(0,10)"}},
            "alpha + lambda_mmd must be at least 1",
        ),
        ({"settings": {"betavae.beta": "linear(-1,4)"}}, "model 'betavae': beta must be at least 0"),
        ({"settings": {"betavae.beta": "linear(0,4"}}, "beta must be a number, but 'linear(0' was given"),
        ({"clip_norm": 0}, "clip_norm must be a positive number, but 0 was given"),
        ({"clip_norm": math.inf}, "clip_norm must be a positive number, but inf was given"),
        ({"clip_norm": "1"}, "clip_norm must be a positive number, but '1' was given"),
    ],
)
def test_schedules_and_norms_that_cannot_be(changes, sentence):
    with pytest.raises(InputError) as refusal:
        plan(metrics=(), **changes)
    assert sentence in str(refusal.value)


def test_a_norm_to_clip_is_in_the_identity_of_all_cells():
    clipped, free = (plan(metrics=(), clip_norm=norm).cells[0] for norm in (1, None))
    assert clipped.identity["clip_norm"] == 1.0
    assert "clip_norm" not in free.identity


def test_free_bits_of_0_make_the_cell_without_them():
    found = plan(metrics=(), settings={"betavae.free_bits": [0, 0.5]}, seeds=1).cells
    assert found[0] == plan(metrics=(), seeds=1).cells[0]
    assert found[1].hyperparameters == {"beta": 4.0, "free_bits": 0.5}


def test_commas_of_a_schedule_do_not_split_it():
    typed = parse_settings(["a.b=1,linear(0,4,0.1)", "a.b=cyclical(0,4),2", "c.d=x(y,z"], "betavae.beta=1,4")
    assert typed == {"a.b": ["1", "linear(0,4,0.1)", "cyclical(0,4)", "2"], "c.d": "x(y,z"}
    assert resolve_settings({"m.d": "x(y,z"}, {"m": ["d"]}, {}).hyperparameters == {"m": {"d": ["x(y", "z"]}}
