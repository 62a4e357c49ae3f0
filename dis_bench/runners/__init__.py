"""Running studies: the grid, its cells, one cell from training to record, and the store of records."""
