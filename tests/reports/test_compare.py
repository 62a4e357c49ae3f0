"""Two result folders are compared cell by cell, also across versions."""

import json
import shutil
from pathlib import Path

import pytest

import dis_bench
from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.records.cell import hash_identity
from tests.reports.made_up import reseal, write_study


@pytest.fixture
def both(tmp_path):
    """Return two folders with the same three cells."""
    write_study(tmp_path / "a", betas=[1, 4, 10], seeds=[0], pictures=False)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    return tmp_path / "a", tmp_path / "b"


def cells(folder):
    return sorted((folder / "cells").iterdir())


def change(folder, **changes):
    """Change a cell's record; a dict is merged into what is there."""
    record = json.loads((folder / "record.json").read_text("utf-8"))
    merged = {n: {**record[n], **c} if isinstance(c, dict) else c for n, c in changes.items()}
    reseal(folder, **merged)


def test_equal_folders_do_not_differ(both, capsys):
    found = dis_bench.compare(*both)
    assert not found.differs
    assert (found.cells, found.only_first, found.only_second) == (3, [], [])
    assert (found.table["change"] == 0).all()
    assert main(["compare", *map(str, both)]) == 0
    assert "No change is beyond the tolerance of 1e-06." in capsys.readouterr().out


def test_a_change_is_named_with_its_cell_and_its_size(both, capsys):
    record = json.loads((cells(both[1])[0] / "record.json").read_text("utf-8"))
    before = record["scores"]["mig"]
    change(cells(both[1])[0], scores={"mig": before + 0.02})
    found = dis_bench.compare(*both)
    [row] = found.table[found.table["beyond"]].to_dict("records")
    assert (row["quantity"], row["cell"]) == ("mig", "dsprites betavae beta=1 seed=0")
    assert row["change"] == pytest.approx(0.02)
    assert main(["compare", *map(str, both)]) == 1
    text = capsys.readouterr().out
    assert "Beyond the tolerance of 1e-06: mig." in text
    assert "+0.02" in text
    assert main(["compare", *map(str, both), "--tolerance", "0.03"]) == 0


def test_large_numbers_are_compared_relatively(both):
    record = json.loads((cells(both[1])[0] / "record.json").read_text("utf-8"))
    loss = record["evaluation"]["reconstruction"]
    change(cells(both[1])[0], evaluation={"reconstruction": loss * 1.005})
    assert loss * 0.005 > 0.01
    assert not dis_bench.compare(*both, tolerance=0.01).differs
    assert dis_bench.compare(*both, tolerance=0.001).differs


def test_cells_of_another_version_are_the_same_cells(both):
    for folder in cells(both[1]):
        record = json.loads((folder / "record.json").read_text("utf-8"))
        cell = {**record["cell"], "model_version": "dis-bench 9.9", "recipe": 9, "precision": "bf16"}
        renamed = folder.rename(folder.with_name(f"x-{hash_identity(cell)}"))
        reseal(renamed, cell=cell, hash=hash_identity(cell))
        change(renamed, environment={"torch": "9.9"})
    found = dis_bench.compare(*both)
    assert (found.cells, found.differs) == (3, False)
    [note] = found.notes
    for text in ("torch ", " → 9.9", "model_version ", "→ dis-bench 9.9", "recipe 3 → 9"):
        assert text in note


def test_what_only_one_folder_has_is_listed(both, tmp_path):
    shutil.rmtree(cells(both[1])[2])
    found = dis_bench.compare(*both)
    assert (found.cells, len(found.only_first), found.only_second) == (2, 1, [])
    assert found.only_first[0] in str(found)
    write_study(tmp_path / "other", betas=[77], seeds=[5], pictures=False)
    with pytest.raises(InputError, match="have no cell in common"):
        dis_bench.compare(both[0], tmp_path / "other")
    assert main(["compare", str(both[0]), str(tmp_path / "other")]) == 2


def test_a_failure_in_one_folder_is_a_difference(both):
    change(cells(both[1])[1], status="failed", failure=None)
    reseal(cells(both[1])[1], failure={"reason": "nan"})
    found = dis_bench.compare(*both)
    assert found.differs
    assert found.outcomes == ["dsprites betavae beta=10 seed=0 (done, failed)"]


def test_a_score_that_one_side_could_not_compute_is_a_difference(both):
    folder = cells(both[1])[0]
    record = json.loads((folder / "record.json").read_text("utf-8"))
    del record["scores"]["mig"], record["protocol"]["mig"]
    reseal(folder, scores=record["scores"], protocol=record["protocol"], unscored={"mig": "it failed"})
    found = dis_bench.compare(*both)
    assert found.differs
    assert found.outcomes == ["dsprites betavae beta=1 seed=0: no mig in the second"]
    assert "Only in the first: mig (of 1 cell)." in found.notes


