"""The zoo: objectives, and the networks that they train."""

from dis_bench.models.building import build_model

__all__ = ["build_model"]
