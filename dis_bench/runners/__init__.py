"""Run studies: expand the grid into cells, train, encode and score each, keep records."""
