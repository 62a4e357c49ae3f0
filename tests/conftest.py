"""One thread for all tests: two that wait for each other take minutes."""

import os

from hypothesis import settings

os.environ["OMP_NUM_THREADS"] = "1"

# In CI, property tests draw the same examples every time: a checkout that passes once passes again.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
