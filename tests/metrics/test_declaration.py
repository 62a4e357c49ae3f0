"""What a metric says of itself to readers: refused where no report could show it, else plain data."""

import json
import math

import pytest

from dis_bench import registry
from dis_bench.errors import InputError
from dis_bench.metrics import as_metric, find_metrics
from dis_bench.metrics.declaration import LONGEST_LABEL, describe
from dis_bench.metrics.metric import metric


def declare(keys=(), **declaration):
    @metric(keys=keys, **declaration)
    def my_score(representation, *, bins=20, labels=(1, 2)):
        """Measure something.

        More.
        """

    return my_score


def say(metric, columns=("my_score",), dataset="dsprites", **changed):
    return describe(metric, columns, dataset, {**metric.parameters, "version": 1, **changed})


def test_what_is_not_declared_is_not_said():
    assert say(declare()) == {
        "label": {"my_score": "my score"},
        "better": "higher",
        "range": [0.0, 1.0],
        "summary": "Measure something.",
    }


def test_a_label_names_one_number_or_comes_before_each_key():
    two = ("my_score_of_all", "my_score_none")
    assert say(declare(label="Mine"))["label"] == {"my_score": "Mine"}
    assert say(declare(("of_all", "none"), label="Mine"), two)["label"] == {
        "my_score_of_all": "Mine of all",
        "my_score_none": "Mine none",
    }
    assert say(declare(None, label={"none": "No"}, short={"of_all": "A"}), two) == {
        **say(declare(None), two),
        "label": {"my_score_of_all": "my score of all", "my_score_none": "No"},
        "short": {"my_score_of_all": "A"},
    }


def test_direction_range_and_lead():
    said = say(declare(range=(0, math.inf), higher_is_better=False, leads=True))
    assert (said["better"], said["range"], said["leads"]) == ("lower", [0.0, None], True)


def test_a_plain_function_declares_neither_direction_nor_range():
    said = say(as_metric(lambda codes, factors: 0.5, "my_score"))
    assert said == {"label": {"my_score": "my score"}, "better": "", "range": None, "summary": ""}


def test_a_caveat_may_depend_on_the_dataset_and_the_parameters():
    def caveat(dataset, parameters):
        return f"{dataset} has few bins." if parameters["bins"] < 10 else ""

    assert say(declare(caveat="Always."))["caveat"] == "Always."
    assert say(declare(caveat=caveat), bins=5)["caveat"] == "dsprites has few bins."
    assert "caveat" not in say(declare(caveat=caveat))


@pytest.mark.parametrize("caveat", [lambda *_: None, lambda *_: "a\nb", lambda: "", lambda *_: 1 / 0])
def test_a_caveat_that_cannot_be_shown_is_refused(caveat):
    with pytest.raises(InputError, match="the caveat of metric 'my_score'"):
        say(declare(caveat=caveat))


def test_what_a_perfect_code_scores_holds_for_the_default_protocol_only():
    known = declare(perfect={"dsprites": 0.9})
    assert say(known)["perfect"] == say(known, labels=[1, 2])["perfect"] == {"my_score": 0.9}
    assert "perfect" not in say(known, bins=5)
    assert "perfect" not in say(known, dataset="shapes3d")


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        (
            {"label": "a\nb"},
            "the label of metric 'my_score' must be one line of text, of at most 60 characters",
        ),
        ({"label": "a" * (LONGEST_LABEL + 1)}, "must be one line of text"),
        ({"label": ["Mine"]}, "must be a text, or a text by key, but ['Mine'] was given"),
        ({"label": {"a": "A"}}, "has the key 'a', but the metric's keys are: none, as it gives one number"),
        ({"label": {"c": "A"}, "keys": ("a", "b")}, "has the key 'c', but the metric's keys are: a, b"),
        ({"short": {"a": 1}, "keys": ("a", "b")}, "the short of metric 'my_score' must be one line"),
        ({"caveat": None}, "the caveat of metric 'my_score' must be one line of text"),
        ({"caveat": "long " * 300}, "the caveat of metric 'my_score' must be one line of text"),
        ({"leads": 1}, "leads of metric 'my_score' must be True or False, but 1 was given"),
        ({"perfect": 0.9}, "perfect of metric 'my_score' must be a score by dataset, but 0.9 was given"),
        ({"perfect": {"dsprites": 7}}, "must be a score within its range by the name of a dataset"),
        ({"perfect": {"dsprites": 0.9}, "keys": ("a",)}, "only for a metric that gives one number"),
    ],
)
def test_a_declaration_that_no_report_could_show_is_refused(declaration, message):
    with pytest.raises(InputError) as refusal:
        declare(**declaration)
    assert message in str(refusal.value)


@pytest.mark.parametrize("name", registry.plugins("metrics"))
def test_every_score_of_ours_has_a_label_of_its_own_and_survives_json(name):
    [one] = find_metrics([name]).values()
    columns = one.outputs or [f"{name}_{labels}" for labels in one.parameters["labels"]]
    said = describe(one, columns, "dsprites", one.parameters)
    assert len(set(said["label"].values())) == len(columns)
    assert not any("_" in label for label in said["label"].values())
    assert json.loads(json.dumps(said, allow_nan=False)) == said
