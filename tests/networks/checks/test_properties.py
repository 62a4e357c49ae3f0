"""What must hold of networks: the list of ``dis-bench check network``, on ours and on broken ones."""

from pathlib import Path

import numpy as np
import pytest

from dis_bench import registry
from dis_bench.findings import FAILED
from dis_bench.networks.checks.properties import PROPERTIES, check_properties
from dis_bench.networks.checks.trial import NetworkTrial

BROKEN = Path(__file__).parents[1] / "broken.py"

# Which properties catch each fault; "Sound" and the like have none.
FAULTS = {
    "Sound": set(),
    "SaysThatItDrops": set(),
    "SaysThatItNormalises": set(),
    "OneNumberTooMany": {"takes images of its sizes"},
    "GreyOnly": {"takes images of its sizes"},
    "SquaresOnly": {"takes images of its sizes"},
    "Infinite": {"takes images of its sizes"},
    "Normalises": {"trains on its least batch"},
    "UnusedLayer": {"reaches every weight"},
    "Unseeded": {"draws its first weights from the seed"},
    "AlwaysTheSame": {"draws its first weights from the seed"},
    "NormalisesAlways": {"treats each input alone"},
    "DropsAlways": {"treats each input alone"},
    "Drops": {"equals itself in a stack"},
    "AssignsItsBuffer": {"equals itself in a stack"},
    "SilencesNumpy": {"leaves the process alone"},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_by_the_property_that_names_it(name):
    with np.errstate():  # which one of them changes
        findings = check_properties(NetworkTrial(f"{BROKEN}:{name}"))
    failed = {finding.name: finding.detail for finding in findings if finding.verdict == FAILED}
    assert failed.keys() == FAULTS[name], failed
    assert all(finding.why for finding in findings)


def test_every_property_catches_some_fault():
    caught = {name for names in FAULTS.values() for name in names}
    assert caught == {holds.__name__.replace("_", " ") for holds in PROPERTIES}


@pytest.mark.parametrize("name", registry.plugins("networks"))
def test_built_in_networks_have_every_property(name):
    findings = check_properties(NetworkTrial(name))
    assert [finding for finding in findings if finding.verdict == FAILED] == []
