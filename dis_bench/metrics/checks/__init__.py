"""Checks that `dis-bench check` runs: what must hold of a plug-in."""
