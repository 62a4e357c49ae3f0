"""What must hold of every model: the list of ``dis-bench check model``, on built-in and on broken ones."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

from dis_bench import registry
from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.findings import DOES_NOT_APPLY, FAILED, PASSED
from dis_bench.models.model import Hyperparameter
from dis_bench.runners.checks.limits import list_limits
from dis_bench.runners.checks.properties import PROPERTIES, check_properties
from dis_bench.runners.checks.trial import ModelTrial

BROKEN = Path(__file__).parents[2] / "models" / "broken.py"

# Which properties catch each fault; "Sound" and the like have none.
FAULTS = {
    "Sound": set(),
    "DrawsItsOwnNoise": set(),
    "Averages": set(),
    "Pixels": set(),
    "RefusesBoth": set(),
    "LazyLayer": {"gives codes and images"},
    "WideCodes": {"gives codes and images"},
    "NoBatchOfOne": {"gives codes and images"},
    "Crashes": {"gives codes and images"},
    "InfiniteAtTheEnd": {"gives each player a finite loss"},
    "LossOfNobody": {"gives each player a finite loss"},
    "LossPerImage": {"gives each player a finite loss"},
    "UnusedLayer": {"moves every weight by one loss"},
    "Detached": {"moves every weight by one loss"},
    "HoldsWeights": {"moves every weight by one loss"},
    "SharedByTwo": {"moves every weight by one loss"},
    "WrongSign": {"lowers its loss"},
    "StandsStill": {"lowers its loss"},
    "Unseeded": {"repeats a seed", "resumes where it stopped"},
    "SameForEverySeed": {"repeats a seed"},
    "EncodesASample": {"encodes each image alone", "keeps all it learnt in its networks"},
    "CentresTheBatch": {"encodes each image alone"},
    "RemembersOnItself": {"keeps all it learnt in its networks"},
    "AssignsItsBuffer": {"changes its state in place"},
    "CountsOnItself": {"resumes where it stopped"},
    "PenalisesEveryThird": {"resumes where it stopped"},
    "BranchesOnBeta": {"equals itself in a stack"},
    "ReadsItsValues": {"equals itself in a stack"},
    "DividesByBeta": {"stays finite at its limits"},
    "SilencesNumpy": {"leaves the process alone"},
}


def check(name):
    return check_properties(ModelTrial(f"{BROKEN}:{name}"))


def find_failed(findings):
    return {finding.name: finding.detail for finding in findings if finding.verdict == FAILED}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_by_the_property_that_names_it(name, monkeypatch):
    for module in ("trial", "losses"):
        monkeypatch.setattr(f"dis_bench.runners.checks.{module}.STEPS", 40)
    with np.errstate():  # which one of them changes
        findings = check(name)
    assert find_failed(findings).keys() == FAULTS[name], find_failed(findings)
    assert all(finding.why for finding in findings)


def test_every_property_catches_some_fault():
    assert {name for caught in FAULTS.values() for name in caught} == {
        holds.__name__.replace("_", " ") for holds in PROPERTIES
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.plugins("models"))
def test_built_in_models_have_every_property(name):
    assert find_failed(check_properties(ModelTrial(name))) == {}


def test_the_objective_with_a_critic_in_contributing_trains_and_has_every_property(tmp_path, capsys):
    text = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [block] = [part for part in re.split(r"\n(?=\S)", text) if "class CriticVAE" in part]
    source = textwrap.dedent("\n".join(line for line in block.splitlines() if not line[:1].strip()))
    assert len(source.strip().splitlines()) < 30
    (tmp_path / "criticvae.py").write_text(source, encoding="utf-8")
    assert main(["check", "model", f"{tmp_path}/criticvae.py:CriticVAE"]) == 0
    assert "of 'autoencoder' from" in capsys.readouterr().out


def test_a_model_without_weights_says_what_need_not_hold():
    verdicts = {finding.name: finding.verdict for finding in check("Pixels")}
    assert verdicts["gives codes and images"] == PASSED
    assert verdicts["lowers its loss"] == verdicts["repeats a seed"] == DOES_NOT_APPLY


def test_what_rests_on_codes_and_losses_is_not_tried_without_them():
    _, second, *others = check("LossOfNobody")
    assert second.verdict == FAILED
    assert {finding.verdict for finding in others} == {DOES_NOT_APPLY}


@pytest.mark.parametrize(
    ("low", "high", "default", "values"),
    [
        (0.0, None, 1.0, [0.0]),
        (None, 3, 2, [3]),
        (None, None, True, [False]),
        (None, None, 1.0, []),
    ],
)
def test_limits_are_those_that_are_declared(low, high, default, values):
    assert [*list_limits(Hyperparameter("a", default, "of a test", low=low, high=high))] == values


class Open(Hyperparameter):
    """A hyperparameter that does not take its limit."""

    def parse(self, given):
        if given == self.low:
            raise InputError("a must be above its limit.")
        return super().parse(given)


def test_of_a_limit_that_is_not_allowed_the_value_beside_it_is_tried():
    assert [*list_limits(Open("a", 1.0, "of a test", low=0.0))] == [1e-3]
    assert [*list_limits(Open("a", 5, "of a test", low=2))] == [3]
