"""MPI3D (Gondal et al. 2019): objects on a robot arm, rendered and photographed."""
