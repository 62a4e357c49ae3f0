"""Falcor3D and Isaac3D (Nie et al. 2020): rooms rendered with many factors."""
