"""The version of the package, where any of its modules may read it."""

__version__ = "0.1.0"
