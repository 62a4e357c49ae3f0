"""Small trainings, each sick in its own way, and a healthy one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dis_bench.records.record import read_records
from dis_bench.reports.doctor.diagnoses import examine
from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study
from tests.models.cells import SMALL

TINY = f"{Path(__file__).parents[2] / 'tiny.py'}"
SICK = f"{Path(__file__).parent / 'sick.py'}"


def train(folder, model="betavae", dataset=f"{SICK}:Little", hyperparameters=None, **options):
    """Train a cell on a small network, and return its record."""
    name = model.rpartition(":")[2].lower()
    given = {f"{name}.{key}": value for key, value in (hyperparameters or {}).items()}
    study = Study(
        **{"models": [model], "datasets": [dataset], "seeds": 1, "latent_size": 4, "metrics": []},
        **{"device": "cpu", "precision": "fp32", "kernels": "torch", "settings": given},
        **{"network": SMALL, "steps": 400, "lr": 3e-3, **options},
    )
    run_study(study, folder, workers=0)
    return read_records(folder)[0][-1]


# Options of the training that provokes each diagnosis.
CASES = {
    "inputs out of range": {"dataset": f"{SICK}:Dark", "steps": 50},
    "KL exploding": {"lr": 0.3, "hyperparameters": {"beta": 0.0}, "steps": 200},
    "dial too high": {"hyperparameters": {"beta": 1000.0}},
    "dial too low": {"hyperparameters": {"beta": 1e-3}},
    "posterior collapse": {"hyperparameters": {"beta": 300.0}},
    "plateau that never broke": {"lr": 1e-9, "steps": 100},
    "over-fitting": {"holdout": 0.9, "hyperparameters": {"beta": 0.1}, "steps": 600, "batch_size": 16},
    "samples that look alike": {"hyperparameters": {"beta": 2000.0}},
    "latents that no factor explains": {"dataset": f"{SICK}:Shuffled", "hyperparameters": {"beta": 1.0}},
    "too few steps for an ordering": {"steps": 60, "hyperparameters": {"beta": 1.0}},
}
HEALTHY = {
    **{"dataset": f"{SICK}:Positions", "network": f"{SICK}:Wide", "hyperparameters": {"beta": 2.0}},
    **{"lr": 5e-3, "steps": 1200, "batch_size": 32},
}


@pytest.fixture(scope="package")
def examined(tmp_path_factory):
    """Return a function from the name of a case to its examined cell, which is trained once."""
    kept = {}

    def find(name):
        if name not in kept:
            options = HEALTHY if name == "healthy" else CASES[name]
            kept[name] = examine(train(tmp_path_factory.mktemp("cell"), **options))
        return kept[name]

    return find
