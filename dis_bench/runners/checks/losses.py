"""The losses of a model: one for each player, which moves its weights and falls."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dis_bench.errors import InputError
from dis_bench.findings import Broken, DoesNotApply
from dis_bench.runners.checks.trial import STEPS, ModelTrial, load_weights, read_weights
from dis_bench.runners.planning.returned import check_optimisers, check_step
from dis_bench.runners.training.trainee import Trainee

BATCHES = 16  # on which losses before and after a training are compared
ERRORS = 2  # standard errors of their difference that it must exceed


def gives_each_player_a_finite_loss(trial: ModelTrial) -> str:
    """Check that a step on real images gives one finite number to each player.

    A player without a loss would stay as it was drawn.
    """
    trainee, whose = _prepare_for_steps(trial), f"model '{trial.name}'"
    told = {}
    for progress in (0.0, 1.0):
        step = trial.step(trainee, progress)
        try:
            check_optimisers(whose, trainee.model, trainee.networks)
            check_step(whose, trainee.networks, step)
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
