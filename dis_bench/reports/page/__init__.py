"""The page: one HTML file with its style, data and scripts, which needs no network."""
