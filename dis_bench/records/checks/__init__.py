"""Checks of what was read from a result folder, before it is used.

A record or an anchor that passes follows :mod:`dis_bench.records.schema`, and can be tabulated and drawn
without further checks. Each file checks one thing that is kept; all use the checks of single :mod:`.values`.
"""
