"""The checks of ``dis-bench check metric``: properties that every metric must have."""
