"""The networks of a model, by player."""

from __future__ import annotations

from torch import nn


class Players(nn.Module):
    """Networks by the names of their players: ``Players(autoencoder=...).autoencoder``.

    A plain ``nn.ModuleDict`` would reject names such as "values".

    Args:
        players: the network of each player.
    """

    def __init__(self, **players: nn.Module) -> None:
        super().__init__()
        for name, network in players.items():
            self.add_module(name, network)
