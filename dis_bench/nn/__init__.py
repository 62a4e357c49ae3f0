"""Layers as torch's, faster: compiled kernels on a CPU, patches and layouts under vmap."""
