"""Play: what a browser needs to decode, or to show, the images of latents that readers choose."""
