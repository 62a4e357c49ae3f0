"""The checks of ``dis-bench check model``: properties that every model must have."""
