"""ControlVAE: a beta-VAE whose beta a controller adapts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dis_bench.models.model import Hyperparameter, Step
from dis_bench.models.vae import VAE

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.given import Given

# Nats: the first capacity, and by how much it rises (the authors' settings for dSprites).
FIRST, STAIR = 0.5, 0.15


class ControlVAE(VAE):
    """VAE whose KL follows a capacity, as a controller adapts beta (Shao et al. 2020).

    The controller is proportional and integral. With the error e = C - KL, beta = max(1, P + I), where P is
    1 + kp / (1 + exp(e)), and I grows by ki * e in each step unless the previous P + I was below 1. The
    capacity C rises from 0.5 in stairs of 0.15 nats, the last of which may be lower; as published, 18 is
    reached after 585,000 of 1.5 million steps. A capacity of 16 was reached after 520,000, a ``share`` of
    0.3467.

    Once P + I is far below 1, beta stays 1 for good. One step with a KL some 10 nats below C is enough, so
    short trainings, whose capacity soon runs ahead of the KL, may end as plain VAEs.
    """

    name, dial = "controlvae", "capacity"
    hyperparameters = (
        Hyperparameter("capacity", 18.0, "nats of KL at the end", low=FIRST, grid=(16.0, 18.0)),
        Hyperparameter("kp", 0.01, "proportional gain", low=0.0),
        Hyperparameter("ki", -0.001, "integral gain; negative, as a larger beta lowers the KL", high=0.0),
        Hyperparameter(
            "share", 0.39, "share of training after which the capacity is reached", low=1e-6, high=1.0
        ),
    )

    capacity: float
    kp: float
    ki: float
    share: float

    def build(self, given: Given) -> Any:
        """Build ``autoencoder``, and the controller's state: integral, previous P + I."""
        import torch
        from torch import nn

        players, controller = super().build(given), nn.Module()
        controller.register_buffer("integral", torch.zeros(()))
        controller.register_buffer("previous", torch.ones(()))
        players.controller = controller
        return players

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Move the controller by the KL of the batch, then compute the loss with its beta."""
        terms = self.terms(networks, batch)
        kl = terms.kl.sum(1).mean()
        beta = self.control(networks.controller, self.capacity_at(terms.progress) - kl.detach())
        loss = terms.reconstruction.mean() + beta * kl
        return Step({"autoencoder": loss}, {**self.measures(terms, loss), "beta": beta})

    def capacity_at(self, progress: Tensor) -> Tensor:
        """Compute the capacity C in nats, at a progress from 0 to 1."""
        # Rounded up, but not because of a rounding error: 0.65 is one stair, as a double or as a float.
        stairs = -(((FIRST - self.capacity) / STAIR + 1e-4) // 1)
        taken = (stairs * (progress / self.share).clamp(max=1.0) + 1e-5).floor()  # none is missed by rounding
        return (FIRST + STAIR * taken).clamp(max=self.capacity)

    def control(self, controller: Any, error: Tensor) -> Tensor:
        """Move the controller's state by an error in nats, in place; return beta."""
        proportional = 1 + self.kp / (1 + error.exp())
        moves = controller.previous >= 1
        controller.integral.add_(moves * (self.ki * error))
        controller.previous.copy_(proportional + controller.integral)
        return controller.previous.clone().clamp(min=1.0)
