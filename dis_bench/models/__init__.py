"""The zoo: one file per objective or baseline, and the contract that all models follow."""

from dis_bench.models.building import build_model

__all__ = ["build_model"]
