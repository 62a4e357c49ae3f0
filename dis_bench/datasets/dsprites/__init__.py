"""dSprites: drawn here, or read from the authors' archive."""
