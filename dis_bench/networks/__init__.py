"""Published families of networks, a file each: encoders and decoders for the models to train."""
