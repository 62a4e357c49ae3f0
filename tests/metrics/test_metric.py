"""The contract of a metric, for built-in metrics and for plain functions."""

from __future__ import annotations

import inspect
from typing import NamedTuple

import numpy as np
import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import MetricFailed, Representation, as_metric
from dis_bench.metrics.dci import dci
from dis_bench.metrics.metric import metric
from dis_bench.metrics.mig import mig

CODES = np.arange(12.0).reshape(6, 2)
FACTORS = np.array([[0, 1], [0, 2], [1, 1], [1, 2], [2, 1], [2, 2]])


class Pair(NamedTuple):
    """Two numbers."""

    low: float
    high: float


@metric(keys=("low", "high"), range=(-5, 11), higher_is_better=False, source="nobody 2026", version=3)
def extremes(representation, *, code=0, scale=1.0, signed=True, sort="none"):
    """Return the lowest and the highest value of a code.

    There are more details here.
    """
    column = representation.codes[:, code] * scale
    return Pair(column.min(), column.max())


def test_a_declared_metric_says_what_it_is():
    assert extremes.name == "extremes"
    assert extremes.summary == "Return the lowest and the highest value of a code."
    assert extremes.parameters == {"code": 0, "scale": 1.0, "signed": True, "sort": "none"}
    assert extremes.outputs == ("extremes_low", "extremes_high")
    assert (extremes.range, extremes.higher_is_better) == ((-5, 11), False)
    assert (extremes.source, extremes.version) == ("nobody 2026", 3)
    assert mig.outputs == ("mig",)
    assert dci.outputs == ("dci_disentanglement", "dci_completeness", "dci_informativeness")


def test_docstring_and_signature_show():
    assert "There are more details here." in extremes.__doc__
    assert (
        str(inspect.signature(mig)) == "(codes, factors, *, seed=0, allow_small=False, rows=10000, bins=20)"
    )


def test_arrays_or_a_representation():
    assert extremes(CODES, FACTORS, code=1, scale=2) == Pair(2.0, 22.0)
    assert extremes(Representation(CODES, FACTORS), code=1) == Pair(1.0, 11.0)
    assert extremes.scores(Representation(CODES, FACTORS)) == {"extremes_low": 0.0, "extremes_high": 10.0}


@metric(needs=("log_variances",))
def widest(representation, *, power=1.0):
    """Return the largest log-variance."""
    return representation.log_variances.max() ** power


def test_a_metric_gets_what_it_needs_beside_codes_and_factors():
    signature = "(codes, factors, *, log_variances, seed=0, allow_small=False, power=1.0)"
    assert str(inspect.signature(widest)) == signature
    assert widest(CODES, FACTORS, log_variances=CODES, power=2) == 121.0
    assert widest(Representation(CODES, FACTORS, log_variances=CODES)) == 11.0
    refusal = r"widest needs log_variances beside codes and factors: give log_variances=, a table \[N, D\]"
    for codes, factors in ((CODES, FACTORS), (Representation(CODES, FACTORS), None)):
        with pytest.raises(InputError, match=refusal):
            widest(codes, factors)
    with pytest.raises(InputError, match="in addition to a Representation"):
        widest(Representation(CODES, FACTORS), log_variances=CODES)
    with pytest.raises(InputError, match="unknown parameter of extremes 'log_variances'"):
        extremes(CODES, FACTORS, log_variances=CODES)


def test_refuses_half_of_the_input_or_twice_the_same():
    with pytest.raises(InputError, match="extremes needs factors"):
        extremes(CODES)
    with pytest.raises(InputError, match="in addition to a Representation"):
        extremes(Representation(CODES, FACTORS), FACTORS)
    for more in ({"seed": 1}, {"seed": 0}, {"seed": None}, {"allow_small": True}):
        with pytest.raises(InputError, match=f"was given {next(iter(more))} in addition to a Representation"):
            extremes(Representation(CODES, FACTORS, seed=5), **more)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cod": 1}, "unknown parameter of extremes 'cod': did you mean 'code'"),
        ({"code": 1.0}, "code of extremes must be a whole number, but 1.0"),
        ({"code": True}, "code of extremes must be a whole number, but True"),
        ({"scale": "2"}, "scale of extremes must be a finite number, but '2'"),
        ({"scale": float("nan")}, "scale of extremes must be a finite number, but nan"),
        ({"scale": float("-inf")}, "scale of extremes must be a finite number, but -inf"),
        ({"scale": 10**400}, "scale of extremes must be a finite number, but 1000"),
        ({"signed": 1}, "signed of extremes must be True or False, but 1"),
        ({"sort": None}, "sort of extremes must be a word, but None"),
    ],
)
def test_refuses_parameters(parameters, message):
    with pytest.raises(InputError, match=message):
        extremes(CODES, FACTORS, **parameters)


