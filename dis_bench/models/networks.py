"""Encoders and decoders, as published, for images of 64x64 pixels.

An encoder maps images [B, C, 64, 64] to [B, 2 * latent_size]: means, then log-variances. A decoder maps
codes [B, latent_size] to logits [B, C, 64, 64].
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from torch import nn

from dis_bench.nn.convolutions import Convolutions, Dense, TransposedConvolutions


class Networks(NamedTuple):
    """An encoder and its decoder."""

    encoder: nn.Sequential
    decoder: nn.Sequential


def burgess(channels: int, latent_size: int) -> Networks:
    """The networks of Burgess et al. 2018 (appendix A.1): four convolutions of 32, two layers of 256."""
    encoder = nn.Sequential(
        Convolutions([channels, 32, 32, 32, 32], kernels=[4, 4, 4, 4]),
        nn.Flatten(),
        *_dense([32 * 4 * 4, 256, 256]),
        Dense(256, 2 * latent_size),
    )
    decoder = nn.Sequential(
        *_dense([latent_size, 256, 256, 32 * 4 * 4]),
        nn.Unflatten(1, (32, 4, 4)),
        TransposedConvolutions([32, 32, 32, 32, channels]),
    )
    return Networks(encoder, decoder)


def locatello(channels: int, latent_size: int) -> Networks:
    """The networks of Locatello et al. 2019 (table 1): kernels 4, 4, 2, 2 and one layer of 256."""
    encoder = nn.Sequential(
        Convolutions([channels, 32, 32, 64, 64], kernels=[4, 4, 2, 2]),
        nn.Flatten(),
        *_dense([64 * 4 * 4, 256]),
        Dense(256, 2 * latent_size),
    )
    decoder = nn.Sequential(
        *_dense([latent_size, 256, 64 * 4 * 4]),
        nn.Unflatten(1, (64, 4, 4)),
        TransposedConvolutions([64, 64, 32, 32, channels]),
    )
    return Networks(encoder, decoder)


def tutorial(channels: int, latent_size: int) -> Networks:
    """The networks of the beta-VAE tutorials: 3x3 convolutions 32-64-128-256, BatchNorm, LeakyReLU 0.01."""
    # torch's own layers: in a stack in bf16 vmap adds their fp32 biases, so that BatchNorm is given fp32.
    widths = [channels, 32, 64, 128, 256]
    encoder = nn.Sequential()
    for wide_in, wide_out in pairwise(widths):
        encoder.append(nn.Conv2d(wide_in, wide_out, 3, stride=2, padding=1))
        encoder.extend([nn.BatchNorm2d(wide_out), nn.LeakyReLU(0.01)])
    encoder.extend([nn.Flatten(), nn.Linear(256 * 4 * 4, 2 * latent_size)])

    decoder = nn.Sequential(nn.Linear(latent_size, 256 * 4 * 4), nn.Unflatten(1, (256, 4, 4)))
    for wide_in, wide_out in ((256, 128), (128, 64), (64, 32)):
        decoder.append(nn.ConvTranspose2d(wide_in, wide_out, 3, stride=2, padding=1, output_padding=1))
        decoder.extend([nn.BatchNorm2d(wide_out), nn.LeakyReLU(0.01)])
    decoder.append(nn.ConvTranspose2d(32, channels, 3, stride=2, padding=1, output_padding=1))
    return Networks(encoder, decoder)


NETWORKS: dict[str, Callable[[int, int], Networks]] = {
    "burgess": burgess,
    "locatello": locatello,
    "tutorial": tutorial,
}


def initialise(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases: TensorFlow's default, with which the 2019 study was trained.

    torch's own default starts on a plateau (a grey image for every input) that it leaves late or by chance:
    on dSprites, at lr 5e-4, after 480 to more than 1,500 steps, where this took 320 to 610 in eight runs.
    """
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        assert module.bias is not None
        nn.init.zeros_(module.bias)


def _dense(widths: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for wide_in, wide_out in pairwise(widths):
        layers += [Dense(wide_in, wide_out), nn.ReLU()]
    return layers
