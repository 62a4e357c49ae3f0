"""Which cells go together, and how many at a time."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from dis_bench.models.patches import WAYS
from dis_bench.runners import stacks
from dis_bench.runners.pipeline import Job
from dis_bench.runners.ready import prepare
from dis_bench.runners.stacks import choose_way, count_fitting, group_jobs, is_stackable, split_group
from dis_bench.runners.study import Study

HERE = str(Path(__file__).parent.parent / "tiny.py")
STUDY = Study(
    betas=[1, 4], datasets=[f"{HERE}:Tiny"], metrics=(), seeds=2, steps=3, batch_size=4, latent_size=4
)

WORDED = """
from dis_bench.models.betavae import BetaVAE
from dis_bench.models.model import Hyperparameter

class Worded(BetaVAE):
    name = "worded"
    hyperparameters = (
        *BetaVAE.hyperparameters, Hyperparameter("power", 2, ""), Hyperparameter("word", "a", "")
    )
"""


def jobs_of(**changes):
    return [Job(cell) for cell in dataclasses.replace(STUDY, **changes).plan().cells]


def test_betas_and_seeds_go_together():
    jobs = jobs_of()
    assert len(jobs) == 4
    assert group_jobs(jobs) == [jobs]


def test_models_and_datasets_do_not():
    jobs = jobs_of(models=["vae", "betavae"], datasets=[f"{HERE}:Tiny", "dsprites"])
    groups = [{(job.cell.dataset, job.cell.model) for job in group} for group in group_jobs(jobs)]
    assert groups == [{(data, model)} for data in ("tiny", "dsprites") for model in ("vae", "betavae")]


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 4},
        {"batch_size": 8},
        {"lr": 0.5},
        {"latent_size": 5},
        {"network": "locatello"},
        {"likelihood": "gaussian"},
        {"precision": "tf32"},
    ],
)
def test_whatever_shapes_a_step_sets_apart(change):
    job = jobs_of()[0]
    assert len(group_jobs([job, Job(dataclasses.replace(job.cell, **change))])) == 2


def test_hyperparameters_go_together_only_where_they_are_floats(tmp_path):
    (tmp_path / "worded.py").write_text(WORDED)
    settings = {"worded.power": [1, 2], "worded.word": ["a", "b"]}
    jobs = jobs_of(models=[f"{tmp_path}/worded.py:Worded"], settings=settings)
    groups = [
        {(job.cell.hyperparameters["power"], job.cell.hyperparameters["word"]) for job in group}
        for group in group_jobs(jobs)
    ]
    assert groups == [{(power, word)} for power in (1, 2) for word in ("a", "b")]
    assert [len(group) for group in group_jobs(jobs)] == [4] * 4  # betas and seeds


def test_a_model_says_that_it_cannot_be_stacked():
    plan = dataclasses.replace(STUDY, models=["betavae", f"{HERE}:Alone"]).plan()
    groups = group_jobs([Job(cell) for cell in plan.cells])
    assert [(group[0].cell.model, is_stackable(group, plan)) for group in groups] == [
        ("betavae", True),
        ("alone", False),
    ]


@pytest.mark.parametrize(("most", "sizes"), [(10, [7]), (4, [4, 3]), (3, [3, 3, 1]), (1, [1] * 7)])
def test_stacks_are_of_about_one_size(most, sizes, monkeypatch):
    monkeypatch.setattr(stacks, "count_fitting", lambda group, pipeline: most)
    group = [Job(cell) for cell in dataclasses.replace(STUDY, betas=[1], seeds=7).plan().cells]
    split = split_group(group, pipeline=None)
    assert [len(stack) for stack in split] == sizes
    assert [job for stack in split for job in stack] == group


def test_the_size_of_a_stack_comes_from_what_a_few_cells_were_measured_to_take(monkeypatch):
    # The larger of the two ways counts: 2 cells take 3 GB and 8 take 6, so one more takes half a GB.
    def measure(cells, way, steps):
        memory = {2: 3, 8: 6}[len(cells)] - (way == WAYS[0])
        return SimpleNamespace(memory=memory * 10**9)

    monkeypatch.setattr(stacks, "measure_stack", measure)
    monkeypatch.setattr(stacks.torch.cuda, "mem_get_info", lambda: (free * 10**9, 0))
    pipeline = SimpleNamespace(device="cuda", prepare=lambda cell: cell)
    group = [Job(cell) for cell in dataclasses.replace(STUDY, seeds=100).plan().cells]
    free = 50
    assert count_fitting(group, pipeline) == stacks.SHARE * 50 / 0.5
    assert count_fitting(group[:5], pipeline) == 5
    free = 500
    assert count_fitting(group, pipeline) == stacks.LARGEST
    free = 0
    assert count_fitting(group, pipeline) == 1


def test_a_cpu_convolves_as_torch_does_and_a_stack_can_be_timed():
    plan = STUDY.plan()
    cells = [prepare(cell, plan.models, plan.datasets, "cpu") for cell in plan.cells[:2]]
    assert choose_way(cells) == "torch"
    cost = stacks.measure_stack(cells, "patches", steps=2)
    assert 0 < cost.step_seconds < 5
    assert cost.memory == 0
