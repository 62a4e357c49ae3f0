"""Training: one loop, its chance, its log."""
