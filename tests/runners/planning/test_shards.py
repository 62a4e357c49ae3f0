"""Parts of a study are disjoint and complete; seeds are a number, a range or a list."""

import dataclasses
import re

import pytest

from dis_bench.errors import InputError
from dis_bench.records.plans import read_plans
from dis_bench.runners.planning.shards import list_seeds, read_shard
from dis_bench.runners.remaining import choose_shard
from dis_bench.runners.run import run_study
from tests.runners.test_run import TINY


@pytest.mark.parametrize("of", [1, 2, 3, 7, 40])
def test_each_cell_is_in_exactly_one_part(of):
    plan = dataclasses.replace(TINY, betas=[1, 2, 4, 8], seeds=5).plan()
    parts = [choose_shard(plan, f"{number}/{of}").cells for number in range(1, of + 1)]
    assert sorted(cell.hash for part in parts for cell in part) == sorted(cell.hash for cell in plan.cells)
    assert all([cell for cell in plan.cells if cell in part] == [*part] for part in parts)


def test_a_cell_stays_in_its_part_when_the_study_grows():
    small, large = (dataclasses.replace(TINY, seeds=seeds).plan() for seeds in (2, 6))
    for number in (1, 2, 3):
        few, more = ({*choose_shard(plan, f"{number}/3").cells} for plan in (small, large))
        assert few == more & {*small.cells}


def test_a_cell_is_in_the_same_part_on_machines_that_compute_otherwise():
    plan = dataclasses.replace(TINY, precision="fp32", kernels="torch", betas=[1, 2, 4, 8], seeds=5).plan()
    other = [dataclasses.replace(cell, precision="bf16", kernels="compiled") for cell in plan.cells]
    assert {cell.hash for cell in other}.isdisjoint(cell.hash for cell in plan.cells)
    for number in range(1, 9):
        part = read_shard(f"{number}/8")
        here, there = part.choose(plan.cells), part.choose(other)
        assert [(cell.model, cell.given, cell.seed) for cell in here] == [
            (cell.model, cell.given, cell.seed) for cell in there
        ]


@pytest.mark.parametrize(
    "given",
    ["\u0663/\u0663", "0/3", "4/3", "1", "1/0", "a/b", "-1/3", "1/3/5", "1/200000", 3, None, "", "1.5/3"],
)
def test_a_part_that_does_not_exist_is_refused(given):
    with pytest.raises(InputError, match=r"shard must be i/N, such as 3/8, with i from 1 to N"):
        read_shard(given)


def test_parts_of_a_study_fill_one_folder(tmp_path):
    study = dataclasses.replace(TINY, models=["untrained"], betas=[], seeds=4)
    rows = [len(run_study(study, tmp_path, workers=0, shard=f"{number}/5")) for number in range(1, 6)]
    assert sum(rows) == 4
    assert 0 in rows  # an empty part is no error
    assert len(list(tmp_path.glob("plans/*.json"))) == 1
    [part] = read_plans(tmp_path)[0]
    assert len({cell["anywhere"] for cell in part["cells"]}) == 4
    assert len(run_study(study, tmp_path, workers=0)) == 4
    whole = next(plan for plan in read_plans(tmp_path)[0] if plan != part)
    assert not any("anywhere" in cell for cell in whole["cells"])  # it trains all its own cells


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        (1, [0]),
        (3, [0, 1, 2]),
        ("3", [0, 1, 2]),
        ("0-2", [0, 1, 2]),
        ("7-7", [7]),
        ("3,7", [3, 7]),
        (" 4 , 0 - 2 ", [4, 0, 1, 2]),
        ([5, 3], [5, 3]),
        ((2147483647,), [2147483647]),
    ],
)
def test_seeds(given, seeds):
    assert [*list_seeds(given)] == seeds
    cells = dataclasses.replace(TINY, seeds=given, betas=[1]).plan().cells
    assert [cell.seed for cell in cells] == seeds


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0, "seeds must be a whole number of at least 1, but 0 was given"),
        ("0", "seeds must be a whole number of at least 1"),
        (-1, "seeds must be a whole number of at least 1, but -1 was given"),
        (True, "seeds must be a number of seeds, such as 5"),
        (1.5, "seeds must be a number of seeds"),
        ("-3", "seeds must be a number of seeds"),
        ("1,,2", "seeds must be a number of seeds"),
        ("3,", "seeds must be a number of seeds"),
        ([], "seeds must be a number of seeds"),
        ([1, "2"], "seeds must be a number of seeds"),
        ("5-3", "a range of seeds must not fall, but '5-3' was given"),
        ("1,2,1", "seeds must differ, but 1 was given twice"),
        ("0-3,2", "seeds must differ, but 2 was given twice"),
        ("0-10000", "seeds must be at most 10,000"),
        (10**9, "seeds must be at most 10,000"),
        ("0-99999999999", "seeds must be at most 10,000"),
        ("\u00b2", "seeds must be a number of seeds"),
        ("\u0663", "seeds must be a number of seeds"),
        ("0-\u0663", "seeds must be a number of seeds"),
        ("9" * 5000, "seeds must be a number of seeds"),
        ("4294967296,1", "a seed must be between 0 and 2,147,483,647"),
    ],
)
def test_seeds_that_are_refused(given, message):
    with pytest.raises(InputError, match=re.escape(message)):
        dataclasses.replace(TINY, seeds=given).plan()


@pytest.mark.parametrize("workers", [-1, 1.5, True, "2", 10**6])
def test_workers_that_are_refused(workers, tmp_path):
    with pytest.raises(InputError, match="workers must be a whole number from 0 to 10,000"):
        run_study(TINY, tmp_path / "out", workers=workers)
    assert not (tmp_path / "out").exists()
