"""Models with one fault each, in a file as a stranger would hand it in; and some without."""

import numpy as np
import torch
from torch import nn

from dis_bench.errors import InputError
from dis_bench.models.model import Adam, Hyperparameter, Step
from dis_bench.models.players import Players
from dis_bench.models.vae import VAE

BETA = Hyperparameter("beta", 4.0, "weight of the KL", low=0.0, high=100.0)


class Sound(VAE):
    """A beta-VAE as it should be."""

    name = "sound"
    hyperparameters = (BETA,)

    def loss(self, terms):
        return terms.reconstruction.mean() + self.beta * terms.kl.sum(1).mean()


class DrawsItsOwnNoise(Sound):
    """A step that draws from torch's stream, and says so."""

    name = "draws_its_own_noise"
    stackable = False

    def loss(self, terms):
        return super().loss(terms) * (1 + 0.01 * torch.rand(()))


class Averages(Sound):
    """A mean of the codes that is kept in a buffer, changed in place, and taken off when encoding."""

    name = "averages"

    def build(self, given):
        players = super().build(given)
        players.register_buffer("average", torch.zeros(given.latents))
        return players

    def step(self, networks, batch):
        mean, _ = self.posterior(networks, batch["images"])
        networks.average.mul_(0.9).add_(mean.detach().mean(0), alpha=0.1)
        return super().step(networks, batch)

    def encode(self, networks, images):
        mean, log_variances = self.posterior(networks, images)
        return mean - networks.average, log_variances


class Pixels(VAE):
    """The first pixels as codes: nothing to train and nothing to keep."""

    name = "pixels"
    stackable = False

    def build(self, given):
        networks = Players()
        networks.latents = given.latents
        return networks

    def encode(self, networks, images):
        return images.flatten(1)[:, 2000 : 2000 + networks.latents], None

    def decode(self, networks, codes):
        return None


class RefusesBoth(Sound):
    """A hyperparameter that cannot be 0 where another one is at its default."""

    name = "refuses_both"
    hyperparameters = (BETA, Hyperparameter("alpha", 1.0, "weight of the reconstruction", low=0.0))

    def __init__(self, **values):
        super().__init__(**values)
        if self.alpha < 0.5:
            raise InputError("alpha must be at least 0.5 here.")

    def loss(self, terms):
        return self.alpha * terms.reconstruction.mean() + self.beta * terms.kl.sum(1).mean()


class WideCodes(Sound):
    """Means and log-variances together as codes."""

    name = "wide_codes"

    def encode(self, networks, images):
        return torch.cat(self.posterior(networks, images), 1), None


class NoBatchOfOne(Sound):
    """Codes of one image without their batch."""

    name = "no_batch_of_one"

    def encode(self, networks, images):
        mean, log_variances = self.posterior(networks, images)
        return mean.squeeze(0), log_variances


class InfiniteAtTheEnd(Sound):
    """A schedule that divides by what is left of the training."""

    name = "infinite_at_the_end"

    def loss(self, terms):
        return super().loss(terms) / (1 - terms.progress)


class LossOfNobody(Sound):
    """A loss for a player that is not there."""

    name = "loss_of_nobody"

    def step(self, networks, batch):
        losses, measures = super().step(networks, batch)
        return Step({**losses, "critic": losses["autoencoder"]}, measures)


class LossPerImage(Sound):
    """A loss that is not averaged over the batch."""

    name = "loss_per_image"

    def loss(self, terms):
        return terms.reconstruction + self.beta * terms.kl.sum(1)


class UnusedLayer(Sound):
    """A layer that no loss reaches."""

    name = "unused_layer"

    def build(self, given):
        players = super().build(given)
        players.autoencoder.head = nn.Linear(3, 3)
        return players


class LazyLayer(Sound):
    """A layer without a size."""

    name = "lazy_layer"

    def build(self, given):
        players = super().build(given)
        players.autoencoder.head = nn.LazyLinear(3)
        return players


class Detached(Sound):
    """An encoder that is cut off from the loss."""

    name = "detached"

    def sample(self, networks, images, noise):
        mean, logvar, codes = super().sample(networks, images, noise)
        return mean.detach(), logvar.detach(), codes.detach()


class HoldsWeights(Sound):
    """A network that the model keeps to itself."""

    name = "holds_weights"
    stackable = False

    def build(self, given):
        self.prior = nn.Linear(given.latents, given.latents)
        return super().build(given)

    def loss(self, terms):
        return super().loss(terms) + self.prior(terms.codes).square().mean()