def test_a_refusal_names_the_metric():
    with pytest.raises(InputError, match=r"^mig: the protocol needs 10000 rows, but there are 6"):
        mig(CODES, FACTORS)


def test_a_plain_function_becomes_a_metric():
    def spread(codes, factors, *, power=2, seed=None):
        """Measure how far codes spread."""
        codes **= power  # its own copy
        return {"mean": codes.mean(), "seed": seed}

    wrapped = as_metric(spread, version="abc")
    representation = Representation(CODES, FACTORS, seed=5)
    assert wrapped.scores(representation, power=1) == {"spread_mean": 5.5, "spread_seed": 5.0}
    assert wrapped.scores(representation)["spread_mean"] == (CODES**2).mean()
    assert np.array_equal(np.sort(representation.codes, axis=None), np.sort(CODES, axis=None))
    assert (wrapped.name, wrapped.version, wrapped.parameters) == ("spread", "abc", {"power": 2})
    assert wrapped.outputs is None
    assert wrapped.summary == "Measure how far codes spread."
    assert as_metric(wrapped) is wrapped


def test_a_plain_function_sees_rows_in_the_order_of_the_seed():
    seen = as_metric(lambda codes, factors: codes[0, 0], name="first")
    assert seen(CODES, FACTORS, seed=None) == 0.0
    assert {seen(CODES, FACTORS, seed=seed) for seed in range(20)} > {0.0}


def test_a_plain_function_that_draws_gets_a_seed_although_the_rows_are_not_shuffled():
    drawing = as_metric(lambda codes, factors, *, seed: np.random.default_rng(seed).random(), name="drawing")
    assert drawing(CODES, FACTORS, seed=None) == drawing(CODES, FACTORS, seed=0)


def test_codes_and_factors_are_no_parameters_whatever_their_defaults():
    def rows(codes, factors=None, scale=2, *, seed):
        """Return the number of rows, scaled, plus the seed."""
        return len(codes) * scale + seed

    wrapped = as_metric(rows)
    assert wrapped.parameters == {"scale": 2}
    assert str(inspect.signature(wrapped)) == "(codes, factors, *, seed=0, allow_small=False, scale=2)"
    assert wrapped(CODES, FACTORS, seed=5, scale=1) == 11

    @metric()
    def width(representation=None, bins=3):
        """Return the number of codes times the bins."""
        return representation.codes.shape[1] * bins

    assert width.parameters == {"bins": 3}
    assert width(CODES, FACTORS, bins=1) == 2
    assert as_metric(lambda *tables, **parameters: len(tables), "own")(CODES, FACTORS) == 2


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda codes: 0.0, "metric 'own' must take codes and factors, but it takes (codes)."),
        (lambda codes, *, factors: 0.0, "must take codes and factors, but it takes (codes, *, factors)."),
        (lambda codes, factors, *, power: 0.0, "parameter 'power' of metric 'own' needs a default"),
        (lambda codes, factors, power: 0.0, "parameter 'power' of metric 'own' needs a default"),
        (lambda a, b, *, codes=1: 0.0, "parameter 'codes' of metric 'own' must be renamed"),
        (lambda a, b, *, allow_small=1: 0.0, "parameter 'allow_small' of metric 'own' must be renamed"),
        (max, "metric 'own' has no signature"),
    ],
    ids=["one_table", "factors_by_keyword", "by_keyword", "by_position", "name_taken", "leave", "compiled"],
)
def test_refuses_a_function_that_codes_and_factors_do_not_suffice_for(function, sentence):
    with pytest.raises(InputError) as refusal:
        as_metric(function, "own")
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda: 0.0, "must take representation, but it takes ()."),
        (lambda representation, *, bins: 0.0, "parameter 'bins' of metric '<lambda>' needs a default"),
        (lambda representation, *, seed=1: 0.0, "parameter 'seed' of metric '<lambda>' must be renamed"),
    ],
)
def test_refuses_a_declaration_that_a_representation_does_not_suffice_for(function, sentence):
    with pytest.raises(InputError) as refusal:
        metric()(function)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 10**400, None, "high", "0.5", True, [1.0, 2.0], (1, 2)]
)
def test_refuses_results_that_are_no_finite_number(value):
    broken = as_metric(lambda codes, factors: value, name="broken")
    with pytest.raises(InputError, match=r"metric 'broken' returned .* finite number"):
        broken.scores(Representation(CODES, FACTORS))


