"""Named studies are study files that can be planned, with the known differences from their papers."""

import math

import pytest

from dis_bench.cli.run import _read_study
from dis_bench.errors import InputError
from dis_bench.runners.named import find_studies, read_about
from dis_bench.runners.study import BUDGETS, Study, read_study_file

NAMES = [*find_studies()]


def test_these_studies_have_a_name():
    assert NAMES == [
        "cfasl2024",
        "cfasl2024-shapes3d",
        "higgins2017",
        "hsu2023-shapes3d",
        "locatello2019-dsprites",
        "locatello2019-shapes3d",
        "quickstart",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_can_be_planned_and_has_the_cells_that_it_says(name):
    study = Study(**read_study_file(name))
    seeds = study.seeds or BUDGETS[study.budget].seeds
    once, twice = (Study(**{**read_study_file(name), "seeds": n, "device": "cpu"}).plan() for n in (1, 2))
    more = len(twice.cells) - len(once.cells)  # pixels as codes have one cell whatever the seeds
    assert len(once.cells) + more * (seeds - 1) == read_about(name).cells
    assert {cell.model for cell in once.cells} == set(study.models)
    given = {key for key in study.settings if key.rpartition(".")[0] in study.metrics}
    assert {f"{m}.{of}" for m, some in once.parameters.items() for of in some} == given


@pytest.mark.parametrize("name", NAMES)
def test_a_study_says_what_it_is(name):
    about = read_about(name)
    values = read_study_file(name)
    assert about.summary.endswith(".")
    assert all(line.endswith(".") and line.isprintable() for line in about.differences)
    assert bool(about.source) == bool(about.differences) == (name != "quickstart")
    # A step of a trained cell takes between 2 ms and 20 s of a core.
    steps = about.cells * values.get("steps", BUDGETS[values["budget"]].steps)
    assert 0.002 < about.core_hours * 3600 / steps < 20


def test_the_grid_of_2019_is_six_methods_of_six_values_in_fifty_seeds():
    values = read_study_file("locatello2019-dsprites")
    assert read_study_file("locatello2019-shapes3d") == {**values, "datasets": ["shapes3d"]}
    assert len(values["models"]) == 6
    assert {len(some) for some in values["settings"].values()} == {6}
    assert math.prod((values["seeds"], 6, 6)) == 1800


def test_flags_go_on_top_of_a_name():
    study = _read_study({"seeds": 2, "steps": 300, "set": ["betavae.beta=4,8"]}, "higgins2017").study
    assert (study.network, study.seeds, study.steps) == ("mlp", 2, 300)
    assert study.settings["betavae.beta"] == "4,8"


def test_a_table_for_readers_sets_no_option(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('seeds = 2\n[about]\nwhy = "a try"\n', encoding="utf-8")
    assert read_study_file(file) == {"seeds": 2}
    file.write_text('[about]\nwhy = "a try"\n[abuot]\n', encoding="utf-8")
    with pytest.raises(InputError, match="unknown key"):
        read_study_file(file)


@pytest.mark.parametrize("name", ["higgins2018", "locatello2019", "cfasl2024.toml"])
def test_what_is_neither_a_study_nor_a_file_is_refused_with_the_names_there_are(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="unknown study or study file") as error:
        read_study_file(name)
    assert str(error.value).endswith(f"There are: {', '.join(NAMES)}.")
