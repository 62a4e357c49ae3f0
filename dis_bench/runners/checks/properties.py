"""The properties that every model must have, ours and anybody's: one function each.

A property takes a :class:`~dis_bench.runners.checks.trial.ModelTrial`; :mod:`dis_bench.findings` says what it
returns and raises. All of it runs in fp32 on torch's layers, on one core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dis_bench.errors import InputError
from dis_bench.findings import (
    Broken,
    DoesNotApply,
    Finding,
    check_each,
    expecting_no_change_of_state,
    relative_distance,
)
from dis_bench.models.building import count_codes
from dis_bench.models.model import Hyperparameter
from dis_bench.runners.checks.trial import (
    FEW_STEPS,
    LATENTS,
    STEPS,
    ModelTrial,
    load_weights,
    read_weights,
    reproducibly,
)
from dis_bench.runners.training.trainee import Trainee
from dis_bench.runners.trial import check_step, try_codes

BATCHES = 16  # on which losses before and after a training are compared
ERRORS = 2  # standard errors of their difference that it must exceed
ROUNDING = 1e-4  # share of the largest number by which rounding may move it
STACK_TOLERANCE = 1e-3  # share of what training changed by which a cell in a stack may end elsewhere
SEEDS_OF_STACKS = ((0, 1), (2, 3), (4, 5))  # of two cells; later pairs only if the earlier ones deviate
IMAGES = 20  # to encode

Property = Callable[[ModelTrial], str]


def check_properties(trial: ModelTrial) -> list[Finding]:
    """Check every property, or only the first ones if codes or losses are wrong."""
    with reproducibly():
        return check_each(PROPERTIES, trial, "its codes or its losses are not as they must be.", basic=2)


def gives_codes_and_images(trial: ModelTrial) -> str:
    """Check the shapes of codes, log-variances and decoded images.

    Scores read the codes; reports draw the images.
    """
    trainee, whose = trial.prepare(), f"model '{trial.name}'"
    latents = count_codes(trainee.model, LATENTS, trainee.dataset.image_shape)
    for count in (1, IMAGES):
        with torch.no_grad():
            try:
                try_codes(whose, trainee.model, trainee.networks.eval(), trainee.images(count), latents)
            except InputError as error:
                raise Broken(str(error)) from None
    given = trial.encode(trainee, trainee.images(IMAGES))
    return (
        "; ".join(f"{name} {['B', *part.shape[1:]]}".replace("'", "") for name, part in given.items()) + "."
    )


def gives_each_player_a_finite_loss(trial: ModelTrial) -> str:
    """Check that a step on real images gives one finite number to each player.

    A player without a loss would stay as it was drawn.
    """
    trainee, whose = _prepare_for_steps(trial), f"model '{trial.name}'"
    told = {}
    for progress in (0.0, 1.0):
        step = trial.step(trainee, progress)
        try:
            check_step(whose, trainee.networks, *step)
        except InputError as error:
            raise Broken(str(error)) from None
        _expect_finite(step.losses, f"at progress {progress:g}")
        told = {player: f"{loss.item():.6g}" for player, loss in step.losses.items()}
    return "; ".join(f"the loss of '{player}' is {loss}" for player, loss in told.items()) + "."


def moves_every_weight_by_one_loss(trial: ModelTrial) -> str:
    """Check that each weight has one player, whose loss gives it a finite gradient.

    A weight that no loss reaches stays as it was drawn; one of two players would be moved twice.
    """
    trainee = _prepare_for_steps(trial)
    _expect_no_weights_outside(trainee)
    reached: set[str] = set()
    for progress in (0.0, 1.0):
        for player, gradients in _compute_gradients(trial, trainee, progress).items():
            for name, gradient in gradients.items():
                if gradient is None:
                    continue
                if not gradient.isfinite().all():
                    raise Broken(
                        f"the loss of '{player}' gives weight '{name}' a gradient that is not finite"
                    )
                reached.add(name)
    trained = [name for name, weight in trainee.networks.named_parameters() if weight.requires_grad]
    lacking = [name for name in trained if name not in reached]
    if lacking:
        player, more = lacking[0].partition(".")[0], f" and {len(lacking) - 1} more" if lacking[1:] else ""
        raise Broken(
            f"the loss of '{player}' does not reach its weight '{lacking[0]}'{more}; expected a gradient, or "
            "requires_grad_(False)"
        )
    return f"{len(trained)} tensors of weights are reached."


def lowers_its_loss(trial: ModelTrial) -> str:
    """Check that training on real images lowers a loss, and raises none.

    A loss that does not fall has a wrong sign or a cut gradient. A player's first weights and its trained
    ones are compared on the same batches and noise, at the end of the schedule, with everything else as
    trained: so neither a schedule nor what other players have learnt counts. The only player of a model must
    lower its loss by more than two standard errors; of several, one must, and none may raise its own by as
    much (a critic may have nothing to tell apart so early).
    """
    first, after = read_weights(_prepare_for_steps(trial)), trial.trained.state
    players = sorted({name.partition(".")[0] for name in _trained_weights(trial.trained.trainee)})
    changes, has_fallen = [], False
    for player in players:
        own = {name: first[name] for name in _trained_weights(trial.trained.trainee, player)}
        before, now = _losses(trial, {**after, **own}, player), _losses(trial, after, player)
        fall, error = (before - now).mean().item(), ERRORS * (before - now).std().item() / math.sqrt(BATCHES)
        has_fallen |= fall > error
        change = f"of '{player}' from {before.mean():.6g} to {now.mean():.6g}"
        if fall < -error:
            raise Broken(f"{STEPS} steps take the loss {change} on {BATCHES} batches; expected it to fall")
        changes.append(change)
    told = f"{STEPS} steps take the loss {', and '.join(changes)}"
    if not has_fallen:
        raise Broken(f"{told}, on {BATCHES} batches; expected a fall of more than {ERRORS} standard errors")
    return f"{told}."


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


def encodes_each_image_alone(trial: ModelTrial) -> str:
    """Check that codes and decoded images depend on nothing but the image.

    Codes are scored image by image; whatever else is in the batch is an accident.
    """
    trainee = trial.trained.trainee
    images = trainee.images(IMAGES)
    together, again = trial.encode(trainee, images), trial.encode(trainee, images)
    single = [trial.encode(trainee, image[None]) for image in images]
    largest = 0.0
    for name, part in together.items():
        if not part.isfinite().all():
            raise Broken(f"after training its {name} are not all finite")
        if not torch.equal(part, again[name]):
            raise Broken(f"the same images encoded twice give other {name}; expected equal ones")
        moved = relative_distance(torch.cat([one[name] for one in single]), part)
        if moved > ROUNDING:
            raise Broken(
                f"an image encoded alone has other {name} than in a batch, by {moved:.2g} of the largest; "
                f"expected {ROUNDING:g} at most"
            )
        largest = max(largest, moved)
    return f"alone and in a batch numbers differ by {largest:.2g} of the largest at most."


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
    whole, stop = trial.trained_briefly, FEW_STEPS // 2
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


def equals_itself_in_a_stack(trial: ModelTrial) -> str:
    """Check that two cells trained as one end where each ends alone.

    On a GPU the cells of a study are trained as one, also those of other hyperparameters that are floats; a
    model that cannot be declares stackable = False.

    A stack rounds differently, which now and then moves a unit of a network across its kink, and Adam then
    amplifies the difference. A fault shows with every seed, so it takes a deviation with each pair of seeds.
    """
    if not trial.kind.stackable:
        raise DoesNotApply("it declares stackable = False.")
    if not trial.takes_steps:
        raise DoesNotApply("it takes no steps.")
    others = _other_floats(trial)
    moved = math.inf
    for pair in SEEDS_OF_STACKS:
        moved = min(moved, _move_in_a_stack(trial, [(pair[0], {}), (pair[1], others)]))
        if moved <= STACK_TOLERANCE:
            return f"after {FEW_STEPS} steps it ends within {moved:.2g} of what training changed."
    told = f", one of them with {_describe(others)}" if others else ""
    raise Broken(
        f"two cells trained as one for {FEW_STEPS} steps{told} end elsewhere than alone, by {moved:.2g} "
        f"of what training changed; expected {STACK_TOLERANCE:g} at most, or stackable = False"
    )


def stays_finite_at_its_limits(trial: ModelTrial) -> str:
    """Check that hyperparameters at their limits give finite losses.

    A user may set them, and a study would only learn hours later. A model may refuse a value beside the
    defaults of others, before it is built.
    """
    limits = [(h, value) for h in trial.kind.hyperparameters for value in _limits(h)]
    if not limits:
        raise DoesNotApply("it has no hyperparameter with limits.")
    told = []
    for hyperparameter, value in limits:
        setting = f"{hyperparameter.name}={value}"
        trainee = _prepare_if_allowed(trial, {hyperparameter.name: value})
        try:
            if trainee is not None:
                trial.train(trainee)
        except Broken as fault:
            raise Broken(f"with {setting}, {fault}") from None
        told.append(setting if trainee is not None else f"{setting} (which it refuses)")
    return f"3 steps each with {', '.join(told)}."


def leaves_the_process_alone(trial: ModelTrial) -> str:
    """Check that building, training and encoding change no state of the process.

    One cell must not change the numbers of the next.
    """
    with expecting_no_change_of_state("building it, training it and encoding with it"):
        trained = trial.train(trial.prepare(steps=3))
        trial.encode(trained.trainee, trained.trainee.images(IMAGES))
    return "settings and random streams are as they were."


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


def _prepare_for_steps(trial: ModelTrial) -> Trainee:
    trainee = trial.prepare(steps=STEPS)
    if not trainee.is_trained_by_steps:
        raise DoesNotApply("it has no weights to train.")
    return trainee


def _expect_finite(losses: dict[str, Tensor], where: str) -> None:
    for player, loss in losses.items():
        if not loss.isfinite():
            raise Broken(f"{where} the loss of '{player}' is {loss.item()}; expected a finite number")


def _expect_no_weights_outside(trainee: Trainee) -> None:
    """Raise :class:`Broken` for weights of two players and for those of the model."""
    players: dict[int, dict[str, None]] = {}
    for name, weight in trainee.networks.named_parameters(remove_duplicate=False):
        players.setdefault(id(weight), {})[name.partition(".")[0]] = None
        if len(players[id(weight)]) > 1:
            both = " and ".join(f"'{player}'" for player in players[id(weight)])
            raise Broken(f"weight '{name}' belongs to {both}; expected one player")
    for name, value in vars(trainee.model).items():
        if isinstance(value, (nn.Module, nn.Parameter)):
            raise Broken(f"the model holds weights as '{name}', which no player has; build must return them")


def _trained_weights(trainee: Trainee, player: str | None = None) -> dict[str, nn.Parameter]:
    """Return the weights that are trained, of one player or of all."""
    return {
        name: weight
        for name, weight in trainee.networks.named_parameters()
        if weight.requires_grad and player in (None, name.partition(".")[0])
    }


def _compute_gradients(
    trial: ModelTrial, trainee: Trainee, progress: float
) -> dict[str, dict[str, Tensor | None]]:
    """Compute the gradient of each player's loss, by the names of its weights."""
    losses = trial.step(trainee, progress).losses
    gradients: dict[str, dict[str, Tensor | None]] = {}
    for player, loss in losses.items():
        own = _trained_weights(trainee, player)
        found = torch.autograd.grad(loss, [*own.values()], retain_graph=True, allow_unused=True)
        gradients[player] = dict(zip(own, found, strict=True))
    return gradients


