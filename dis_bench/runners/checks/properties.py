"""The properties that every model must have, ours and anybody's, each a function.

A property takes a :class:`~dis_bench.runners.checks.trial.ModelTrial`; :mod:`dis_bench.findings` says what it
returns and raises. All of it runs in fp32 on torch's layers, on one core.
"""

from __future__ import annotations

from collections.abc import Callable

from dis_bench.findings import Finding, check_each
from dis_bench.runners.checks.codes import encodes_each_image_alone, gives_codes_and_images
from dis_bench.runners.checks.limits import stays_finite_at_its_limits
from dis_bench.runners.checks.losses import (
    gives_each_player_a_finite_loss,
    lowers_its_loss,
    moves_every_weight_by_one_loss,
)
from dis_bench.runners.checks.stacks import equals_itself_in_a_stack
from dis_bench.runners.checks.state import (
    changes_its_state_in_place,
    keeps_all_it_learnt_in_its_networks,
    leaves_the_process_alone,
    repeats_a_seed,
    resumes_where_it_stopped,
)
from dis_bench.runners.checks.trial import ModelTrial, reproducibly

Property = Callable[[ModelTrial], str]


def check_properties(trial: ModelTrial) -> list[Finding]:
    """Check every property, or only the first ones if codes or losses are wrong."""
    with reproducibly():
        return check_each(PROPERTIES, trial, "its codes or its losses are not as they must be.", basic=2)


# If one of the first two fails, the others are not checked.
PROPERTIES: tuple[Property, ...] = (
    gives_codes_and_images,
    gives_each_player_a_finite_loss,
    moves_every_weight_by_one_loss,
    lowers_its_loss,
    repeats_a_seed,
    encodes_each_image_alone,
    keeps_all_it_learnt_in_its_networks,
    changes_its_state_in_place,
    resumes_where_it_stopped,
    equals_itself_in_a_stack,
    stays_finite_at_its_limits,
    leaves_the_process_alone,
)
