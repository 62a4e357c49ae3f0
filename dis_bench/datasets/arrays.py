"""Datasets of images that a script already has: tensors, arrays, and torch's datasets."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dis_bench.bars import bar
from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.labels import Labels, make_labels
from dis_bench.datasets.photos import flatten
from dis_bench.datasets.titles import check_title
from dis_bench.errors import InputError, describe, shown
from dis_bench.neutral import neutral
from dis_bench.requirements import names_missing_packages

if TYPE_CHECKING:
    import torch

_PLAIN = ("1", "L", "RGB", "F")  # modes of Pillow whose numbers are taken as they are

CHUNK = 1024  # images that are converted to bytes at a time, in doubles


class ArrayImages(Dataset):
    """Images in memory, as :func:`dataset_from` makes them.

    Args:
        images: uint8 ``[N, C, H, W]``, on the CPU.
        labels: of the images, or None.
        name: name of the dataset; by default one of its fingerprint.
        pixel_max: the value of a white pixel, 255 or 1.
    """

    name = "images"
    sources = ("memory",)
    contents = ("those that a script has", "labels, if there are any")

    def __init__(
        self,
        images: torch.Tensor,
        labels: Labels | None = None,
        name: str | None = None,
        pixel_max: int = 255,
    ) -> None:
        super().__init__()
        self.pixel_max = pixel_max
        self._images = images
        self.labels = labels
        self.count = len(images)
        channels, height, width = images.shape[1:]
        self.image_shape = (channels, height, width)
        digest = hashlib.sha256(str(list(images.shape)).encode())
        for block in images.split(4096):
            digest.update(block.contiguous().numpy().data)
        if labels is not None:
            digest.update(labels.fingerprint.encode())
        if pixel_max != 255:
            digest.update(f"pixel_max {pixel_max}".encode())
        self.fingerprint = f"sha256:{digest.hexdigest()[:16]}"
        self.name = name or f"{type(self).name}-{digest.hexdigest()[:8]}"

    def build(self) -> dict[str, torch.Tensor]:
        return {"images": self._images}

    def draw(self, indices: torch.Tensor) -> torch.Tensor:
        return self.tables["images"].index_select(0, indices)


@names_missing_packages
@neutral()
def dataset_from(
    images: Any,
    labels: Any = None,
    *,
    label_names: Sequence[str] | None = None,
    name: str | None = None,
) -> ArrayImages:
    """Make a dataset of images in memory, for a study or for scoring.

    Args:
        images: a tensor or an array, ``[N, C, H, W]``, ``[N, H, W, C]`` or ``[N, H, W]``, of bytes or of
            floats in [0, 1], which are rounded to bytes; or a torch dataset that gives such images, or
            Pillow's, one by one, alone or as the first of a tuple. C is 1 or 3. White is 255; or 1, if all
            are whole numbers, none of them above 1, and not all 0.
        labels: whole numbers or texts ``[N]`` or ``[N, F]``; by default those that a torch dataset gives in
            second place, if they are a whole number or F of them for every image. False ignores these.
        label_names: names of the F labels.
        name: name of the dataset in tables; by default one of its fingerprint, a hash of images and labels.

    Returns:
        A dataset for ``Study(datasets=[...])``.

    Raises:
        InputError: the images are not numbers of such a shape and range, differ in shape, or are fewer than
            two; or the labels do not fit.

    >>> import numpy as np
    >>> dataset = dataset_from(np.zeros((4, 28, 28), np.uint8), labels=[3, 1, 3, 1], name="mine")
    >>> dataset
    ArrayImages(source='memory', Labels(label 2))
    >>> dataset.images([0]).shape, dataset.factors([0, 1]).tolist()
    (torch.Size([1, 1, 28, 28]), [[1], [0]])
    """
    if name is not None:
        check_title("the name of a dataset", name)
    own: list[Any] | None = None
    is_list = isinstance(images, (list, tuple)) and not any(map(_is_picture, images))
    is_array = hasattr(images, "shape") or is_list or isinstance(images, str)
    if not is_array and hasattr(images, "__getitem__") and hasattr(images, "__len__"):
        pixels, own, is_whole = _gather(images)
    else:
        pixels, is_whole = _read(images)
    if len(pixels) < 2:
        raise InputError(f"a dataset needs two images, but {len(pixels)} was given.")
    if labels is None and own is not None:
        labels = own
    made = None if labels is None or labels is False else make_labels(labels, len(pixels), label_names)
    if made is None and label_names is not None:
        raise InputError(f"label_names {shown(label_names)} were given, but no labels.")
    return ArrayImages(pixels, made, name, 1 if is_whole and int(pixels.max()) == 1 else 255)


def _gather(dataset: Any) -> tuple[torch.Tensor, list[Any] | None, bool]:
    """Read all images of a torch dataset, and the labels that it gives with them.

    Returns:
        The images, the labels, and whether all images are whole numbers.
    """
    import torch

    parts: list[torch.Tensor] = []
    labels: list[Any] = []
    are_whole = True
    for index in bar(range(len(dataset)), "reading images", unit=" images"):
        try:
            item = dataset[index]
        except Exception as error:  # another author's code may raise anything
            raise InputError(f"the dataset fails on image {index}: {describe(error)}.") from error
        first, *rest = item if isinstance(item, (tuple, list)) else (item,)
        image, is_whole = _read_one(first, index)
        are_whole = are_whole and is_whole
        if parts and image.shape != parts[0].shape:
            raise InputError(
                f"all images must have one shape, but image 0 has {list(parts[0].shape)} and image {index} "
                f"{list(image.shape)}."
            )
        parts.append(image)
        if rest and _is_label(rest[0]):
            labels.append(np.asarray(rest[0]))
    if not parts:
        raise InputError("a dataset needs two images, but none was given.")
    are_alike = len({label.shape for label in labels}) == 1
    return torch.stack(parts), labels if len(labels) == len(parts) and are_alike else None, are_whole


def _is_label(value: Any) -> bool:
    """Return True for a whole number, or an array of one for each factor."""
    kind = str(getattr(value, "dtype", type(value).__name__))
    return "int" in kind and len(getattr(value, "shape", ())) <= 1


def _read_one(image: Any, index: int) -> tuple[torch.Tensor, bool]:
    """Convert a tensor, an array or Pillow's image to bytes [C, H, W], as `_read`."""
    try:
        array = _read_picture(image) if _is_picture(image) else image
        array = array if hasattr(array, "dtype") else np.asarray(array)
        pixels, is_whole = _read(array[None])
        return pixels[0], is_whole
    except InputError as error:
        raise error.prefixed(f"image {index}: ") from None
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        raise InputError(f"image {index} cannot be read: {describe(error)}.") from None


