"""Supervised codes: an encoder trained on labels alone, and a decoder that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dis_bench.models.merged import assign_latents
from dis_bench.models.model import Model, Step
from dis_bench.models.s2 import ERROR, LABELS, measure_labels

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws
    from dis_bench.models.given import Given


class Supervised(Model):
    """Encoder trained on labels alone, for comparison (Locatello et al. 2020).

    The encoder minimises the error of labels as in ``s2_betavae``, on the same labelled images; latents
    beyond the factors are left free. The decoder learns to reconstruct all images from these
    codes, and does not change them. Published code decodes samples of a posterior whose variances nothing
    trains; here there is none.
    """

    name = "supervised"
    needs = ("factors",)
    hyperparameters = (*LABELS, ERROR)

    labels: int
    quality: str
    error: str

    def build(self, given: Given) -> Any:
        """Build ``encoder`` and ``decoder``."""
        from dis_bench.models.autoencoder import Autoencoder
        from dis_bench.models.players import Players

        both = Autoencoder(given, outputs=given.latents)
        players: Any = Players(encoder=both.encoder, decoder=both.decoder)
        players.negative_log_likelihood = both.negative_log_likelihood
        return players

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw images, and as many labelled ones."""
        import torch

        labelled = draws.labelled(self.labels, self.quality)
        assign_latents(labelled.observed, draws.latents)  # refuses fewer latents than factors
        return {
            "images": torch.cat([draws.images(), labelled.images]),
            "targets": labelled.targets,
            "observed": labelled.observed,
        }

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Compute the encoder's error of labels, and the decoder's reconstruction."""
        images, _ = batch["images"].chunk(2)
        of_images, of_labelled = networks.encoder(batch["images"]).chunk(2)
        error = measure_labels(of_labelled, batch["targets"], batch["observed"], self.error)
        reconstruction = networks.negative_log_likelihood(networks.decoder(of_images), images)
        losses = {"encoder": error, "decoder": reconstruction.mean()}
        return Step(losses, {"reconstruction": reconstruction, "label_error": error})

    def encode(self, networks: Any, images: Tensor) -> tuple[Tensor, None]:
        """Encode images; there is no posterior."""
        return networks.encoder(images), None

    def decode(self, networks: Any, codes: Tensor) -> Tensor:
        """Decode codes [B, D] to logits [B, C, H, W]."""
        logits: Tensor = networks.decoder(codes)
        return logits
