"""The networks of InfoGAN on dSprites (Lin et al. 2020), which no family replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from dis_bench.networks.family import Shape

SLOPE = 0.2  # of leaky ReLUs
DEVIATION = 0.02  # of first weights
FEATURES = 128  # that heads of a critic see


def build_generator(image_shape: Shape, inputs: int) -> nn.Module:
    """Build a network from codes and noise [B, inputs] to logits [B, C, 64, 64].

    Batch normalisation comes after the activations, as in the authors' code.
    """
    from torch import nn

    _check_size(image_shape)
    layers = [nn.Linear(inputs, 128), nn.ReLU(), nn.BatchNorm1d(128)]
    layers += [nn.Linear(128, 64 * 4 * 4), nn.ReLU(), nn.BatchNorm1d(64 * 4 * 4), nn.Unflatten(1, (64, 4, 4))]
    wide_in = 64
    for wide_out in (64, 32, 32):
        layers += [
            nn.ConvTranspose2d(wide_in, wide_out, 4, 2, 1),
            nn.LeakyReLU(SLOPE),
            nn.BatchNorm2d(wide_out),
        ]
        wide_in = wide_out
    return _initialise(nn.Sequential(*layers, nn.ConvTranspose2d(wide_in, image_shape[0], 4, 2, 1)))


def build_trunk(image_shape: Shape) -> nn.Module:
    """Build a network from images [B, C, 64, 64] to features [B, 128].

    Its weights are spectrally normalised, as those of heads are.
    """
    from torch import nn

    _check_size(image_shape)
    layers: list[nn.Module] = []
    wide_in = image_shape[0]
    for wide_out in (32, 32, 64, 64):
        layers += [nn.Conv2d(wide_in, wide_out, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        wide_in = wide_out
    layers += [nn.Flatten(), nn.Linear(64 * 4 * 4, FEATURES), nn.LeakyReLU(SLOPE)]
    return _normalise(_initialise(nn.Sequential(*layers)))


def build_head(outputs: int, hidden: int | None = None) -> nn.Module:
    """Build a network from features [B, 128] to numbers [B, outputs].

    Args:
        outputs: numbers per image.
        hidden: units of a hidden layer; None for a linear head.
    """
    from torch import nn

    if hidden is None:
        return _normalise(_initialise(nn.Sequential(nn.Linear(FEATURES, outputs))))
    layers = [nn.Linear(FEATURES, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, outputs)]
    return _normalise(_initialise(nn.Sequential(*layers)))


def build_contrast(image_shape: Shape, codes: int) -> nn.Module:
    """Build a network from pairs of images [B, 2 * C, 64, 64] to logits [B, codes].

    Its last layer is not normalised, as in the authors' code.
    """
    from torch import nn

    channels, height, width = image_shape
    trunk = build_trunk((2 * channels, height, width))
    return nn.Sequential(*trunk.children(), *_initialise(nn.Sequential(nn.Linear(FEATURES, codes))))


def _check_size(image_shape: Shape) -> None:
    if tuple(image_shape[1:]) != (64, 64):
        size = "x".join(map(str, image_shape[1:]))
        raise InputError(f"the networks of InfoGAN take images of 64x64 pixels, but these have {size}.")


def _initialise(layers: nn.Sequential) -> nn.Sequential:
    """Draw weights from N(0, 0.02^2), and set biases to zero."""
    from torch import nn

    for layer in layers:
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, std=DEVIATION)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return layers


def _normalise(layers: nn.Sequential) -> nn.Sequential:
    """Divide each weight by its largest singular value, by a power iteration per pass."""
    from torch import nn
    from torch.nn.utils.parametrizations import spectral_norm

    for layer in layers:
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            spectral_norm(layer)
    return layers
