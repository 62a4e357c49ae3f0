"""The study quickstart is a study file, which holds the defaults of a study."""

import dataclasses
import re

import pytest

from dis_bench.cli.main import build_parser, main
from dis_bench.cli.run import _read_study
from dis_bench.errors import InputError
from dis_bench.runners import quickstart
from dis_bench.runners.study import Study, read_study_file

OPTIONAL = (
    *("source", "seeds", "steps", "lr", "data_dir", "image_size", "clip_norm", "lr_schedule", "early_stop"),
    "correlate",
)  # TOML has no value for None


def test_a_study_defaults_to_the_file():
    values = read_study_file("quickstart")
    defaults = {field.name: getattr(Study(), field.name) for field in dataclasses.fields(Study)}
    assert {name: list(v) if isinstance(v, tuple) else v for name, v in defaults.items()} == {
        **dict.fromkeys(OPTIONAL),
        "settings": {},
        **values,
    }
    assert values == read_study_file(quickstart.FILE)


def test_the_bare_command_and_the_built_in_study_are_one():
    bare, named = (_read_study({}, study).study for study in (None, "quickstart"))
    assert bare.plan().cells == named.plan().cells == Study().plan().cells


def test_flags_win_over_the_built_in_study():
    study = _read_study({"seeds": 7, "metrics": ["mig"]}, "quickstart").study
    assert (study.seeds, study.metrics) == (7, ["mig"])


def test_nobody_changes_the_defaults_of_others():
    Study().settings["mig.bins"] = 3
    assert Study().settings == {}
    with pytest.raises(TypeError):
        Study().models[0] = "mine"


@pytest.mark.parametrize("name", ["quickstrt", "paper", "none.toml"])
def test_a_name_of_no_study_says_which_ones_there_are(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"unknown study or study file .* There are: .*\bquickstart\b"):
        read_study_file(name)
    assert main(["run", "--dry-run", "--study", name]) == 2
    assert "quickstart" in capsys.readouterr().err


def test_a_file_of_that_name_is_named_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").write_text("seeds = 9\n", encoding="utf-8")
    assert read_study_file("./quickstart") == {"seeds": 9}
    assert "seeds" not in read_study_file("quickstart")


def test_the_help_gives_the_same_defaults():
    _, commands = build_parser()
    text = " ".join(commands["run"].format_help().split())
    said = dict(re.findall(r"--([a-z-]+) (?:(?!--).)*?\(default: ([^),]+)", text))
    compared = {
        name: said[name.replace("_", "-")] for name in quickstart.DEFAULTS if name.replace("_", "-") in said
    }
    assert {
        "models",
        "datasets",
        "metrics",
        "network",
        "batch_size",
        "latent_size",
        "device",
    } <= compared.keys()
    for name, value in compared.items():
        default = quickstart.DEFAULTS[name]
        shown = (
            " ".join(default)
            if isinstance(default, tuple)
            else f"{default:g}"
            if isinstance(default, float)
            else str(default)
        )
        assert value == shown, name
