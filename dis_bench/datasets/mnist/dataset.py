"""MNIST (LeCun et al. 1998) and FashionMNIST (Xiao et al. 2017)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive
from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.grid import Factor
from dis_bench.datasets.labels import Labels
from dis_bench.datasets.mnist.idx import IMAGES, LABELS, read_idx
from dis_bench.datasets.packed import PackedFile, list_packed
from dis_bench.errors import InputError, Option

if TYPE_CHECKING:
    import torch

SIDE, PADDED = 28, 32  # 28 is padded to 32 with black, two pixels on each side
PARTS = ("train", "t10k")  # the order of the images


class _IDXImages(Dataset):
    """Grey images of 28x28 pixels with a label, padded to 32x32.

    ``official`` verifies the four files that were published. ``own`` reads any files of the same names in the
    same format, those of ``t10k`` only if they are there, and verifies nothing.
    """

    files: ClassVar[dict[str, PackedFile]]
    classes: ClassVar[Factor]
    image_shape = (1, PADDED, PADDED)
    sources = ("official", "own")

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        super().__init__(source, data_dir, **values)
        self._parts = self._find_parts()
        self._states = self._describe_files()
        labels = [read_idx(labels, LABELS) for _, labels in self._parts]
        self._check_labels(labels)
        self.labels = Labels([self.classes], np.concatenate(labels).astype(np.int64)[:, None])
        self.count = len(self.labels)
        if self.count < 2:
            raise InputError(
                f"a dataset needs two images, but '{self._parts[0][0]}' and its like hold {self.count}."
            )
        if self.source == "official":
            digests = [file.packed.digests["md5"] for file in self.files.values()]
            self.fingerprint = "md5:" + hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16]
        else:
            content = hashlib.sha256(self._read_pixels().tobytes())
            content.update(np.concatenate(labels).tobytes())
            self.fingerprint = f"sha256:{content.hexdigest()[:16]}"

    def _find_parts(self) -> list[tuple[Path, Path]]:
        """Find the files of images and of labels, in order.

        Raises:
            InputError: one is missing, or is not the official one.
        """
        found: dict[str, Path] = {}
        for name, file in self.files.items():
            there = file.find(self.data_dir)
            if there is not None and self.source == "official":
                _verify(file.identify(there[1]), there[1])
            if there is not None:
                found[name] = there[1]
            elif self.source == "official" or name.startswith(PARTS[0]):
                raise archives.missing(file.packed, self.data_dir)
        pairs = [(f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte") for part in PARTS]
        for pair in pairs:
            lacking = [name for name in pair if name not in found]
            if len(lacking) == 1:
                raise archives.missing(self.files[lacking[0]].packed, self.data_dir)
        return [(found[images], found[labels]) for images, labels in pairs if images in found]

    def _check_labels(self, labels: list[np.ndarray]) -> None:
        for (_, path), some in zip(self._parts, labels, strict=True):
            if len(some) and some.max() >= self.classes.size:
                raise InputError(
                    f"'{path}' must hold labels from 0 to {self.classes.size - 1}, but that of image "
                    f"{int(some.argmax())} is {some.max()}."
                )

    def _read_pixels(self) -> np.ndarray:
        """Read uint8 ``[N, 28, 28]``.

        Raises:
            InputError: the images have another size, are not as many as the labels, or a file has changed
                since the labels were read.
        """
        parts = []
        for path, labels in self._parts:
            images, count = read_idx(path, IMAGES), len(read_idx(labels, LABELS))
            if images.shape[1:] != (SIDE, SIDE):
                raise InputError(
                    f"'{path}' must hold images of {SIDE}x{SIDE} pixels, but theirs are "
                    f"{images.shape[1]}x{images.shape[2]}."
                )
            if len(images) != count:
                raise InputError(
                    f"'{path}' holds {len(images):,} images, but '{labels.name}' has {count:,} labels: files "
                    "of train and t10k may have been exchanged."
                )
            parts.append(images)
        changed = [path for path, state in self._describe_files().items() if state != self._states[path]]
        if changed:
            raise InputError(f"'{changed[0]}' has changed since {self.name} was loaded: load it again.")
        return np.concatenate(parts)

    def _describe_files(self) -> dict[Path, str]:
        return {path: archives.describe_state(path) for part in self._parts for path in part}

    def build(self) -> dict[str, torch.Tensor]:
        import torch

        return {"pixels": torch.from_numpy(self._read_pixels())}

    def draw(self, indices: torch.Tensor) -> torch.Tensor:
        from torch.nn.functional import pad

        images = self.tables["pixels"].index_select(0, indices)[:, None]
        edge = (PADDED - SIDE) // 2
        return pad(images, (edge, edge, edge, edge))


def _verify(archive: Archive, path: Path) -> None:
    """Verify an official file; say which other one it is, if it is known.

    Raises:
        InputError: it is another file.
    """
    try:
        archives.verify_once(archive, path)
    except InputError as error:
        try:
            with path.open("rb") as file:  # which may be of any size
                found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except OSError:
            raise error from None
        for one in (
            other for kind in (MNIST, FashionMNIST) for file in kind.files.values() for other in file
        ):
            if found in one.digests.values():
                raise InputError(
                    f"'{path}' is {one.file} of {one.dataset}, not {archive.file} of {archive.dataset}: keep "
                    f"the files of each in a folder of its own, {archive.folders[0]} for these."
                ) from None
        own = (", or read files of your own with ", Option("source", "own"), ".")
        raise InputError(str(error).rstrip("."), *own) from None


_OWN = "{} was read from files that need not be the official ones: nothing verified them."


class MNIST(_IDXImages):
    """Handwritten digits: 60,000 for training, then 10,000 for tests (LeCun et al. 1998).

    The 28x28 pixels are padded to 32x32. The digit is scored as a factor.
    """

    name = "mnist"
    contents = ("70,000 images 1x32x32", "digit 10 (a label)")
    caveat: ClassVar[dict[str, str]] = {"own": _OWN.format("MNIST")}
    classes = Factor("digit", 10, tuple(range(10)), "categorical")
    files = list_packed(
        "mnist",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "none stated by the authors",
        ("mnist", "MNIST/raw", "MNIST"),
        {
            "train-images-idx3-ubyte": (
                12_000_000,
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "6bbc9ace898e44ae57da46a324031adb",
            ),
            "train-labels-idx1-ubyte": (
                60_000,
                "d53e105ee54ea40749a09fcbcd1e9432",
                "a25bea736e30d166cdddb491f175f624",
            ),
            "t10k-images-idx3-ubyte": (
                3_000_000,
                "9fb629c4189551a2d022fa330f9573f3",
                "2646ac647ad5339dbf082846283269ea",
            ),
            "t10k-labels-idx1-ubyte": (
                10_008,
                "ec29112dd5afa0611ce80d1b7f02629c",
                "27ae3e4e09519cfbb04c329615203637",
            ),
        },
    )
    archives = tuple(file.packed for file in files.values())


class FashionMNIST(_IDXImages):
    """Pieces of clothing: 60,000 for training, then 10,000 for tests (Xiao et al. 2017).

    The 28x28 pixels are padded to 32x32. The kind of clothing is scored as a factor.
    """

    name = "fashionmnist"
    contents = ("70,000 images 1x32x32", "kind 10 (a label)")
    caveat: ClassVar[dict[str, str]] = {"own": _OWN.format("FashionMNIST")}
    classes = Factor(
        "kind",
        10,
        (
            *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
            *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
        ),
        "categorical",
    )
    files = list_packed(
        "fashionmnist",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "MIT",
        ("fashionmnist", "FashionMNIST/raw", "FashionMNIST"),
        {
            "train-images-idx3-ubyte": (
                30_000_000,
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            ),
            "train-labels-idx1-ubyte": (
                60_000,
                "25c81989df183df01b3e8a0aad5dffbe",
                "9018921c3c673c538a1fc5bad174d6f9",
            ),
            "t10k-images-idx3-ubyte": (
                6_000_000,
                "bef4ecab320f06d8554ea6380940ec79",
                "8181f5470baa50b63fa0f6fddb340f0a",
            ),
            "t10k-labels-idx1-ubyte": (
                10_008,
                "bb300cfdad3c16e7a12a480ee83cd310",
                "15d484375f8d13e6eb1aabb0c3f46965",
            ),
        },
    )
    archives = tuple(file.packed for file in files.values())
