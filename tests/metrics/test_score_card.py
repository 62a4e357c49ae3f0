"""The score card: its table, and its text for a terminal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation, score
from dis_bench.metrics.metric import metric
from dis_bench.metrics.score_card import Card, make_card

from .cases import load_case

NAMES = ["gaussian_wasserstein_correlation_norm", "mig", "sap_continuous"]


def card_of(codes, factors, log_variances=None, allow_small=False, **options) -> Card:
    """Score arrays, as the command line does."""
    representation = Representation(codes, factors, log_variances=log_variances, allow_small=allow_small)
    return make_card(representation, **options)


@pytest.fixture
def arrays():
    codes, factors = load_case("A_vae_like")
    return codes[:500], np.insert(factors[:500], 0, 9, axis=1)


def test_the_table_holds_the_scores_and_what_to_read_them_against(arrays):
    table = card_of(*arrays, metrics=NAMES, allow_small=True).table
    assert list(table.index) == NAMES
    about = ["smallest", "largest", "better", "small", "changed"]
    assert list(table.columns) == ["score", "perfect", "chance", *about]
    assert table["score"].to_dict() == score(*arrays, NAMES, allow_small=True).to_dict()
    assert table["better"].tolist() == ["lower", "higher", "higher"]
    assert table["largest"].tolist() == [2, 1, 1]
    assert table["small"].all()
    assert table.loc["sap_continuous", "perfect"] == pytest.approx(1, abs=0.05)
    assert table.loc["mig", "chance"] < table.loc["mig", "score"] < table.loc["mig", "perfect"]


def test_intervals_stand_beside_the_scores(arrays):
    card = card_of(*arrays, metrics="sap_continuous", bootstrap=20, allow_small=True)
    row = card.table.loc["sap_continuous"]
    assert list(card.table.columns[:5]) == ["score", "low", "high", "shift", "skipped"]
    assert "skipped" not in card.text
    assert row["low"] < row["score"] < row["high"]
    assert f"{row['low']:.3f} .. {row['high']:.3f}" in card.text


def test_without_anchors_the_rest_is_the_same(arrays, monkeypatch):
    options = {"metrics": NAMES, "bootstrap": 5, "allow_small": True}
    whole = card_of(*arrays, **options)
    monkeypatch.setattr("dis_bench.metrics.score_card.anchor_scores", None)  # it would fail if it were called
    card = card_of(*arrays, **options, anchors=False)
    pd.testing.assert_frame_equal(card.table, whole.table.drop(columns=["perfect", "chance"]))
    assert "perfect" not in card.text
    assert "chance" not in card.text
    assert "↑ higher is better, ↓ lower is better." in card.text
    mig = next(line for line in card.text.splitlines() if line.startswith("mig* "))
    assert mig.endswith(f"{card.table.loc['mig', 'high']:.3f}  0 to 1")


def test_the_text_fits_a_terminal_and_says_what_must_be_known(arrays):
    def a_name_that_is_very_much_longer_than_any_name_should_be(codes, factors):
        return 123456.0

    metrics = [*NAMES, "gaussian_total_correlation", a_name_that_is_very_much_longer_than_any_name_should_be]
    lines = card_of(*arrays, metrics=metrics, bootstrap=5, allow_small=True).text.splitlines()
    assert max(map(len, lines)) <= 100
    text = " ".join(lines)
    for words in (
        "500 rows; codes: 10; factors: 5, of 3, 6, 40, 32, 32 values.",
        "Left out for having a single value: factor 0.",
        "Constant: code 9.",
        "gaussian_wasserstein_correlation_norm* ",
        "mig* ",
        "0 up",
        "* from fewer rows than the protocol needs",
        "a_name_that_is_very_much_longer_than_...",
        "1.2e+05",
    ):
        assert words in text


def test_columns_line_up(arrays):
    lines = card_of(*arrays, metrics=NAMES, bootstrap=5, allow_small=True).text.splitlines()
    header = next(number for number, line in enumerate(lines) if "perfect" in line)
    for title in ("score", "95% of rows", "perfect", "chance"):
        end = lines[header].index(title) + len(title)
        for line in lines[header + 1 : header + 4]:
            assert line[end - 1].isdigit()
            assert line[end] == " "


def test_a_full_table_has_no_marks():
    codes, factors = load_case("B_identity")
    card = card_of(codes, factors, metrics="mig")
    assert not card.table["small"].any()
    assert "*" not in card.text
    assert card.table.loc["mig", "score"] == pytest.approx(card.table.loc["mig", "perfect"], abs=0.002)


def test_a_metric_without_anchors_still_has_its_score(arrays):
    def wants_ten(codes, factors):
        assert codes.std() < 0.9, "no unit variance"
        return 1.0

    card = card_of(*arrays, metrics=wants_ten)
    assert card.table.loc["wants_ten", "score"] == 1.0
    assert card.table.loc["wants_ten", ["perfect", "chance"]].isna().all()
    text = " ".join(card.text.split())
    assert (
        "-: the metric cannot score the factors or noise. metric 'wants_ten' failed: AssertionError: no"
        in text
    )


def test_log_variances_bring_the_metrics_that_read_them(arrays):
    codes, factors = (table[:200] for table in arrays)
    card = card_of(codes, factors, log_variances=codes * 0 - 4, metrics="mig_sampled", allow_small=True)
    assert list(card.table.index) == ["mig_sampled"]
    with pytest.raises(InputError, match="mig_sampled needs log_variances"):
        card_of(codes, factors, metrics="mig_sampled")


def test_parameters_that_differ_from_the_defaults_stand_on_the_card(arrays):
    options = {"metrics": ["mig", "downstream", "sap_continuous"], "allow_small": True, "anchors": False}
    parameters = {"mig": {"bins": 40, "rows": 10_000}, "downstream": {"labels": [10, 20], "test": 99}}
    card = card_of(*arrays, parameters=parameters, **options)
    assert card.table["changed"].to_dict() == {
        "mig": "bins=40",
        "downstream_10": "labels=[10, 20], test=99",
        "downstream_20": "labels=[10, 20], test=99",
        "sap_continuous": "",
    }
    assert "\nDifferent from the defaults: mig bins=40; downstream labels=[10, 20], test=99.\n" in card.text
    expected = score(*arrays, ["mig"], parameters={"mig": {"bins": 40}}, allow_small=True)
    assert card.table.loc["mig", "score"] == expected["mig"]


def test_defaults_are_not_told(arrays):
    card = card_of(*arrays, metrics="mig", parameters={"mig": {"bins": 20}}, allow_small=True, anchors=False)
    assert card.table["changed"].tolist() == [""]
    assert "defaults" not in card.text


def test_skipped_resamples_are_told():
    codes = np.random.default_rng(0).standard_normal((200, 2))
    rare = np.stack([np.arange(200) == 7, np.arange(200) % 4], axis=1)
    options = {"bootstrap": 20, "allow_small": True, "anchors": False}

    def mean_of(codes, factors):
        return codes.mean()

    card = card_of(codes, rare, metrics=["irs", mean_of], **options)
    skipped = card.table["skipped"]["irs"]
    assert 0 < skipped < 20
    assert f"Resamples skipped because they could not be scored: irs {skipped}." in card.text


def test_without_factors_there_are_no_anchors():
    codes = np.random.default_rng(0).standard_normal((300, 3))
    table = card_of(codes, None, log_variances=0 * codes, allow_small=True).table
    assert "perfect" not in table.columns
    assert table["score"].notna().all()


def test_a_plain_function_has_neither_direction_nor_range(arrays):
    def error(codes, factors):
        return 1_000.0

    card = card_of(*arrays, metrics=[error, "sap_continuous"], anchors=False, allow_small=True)
    assert card.table.loc["error", "better"] == ""
    assert card.table.loc["error", ["smallest", "largest"]].isna().all()
    [line] = [line for line in card.text.splitlines() if line.startswith("error")]
    assert line.split() == ["error", "1.0e+03"]


def test_that_noise_does_as_well_is_said_of_scores_of_codes_alone(arrays):
    @metric(higher_is_better=False)
    def wrong_share(representation):
        """Return a share of wrong guesses."""
        return 0.5

    told = "look only at the codes"
    options = {"anchors": False, "allow_small": True}
    assert told in card_of(*arrays, metrics="gaussian_total_correlation", **options).text
    assert told not in card_of(*arrays, metrics=wrong_share, **options).text