class SharedByTwo(Sound):
    """A critic that shares its layer with the autoencoder."""

    name = "shared_by_two"

    def build(self, given):
        players = super().build(given)
        players.critic = nn.Sequential(nn.Linear(given.latents, 8), nn.Tanh(), nn.Linear(8, 1))
        players.autoencoder.prior = players.critic[0]
        return players

    def step(self, networks, batch):
        losses, measures = super().step(networks, batch)
        mean, _ = self.posterior(networks, batch["images"])
        return Step({**losses, "critic": networks.critic(mean).square().mean()}, measures)


class WrongSign(Sound):
    """A decoder whose gradient has its sign changed on the way."""

    name = "wrong_sign"

    def loss(self, terms):
        loss = super().loss(terms)
        return 2 * loss.detach() - loss


class StandsStill(Sound):
    """A learning rate of 0."""

    name = "stands_still"

    def optimisers(self):
        return {"autoencoder": Adam(lr=0.0)}


class Unseeded(Sound):
    """Noise from a generator that nobody seeded."""

    name = "unseeded"
    stackable = False

    def draw(self, draws):
        batch = super().draw(draws)
        generator = torch.Generator()
        generator.seed()
        return {**batch, "noise": torch.randn(batch["noise"].shape, generator=generator)}


class SameForEverySeed(Sound):
    """First weights, images and noise of a seed of its own."""

    name = "same_for_every_seed"

    def build(self, given):
        players = super().build(given)
        given.initialise = lambda: None
        generator = torch.Generator().manual_seed(1)
        for weight in players.parameters():
            weight.data.copy_(0.05 * torch.randn(weight.shape, generator=generator))
        return players

    def draw(self, draws):
        draws = type(draws)(draws.count, draws.batch_size, draws.latents, seed=1)
        return super().draw(draws)


class EncodesASample(Sound):
    """Codes that are drawn from the posterior."""

    name = "encodes_a_sample"

    def encode(self, networks, images):
        mean, log_variances = self.posterior(networks, images)
        generator = torch.Generator()
        generator.seed()
        noise = torch.randn(mean.shape, generator=generator)
        return mean + (0.5 * log_variances).exp() * noise, log_variances


class CentresTheBatch(Sound):
    """Codes from which the mean of the batch is taken off."""

    name = "centres_the_batch"

    def encode(self, networks, images):
        mean, log_variances = self.posterior(networks, images)
        return mean - mean.mean(0), log_variances


class RemembersOnItself(Sound):
    """A mean of the codes that the model itself remembers from its last step."""

    name = "remembers_on_itself"
    stackable = False

    def step(self, networks, batch):
        self.last = self.posterior(networks, batch["images"])[0].detach().mean(0)
        return super().step(networks, batch)

    def encode(self, networks, images):
        mean, log_variances = self.posterior(networks, images)
        return mean - getattr(self, "last", 0), log_variances


class AssignsItsBuffer(Averages):
    """The mean of the codes of the last step, in a buffer that is assigned."""

    name = "assigns_its_buffer"
    stackable = False

    def step(self, networks, batch):
        networks.average = self.posterior(networks, batch["images"])[0].detach().mean(0)
        return VAE.step(self, networks, batch)


class CountsOnItself(Sound):
    """A warm-up by a count of steps that the model keeps."""

    name = "counts_on_itself"
    stackable = False

    def step(self, networks, batch):
        self.count = getattr(self, "count", 0) + 1
        return super().step(networks, batch)

    def loss(self, terms):
        return terms.reconstruction.mean() + min(1.0, self.count / 50) * terms.kl.sum(1).mean()


class PenalisesEveryThird(CountsOnItself):
    """A penalty at every third step, which the model counts."""

    name = "penalises_every_third"

    def loss(self, terms):
        return terms.reconstruction.mean() + (9.0 if self.count % 3 == 0 else 1.0) * terms.kl.sum(1).mean()


class BranchesOnBeta(Sound):
    """An ``if`` on a hyperparameter, which is a tensor in a stack."""

    name = "branches_on_beta"

    def loss(self, terms):
        return super().loss(terms) if self.beta > 0 else terms.reconstruction.mean()


class ReadsItsValues(Sound):
    """A hyperparameter read where a stack does not put it."""

    name = "reads_its_values"

    def loss(self, terms):
        return terms.reconstruction.mean() + self.values["beta"] * terms.kl.sum(1).mean()


class DividesByBeta(Sound):
    """A loss that is infinite at a limit that it declares."""

    name = "divides_by_beta"

    def loss(self, terms):
        return terms.reconstruction.mean() / self.beta + terms.kl.sum(1).mean()


class SilencesNumpy(Sound):
    """Divisions by 0 that nobody hears of, in the whole process."""

    name = "silences_numpy"

    def draw(self, draws):
        np.seterr(divide="ignore")
        return super().draw(draws)


class Crashes(Sound):
    """A bug in encode."""

    name = "crashes"

    def encode(self, networks, images):
        return networks.no_such_network(images)
