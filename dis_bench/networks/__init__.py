"""Published network families, one file each: encoders and decoders that models train."""
