"""The page's numbers can be traced to their origin."""

from dis_bench.reports.provenance import gather_provenance


def test_each_command_and_dataset_once(study):
    study(command="dis-bench run --models betavae --betas 1 4 10")
    records = study(dataset="shapes3d", seeds=[0], command="dis-bench run --datasets shapes3d")
    provenance = gather_provenance(records)
    assert sorted(provenance.commands) == [
        "dis-bench run --datasets shapes3d",
        "dis-bench run --models betavae --betas 1 4 10",
    ]
    assert provenance.data == [
        ("dsprites", "rendered", "dsprites-rendered-f00d", 9),
        ("shapes3d", "rendered", "shapes3d-rendered-f00d", 3),
    ]
    assert provenance.created == ("2026-11-20 09:30:00+00:00",) * 2


def test_environment_and_protocol(study):
    study(seeds=[0, 1])
    records = study(
        seeds=[2],
        environment={"torch": "2.12.0"},
        protocol={"mig": {"version": 2, "rows": 10_000, "bins": 40}},
    )
    provenance = gather_provenance(records)
    environment = dict(provenance.environment)
    assert environment["torch"] == "2.13.0 (6 cells), 2.12.0 (3 cells)"
    assert environment["dis-bench"] == "0.1.0"
    assert ("mig", "version 1, rows 10,000, bins 20") in provenance.protocols
    assert ("mig", "version 2, rows 10,000, bins 40") in provenance.protocols


def test_a_stack_is_told_without_what_it_was_chosen_from(study):
    stack = {"cells": 25, "convolutions": "torch", "captured": True, "measured": ["25 cells by torch: 12 ms"]}
    environment = dict(gather_provenance(study(environment={"stack": stack})).environment)
    assert environment["stack"] == "cells 25, convolutions torch, captured True"
