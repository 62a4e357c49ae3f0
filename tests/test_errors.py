"""Errors are one printable line, with options that work where the line is read."""

import ast
import pickle
import re
import shlex
import tomllib

import numpy as np
import pytest

import dis_bench
from dis_bench.cli.main import main
from dis_bench.errors import (
    COMMAND,
    PYTHON,
    RECORD,
    STUDY,
    InputError,
    MetricParameters,
    Option,
    blaming,
    shown,
    unknown,
    worded_for,
)
from dis_bench.metrics.mig import mig
from dis_bench.runners.study import Study, read_study_file
from tests.runners.test_run import HERE

SMALL = np.random.default_rng(0).integers(0, 4, (60, 2))
TOO_FEW = Study(
    datasets=[f"{HERE}:Tiny"], metrics=["mig", "sap", "downstream"], seeds=1, steps=2, latent_size=2
)


def refuse(function, *arguments, **options):
    with pytest.raises(InputError) as refusal:
        function(*arguments, **options)
    return str(refusal.value)


def advised(message, name):
    """Return the value of a keyword in a message worded for Python."""
    [text] = re.findall(rf"{name}=(\{{.*\}}\}}|\{{.*?\}}|[^ ).]+)", message)
    return ast.literal_eval(text)


def test_advice_of_score_works_in_score():
    names = ["mig", "sap", "downstream"]
    message = refuse(dis_bench.score, SMALL, SMALL, names)
    assert "--" not in message
    by_parameters = dis_bench.score(SMALL, SMALL, names, parameters=advised(message, "parameters"))
    marked = dis_bench.score(SMALL, SMALL, names, allow_small=advised(message, "allow_small"))
    assert by_parameters.to_dict() == marked.to_dict()


def test_advice_of_a_metric_works_in_the_metric():
    message = refuse(mig, SMALL, SMALL)
    assert mig(SMALL, SMALL, rows=advised(message, "rows")) == mig(SMALL, SMALL, allow_small=True)


def test_advice_of_a_study_works_in_the_study():
    message = refuse(TOO_FEW.plan)
    assert "--" not in message
    assert "dataset 'tiny' has 256 rows, fewer than the protocols need (mig: 10000 rows; sap: " in message
    study = {**vars(TOO_FEW), "settings": advised(message, "settings")}
    allowed = {**vars(TOO_FEW), "allow_small": advised(message, "allow_small")}
    assert Study(**study).plan().protocols == Study(**allowed).plan().protocols


def test_advice_of_run_works_in_run_and_in_a_study_file(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["run", "--dry-run", "--datasets", f"{HERE}:Tiny", "--metrics", "mig", "sap", "downstream"]
    words += ["--seeds", "1", "--steps", "1", "--latent-size", "2"]
    assert main(words) == 2
    message = capsys.readouterr().err
    [settings] = re.findall(r"--set [^)]+", message)
    for more in (shlex.split(settings), re.findall(r"--allow-small", message)):
        assert more
        assert main([*words, *more]) == 0
    lines = [f'"{key}" = {value}' for key, value in (one.split("=") for one in settings.split()[1:])]
    text = "allow_small = true\n[settings]\n" + "\n".join(lines).replace("= 10,100", "= [10, 100]")
    (tmp_path / "study.toml").write_text(text)
    assert "allow_small" in read_study_file("study.toml")
    assert tomllib.loads(text)["settings"]
    assert main([*words, "--study", "study.toml"]) == 0
    capsys.readouterr()


def test_advice_of_the_command_score_works_there(capsys, tmp_path):
    np.savez(tmp_path / "codes.npz", codes=SMALL, factors=SMALL)
    words = ["score", str(tmp_path / "codes.npz"), "--no-anchors", "--metrics", "mig", "sap"]
    assert main(words) == 2
    message = capsys.readouterr().err
    for more in (shlex.split(re.findall(r"--set [^)]+", message)[0]), re.findall(r"--allow-small", message)):
        assert main([*words, *more]) == 0


def test_options_are_worded_for_the_outermost_door():
    error = InputError("use ", Option("data_dir", "x"), " or ", MetricParameters({"mig": {"rows": 9}}), ".")
    words = {
        PYTHON: "use data_dir='x' or parameters={'mig': {'rows': 9}}.",
        STUDY: "use data_dir='x' or settings={'mig.rows': 9}.",
        COMMAND: "use --data-dir x or --set mig.rows=9.",
        RECORD: "use data_dir or mig.rows=9.",
    }
    for door, expected in words.items():
        with pytest.raises(InputError) as caught, worded_for(door), worded_for(PYTHON):
            raise error
        assert str(caught.value) == expected
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # as workers send it
    assert str(error.prefixed("mig: ")).startswith("mig: use ")


class Unprintable:
    def __repr__(self):
        raise ValueError("no")


@pytest.mark.parametrize(
    "given",
    [
        "9" * 5_000,
        "long text " * 500,
        "'" * 3_000,
        10**5_000,
        [1] * 4_000,
        "\x1b[2J\r\n\0\u202e\udc80",
        Unprintable(),
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_was_given_is_shown_in_one_short_printable_line(given):
    messages = [f"beta must be a number, but {shown(given)} was given."]
    if isinstance(given, str):
        messages += [str(unknown("model", given, ["vae"])), f"'{given}' is none."]
    for message in map(str, map(InputError, messages)):
        assert len(message) < 1_100
        assert message.isprintable()
        message.encode()
    assert len(shown(given)) < 150


def test_strangers_exceptions_say_whose_they_are():
    class Silent(Exception):
        def __str__(self):
            raise ValueError

    for error, words in (
        (KeyError("a"), "KeyError: 'a'."),
        (SystemExit(0), "SystemExit: 0."),
        (RuntimeError("two\nlines."), "RuntimeError: two lines."),
        (Silent(), "Silent."),
        (InputError("it is too small."), "it is too small."),
    ):
        with (
            pytest.raises(InputError, match=f"^model 'mine' cannot be built: {words}$"),
            blaming("model 'mine' cannot be built"),
        ):
            raise error
