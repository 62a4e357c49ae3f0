"""The checks of ``dis-bench check dataset``: properties that every dataset must have."""
