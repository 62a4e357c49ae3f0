"""The measured quantities, and their format."""

import dataclasses
import math

import pytest

from dis_bench import registry
from dis_bench.records.table import tabulate
from dis_bench.reports.quantities import (
    DASH,
    MEASURED,
    MINUS,
    Quantity,
    explain_short_names,
    find_quantities,
)
from dis_bench.runners.study import Study


def test_every_default_score_is_declared(study, tabulated):
    _, _, quantities = tabulated(study())
    names = [q.name for q in quantities]
    assert names[:5] == ["reconstruction", "mse", "kl", "elbo", "active_latents"]
    scores = [q for q in quantities if q.is_score]
    default = [registry.find("metrics", name).load() for name in Study().metrics]
    assert {q.name for q in scores} == {score for metric in default for score in metric.outputs}
    assert all((q.better, q.range) == ("higher", (0, 1)) and q.summary for q in scores)


def test_a_plugin_that_is_gone_leaves_direction_and_range_unknown(study):
    table = tabulate(study(seeds=[0])).assign(my_score=0.5)
    [quantity] = [q for q in find_quantities(table, ["my_score"]) if q.is_score]
    assert quantity == Quantity("my_score", "my score", is_score=True)
    assert quantity.heading == "my score"


@pytest.mark.parametrize("name", ["evil.py:x", "evil:x", "evil.py:x_y"])
def test_a_score_named_after_a_file_or_module_runs_no_code(name, study, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("open('RAN', 'w')\ndef x(c, f): return 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    table = tabulate(study(seeds=[0])).assign(**{name: 0.5})
    [quantity] = [q for q in find_quantities(table, [name]) if q.is_score]
    assert (quantity.better, quantity.range) == ("", None)
    assert not (tmp_path / "RAN").exists()


def test_columns_without_a_value_are_left_out(study):
    table = tabulate(study(seeds=[0])).assign(mig=math.nan)
    assert "mig" not in {q.name for q in find_quantities(table, ["mig", "sap"])}


def test_a_measure_on_other_images_is_read_like_that_on_the_study_s_own(study):
    table = tabulate(study(seeds=[0])).assign(heldout_kl=1.0, mig_correlated=0.5, heldout_mine=2.0)
    found = {q.name: q for q in find_quantities(table, ["mig", "mig_correlated"])}
    for name, base, label in (
        ("heldout_kl", "kl", "KL on held-out images"),
        ("mig_correlated", "mig", f"{found['mig'].label} on images with correlated factors"),
    ):
        assert found[name].label == label
        assert dataclasses.replace(found[name], name=base, label="", short="") == dataclasses.replace(
            found[base], label="", short=""
        )
    assert found["heldout_kl"].short_heading == "KL held-out"
    assert "heldout_mine" not in found


def test_losses_on_other_images_are_in_the_order_of_those_on_the_study_s_own(study):
    names = ["elbo", "kl", "mse", "readout", "reconstruction"]
    others = {**{f"{name}_correlated": 1.0 for name in names}, **{f"heldout_{name}": 1.0 for name in names}}
    found = [q.name for q in find_quantities(tabulate(study(seeds=[0])).assign(**others), [])]
    ordered = ["reconstruction", "mse", "kl", "elbo", "readout"]
    expected = [f"heldout_{name}" for name in ordered] + [f"{name}_correlated" for name in ordered]
    assert [name for name in found if name in others] == expected


@pytest.mark.parametrize(
    ("value", "alone", "change"),
    [
        (-0.0004, "0.000", "+0.000"),
        (0.0004, "0.000", "+0.000"),
        (-0.0, "0.000", "+0.000"),
        (-0.0006, f"{MINUS}0.001", f"{MINUS}0.001"),
        (0.0006, "0.001", "+0.001"),
    ],
)
def test_a_value_that_is_rounded_to_zero_has_no_minus(value, alone, change):
    quantity = Quantity("mig", "MIG")
    assert quantity.format(value) == alone
    assert quantity.format_change(value, 0.049) == f"{change} ± 0.049"


def test_short_names_are_explained():
    dci = [
        Quantity(f"dci_{n}", f"DCI {n}", is_score=True, short=f"DCI\N{NO-BREAK SPACE}{n[0]}") for n in "abc"
    ]
    mine = Quantity("mine", "my own score", is_score=True, short="mine")
    assert explain_short_names([*MEASURED, *dci]) == ["DCI a, b, c are a, b and c"]
    assert explain_short_names([dci[0], mine]) == ["DCI a is a", "mine is my own score"]
    assert explain_short_names(MEASURED) == []
    others = [dataclasses.replace(dci[0], name=f"dci_{n}_correlated") for n in "ab"]
    held = Quantity("heldout_kl", "KL on held-out images")
    assert explain_short_names([*dci[:1], *others, held]) == [
        "DCI a is a",
        "columns marked correlated are measured on images with correlated factors",
        "columns marked held-out are measured on held-out images",
    ]


@pytest.mark.parametrize(
    ("mean", "std", "text"),
    [
        (0.25, 0.0499, "0.250 ± 0.050"),
        (0.25, math.nan, "0.250"),
        (-0.25, 0.1, MINUS + "0.250 ± 0.100"),
        (math.nan, math.nan, DASH),
    ],
)
def test_values_and_spreads(mean, std, text):
    assert Quantity("mig", "MIG").format_spread(mean, std) == text


def test_changes_carry_a_sign():
    reconstruction = MEASURED[0]
    assert reconstruction.format_change(23.14, 1.96) == "+23.1 ± 2.0"
    assert reconstruction.format_change(-23.14, math.nan) == MINUS + "23.1"
    assert reconstruction.heading.split() == ["reconstruction", "↓"]
