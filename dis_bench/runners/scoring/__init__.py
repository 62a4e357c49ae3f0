"""Encoding and scoring a trained model."""
