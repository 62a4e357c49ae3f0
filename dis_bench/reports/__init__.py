"""Reports: tables, plots and one page, derived only from the result store."""

from dis_bench.reports.writing import write_report

__all__ = ["write_report"]
