"""3DShapes: drawn here, or read from the authors' archive."""
