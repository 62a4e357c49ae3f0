"""The published grid of a model fills what a study leaves open."""

import pytest

from dis_bench.errors import InputError
from dis_bench.runners.planning.published import add_published_grids
from dis_bench.runners.study import Study

BETAS = [1.0, 2.0, 4.0, 6.0, 8.0, 16.0]


def test_every_hyperparameter_with_a_grid_has_it():
    found = add_published_grids({}, ["vae", "betavae", "hfs"])
    assert set(found) == {"betavae.beta", "hfs.gamma", "hfs.beta"}
    assert found["betavae.beta"] == BETAS
    assert len(found["hfs.gamma"]) * len(found["hfs.beta"]) == 48


def test_settings_and_betas_take_precedence():
    assert add_published_grids({"betavae.beta": [3]}, ["betavae"]) == {"betavae.beta": [3]}
    assert add_published_grids({"mig.bins": 40}, ["betavae"], betas=[3.0]) == {"mig.bins": 40}


def test_betas_leave_the_grid_of_a_beta_that_is_no_dial():
    models = ["betavae", "hfs"]
    found = add_published_grids({}, models, betas=[4.0])
    assert set(found) == {"hfs.gamma", "hfs.beta"}
    plan = Study(models=models, betas=[4.0], settings=found, metrics=(), seeds=1, steps=1).plan()
    betas = {name: [] for name in models}
    for cell in plan.cells:
        betas[cell.model].append(cell.hyperparameters["beta"])
    assert betas["betavae"] == [4.0]
    assert len(betas["hfs"]) == 48
    assert sorted(set(betas["hfs"])) == [0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 16.0]


def test_what_is_no_model_is_refused():
    with pytest.raises(InputError, match="must be a subclass of"):
        add_published_grids({}, ["tests.models.small:Small"])
