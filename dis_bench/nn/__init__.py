"""Faster versions of torch's layers, for CPUs and for stacks of models under vmap."""