def test_refuses_results_that_were_not_declared():
    @metric(keys=("low", "high"))
    def other(representation):
        return {"low": 0.0, "hihg": 1.0}

    with pytest.raises(InputError, match=r"'other' returned .* but declares"):
        other.scores(Representation(CODES, FACTORS))


def test_refuses_what_is_no_function():
    with pytest.raises(InputError, match="metric 'three' must be a function of codes and factors, not 3"):
        as_metric(3, name="three")


@pytest.mark.parametrize("range", ["ab", (1, 0), (0, 0), (0, float("nan")), (0,), (0, 1, 2), 1, None])
def test_refuses_a_range_that_is_none(range):
    with pytest.raises(
        InputError, match="the range of metric 'mine' must be its lowest and its highest score"
    ):

        @metric(range=range)
        def mine(representation):
            return 0.0


@pytest.mark.parametrize(
    ("given", "score"),
    [(1 + 1e-15, 1.0), (-1e-15, 0.0), (1 - 1e-15, 1 - 1e-15), (1.01, 1.01), (-0.01, -0.01)],
)
def test_rounding_takes_no_score_beyond_its_range(given, score):
    @metric(range=(0, 1))
    def mine(representation):
        return given

    assert mine.scores(Representation(CODES, FACTORS)) == {"mine": score}


def test_refuses_keys_that_make_one_column():
    with pytest.raises(InputError, match=r"metric 'twice' returned .*, of which two keys read alike"):
        as_metric(lambda codes, factors: {1: 0.1, "1": 0.2}, "twice").scores(Representation(CODES, FACTORS))


def test_refuses_a_result_without_a_score():
    with pytest.raises(InputError, match=r"metric 'empty' returned {}, which contains no score"):
        as_metric(lambda codes, factors: {}, "empty").scores(Representation(CODES, FACTORS))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (SystemExit(0), "SystemExit: 0"),
        (RecursionError("too\ndeep"), "RecursionError: too deep"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_whatever_a_metric_raises_is_one_sentence_with_its_name(error, words):
    def raises(codes, factors):
        raise error

    with pytest.raises(MetricFailed) as failure:
        as_metric(raises)(CODES, FACTORS)
    assert str(failure.value) == f"metric 'raises' failed: {words}."
    assert failure.value.__cause__ is error


def test_leave_to_score_a_small_table():
    assert mig(CODES, FACTORS, allow_small=True) == mig(CODES, FACTORS, rows=6)
    with pytest.raises(InputError, match=r"ask for fewer \(rows=6\), .* as such \(allow_small=True\)"):
        mig(CODES, FACTORS)


@metric()
def twice(representation, *, labels=(1, 2)):
    """Return the sum of the labels."""
    return sum(labels)


@pytest.mark.parametrize("labels", [[3, 4], (3, 4), np.array([3, 4]), range(3, 5)])
def test_several_values_come_in_any_list(labels):
    assert twice.resolve({"labels": labels}) == {"labels": (3, 4)}
    assert all(type(label) is int for label in twice.resolve({"labels": labels})["labels"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (7, r"labels of twice must be a list such as \[1, 2\], but 7 was given"),
        ("34", "labels of twice must be a list"),
        (np.array(3), "labels of twice must be a list"),
        ((True,), "each of labels of twice must be a whole number, but True"),
        ([3.0], "each of labels of twice must be a whole number, but 3.0"),
        (np.eye(2, dtype=int), "each of labels of twice must be a whole number"),
    ],
)
def test_refuses_what_is_no_list_of_such_values(labels, message):
    with pytest.raises(InputError, match=message):
        twice(CODES, FACTORS, labels=labels)
