"""HFS: a beta-VAE whose codes fill all combinations of the values of single latents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.models.model import Hyperparameter
from dis_bench.models.vae import FREE_BITS, VAE

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws
    from dis_bench.models.vae import Terms

PAIRS = 25  # of latents, drawn anew in each step


class HFS(VAE):
    """Beta-VAE with a factorised support of its codes (Roth et al. 2023).

    The loss is reconstruction + beta * KL + gamma * distance. For a pair of latents, any combination of one
    image's value of the first with another's of the second should be close to some image; the distance is
    that of the combination farthest from all images, squared. It is computed from posterior means, and summed
    over 25 pairs of latents, drawn anew in each step.

    The default of gamma is ours: in the authors' code it is 1, as is beta, but their grid, which they combine
    with that of betas, goes up to 10,000, and without a KL they take 80 to 2000.
    """

    name, dial = "hfs", "gamma"
    hyperparameters = (
        Hyperparameter(
            "gamma",
            1000.0,
            "weight of the distance; 0 is the beta-VAE",
            low=0.0,
            grid=(0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0),  # of the authors' code
        ),
        Hyperparameter(
            "beta", 1.0, "weight of the KL", low=0.0, grid=(0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 16.0)
        ),
        FREE_BITS,
    )

    gamma: float
    beta: float

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw images, noise, and pairs of latents int64 [pairs, 2]."""
        import torch

        every = torch.combinations(torch.arange(draws.latents))
        chosen = torch.randperm(len(every), generator=draws.generator)[:PAIRS]
        return {**super().draw(draws), "pairs": every[chosen]}

    def loss(self, terms: Terms) -> Tensor:
        """Compute the objective, in nats per image plus the weighted distance."""
        return (
            terms.reconstruction.mean()
            + self.beta * terms.kl.sum(1).mean()
            + self.gamma * measure_support(terms.mean, terms.batch["pairs"])
        )


def measure_support(codes: Tensor, pairs: Tensor) -> Tensor:
    """Compute squared Hausdorff distances of codes from their product sets.

    Args:
        codes: of a batch [B, D].
        pairs: int64 [P, 2], of latents.

    Returns:
        A scalar: sum over pairs of max over combinations (i, k) of min over images m of the squared distance
        between (first value of i, second value of k) and image m.
    """
    import torch

    if not len(pairs):  # a single latent has no other
        return codes.new_zeros(())
    first, second = codes.T[pairs[:, 0]], codes.T[pairs[:, 1]]  # [P, B]
    size = len(codes)
    with torch.no_grad():  # only the farthest combination and its nearest image have a gradient
        apart = [(values[:, :, None] - values[:, None]).square() for values in (first, second)]
        by_pair = zip(*apart, strict=True)  # one by one: all of them at once would need P times the memory
        nearest = torch.stack([(one[:, None] + other[None]).amin(2) for one, other in by_pair])  # [P, B, B]
        farthest = nearest.flatten(1).argmax(1, keepdim=True)  # [P, 1]
    one, other = first.gather(1, farthest // size), second.gather(1, farthest % size)
    return ((one - first).square() + (other - second).square()).min(1).values.sum()
