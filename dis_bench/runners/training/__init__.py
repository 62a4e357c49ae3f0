"""Training: the loop, its steps, random draws, log and checkpoints."""
