"""Trials of metrics: their tables, the protocol, and the results that count as scores."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.errors import InputError
from dis_bench.findings import Broken
from dis_bench.metrics import as_metric, find_metrics
from dis_bench.metrics.checks.trial import ROWS, Trial, draw_factors, draw_one_hot, mix, put_on_trial
from dis_bench.metrics.metric import metric
from dis_bench.metrics.protocols import STUDY_ROWS

from .. import broken


def test_every_value_of_every_factor_occurs():
    factors = draw_factors(ROWS)
    assert [len(np.unique(column)) for column in factors.T] == [3, 6, 8, 8, 4]
    assert (factors[:, 4] == 3).mean() > 0.5


def test_mixed_codes_are_rotated_pairs_in_float32():
    factors = draw_factors(ROWS)
    codes = mix(factors, np.random.default_rng(0))
    assert (codes == codes.astype(np.float32)).all()
    together = np.corrcoef(codes.T, factors.T)[:5, 5:]
    # Unit variance plus 0.01 of noise; each factor contributes half.
    share = np.sqrt(0.5 / 1.01)
    expected = np.zeros((5, 5))
    expected[:2, :2] = expected[2:4, 2:4] = [[share, -share], [share, share]]
    expected[4, 4] = np.sqrt(1 / 1.01)
    assert together == pytest.approx(expected, abs=0.1)


def test_one_code_per_value_says_which_value_it_is():
    _, codes, factors = draw_one_hot(ROWS)
    assert codes.shape == (ROWS, 43)
    assert (codes.sum(axis=1) == 2).all()
    assert np.array_equal(codes[:, :3].argmax(axis=1), factors[:, 0])
    assert np.array_equal(codes[:, 3:].argmax(axis=1), factors[:, 1])
    assert len(np.unique(factors[:, 1])) == 40


def test_a_protocol_is_made_smaller_by_the_names_of_its_parameters():
    trial = put_on_trial(find_metrics("dci")["dci"])
    assert len(trial) == ROWS
    assert trial.parameters == {"train": 800, "test": 400}


def test_a_metric_that_refuses_few_rows_gets_many_and_its_own_protocol():
    trial = put_on_trial(broken.wants_many_rows)
    assert len(trial) == STUDY_ROWS
    assert trial.parameters == {}


def test_the_span_is_the_declared_range_or_what_ordinary_tables_show():
    assert Trial(broken.declared).span("declared") == 1
    trial = Trial(as_metric(broken.sound))
    perfect, noise = (trial.scores(table)["sound"] for table in (trial.perfect, trial.noise))
    assert trial.span("sound") == perfect - noise
    assert perfect == pytest.approx(1)


@pytest.mark.parametrize("value", [np.nan, np.inf, 10**400, "0.5", None, True, np.ones(1), {"a": np.nan}])
def test_what_is_no_score(value):
    trial = Trial(as_metric(lambda codes, factors: value, "own"))
    with pytest.raises(Broken, match=r"given rotated .* 'own' returned .* instead of a finite number"):
        trial.scores(trial.mixed)


def test_what_was_not_declared():
    trial = Trial(metric(keys=("low", "high"))(lambda representation: {"low": 0.0}))
    with pytest.raises(Broken, match=r"given rotated factors .* but declares \('low', 'high'\)"):
        trial.scores(trial.mixed)


@pytest.mark.parametrize(
    ("value", "columns"),
    [
        (1, {"own": 1.0}),
        (np.float32(0.5), {"own": 0.5}),
        ({"low": 0.0, "high": 1.0}, {"own_low": 0.0, "own_high": 1.0}),
    ],
)
def test_what_is_a_score(value, columns):
    trial = Trial(as_metric(lambda codes, factors: value, "own"))
    assert trial.scores(trial.mixed) == columns


def test_a_refusal_stays_one():
    trial = Trial(as_metric(broken.refuses_one_code))
    one_code = trial.mixed._replace(given="one code", codes=trial.mixed.codes[:, :1])
    with pytest.raises(InputError, match="one code cannot be compared"):
        trial.scores(one_code)


def test_a_metric_that_ends_the_program_is_broken_and_does_not():
    trial = Trial(as_metric(broken.ends_the_program))
    with pytest.raises(Broken, match=r"given rotated .* it raises SystemExit: 0"):
        trial.scores(trial.mixed)
    with pytest.raises(Broken, match="it raises SystemExit: 0"):
        trial.read_arrays()
