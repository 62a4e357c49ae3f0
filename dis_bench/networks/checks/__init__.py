"""The checks of ``dis-bench check network``: properties that all networks must have."""