def _read_picture(image: Any) -> np.ndarray:
    """Convert Pillow's image to an array [H, W], or [3, H, W] in colours."""
    if not _is_numbers(image) and (image.mode not in _PLAIN or "transparency" in image.info):
        image = flatten(image)
    array = np.asarray(image)
    return array.transpose(2, 0, 1) if array.ndim == 3 else array


def _is_numbers(image: Any) -> bool:
    """Return True for whole numbers from no file; a file would tell their depth."""
    return bool(image.mode == "I" and image.format is None)


def _is_picture(image: Any) -> bool:
    # A caller with one of Pillow's images has imported Pillow.
    return "PIL.Image" in sys.modules and isinstance(image, sys.modules["PIL.Image"].Image)


def _read(images: Any) -> tuple[torch.Tensor, bool]:
    """Convert images to bytes [N, C, H, W], and say if they are whole numbers."""
    import torch

    wanted = "images must be a tensor or an array [N, C, H, W], [N, H, W, C] or [N, H, W]"
    try:
        is_tensor = isinstance(images, torch.Tensor)
        tensor = _copy_tensor(images) if is_tensor else torch.from_numpy(_copy_array(images))
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{wanted}, but {shown(images)} was given.") from None
    if tensor.dim() == 3:
        tensor = tensor[:, None]
    if tensor.dim() != 4 or 0 in tensor.shape[1:]:
        raise InputError(f"{wanted}, but one {list(tensor.shape)} was given.")
    if tensor.shape[1] not in (1, 3) and tensor.shape[3] in (1, 3):
        tensor = tensor.permute(0, 3, 1, 2)
    if tensor.shape[1] not in (1, 3):
        raise InputError(f"{wanted} with 1 or 3 channels C, but one {list(tensor.shape)} was given.")
    is_whole = tensor.dtype != torch.bool and not tensor.is_floating_point()
    return _to_bytes(tensor).contiguous(), is_whole


def _copy_tensor(images: torch.Tensor) -> torch.Tensor:
    """Copy numbers of any kind to memory, in a type that torch can compare."""
    import torch

    tensor = images.detach().to_dense().cpu()
    if tensor.is_complex():
        raise TypeError(tensor.dtype)
    if tensor.is_quantized:
        return tensor.dequantize()
    if tensor.is_floating_point():
        return tensor.float() if tensor.itemsize == 1 else tensor.clone()
    return tensor.long() if tensor.dtype in (torch.uint16, torch.uint32, torch.uint64) else tensor.clone()


def _copy_array(images: Any) -> np.ndarray:
    """Copy numbers to an array of a type that torch has too."""
    array = np.asarray(images)
    if np.ma.is_masked(images) or array.dtype.kind not in "buif":
        raise TypeError(array.dtype)
    is_wide = array.dtype.kind == "u" and array.itemsize > 1
    return np.array(array, np.int64 if is_wide else array.dtype.newbyteorder("="), order="C")


def _to_bytes(tensor: torch.Tensor) -> torch.Tensor:
    """Convert bytes, bits, or floats in [0, 1] to bytes.

    Raises:
        InputError: values are out of range.
    """
    import torch

    if tensor.dtype == torch.uint8:
        return tensor
    if tensor.dtype == torch.bool:
        return tensor.to(torch.uint8) * 255
    if not len(tensor):
        return tensor.to(torch.uint8)
    low, high = float(tensor.min()), float(tensor.max())
    if tensor.is_floating_point():
        if not 0 <= low <= high <= 1:  # False for NaN as well
            raise InputError(
                f"images of floats must be in [0, 1], but these are from {low:g} to {high:g}: undo their "
                "normalisation, or give bytes."
            )
        found = torch.empty(tensor.shape, dtype=torch.uint8)
        for some, given in zip(found.split(CHUNK), tensor.split(CHUNK), strict=True):
            some.copy_((given.double() * 255).round())
        return found
    if not 0 <= low <= high <= 255:
        raise InputError(
            f"images of whole numbers must be in [0, 255], but these are from {low:g} to {high:g}."
        )
    return tensor.to(torch.uint8)
