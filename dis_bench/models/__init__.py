"""The zoo: a file per objective or baseline, and the contract that all of them keep."""

from dis_bench.models.building import build_model

__all__ = ["build_model"]
