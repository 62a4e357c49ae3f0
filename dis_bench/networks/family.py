"""The contract of a network family: an encoder and a decoder for images of given sizes.

A plug-in is a callable without arguments that returns an object with these two methods. It may subclass
:class:`Family`, which initialises weights as the published families do, or be a class of its own::

    class Small:
        def encoder(self, image_shape, outputs):
            return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image_shape), outputs))

        def decoder(self, image_shape, inputs):
            return nn.Sequential(nn.Linear(inputs, math.prod(image_shape)), nn.Unflatten(1, image_shape))

This module does not import torch: families that import it only in their methods can be listed without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, int, int]

FEATURES = 4  # pixels to a side of the smallest features, between convolutions and dense layers


def count_halvings(image_shape: Shape) -> int:
    """Count the layers of stride 2 from images to features of 4x4 pixels.

    The published ones take four, for 64x64. We take one less for 32x32 and one more for 128x128, so that the
    dense layers stay as they are.
    """
    return (image_shape[1] // FEATURES).bit_length() - 1


class Family:
    """A published encoder and its decoder; subclass it to add a family.

    Class attributes:
        name: the name that users type and tables show.
        sizes: heights of the square images that the networks take, in pixels; None if they take any image.
        least_batch: smallest training batch: 2 if layers normalise over the batch.
        stackable: whether cells may be trained as one on a GPU; False for networks that draw random numbers
            (dropout).
    """

    name: ClassVar[str]
    sizes: ClassVar[tuple[int, ...] | None] = (64,)
    least_batch: ClassVar[int] = 1
    stackable: ClassVar[bool] = True

    def encoder(self, image_shape: Shape, outputs: int) -> nn.Module:
        """Build a network from images [B, C, H, W] in [0, 1] to numbers [B, outputs].

        Args:
            image_shape: (channels, height, width).
            outputs: numbers per image; two per latent for a Gaussian posterior.
        """
        raise NotImplementedError(f"{type(self).__name__} must define encoder(self, image_shape, outputs)")

    def decoder(self, image_shape: Shape, inputs: int) -> nn.Module:
        """Build a network from codes [B, inputs] to logits [B, C, H, W].

        Args:
            image_shape: (channels, height, width).
            inputs: numbers per code.
        """
        raise NotImplementedError(f"{type(self).__name__} must define decoder(self, image_shape, inputs)")

    def initialise(self, network: nn.Module) -> None:
        """Initialise a network's weights: Glorot-uniform, with zero biases.

        This is TensorFlow's default, with which the 2019 study was trained. torch's default starts on a
        plateau (a grey image for every input) that it leaves late or by chance: on dSprites, at lr 5e-4,
        after 480 to more than 1,500 steps, compared with 320 to 610 for this one in eight runs.

        The weights use channels_last, the memory format in which convolutions are fast on CPUs and GPUs.
        """
        import torch

        network.apply(_draw_glorot)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _draw_glorot(layer: nn.Module) -> None:
    """Initialise the weights and biases of a convolution or linear layer."""
    from torch import nn

    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
