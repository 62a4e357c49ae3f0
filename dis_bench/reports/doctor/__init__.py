"""Diagnoses of trained cells: what their records, curves, codes and pictures show to be wrong."""