def _losses(trial: ModelTrial, state: dict[str, Tensor], player: str) -> Tensor:
    """Compute a player's loss on the same batches each time, each from the same state."""
    trainee = trial.prepare(steps=STEPS)
    losses = []
    for number in range(BATCHES):
        load_weights(trainee, state)
        losses.append(trial.step(trainee, progress=1.0, seed=100 + number).losses[player].detach().double())
    return torch.stack(losses)


def _different(some: dict[str, Tensor], others: dict[str, Tensor]) -> list[str]:
    """List the names of tensors that are not equal bit for bit."""
    return [name for name, one in some.items() if name not in others or not torch.equal(one, others[name])]


def _deviation(first: dict[str, Tensor], alone: dict[str, Tensor], together: dict[str, Tensor]) -> float:
    """Return how far two trainings of a cell end apart, relative to what one changed."""

    def distance(some: dict[str, Tensor], others: dict[str, Tensor]) -> float:
        squares = [(some[name].double() - others[name].double()).square().sum().item() for name in some]
        return math.sqrt(sum(squares))

    return distance(together, alone) / max(distance(first, alone), 1e-30)


def _limits(hyperparameter: Hyperparameter) -> Iterator[float | int | bool | str]:
    """Yield the values at declared limits, each word, and the other value of a switch."""
    if isinstance(hyperparameter.default, bool):
        yield not hyperparameter.default
        return
    yield from (word for word in hyperparameter.words if word != hyperparameter.default)
    for limit, inwards in ((hyperparameter.low, 1), (hyperparameter.high, -1)):
        if limit is not None:
            yield _nearest_allowed(hyperparameter, limit, inwards)


