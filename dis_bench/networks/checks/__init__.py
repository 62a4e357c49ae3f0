"""The checks of ``dis-bench check network``: properties that every family of networks must have."""
