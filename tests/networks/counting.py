"""How many numbers a network learns."""


def count(network):
    return sum(weights.numel() for weights in network.parameters())
