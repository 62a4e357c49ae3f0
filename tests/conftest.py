"""One thread for whatever a test computes: two that wait for each other on a busy machine take minutes."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
