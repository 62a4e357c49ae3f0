"""AE: an encoder and a decoder, trained to reconstruct, without a posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dis_bench.models.model import Adam, Hyperparameter, Model, Step

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.given import Given


class AE(Model):
    """Autoencoder with weight decay (Hinton & Salakhutdinov 2006).

    The loss is the reconstruction alone. The decay, of which Hsu et al. 2023 take 0.001, is decoupled from
    the gradient (Loshchilov & Hutter 2019). Their code spares biases, and clips each element of a gradient to
    1; here biases decay, too, and nothing is clipped.
    """

    name, dial = "ae", "weight_decay"
    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = (
        Hyperparameter(
            "weight_decay", 0.001, "share of each weight taken off per unit of learning rate", low=0.0
        ),
    )

    weight_decay: float

    def build(self, given: Given) -> Any:
        """Build one player: ``autoencoder``, with ``encoder`` and ``decoder``."""
        from dis_bench.models.autoencoder import Autoencoder
        from dis_bench.models.players import Players

        return Players(autoencoder=Autoencoder(given, outputs=given.latents))

    def optimisers(self) -> dict[str, Adam]:
        """Return Adam with decoupled weight decay."""
        return {"autoencoder": Adam(weight_decay=self.weight_decay)}

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Compute the reconstruction."""
        images, autoencoder = batch["images"], networks.autoencoder
        logits = autoencoder.decoder(autoencoder.encoder(images))
        reconstruction = autoencoder.negative_log_likelihood(logits, images)
        return Step({"autoencoder": reconstruction.mean()}, {"reconstruction": reconstruction})

    def encode(self, networks: Any, images: Tensor) -> tuple[Tensor, None]:
        """Encode images as codes [B, D]; there is no posterior."""
        return networks.autoencoder.encoder(images), None

    def decode(self, networks: Any, codes: Tensor) -> Tensor:
        """Decode codes [B, D] to logits [B, C, H, W]."""
        logits: Tensor = networks.autoencoder.decoder(codes)
        return logits
