"""Cells are grouped into stacks, whose size and algorithm are measured."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dis_bench.nn.patches import WAYS
from dis_bench.runners.engines import sizes
from dis_bench.runners.engines.sizes import (
    StackCost,
    choose_stacks,
    count_fitting,
    group_jobs,
    is_stackable,
    split_group,
)
from dis_bench.runners.job import Job
from dis_bench.runners.study import Study
from dis_bench.runners.training.trainee import prepare

HERE = str(Path(__file__).parents[2] / "tiny.py")
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


def grouped(jobs, **models):
    """Group jobs of installed models, and of those that are given as ``path/file.py:Class`` by name."""
    jobs = list(jobs)
    return group_jobs(jobs, SimpleNamespace(models={job.cell.model: job.cell.model for job in jobs} | models))


def test_betas_and_seeds_go_together():
    jobs = jobs_of()
    assert len(jobs) == 4
    assert grouped(jobs) == [jobs]


def test_models_and_datasets_do_not():
    jobs = jobs_of(models=["vae", "betavae"], datasets=[f"{HERE}:Tiny", "dsprites"])
    groups = [{(job.cell.dataset, job.cell.model) for job in group} for group in grouped(jobs)]
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
    assert len(grouped([job, Job(dataclasses.replace(job.cell, **change))])) == 2


def test_hyperparameters_go_together_only_where_they_are_floats(tmp_path):
    (tmp_path / "worded.py").write_text(WORDED)
    settings = {"worded.power": [1, 2], "worded.word": ["a", "b"]}
    worded = f"{tmp_path}/worded.py:Worded"
    jobs = jobs_of(models=[worded], settings=settings)
    groups = [
        {(job.cell.hyperparameters["power"], job.cell.hyperparameters["word"]) for job in group}
        for group in grouped(jobs, worded=worded)
    ]
    assert groups == [{(power, word)} for power in (1, 2) for word in ("a", "b")]
    assert [len(group) for group in grouped(jobs, worded=worded)] == [4] * 4  # betas and seeds


def test_schedules_go_together_with_values_and_a_floor_with_cells_that_lack_it():
    scheduled = jobs_of(settings={"betavae.beta": [1, "linear(0,4)", "cyclical(0,8)"]}, betas=())
    assert len({job.cell.schedules.get("beta") for job in scheduled}) == 3
    assert len(grouped(scheduled)) == 1
    floored = jobs_of(settings={"betavae.free_bits": [0, 0.1, "linear(0.5,0)"]})
    assert sorted({job.cell.hyperparameters.get("free_bits", -1) for job in floored}) == [-1, 0, 0.1]
    assert len(grouped(floored)) == 1


def test_clipped_gradients_set_apart():
    assert len(grouped(jobs_of() + jobs_of(clip_norm=1.0))) == 2


def test_cells_of_other_optimisers_do_not_go_together():
    jobs = jobs_of(models=["ae"], betas=(), settings={"ae.weight_decay": [0.0, 0.1]})
    groups = [{job.cell.hyperparameters["weight_decay"] for job in group} for group in grouped(jobs)]
    assert groups == [{0.0}, {0.1}]


def test_a_model_says_that_it_cannot_be_stacked():
    plan = dataclasses.replace(STUDY, models=["betavae", f"{HERE}:Alone"]).plan()
    groups = group_jobs([Job(cell) for cell in plan.cells], plan)
    assert [(group[0].cell.model, is_stackable(group, plan)) for group in groups] == [
        ("betavae", True),
        ("alone", False),
    ]


def test_networks_say_that_they_cannot_be_stacked(tmp_path):
    (tmp_path / "nets.py").write_text(
        "from dis_bench.networks.burgess import Burgess\n"
        "class Alone(Burgess):\n    name, stackable = 'alone', False\n"
    )
    plan = dataclasses.replace(STUDY, network=f"{tmp_path}/nets.py:Alone").plan()
    assert not is_stackable([Job(cell) for cell in plan.cells], plan)


@pytest.mark.parametrize(("most", "sizes"), [(10, [7]), (4, [4, 3]), (3, [3, 3, 1]), (1, [1] * 7)])
def test_stacks_are_of_about_one_size(most, sizes):
    group = jobs_of(betas=[1], seeds=7)
    split = split_group(group, most)
    assert [len(stack) for stack in split] == sizes
    assert [job for stack in split for job in stack] == group


class Gpu:
    """A stand-in for a GPU: a stack needs 2 GB plus half a GB per cell, a step 1 ms plus 0.1 per cell.

    Attributes:
        free: GB.
        fails: ways and numbers of cells that raise an error.
        seconds: of a step of so many cells by a way.
        prepared: cells that were.
        seen: ways, numbers of cells, and whether to capture, that were measured.
    """

    device = "cuda"

    def __init__(self):
        self.free = 500.0
        self.fails = {}
        self.captures = True
        self.seconds = lambda way, cells: 1e-3 + 1e-4 * cells
        self.seen = []
        self.prepared = 0

    def prepare(self, cell):
        self.prepared += 1
        return SimpleNamespace(device=SimpleNamespace(type="cpu"))

    def measure(self, cells, way, steps, capture):
        count = len(cells)
        self.seen.append((way, count, capture))
        if (way, count) in self.fails:
            raise self.fails[way, count]
        memory = int((2 + 0.5 * count) * 1e9)
        return StackCost(count, way, self.seconds(way, count), memory, capture and self.captures)


@pytest.fixture
def gpu(monkeypatch):
    stand_in = Gpu()
    monkeypatch.setattr(sizes, "measure_stack", stand_in.measure)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int(stand_in.free * 1e9), 0))
    return stand_in


@pytest.fixture(scope="module")
def group():
    return jobs_of(seeds=125, steps=300_000)  # 250 cells


def sizes_seen(gpu):
    return sorted({count for _, count, _ in gpu.seen})


def test_each_way_is_timed_at_sizes_that_split_the_cells_evenly(gpu, group):
    choice = choose_stacks(group, gpu)
    # 250 cells in stacks of 25, 50, 100 and 200 at most are 10, 5, 3 and 2 sizes.
    assert sizes_seen(gpu) == [2, 8, 25, 50, 84, 125]
    # 125 cells take 1 + 12.5 ms and 84 take 9.4: 9.26 and 8.94 a millisecond, nearly the same.
    assert (choice.cells, choice.way, choice.capture) == (84, "torch", True)
    assert len(choice.measured) == len(WAYS) * 6


def test_the_faster_way_wins_and_a_larger_stack_only_where_it_is_worth_it(gpu, group):
    gpu.seconds = lambda way, cells: cells * (1e-3 if way == "patches" else 2e-3)
    choice = choose_stacks(group, gpu)
    assert (choice.cells, choice.way) == (2, "patches")
    gpu.seconds = lambda way, cells: 1e-3
    assert choose_stacks(group, gpu).cells == 125


def test_no_stack_is_larger_than_the_memory(gpu, group):
    gpu.free = 20 / sizes.SHARE  # 40 cells of half a GB
    assert choose_stacks(group, gpu).cells == 36  # of 250 in 7 stacks
    assert sizes_seen(gpu) == [2, 8, 25, 36]


def test_a_few_cells_are_one_stack(gpu, group):
    assert choose_stacks(group[:5], gpu).cells == 5
    assert sizes_seen(gpu) == [2, 5]


def test_a_brief_training_is_not_kept_waiting_by_measurements(gpu):
    gpu.seconds = lambda way, cells: cells * (1e-3 if way == "patches" else 2e-3)
    choice = choose_stacks(jobs_of(seeds=125, steps=700), gpu)
    assert (choice.cells, choice.way, choice.capture) == (84, "patches", True)
    assert sizes_seen(gpu) == [2]
    assert gpu.prepared == 2
    gpu.free = 30 / sizes.SHARE  # 20 cells of one and a half GB, for all that was measured
    assert choose_stacks(jobs_of(seeds=125, steps=700), gpu).cells == 20


def test_what_cannot_be_captured_is_not_tried_twice(gpu, group):
    gpu.captures = False
    assert not choose_stacks(group, gpu).capture
    assert {(count, capture) for _, count, capture in gpu.seen if capture} == {(2, True)}


def test_a_way_that_fails_costs_a_warning(gpu, group):
    gpu.fails = {("torch", 2): RuntimeError("cuDNN has no plan\nand more")}
    with pytest.warns(UserWarning, match="2 cells cannot be stacked with torch: .*: cuDNN has no plan$"):
        choice = choose_stacks(group, gpu)
    assert choice.way == "patches"
    assert ("torch", 8, True) not in gpu.seen


def test_a_size_that_does_not_fit_after_all_is_left_out(gpu, group):
    gpu.fails = {(way, 125): torch.cuda.OutOfMemoryError("out of memory") for way in WAYS}
    with pytest.warns(UserWarning, match="125 cells cannot be stacked"):
        assert choose_stacks(group, gpu).cells == 84


def test_it_is_an_error_only_where_no_way_works(gpu, group):
    gpu.fails = {(way, 2): RuntimeError("no") for way in WAYS}
    failing = pytest.warns(UserWarning, match="2 cells cannot be stacked with")
    with failing, pytest.raises(RuntimeError, match="no convolution algorithm works"):
        choose_stacks(group, gpu)


def test_what_one_cell_takes_is_never_nothing(gpu):
    few, more = (StackCost(cells, "torch", 1.0, 10**9, True) for cells in (2, 8))
    gpu.free = 10.0
    assert count_fitting([few], [more]) == int(sizes.SHARE * 10 / (1 / 8))


def test_a_cost_says_what_the_record_keeps():
    assert (
        str(StackCost(25, "torch", 0.0123456, 2 * 10**9, False))
        == "25 cells by torch, launched: 12.35 ms, 2 GB"
    )


def test_a_cpu_convolves_as_torch_does_and_a_stack_can_be_timed():
    plan = STUDY.plan()
    assert choose_stacks([Job(cell) for cell in plan.cells], SimpleNamespace(device="cpu")).way == "torch"
    cells = [prepare(cell, plan.models, plan.datasets, "cpu") for cell in plan.cells[:2]]
    cost = sizes.measure_stack(cells, "patches", steps=2)
    assert 0 < cost.step_seconds < 5
    assert (cost.cells, cost.memory, cost.captured) == (2, 0, False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("way", WAYS)
def test_on_a_gpu_a_stack_takes_memory_and_is_captured(way):
    plan = STUDY.plan()
    cells = [prepare(cell, plan.models, plan.datasets, "cuda") for cell in plan.cells]
    cost = sizes.measure_stack(cells, way, steps=2)
    assert cost.memory > 0
    assert cost.captured
