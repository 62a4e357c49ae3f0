"""InfoGAN: a generator of images from codes, and a critic that reads the codes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dis_bench.models.model import Adam, Hyperparameter, Model, Step

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws
    from dis_bench.models.given import Given

NOISE = 5  # inputs of the generator that no one reads back
HIDDEN = 128  # units between the critic's features and the codes that it reads


class InfoGAN(Model):
    """GAN whose codes can be read back from its images (Chen et al. 2016).

    It is trained as Lin et al. 2020 do. The generator makes images of a code, uniform from -1 to 1 in each
    latent, and of five numbers of noise. The critic tells them from real images, and reads the code back; its
    reading is the representation. Both players minimise weight * error / 2 in addition to the loss of the
    GAN, where the error is that of the reading, squared and summed over latents. The loss of the generator is
    -log of the critic's probability that its images are real. Their code moves the generator twice with each
    batch; here each player moves once.

    It has networks of its own, for images of 64x64 pixels, and learning rates of its own: 0.001 for the
    generator, 0.002 for the critic. Its records have the study's ``network`` and ``lr`` all the same, as
    reports group cells by these. Five latents were published: ``--latent-size 5``. It does not reconstruct
    images; pictures show samples with the codes that it reads from the originals, without noise.
    """

    name, dial = "infogan", "weight"
    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = (
        Hyperparameter("weight", 0.05, "weight of the error of codes read back; 0 is the GAN", low=0.0),
    )
    stackable = False  # torch's spectral norm has no rule for vmap
    own_networks = True
    reconstructs = False
    prior = "uniform"

    weight: float

    def build(self, given: Given) -> Any:
        """Build ``generator``, and ``critic`` with ``trunk``, ``verdict`` and ``reader``."""
        from dis_bench.models.players import Players
        from dis_bench.networks.infogan import build_generator, build_head, build_trunk

        critic = Players(
            trunk=given.network(build_trunk(given.image_shape)),
            verdict=given.network(build_head(1)),
            reader=given.network(build_head(given.latents, HIDDEN)),
        )
        generator = given.network(build_generator(given.image_shape, given.latents + NOISE))
        return Players(generator=generator, critic=critic)

    def optimisers(self) -> dict[str, Adam]:
        """Return an Adam for each player, of which the first moment decays faster."""
        betas = (0.5, 0.999)
        return {"generator": Adam(lr=1e-3, betas=betas), "critic": Adam(lr=2e-3, betas=betas)}

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw images, and codes and noise for as many that the generator makes."""
        return {
            "images": draws.images(),
            "codes": draws.uniform(draws.latents),
            "noise": draws.uniform(NOISE),
        }

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Compute the losses of generator and critic, from the same images."""
        import torch
        from torch.nn.functional import softplus

        made = networks.generator(torch.cat([batch["codes"], batch["noise"]], 1)).sigmoid()
        features = networks.critic.trunk(made)
        of_made = networks.critic.verdict(features)
        of_real = networks.critic.verdict(networks.critic.trunk(batch["images"]))
        error = (networks.critic.reader(features) - batch["codes"]).square().sum(1).mean() / 2
        told_apart = softplus(-of_real).mean() + softplus(of_made).mean()
        losses = {
            "generator": softplus(-of_made).mean() + self.weight * error,
            "critic": told_apart + self.weight * error,
        }
        return Step(losses, {"told_apart": told_apart, "code_error": error})

    def encode(self, networks: Any, images: Tensor) -> tuple[Tensor, None]:
        """Read the codes [B, D] of images; there is no posterior."""
        return networks.critic.reader(networks.critic.trunk(images)), None

    def decode(self, networks: Any, codes: Tensor) -> Tensor:
        """Generate logits [B, C, H, W] of images with codes [B, D], without noise."""
        import torch

        logits: Tensor = networks.generator(torch.cat([codes, codes.new_zeros(len(codes), NOISE)], 1))
        return logits