def _nearest_allowed(hyperparameter: Hyperparameter, limit: float, inwards: int) -> Any:
    """Return a limit, or the value beside it where the limit itself is not allowed."""
    whole = isinstance(hyperparameter.default, int)
    beside = limit + inwards * (1 if whole else 1e-3 * max(1.0, abs(limit)))
    for value in (limit, beside):
        try:
            return hyperparameter.parse(int(value) if whole else float(value))
        except InputError:
            continue
    raise Broken(
        f"{hyperparameter.name} takes neither {limit:g} nor {beside:g}, one of which its limits allow"
    )


def _prepare_if_allowed(trial: ModelTrial, values: dict[str, Any]) -> Trainee | None:
    """Build a cell of three steps; None if the model refuses these values together."""
    try:
        return trial.prepare(steps=3, **values)
    except Broken as fault:
        if isinstance(fault.__cause__, InputError):
            return None
        raise


def _move_in_a_stack(trial: ModelTrial, cells: Sequence[tuple[int, dict[str, Any]]]) -> float:
    """Return the largest distance of cells trained together from themselves alone."""
    try:
        stack = trial.train_together([_without_fit(trial.prepare(seed, **values)) for seed, values in cells])
    except Broken as fault:
        text = " ".join(str(fault).split())
        raise Broken(f"two cells cannot be trained as one: {text}; expected stackable = False") from None
    moved = []
    for together, (seed, values) in zip(stack, cells, strict=True):
        first = read_weights(trial.prepare(seed, **values))
        alone = trial.train(_without_fit(trial.prepare(seed, **values)))
        moved.append(_deviation(first, alone.state, together.state))
    return math.inf if any(map(math.isnan, moved)) else max(moved)


def _without_fit(trainee: Trainee) -> Trainee:
    """Leave out the fit after the steps, which may turn rounding into other numbers."""
    vars(trainee.model)["fit"] = lambda networks, images: None
    return trainee


def _other_floats(trial: ModelTrial) -> dict[str, Any]:
    """Return other values of the floats that may differ in a stack.

    Those from which optimisers are made may not.
    """
    others: dict[str, Any] = {}
    usual = trial.prepare().model.optimisers()
    for hyperparameter in trial.kind.hyperparameters:
        if isinstance(hyperparameter.default, float):
            other = {hyperparameter.name: _other_value(hyperparameter)}
            trainee = _prepare_if_allowed(trial, others | other)
            if trainee is not None and trainee.model.optimisers() == usual:
                others |= other
    return others


def _other_value(hyperparameter: Hyperparameter) -> float:
    """Return an allowed value that is not the default."""
    default = float(hyperparameter.default)
    for value in (default / 2, default * 2, default + 1, default + 0.1, default - 0.1):
        try:
            if value != default:
                return float(hyperparameter.parse(value))
        except InputError:
            continue
    return default


def _describe(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in values.items())
