"""Trained models, rebuilt from the record and the weights that a cell keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dis_bench import registry
from dis_bench.models.model import Model
from dis_bench.nn.compiled import convolving_with
from dis_bench.records.rebuilding import build_again, fill
from dis_bench.records.schema import Record
from dis_bench.records.weights import read_weights

Shape = tuple[int, int, int]


class NotRebuilt(Exception):
    """Error: a model cannot be rebuilt; the message is a clause that says why."""


@dataclass(frozen=True)
class Trained:
    """A trained model on the CPU, in evaluation mode.

    Attributes:
        model: the model.
        networks: its networks, with the weights of a cell.
    """

    model: Model
    networks: Any

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Encode images [B, C, H, W] in [0, 1] to codes [B, D]."""
        with convolving_with("torch"):  # starting the compiled kernels takes longer than a few images
            return self.model.encode(self.networks, images)[0]

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes [B, D] to images [B, C, H, W] in [0, 1]."""
        with convolving_with("torch"):
            logits = self.model.decode(self.networks, codes)
        assert logits is not None  # cells without a decoder keep no pictures, and are not rebuilt
        return logits.sigmoid()


def rebuild(record: Record, image_shape: Shape) -> Trained:
    """Rebuild the model of a cell, with its weights.

    Only installed models and networks are loaded, by their names: a record must not decide which code runs.

    Args:
        record: the cell's record, with its ``folder``.
        image_shape: (channels, height, width).

    Raises:
        NotRebuilt: the code of the model or the network is not installed, or no longer fits the weights.
        Damaged: the weights have changed since they were written.
        FileNotFoundError: the weights were not kept.
    """
    for kind, what in (("models", "model"), ("networks", "network")):
        if registry.installed(kind, record["cell"].get(what, "")) is None:
            raise NotRebuilt(f"its {what} is not installed here under that name")
    weights = read_weights(record["folder"], record)
    try:
        model, networks = build_again(record, image_shape)
        fill(networks, weights, model.name)
    except Exception as error:  # another version of a plug-in may differ in anything
        raise NotRebuilt(f"its weights do not fit the installed code ({type(error).__name__})") from None
    return Trained(model, networks.eval())
