"""CelebA (Liu et al. 2015): aligned faces with forty attributes."""
