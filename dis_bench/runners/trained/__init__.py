"""Trained models: loaded from a result folder, to encode, decode and show."""
