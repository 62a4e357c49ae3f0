"""Diagnoses of trained cells: what their kept parts show to be wrong."""
