"""Count the trainable numbers of a network."""


def count(network):
    return sum(weights.numel() for weights in network.parameters())
