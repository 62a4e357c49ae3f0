"""One thread for whatever a test computes: two that wait for each other on a busy machine take minutes."""

import os

from hypothesis import settings

os.environ["OMP_NUM_THREADS"] = "1"

# A checkout that passes once passes again: property tests draw the same examples where CI is set.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