@pytest.mark.parametrize("failed", [0, 1])
def test_a_score_that_failed_at_a_step_or_on_other_images_is_a_difference(both, failed):
    for number, folder in enumerate(both):
        some = [json.loads((cell / "record.json").read_text("utf-8")) for cell in cells(folder)[:2]]
        mig = {"scores": {"mig": 0.1}, "protocol": {"mig": some[0]["protocol"]["mig"]}, "unscored": {}}
        none = {"scores": {}, "protocol": {}, "unscored": {"mig": "no memory"}}
        point = {**(none if number == failed else mig), "small": []}
        if number == failed:
            reseal(cells(folder)[1], unscored={"mig_correlated": "no memory"})
        else:
            reseal(cells(folder)[1], scores={**some[1]["scores"], "mig_correlated": 0.2})
        cell = {**some[0]["cell"], "score_at": [8]}
        own = cells(folder)[0]
        reseal(own, scores_at={"8": point}, cell=cell, hash=hash_identity(cell))
        own.rename(own.with_name(own.name[:-12] + hash_identity(cell)))
    which = ("first", "second")[failed]
    found = dis_bench.compare(*both)
    assert found.differs
    assert sorted(text.partition(": ")[2] for text in found.outcomes) == [
        f"no mig at step 8 in the {which}",
        f"no mig_correlated in the {which}",
    ]


def test_a_record_that_cannot_be_read_is_said_and_is_a_difference(both, capsys):
    folder = cells(both[1])[0]
    (folder / "record.2.json").write_text("{}")
    found = dis_bench.compare(*both)
    assert found.differs
    assert found.cells == 3
    [problem] = found.problems
    assert "record.2.json" in problem
    assert main(["compare", *map(str, both)]) == 1
    assert "an older record of its cell is used instead" in capsys.readouterr().out


def test_scores_along_training_are_compared(both):
    for number, value in enumerate((0.1, 0.3)):
        folder = cells(both[number])[0]
        record = json.loads((folder / "record.json").read_text("utf-8"))
        point = {"scores": {"mig": value}, "protocol": {"mig": {}}, "unscored": {}, "small": []}
        cell = {**record["cell"], "score_at": [100]}
        reseal(folder, scores_at={"100": point}, cell=cell, hash=hash_identity(cell))
        folder.rename(folder.with_name(folder.name[:-12] + hash_identity(cell)))
    found = dis_bench.compare(*both)
    [row] = found.table[found.table["beyond"]].to_dict("records")
    assert (row["quantity"], row["change"]) == ("mig at step 100", pytest.approx(0.2))


def test_cells_that_differ_in_their_images_alone_have_different_labels(both):
    record = json.loads((cells(both[0])[0] / "record.json").read_text("utf-8"))
    for images in ({"holdout_rule": "shape=heart"}, {"correlate": "posX~posY:0.2"}):
        cell = {**record["cell"], **images}
        copy = cells(both[0])[0].with_name(f"x-{hash_identity(cell)}")
        shutil.copytree(cells(both[1])[0], copy)
        reseal(copy, cell=cell, hash=hash_identity(cell))
    named = "dsprites betavae beta=1 seed=0"
    assert sorted(dis_bench.compare(*both).only_first) == [
        f"{named} posX~posY:0.2",
        f"{named} without shape=heart",
    ]


def test_scores_of_another_protocol_are_not_compared(both):
    folder = cells(both[1])[0]
    record = json.loads((folder / "record.json").read_text("utf-8"))
    change(folder, scores={"mig": 0.9}, protocol={"mig": {**record["protocol"]["mig"], "bins": 7}})
    found = dis_bench.compare(*both)
    assert not found.differs
    assert any("mig is not compared, as its protocol differs: bins 20 → 7" in note for note in found.notes)


@pytest.mark.parametrize("tolerance", [-1, float("nan"), "0.1", True])
def test_other_tolerances_are_refused(both, tolerance):
    with pytest.raises(InputError, match="tolerance must be a number of at least 0"):
        dis_bench.compare(*both, tolerance=tolerance)


def test_folders_without_results_are_refused(both, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no results"):
        dis_bench.compare(both[0], tmp_path / "empty")
    with pytest.raises(InputError, match="there is no folder"):
        dis_bench.compare(both[0], tmp_path / "nowhere")


def test_several_folders_are_reported_as_one(both, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "other", betas=[77], seeds=[0], pictures=False)
    shutil.rmtree(cells(both[1])[2])
    assert main(["report", "a", "b", "other"]) == 0
    assert "4 cells: betavae" in capsys.readouterr().out
    rows = Path("report/table.csv").read_text("utf-8").splitlines()
    assert len(rows) == 5
    shown = dis_bench.report("a", "other")
    assert shown.path == Path("report/index.html")
    assert shown._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html')
    assert str(shown).startswith("report/index.html: 4 cells")
