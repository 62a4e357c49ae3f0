"""Play: everything with which a browser decodes, or shows, images of chosen latents."""
