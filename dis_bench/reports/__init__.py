"""Reports: tables, plots and one page, derived from the result store and from nothing else."""

from dis_bench.reports.writing import write_report

__all__ = ["write_report"]
