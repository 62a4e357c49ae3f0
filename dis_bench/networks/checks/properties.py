"""The properties that all networks must have, ours and anybody's: one function each.

A property takes a :class:`~dis_bench.networks.checks.trial.NetworkTrial`; :mod:`dis_bench.findings` says what
it returns and raises. Networks compute in fp32 on torch's layers, on the CPU.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from dis_bench.findings import (
    Broken,
    DoesNotApply,
    Finding,
    check_each,
    expecting_no_change_of_state,
    relative_distance,
)
from dis_bench.networks.checks.trial import Built, NetworkTrial
from dis_bench.networks.chosen import describe_sizes
from dis_bench.neutral import neutral, own_streams
from dis_bench.nn.compiled import convolving_with
from dis_bench.nn.patches import convolving

TOLERANCE = 1e-4  # share of the largest output by which rounding may move it

Property = Callable[[NetworkTrial], str]


def check_properties(trial: NetworkTrial) -> list[Finding]:
    """Check every property, or only the first if networks cannot be built and run."""
    with neutral(), convolving_with("torch"):
        return check_each(PROPERTIES, trial, "its networks do not run on images of its sizes.")


def takes_images_of_its_sizes(trial: NetworkTrial) -> str:
    """Check that encoders and decoders give the right shapes for all declared sizes.

    A study is refused, before it starts, by these sizes.
    """
    with own_streams(0), torch.no_grad():
        for built in trial.each():
            built.run()
    return f"images of {describe_sizes(trial.family.sizes)}, in 1 and 3 channels."


def trains_on_its_least_batch(trial: NetworkTrial) -> str:
    """Check that a batch of least_batch images can be trained on.

    Layers that normalise over the batch cannot train on one image, and a study is refused by this number.
    """
    least = trial.family.least_batch
    for built in trial.pair(images=least):
        with own_streams(0):
            _compute_gradients(built)
    return f"batches of {least} train."


def reaches_every_weight(trial: NetworkTrial) -> str:
    """Check that each weight has a finite gradient.

    A weight without one stays as it was drawn, and counts as a parameter all the same.
    """
    count = 0
    for built in trial.pair():
        with own_streams(0):
            gradients = _compute_gradients(built)
        for name, gradient in gradients.items():
            if gradient is None:
                raise Broken(f"{built.what} gives no gradient to '{name}'; expected one for each weight")
            if not gradient.isfinite().all():
                raise Broken(f"{built.what} gives '{name}' a gradient that is not finite")
        count += len(gradients)
    return f"{count} tensors of weights have gradients."


def draws_its_first_weights_from_the_seed(trial: NetworkTrial) -> str:
    """Check that a seed always gives the same first weights, and another seed others.

    A cell must give the same result when it is trained again, and seeds are to be independent.
    """
    for built, again, other in zip(trial.pair(), trial.pair(), trial.pair(seed=1), strict=True):
        states = [one.network.state_dict() for one in (built, again, other)]
        if not _are_equal(states[0], states[1]):
            raise Broken(f"{built.what}, built twice with one seed, has other weights; expected the same")
        if any(True for _ in built.network.parameters()) and _are_equal(states[0], states[2]):
            raise Broken(f"{built.what} has the same weights for two seeds; expected others")
    return "the same for one seed, others for another."


def treats_each_input_alone(trial: NetworkTrial) -> str:
    """Check that an output depends on its own input only, in evaluation mode.

    Codes are scored image by image; whatever else is in the batch is an accident.
    """
    largest = 0.0
    for built in trial.pair():
        network = built.network.eval()
        with torch.no_grad(), own_streams(0):
            together, again = built.run(network), built.run(network)
            alone = torch.cat([built.run(network, one[None]) for one in built.inputs])
        if not torch.equal(together, again):
            raise Broken(f"{built.what}, run twice for evaluation, gives other numbers; expected equal ones")
        moved = relative_distance(alone, together)
        if moved > TOLERANCE:
            raise Broken(
                f"{built.what} gives other numbers for an input alone than in a batch, by {moved:.2g} of the "
                f"largest; expected {TOLERANCE:g} at most"
            )
        largest = max(largest, moved)
    return f"alone and in a batch outputs differ by {largest:.2g} of the largest at most."


def equals_itself_in_a_stack(trial: NetworkTrial) -> str:
    """Check that two networks stacked by vmap give what each gives alone.

    On a GPU the cells of a study are trained as one; networks that cannot be declare stackable = False.
    """
    if not trial.family.stackable:
        raise DoesNotApply("it declares stackable = False.")
    largest = max(_compare_with_stack(*pair) for pair in zip(trial.pair(), trial.pair(seed=1), strict=True))
    return f"outputs differ by {largest:.2g} of the largest at most."


def leaves_the_process_alone(trial: NetworkTrial) -> str:
    """Check that building and running networks changes no global setting.

    One cell must not change the numbers of the next.
    """
    with expecting_no_change_of_state("building and running them"), own_streams(0):
        for built in trial.pair():
            built.run()
    return "settings are as they were."


# If the first one fails, the others are not checked.
PROPERTIES: tuple[Property, ...] = (
    takes_images_of_its_sizes,
    trains_on_its_least_batch,
    reaches_every_weight,
    draws_its_first_weights_from_the_seed,
    treats_each_input_alone,
    equals_itself_in_a_stack,
    leaves_the_process_alone,
)


def _compute_gradients(built: Built) -> dict[str, Tensor | None]:
    """Compute the gradient of a random sum of outputs, by the names of weights."""
    network = built.network.train()
    output = built.run(network)
    weights = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    if not weights:
        return {}
    if not output.requires_grad:
        return dict.fromkeys(weights)
    loss = (output * torch.randn(output.shape, generator=torch.Generator().manual_seed(1))).sum()
    return dict(zip(weights, torch.autograd.grad(loss, [*weights.values()], allow_unused=True), strict=True))


def _compare_with_stack(first: Built, second: Built) -> float:
    """Return the largest difference of outputs and buffers, alone and in a stack.

    Raises:
        Broken: it is larger than rounding explains, or they cannot be stacked.
    """
    networks: list[nn.Module] = [first.network.train(), second.network.train()]
    weights, buffers = stack_module_state(networks)
    empty = copy.deepcopy(first.network).to("meta").train()

    def run(own: dict[str, Tensor], kept: dict[str, Tensor], inputs: Tensor) -> Tensor:
        given: Tensor = functional_call(empty, (own, kept), inputs)
        return given

    inputs = torch.stack([first.inputs, first.inputs.flip(0)])
    try:
        with torch.no_grad(), own_streams(0), convolving("torch"):
            together = vmap(run)(weights, buffers, inputs)
    except Exception as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise Broken(
            f"{first.what} cannot be stacked: {type(error).__name__}: {reason}; expected stackable = False"
        ) from error
    moved = 0.0
    for number, (network, own) in enumerate(zip(networks, inputs, strict=True)):
        with torch.no_grad(), own_streams(0):
            moved = max(moved, relative_distance(together[number], first.run(network, own)))
        for name, buffer in network.named_buffers():
            moved = max(moved, relative_distance(buffers[name][number].float(), buffer.float()))
    if moved > TOLERANCE:
        raise Broken(
            f"{first.what} has other outputs or buffers in a stack of two than alone, by {moved:.2g} of the "
            f"largest; expected {TOLERANCE:g} at most, or stackable = False"
        )
    return moved


def _are_equal(some: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    return all(torch.equal(one, others[name]) for name, one in some.items())
