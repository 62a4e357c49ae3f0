"""What must hold of every dataset: the list of ``dis-bench check dataset``, on ours and on broken ones."""

import gc
from pathlib import Path

import pytest
import torch

from dis_bench import registry
from dis_bench.datasets.checks import properties
from dis_bench.datasets.checks.properties import PROPERTIES, check_properties
from dis_bench.datasets.checks.trial import DatasetTrial
from dis_bench.findings import DOES_NOT_APPLY, FAILED, Broken, examine

BROKEN = Path(__file__).parents[1] / "broken.py"

# Which properties catch each fault; "Sound" and the like have none.
FAULTS = {
    "Sound": set(),
    "TwoSources": set(),
    "Floats": {"draws images of its shape"},
    "Bytes": {"draws images of its shape"},
    "Crashes": {"draws images of its shape"},
    "Noisy": {"draws the same image every time", "draws the same in a worker"},
    "ComparesTheBatch": {"draws the same image every time"},
    "StaysHere": {"draws the same in a worker"},
    "LosesItsSeed": {"draws the same in a worker"},
    "Shorter": {"has an image for each combination", "refuses indices out of range"},
    "OtherOrder": {"has an image for each combination"},
    "HidesSize": {"shows every factor"},
    "Unlabelled": set(),
    "ForgetsLabels": {"knows the labels of its images"},
    "SameValueTwice": {"names the values of its factors"},
    "NegativeFromTheEnd": {"refuses indices out of range"},
    "RandomFingerprint": {"has a fingerprint of its pixels"},
    "OneFingerprint": {"has a fingerprint of its pixels"},
    "HalfASentence": {"says its caveat in sentences"},
    "SeedsTheProcess": {"leaves the process alone"},
    "Hoards": {"keeps its memory bounded"},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_by_the_property_that_names_it(name):
    with torch.random.fork_rng():  # which one of them seeds
        findings = check_properties(DatasetTrial(f"{BROKEN}:{name}"))
    failed = {finding.name: finding.detail for finding in findings if finding.verdict == FAILED}
    assert failed.keys() == FAULTS[name], failed
    assert all(finding.why for finding in findings)


def test_garbage_that_is_freed_meanwhile_hides_no_growth(monkeypatch):
    trial = DatasetTrial(f"{BROKEN}:Hoards")
    drawn, draw = [], trial.draw

    def draw_and_collect(indices):
        drawn.append(len(indices))
        if len(drawn) == 20:  # when the memory before has been taken
            gc.collect()
        return draw(indices)

    monkeypatch.setattr(trial, "draw", draw_and_collect)
    left_behind = [b"x" * properties.MEMORY_PIXELS]
    left_behind.append(left_behind)  # only the collector frees what holds itself
    gc.disable()
    try:
        del left_behind
        with pytest.raises(Broken, match="memory has grown by"):
            properties.keeps_its_memory_bounded(trial)
    finally:
        gc.enable()


def test_every_property_catches_some_fault():
    caught = {name for names in FAULTS.values() for name in names}
    assert caught == {holds.__name__.replace("_", " ") for holds in PROPERTIES}


# The others read files, with which tests of their own check them.
READ = {"scream_dsprites"}  # a painting, behind sprites that are drawn
DRAWN = [
    name
    for name, plugin in registry.plugins("datasets").items()
    if "rendered" in plugin.load().sources and name not in READ
]


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_built_in_datasets_have_every_property(name):
    findings = check_properties(DatasetTrial(name))
    assert [finding for finding in findings if finding.verdict == FAILED] == []


def test_where_memory_cannot_be_read_it_is_not_judged(monkeypatch, tmp_path):
    monkeypatch.setattr(properties, "Path", lambda name: tmp_path / "none")
    finding = examine(properties.keeps_its_memory_bounded, DatasetTrial(f"{BROKEN}:Hoards"))
    assert finding.verdict == DOES_NOT_APPLY


def test_a_failure_gives_what_was_drawn_and_what_was_expected():
    finding = examine(properties.draws_images_of_its_shape, DatasetTrial(f"{BROKEN}:Bytes"))
    assert finding.detail == (
        "images(60 indices) has a pixel of 255; expected at most 1, which is pixel_max."
    )
