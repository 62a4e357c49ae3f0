"""Planning a run: its grid of cells, their settings, and what is refused at once."""
