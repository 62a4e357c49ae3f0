"""A plan of many cells fits on a screen, and ``--verbose`` shows it in full."""

import dataclasses

import pytest

from dis_bench.cli.main import main
from dis_bench.cli.plan import END_CELLS, FEW_CELLS, describe_plan
from tests.cli.test_run import TINY
from tests.records.test_cell import CELL as ANY

CELL = dataclasses.replace(ANY, model="path/to/mine.py:Mine", hyperparameters={"beta": 1.0}, steps=3000)


def cells(betas, seeds, **change):
    return [
        dataclasses.replace(CELL, hyperparameters={"beta": beta}, seed=seed, **change)
        for beta in betas
        for seed in range(seeds)
    ]


def listed(cells, states=("to do",)):
    """Pair each cell with a state; all remaining cells get the last one."""
    return [(cell, states[min(number, len(states) - 1)], "") for number, cell in enumerate(cells)]


def test_few_cells_are_all_listed():
    lines = [*describe_plan(listed(cells([1.0, 4.0], FEW_CELLS // 2)))]
    assert len(lines) == FEW_CELLS
    assert all(line.startswith("to do     dsprites Mine beta=") for line in lines)


def test_many_cells_are_summed_up_by_dataset_and_model():
    mine, vae = cells([10.0, 4.0, 1.0, 20.0, 5.0], 20), cells([1.0], 10, model="vae")
    plan = listed([*mine, *vae], ["done"] * 30 + ["to score"] * 3 + ["to do"])
    lines = [*describe_plan(plan)]
    assert lines[:3] == [
        "dsprites Mine beta=1..20 (5 values) steps=3000  20 seeds: 30 done, 3 to score, 67 to do",
        "dsprites vae beta=1 steps=3000  10 seeds: 10 to do",
        "",
    ]
    assert lines[3 : 3 + END_CELLS] == [*describe_plan(plan, verbose=True)][:END_CELLS]
    assert lines[3 + END_CELLS] == "...       100 more; --verbose lists them"
    assert lines[-1] == [*describe_plan(plan, verbose=True)][-1]
    assert len(lines) == 3 + 2 * END_CELLS + 1


def test_a_dataset_whose_name_has_spaces_keeps_its_model():
    [line, *_] = describe_plan(listed(cells([1.0, 4.0], 30, dataset="my.py:my holiday photos")))
    assert line.startswith("my holiday photos Mine beta=1,4 ")


@pytest.mark.parametrize("values", [["weak", "strong"], [True, False], [None, 3], ["a", 1, None, True, 2.5]])
def test_values_of_any_kind_are_summed_up(values):
    [line, *_] = describe_plan(listed(cells(values, 30)))
    assert f"30 seeds: {30 * len(values)} to do" in line


def test_notes_stand_behind_their_cells():
    [line] = describe_plan([(CELL, "held", "  by process 7")])
    assert line.startswith("held      dsprites Mine")
    assert line.endswith(f"{CELL.hash}  by process 7")


@pytest.mark.parametrize(("words", "lines"), [([], 20), (["--verbose"], 105)])
def test_dry_run_of_many_cells(capsys, tmp_path, monkeypatch, words, lines):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--dry-run", *words, *TINY, "--betas", *map(str, range(10)), "--seeds", "10"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "100 cells, 100 of them to do." in out
    assert len(out) <= lines
