"""The state of a model in training: repeatable, kept in its networks, and nowhere else."""

from __future__ import annotations

import torch
from torch import Tensor

from dis_bench.findings import Broken, DoesNotApply, expecting_no_change_of_state
from dis_bench.runners.checks.trial import FEW_STEPS, IMAGES, ModelTrial, load_weights


def repeats_a_seed(trial: ModelTrial) -> str:
    """Check that trainings with one seed end equal bit for bit, and others elsewhere.

    Others must be able to repeat a cell, and the spread over seeds is what a report shows.
    """
    first, again = trial.trained_briefly.state, trial.train(trial.prepare()).state
    if not first:
        raise DoesNotApply("it has neither weights nor buffers.")
    different = _different(first, again)
    if different:
        raise Broken(f"trained twice with one seed, '{different[0]}' ends elsewhere; expected the same bits")
    other = trial.train(trial.prepare(seed=1)).state
    if not _different(first, other):
        raise Broken("with another seed all weights and buffers end the same; expected others")
    return f"after {FEW_STEPS} steps equal bit for bit; others with another seed."


def keeps_all_it_learnt_in_its_networks(trial: ModelTrial) -> str:
    """Check that weights and buffers are all that encoding needs.

    Only weights and buffers are kept: what the model object remembers is lost when its process ends.
    """
    trained = trial.trained_briefly
    images = trained.trainee.images(IMAGES)
    other = trial.prepare()
    load_weights(other, trained.state)
    before, now = trial.encode(trained.trainee, images), trial.encode(other, images)
    for name, part in before.items():
        if name not in now or not torch.equal(part, now[name]):
            raise Broken(f"built anew with the trained weights, it gives other {name}; expected the same")
    return "weights and buffers are all that there is to keep."


def changes_its_state_in_place(trial: ModelTrial) -> str:
    """Check that weights and buffers are the same tensors after training as before it.

    A buffer that is assigned instead of changed in place is lost in a stack and in checkpoints, without a
    word.
    """
    trainee = trial.prepare()
    before = [*trainee.networks.named_parameters(), *trainee.networks.named_buffers()]
    if not before:
        raise DoesNotApply("it has neither weights nor buffers.")
    trial.train(trainee)
    now = {**dict(trainee.networks.named_parameters()), **dict(trainee.networks.named_buffers())}
    assigned = [name for name, tensor in before if now.get(name) is not tensor]
    if assigned:
        raise Broken(
            f"training it puts another tensor in the place of '{assigned[0]}'; expected a change in "
            "place, as by copy_ or mul_"
        )
    return f"{len(before)} tensors are changed in place."


def resumes_where_it_stopped(trial: ModelTrial) -> str:
    """Check that a training that was resumed ends as an undisturbed one, bit for bit.

    Long trainings are interrupted, and no result may show it.
    """
    if not trial.takes_steps:
        raise DoesNotApply("it takes no steps.")
    whole, stop = trial.trained_briefly, FEW_STEPS // 2 + 1  # in phase with no count of 2 to 6 steps
    resumed = trial.train_in_two(stop)
    different = _different(whole.state, resumed.state)
    if different:
        raise Broken(
            f"stopped at step {stop} and resumed, '{different[0]}' ends elsewhere; expected the same bits: "
            "state that is kept between steps must be a buffer of its networks, changed in place"
        )
    if whole.log != resumed.log:
        raise Broken(f"stopped at step {stop} and resumed, its training.csv differs; expected the same rows")
    return f"stopped at step {stop} of {FEW_STEPS} it ends the same, bit for bit."


def leaves_the_process_alone(trial: ModelTrial) -> str:
    """Check that building, training and encoding change no state of the process.

    One cell must not change the numbers of the next.
    """
    with expecting_no_change_of_state("building it, training it and encoding with it"):
        trained = trial.train(trial.prepare(steps=3))
        trial.encode(trained.trainee, trained.trainee.images(IMAGES))
    return "settings and random streams are as they were."


def _different(some: dict[str, Tensor], others: dict[str, Tensor]) -> list[str]:
    """List the names of tensors that are not equal bit for bit."""
    return [name for name, one in some.items() if name not in others or not torch.equal(one, others[name])]
