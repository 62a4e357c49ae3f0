"""Cars3D (Reed et al. 2015): renderings of 183 cars."""
