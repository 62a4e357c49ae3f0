"""XYSquares (Michlo et al. 2022): three squares whose positions pixels do not order."""
