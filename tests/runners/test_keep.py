"""--keep chooses the parts of a finished cell, changes no result, and never leaves one out silently."""

import dataclasses
import warnings
from pathlib import Path

import pytest

from dis_bench.cli.run import _read_study
from dis_bench.errors import InputError
from dis_bench.records.record import read_newest
from dis_bench.runners.run import run_study
from tests.runners.trained.conftest import STUDY

ALL = {"weights.safetensors", "codes.npz", "pictures.npz"}
ONE = dataclasses.replace(STUDY, models=["vae"], metrics=["mig"], score_at=[1])


def run(study, out, **options):
    [row] = run_study(study, out, workers=0, **options).to_dict("records")
    names = {path.name for path in Path(row["folder"]).iterdir()}
    return row, names - {"record.json", "training.csv"}


@pytest.mark.parametrize(
    ("keep", "files"),
    [
        ([], set()),
        (["weights"], {"weights.safetensors"}),
        (["codes"], {"codes.npz", "codes.1.npz"}),
        (["pictures", "weights"], {"pictures.npz", "weights.safetensors"}),
    ],
)
@pytest.mark.parametrize("stack", [False, True])
def test_a_cell_keeps_what_was_chosen_and_is_scored(keep, files, stack, tmp_path):
    if stack and keep != ["weights"]:
        pytest.skip("once is enough")
    row, names = run(dataclasses.replace(ONE, keep=keep), tmp_path, stack=stack)
    assert {name for name in names if not name.startswith("record.")} == files
    record = read_newest(Path(row["folder"]), [])
    assert {*record["files"]} - {"training.csv"} == files
    assert record["keep"] == [part for part in ("weights", "codes", "pictures") if part in keep]
    assert "mig" in record["scores"]
    assert "mig" in record["scores_at"]["1"]["scores"]


def test_it_is_no_part_of_the_identity(tmp_path):
    some, every = dataclasses.replace(ONE, keep=["weights"]), ONE
    assert some.plan().cells == every.plan().cells
    row, names = run(every, tmp_path)
    assert names >= ALL
    assert "keep" not in read_newest(Path(row["folder"]), [])


def test_what_finished_cells_lack_is_said(tmp_path):
    before, _ = run(dataclasses.replace(ONE, keep=["weights"]), tmp_path)
    lacking = "1 finished cell has no codes, and 1 finished cell has no pictures, which this study keeps"
    with pytest.warns(UserWarning, match=lacking):
        again, names = run(ONE, tmp_path)
    assert again["train_seconds"] == before["train_seconds"]
    assert names == {"weights.safetensors"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(dataclasses.replace(ONE, keep=["weights"]), tmp_path)
    assert run(ONE, tmp_path, rerun="always")[1] == {*ALL, "codes.1.npz"}


def test_a_file_that_was_removed_is_said(tmp_path):
    row, _ = run(ONE, tmp_path)
    (Path(row["folder"]) / "weights.safetensors").unlink()
    with pytest.warns(UserWarning, match="1 finished cell has no weights"):
        run(ONE, tmp_path)


def test_codes_stay_until_each_metric_has_scored_them(tmp_path):
    tiny = Path(STUDY.datasets[0].rpartition(":")[0])
    study = dataclasses.replace(ONE, metrics=["mig", f"{tiny}:refusing"], keep=["weights"])
    row, names = run(study, tmp_path)
    assert "refusing" in read_newest(Path(row["folder"]), [])["unscored"]
    assert names == {"weights.safetensors", "codes.npz", "codes.1.npz"}
    again, names = run(study, tmp_path)
    assert again["train_seconds"] == row["train_seconds"]


def test_codes_that_are_still_there_stay_for_a_study_that_keeps_them(tmp_path):
    tiny = Path(STUDY.datasets[0].rpartition(":")[0])
    run(dataclasses.replace(ONE, metrics=["mig", f"{tiny}:refusing"], keep=["weights"]), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        row, names = run(
            dataclasses.replace(ONE, metrics=["mig", "sap"], keep=["weights", "codes"]), tmp_path
        )
    assert {name for name in names if not name.startswith("record.")} >= {"codes.npz", "codes.1.npz"}
    assert read_newest(Path(row["folder"]), [])["keep"] == ["weights", "codes"]


def test_a_cell_that_is_trained_again_for_its_codes_keeps_what_it_had(tmp_path):
    before, _ = run(dataclasses.replace(ONE, keep=["weights"]), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again, names = run(dataclasses.replace(ONE, metrics=["mig", "sap"], keep=["codes"]), tmp_path)
    assert again["train_seconds"] != before["train_seconds"]
    assert names >= {"weights.safetensors", "codes.npz"}
    assert read_newest(Path(again["folder"]), [])["keep"] == ["weights", "codes"]


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (["wieghts"], "unknown keep 'wieghts': did you mean 'weights'"),
        ("weights", "keep must be a list of weights, codes, pictures, but 'weights' was given"),
        ([3], "keep must be one of weights, codes, pictures, but 3 was given"),
    ],
)
def test_other_parts_are_refused(keep, said):
    with pytest.raises(InputError, match=said):
        dataclasses.replace(ONE, keep=keep).plan()


def test_the_command_line_takes_a_list():
    for given in ([["weights", "codes"]], [["weights"], ["codes"]]):
        assert _read_study({"keep": given}, None).study.keep == ["weights", "codes"]
    assert _read_study({"keep": [["none"]]}, None).study.keep == []
