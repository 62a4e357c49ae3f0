"""InfoGAN-CR: InfoGAN with a critic that finds the code which two images share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dis_bench.models.infogan import NOISE, InfoGAN
from dis_bench.models.model import Adam, Hyperparameter, Step

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws
    from dis_bench.models.given import Given


class InfoGANCR(InfoGAN):
    """InfoGAN whose codes change images in ways that are easy to tell apart (Lin et al. 2020).

    The generator also makes pairs of images that share one code, drawn at random, and the noise; all other
    codes differ. A second critic sees both images and says which code they share. It minimises its
    cross-entropy from the start; the generator adds contrast * cross-entropy to its loss after a share of the
    training, 25 of 28 epochs as published.

    With a contrast of 0, generator and critic get the gradients that ``infogan`` gives them. But the running
    statistics of the generator's batch normalisation, with which it makes images after training, take three
    batches in each step instead of one, as it makes both images of the pairs as well.

    In the authors' code the second critic is initialised anew when its weight rises from 0; here it keeps
    what it has learnt. Until then, its pairs are made with the running statistics of batch normalisation
    there, and with those of the batch here. The players move one after another there, each on a pass of its
    own and the generator twice; here all losses come from one pass.
    """

    name, dial = "infogan_cr", "contrast"
    hyperparameters = (
        Hyperparameter("contrast", 2.0, "weight of finding the shared code; 0 is InfoGAN", low=0.0),
        Hyperparameter("share", 25 / 28, "share of training without the contrast", low=0.0, high=1.0),
        *InfoGAN.hyperparameters,
    )

    contrast: float
    share: float

    def build(self, given: Given) -> Any:
        """Build the players of InfoGAN, and ``contrast``, which sees pairs of images."""
        from dis_bench.networks.infogan import build_contrast

        players = super().build(given)
        players.contrast = given.network(build_contrast(given.image_shape, given.latents))
        return players

    def optimisers(self) -> dict[str, Adam]:
        """Return the optimisers of InfoGAN; its critic's serves the second critic too."""
        adams = super().optimisers()
        return {**adams, "contrast": adams["critic"]}

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw what InfoGAN draws, and codes and noise of pairs that share one code."""
        import torch
        from torch.nn.functional import one_hot

        drawn = super().draw(draws)
        shared = torch.randint(draws.latents, (draws.batch_size,), generator=draws.generator)
        first, second = draws.uniform(draws.latents), draws.uniform(draws.latents)
        return {
            **drawn,
            "shared": shared,
            "first": first,
            "second": torch.where(one_hot(shared, draws.latents).bool(), first, second),
            "noise_of_pairs": draws.uniform(NOISE),
        }

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Compute the losses of InfoGAN, and that of the second critic."""
        import torch
        from torch.nn.functional import cross_entropy

        losses, measures = super().step(networks, batch)
        pair = [
            networks.generator(torch.cat([batch[codes], batch["noise_of_pairs"]], 1)).sigmoid()
            for codes in ("first", "second")
        ]
        error = cross_entropy(networks.contrast(torch.cat(pair, 1)), batch["shared"])
        weight = self.contrast * (batch["progress"] >= self.share)
        generator = losses["generator"] + weight * error
        return Step(
            {**losses, "generator": generator, "contrast": error}, {**measures, "contrast_error": error}
        )
