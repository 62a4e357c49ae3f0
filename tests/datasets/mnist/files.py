"""Small files in the format of MNIST, packed or not."""

import gzip

import numpy as np


def idx(array, kind=0x08):
    """Return the bytes of an IDX file: a big-endian header, then the array's own bytes."""
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, kind, array.ndim]) + sizes + array.tobytes()


def draw(count, seed):
    """Draw images of a few strokes, each at the place of its digit."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    images = np.zeros((count, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 4)
        image[4 + 7 * row : 10 + 7 * row, 3 + 6 * column : 8 + 6 * column] = rng.integers(150, 256)
    return images, labels


def write_files(folder, train=60, test=20, packed=True):
    """Write the four files; return all images and labels in order."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [draw(train, 1), draw(test, 2)]
    for part, (images, labels) in zip(("train", "t10k"), parts, strict=True):
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx(array)
            path = folder / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
