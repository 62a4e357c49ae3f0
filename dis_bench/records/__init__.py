"""Records: what is kept of a cell, each format written and read in one place."""
