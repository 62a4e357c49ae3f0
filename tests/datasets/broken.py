"""Datasets with one fault each, in a file as a stranger would hand it in; and some without."""

import threading

import numpy as np
import torch

from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.labels import Labels


class Sound(Dataset):
    """A bright square on a dark ground: 30 columns x 30 rows x 20 sizes."""

    name = "sound"
    grid = FactorGrid(
        (
            Factor("colour", 1, ("white",), "categorical"),
            Factor.spaced("x", 30, 0, 1),
            Factor.spaced("y", 30, 0, 1),
            Factor.spaced("size", 20, 1, 2),
        )
    )
    image_shape = (1, 64, 64)
    pixel_max = 1
    fingerprint = "sound-1"

    def draw(self, indices):
        _, x, y, size = self.grid.factors(indices).unbind(1)
        row = torch.arange(64)
        inside = [(row >= at[:, None]) & (row < (at + 6 + size)[:, None]) for at in (x, y)]
        return (inside[1][:, :, None] & inside[0][:, None, :]).to(torch.uint8)[:, None]


class TwoSources(Sound):
    """Two sources, each with its fingerprint, and a caveat."""

    sources = ("rendered", "photographed")
    caveat = "Squares are no photographs."

    def __init__(self, source=None, data_dir=None):
        super().__init__(source, data_dir)
        self.fingerprint = f"{self.source}-1"


class Floats(Sound):
    """Images in [0, 1]."""

    def draw(self, indices):
        return super().draw(indices).float()


class Bytes(Sound):
    """Pixels of 255 where it declares 1."""

    def draw(self, indices):
        return 255 * super().draw(indices)


class Crashes(Sound):
    """A bug in draw."""

    def draw(self, indices):
        return self.no_such_table[indices]


class Noisy(Sound):
    """A pixel of noise that depends on when it is drawn."""

    def __init__(self, source=None, data_dir=None):
        super().__init__(source, data_dir)
        self.rng = np.random.default_rng(0)

    def draw(self, indices):
        images = super().draw(indices)
        images[:, 0, 0, :] = torch.from_numpy(self.rng.integers(0, 2, (len(images), 64)))
        return images


class ComparesTheBatch(Sound):
    """A pixel in a corner that says whether an image is brighter than the batch."""

    def draw(self, indices):
        images = super().draw(indices)
        bright = images.float().mean((1, 2, 3))
        images[:, 0, 63, 63] = (bright > bright.mean()).byte()
        return images


class StaysHere(Sound):
    """A lock, which no worker can be sent."""

    def __init__(self, source=None, data_dir=None):
        super().__init__(source, data_dir)
        self.lock = threading.Lock()


class LosesItsSeed(Sound):
    """Another picture in a copy."""

    shift = 0

    def __getstate__(self):
        return super().__getstate__() | {"shift": 1}

    def draw(self, indices):
        return super().draw(indices).roll(self.shift, 2)


class Shorter(Sound):
    """A length of its own."""

    def __len__(self):
        return 30


class OtherOrder(Sound):
    """Factors whose first runs fastest, while the grid's last does."""

    def factors(self, indices):
        return self.grid.factors(indices)[:, ::-1]


class HidesSize(Sound):
    """A factor that no image shows."""

    def draw(self, indices):
        return super().draw(indices // 20 * 20)


class Unlabelled(Sound):
    """Images whose factors nobody knows."""

    grid, count = None, len(Sound.grid)

    def draw(self, indices):
        return Sound().draw(indices)


class ForgetsLabels(Unlabelled):
    """Labels that depend on how many images are asked for."""

    labels = Labels(
        [Factor("half", 2, ("first", "second"), "categorical")], np.arange(len(Sound.grid))[:, None] // 9000
    )

    def factors(self, indices):
        return super().factors(indices) if len(indices) > 100 else 0 * super().factors(indices)


class SameValueTwice(Sound):
    """Two classes of one value."""

    grid = FactorGrid((*Sound.grid, Factor("shade", 2, ("grey", "grey"), "categorical")))

    def draw(self, indices):
        images = Sound().draw(indices // 2)
        images[:, 0, 63, 63] = (indices % 2).byte()
        return images


class NegativeFromTheEnd(Sound):
    """Indices as Python reads them."""

    def images(self, indices):
        return self.draw(torch.as_tensor(indices).long() % len(self))


class RandomFingerprint(Sound):
    """A fingerprint that is another one for each instance."""

    def __init__(self, source=None, data_dir=None):
        super().__init__(source, data_dir)
        self.fingerprint = str(id(object()) + np.random.default_rng().integers(1 << 40))


class OneFingerprint(TwoSources):
    """One fingerprint for the pixels of two sources."""

    def __init__(self, source=None, data_dir=None):
        super().__init__(source, data_dir)
        self.fingerprint = "squares"


class HalfASentence(Sound):
    """A caveat without an end."""

    caveat = "squares only"


class SeedsTheProcess(Sound):
    """The global stream of torch, seeded for a drawing that needs none."""

    def draw(self, indices):
        torch.manual_seed(0)
        return super().draw(indices)


class Hoards(Sound):
    """Every image that was ever drawn, kept."""

    def __init__(self, source=None, data_dir=None):
        super().__init__(source, data_dir)
        self.drawn = []

    def __getstate__(self):
        return super().__getstate__() | {"drawn": []}

    def draw(self, indices):
        self.drawn.append(super().draw(indices))
        return self.drawn[-1].clone()
