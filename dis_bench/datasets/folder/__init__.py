"""Anybody's images: a folder of PNG, JPEG and WebP files, with labels or without."""
