"""The name of a column identifies its kind, the metric of its score, and its images."""

import pytest

from dis_bench.records import schema
from dis_bench.records.columns import (
    FIXED,
    OF_REPORTS,
    OTHER_IMAGES,
    RESERVED,
    Kind,
    find_dial,
    find_metric,
    is_taken,
    join_images,
    kind_of,
    split_images,
)

METRICS = ["mig", "mig_sup", "dci", "betavae_score"]


def test_the_fixed_columns_are_the_schema_s_in_its_order():
    assert list(FIXED) == [
        *("hash", "folder", "status", "dataset", "source", "fingerprint"),
        *("dataset_parameters", "model", "network", "likelihood"),
        *("latent_size", "steps", "batch_size", "lr", "clip_norm", "lr_schedule", "early_stop"),
        *("precision", "kernels", "holdout", "holdout_rule", "correlate"),
        *("seed", "schedules", "beta_norm", "dial", "dial_value"),
        *("reconstruction", "mse", "kl", "elbo", "active_latents", "readout"),
        *("train_seconds", "images_per_second", "score_seconds", "failure"),
    ]


def test_every_key_of_a_cell_an_evaluation_and_a_timing_is_a_column_or_reserved():
    for table in (schema.CellIdentity, schema.Evaluation, schema.Timing):
        assert set(table.__annotations__) - {"kind"} <= RESERVED
    assert {*FIXED, *OF_REPORTS} <= RESERVED


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("hash", Kind.IDENTITY),
        ("failure", Kind.IDENTITY),
        ("seed", Kind.SETTING),
        ("dial_value", Kind.HYPERPARAMETER),
        ("beta", Kind.HYPERPARAMETER),
        ("factorvae.gamma", Kind.HYPERPARAMETER),
        ("migration", Kind.HYPERPARAMETER),
        ("kl_weight", Kind.HYPERPARAMETER),
        ("kl", Kind.MEASURE),
        ("kl_12", Kind.MEASURE),
        ("heldout_elbo", Kind.MEASURE),
        ("mig", Kind.SCORE),
        ("dci_completeness", Kind.SCORE),
        ("mig_correlated", Kind.SCORE),
        ("heldout_dci_completeness", Kind.SCORE),
        ("train_seconds", Kind.TIME),
    ],
)
def test_a_column_has_a_kind_by_its_name(column, kind):
    assert kind_of(column, METRICS) == kind


def test_without_its_metric_a_score_cannot_be_told_from_a_hyperparameter():
    assert kind_of("mig", []) == Kind.HYPERPARAMETER


@pytest.mark.parametrize(
    ("column", "base", "images"),
    [
        ("heldout_kl", "kl", "heldout"),
        ("mig_correlated", "mig", "correlated"),
        ("dci_completeness_correlated", "dci_completeness", "correlated"),
        ("kl", "kl", ""),
        ("kl_heldout", "kl_heldout", ""),
        ("correlated_mig", "correlated_mig", ""),
        ("heldout_", "heldout_", ""),
        ("_correlated", "_correlated", ""),
    ],
)
def test_a_column_says_on_which_images_it_was_measured(column, base, images):
    assert split_images(column) == (base, images)
    assert join_images(base, images) == column


@pytest.mark.parametrize("images", OTHER_IMAGES)
def test_each_kind_of_images_marks_names_in_a_way_that_comes_back(images):
    for base in ("kl", "mig", "dci_completeness"):
        assert split_images(join_images(base, images)) == (base, images)


@pytest.mark.parametrize(
    ("score", "owner"),
    [
        ("mig", "mig"),
        ("mig_sup", "mig_sup"),
        ("mig_sup_correlated", "mig_sup"),
        ("mig_correlated", "mig"),
        ("heldout_mig", "mig"),
        ("migs", None),
        ("heldout_sap", None),
    ],
)
def test_a_score_belongs_to_the_metric_with_the_longest_name(score, owner):
    assert find_metric(score, METRICS) == owner


def test_names_that_would_hide_a_column_are_taken():
    for name in ("kl_3", "heldout_kl", "kl_correlated", "dial_value", "hyperparameters", "level"):
        assert is_taken(name)
    for name in ("kl_x", "beta", "kind", "heldout_mig"):
        assert not is_taken(name)


@pytest.mark.parametrize(
    ("hyperparameters", "named", "dial"),
    [
        ({"beta": 4.0}, {"dial": "beta"}, "beta"),
        ({"beta": 4.0, "gamma": 1.0}, {"dial": "gamma"}, "gamma"),
        ({"beta": 4.0}, {"dial": None}, "beta"),
        ({}, {"dial": None}, None),
        ({"gamma": 1.0}, {"dial": "beta"}, None),
        ({"gamma": 1.0, "beta": 4.0}, {}, "beta"),
        ({"gamma": 1.0}, {}, None),
    ],
    ids=str,
)
def test_the_dial_is_the_one_that_the_model_names_or_beta(hyperparameters, named, dial):
    assert find_dial({"cell": {"hyperparameters": hyperparameters}, **named}) == dial
