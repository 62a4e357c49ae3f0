"""A batch of four images and three latents in closed form, whose losses were computed independently."""

import torch

from dis_bench.models import build_model
from dis_bench.models.autoencoder import gaussian_kl
from dis_bench.models.vae import Terms

ROWS = torch.arange(4, dtype=torch.float64)[:, None]
COLUMNS = torch.arange(3, dtype=torch.float64)
MEAN = torch.sin(1 + ROWS + 2 * COLUMNS)
LOGVAR = -0.5 + 0.25 * torch.cos(ROWS * COLUMNS + 1)
CODES = MEAN + (0.5 * LOGVAR).exp() * torch.cos(2 * ROWS + COLUMNS)
PRIOR = torch.sin(2 + 3 * ROWS + COLUMNS)
KL = 0.9220280145
DATASET_SIZE = torch.tensor(100.0, dtype=torch.float64)
TOLERANCE = {"rel": 0, "abs": 1e-9}  # ten decimals are given


def terms(mean=MEAN, logvar=LOGVAR, codes=CODES, reconstruction=0.0, progress=1.0, **batch):
    """Return the terms of a batch; ``batch`` is what was drawn besides images and noise."""
    return Terms(
        images=torch.zeros(len(mean), 1, 2, 2, dtype=torch.float64),
        mean=mean,
        logvar=logvar,
        codes=codes,
        logits=torch.zeros(len(mean), 1, 2, 2, dtype=torch.float64),
        reconstruction=torch.full((len(mean),), reconstruction, dtype=torch.float64),
        kl=gaussian_kl(mean, logvar),
        progress=torch.tensor(progress, dtype=torch.float64),
        batch=batch,
    )


def loss_of(name, of, **hyperparameters):
    """Return the loss of a model of the VAE family from terms."""
    return build_model(name, latent_size=3, **hyperparameters)[0].loss(of).item()
