"""What must hold of every model: the list of ``dis-bench check model``, on built-in and on broken ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dis_bench.findings import FAILED
from dis_bench.runners.checks.properties import PROPERTIES, check_properties
from dis_bench.runners.checks.trial import ModelTrial

BROKEN = Path(__file__).parents[2] / "models" / "broken.py"

# Which properties catch each fault; "Sound" and the like have none.
FAULTS = {
    "Sound": set(),
    "DrawsItsOwnNoise": set(),
    "Averages": set(),
    "Pixels": set(),
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
    for module in ("trial", "properties"):
        monkeypatch.setattr(f"dis_bench.runners.checks.{module}.STEPS", 40)
    with np.errstate():  # which one of them changes
        findings = check(name)
    assert find_failed(findings).keys() == FAULTS[name], find_failed(findings)
    assert all(finding.why for finding in findings)


def test_every_property_catches_some_fault():
    assert {name for caught in FAULTS.values() for name in caught} == {
        holds.__name__.replace("_", " ") for holds in PROPERTIES
    }
