"""3D chairs (Aubry et al. 2014): renderings of chair models."""
