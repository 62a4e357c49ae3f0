"""Tiny plug-ins for tests: a dataset, and models that fail in known ways."""

import os
import signal

import torch

from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.errors import InputError
from dis_bench.models.betavae import BetaVAE
from dis_bench.models.model import Hyperparameter


class Tiny(Dataset):
    """A bright square on a dark background: 8 columns x 8 rows x 4 sizes."""

    name = "tiny"
    grid = FactorGrid(
        (
            Factor("x", 8, tuple(range(8)), "ordinal"),
            Factor("y", 8, tuple(range(8)), "ordinal"),
            Factor("size", 4, (6, 10, 14, 18), "ordinal"),
        )
    )
    image_shape = (1, 64, 64)
    pixel_max = 1
    fingerprint = "tiny-1"

    def draw(self, indices):
        x, y, size = self.grid.factors(indices).unbind(1)
        row = torch.arange(64, device=indices.device)
        inside = [(row >= 5 * at[:, None]) & (row < (5 * at + 6 + 4 * size)[:, None]) for at in (x, y)]
        return (inside[1][:, :, None] & inside[0][:, None, :]).to(torch.uint8)[:, None]


class Diverging(BetaVAE):
    """A beta-VAE whose loss becomes NaN if beta is above 5."""

    name = "diverging"

    def loss(self, terms):
        loss = super().loss(terms)
        return loss * float("nan") if self.beta > 5 else loss


class Drawing(BetaVAE):
    """A beta-VAE whose loss draws from torch's global generator."""

    name = "drawing"

    def loss(self, terms):
        return super().loss(terms) * (1 + torch.rand(()))


class Rarely(BetaVAE):
    """A beta-VAE with a weight that its loss reaches at every third step."""

    name = "rarely"

    def build(self, given):
        networks = super().build(given)
        networks.autoencoder.push = torch.nn.Parameter(torch.ones(2))
        networks.register_buffer("steps", torch.zeros(()))
        return networks

    def step(self, networks, batch):
        found = super().step(networks, batch)
        networks.steps.add_(1)
        if networks.steps % 3 == 0:
            losses = {
                name: loss + networks.autoencoder.push.square().sum() for name, loss in found.losses.items()
            }
            return found._replace(losses=losses)
        return found


class Bounded(BetaVAE):
    """A beta-VAE whose loss is NaN if its KL is above a bound, without an ``if``."""

    name = "bounded"
    hyperparameters = (*BetaVAE.hyperparameters, Hyperparameter("bound", 1e9, "nats of KL"))

    def loss(self, terms):
        return super().loss(terms) + 0 * torch.log(self.bound - terms.kl.sum(1).mean())


class Alone(Diverging):
    """A copy of Diverging that declares the ``if`` in its loss."""

    name = "alone"
    stackable = False


class Deadly(BetaVAE):
    """A beta-VAE that kills its process above beta 5, except in the trial step."""

    name = "deadly"

    def loss(self, terms):
        if self.beta > 5 and len(terms.images) > 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(terms)


class Seeded(BetaVAE):
    """A model with a hyperparameter that would hide a column."""

    name = "seeded"
    hyperparameters = (Hyperparameter("seed", 1, "not allowed"),)


class Broken(BetaVAE):
    """A model with a bug in its loss that shows only with more than two images."""

    name = "broken"

    def loss(self, terms):
        return terms.no_such_term if len(terms.images) > 2 else super().loss(terms)


def kl(codes, factors):
    """Score under a name that clashes with a column."""
    return 0.0


def deadly(codes, factors):
    """Kill the process, as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def refusing(codes, factors):
    """Refuse all codes of a study; accept those of an older one, with 60 rows."""
    if len(codes) != 60:
        raise InputError(f"{len(codes)} rows are not 60.")
    return 0.0


def mean_code(codes, factors):
    """Return a meaningless score, for tests of plug-in metrics."""
    return float(codes.mean())
