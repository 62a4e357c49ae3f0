"""MNIST and FashionMNIST: grey images of 28x28 pixels with a label, in IDX files."""
