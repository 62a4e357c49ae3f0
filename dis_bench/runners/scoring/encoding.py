"""Encode a dataset with any encoder: the codes and factors that metrics score."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dis_bench.bars import bar
from dis_bench.datasets.dataset import Dataset
from dis_bench.errors import InputError, blaming, describe, shown
from dis_bench.metrics.inputs import check_codes, check_log_variances, read_array
from dis_bench.paths import check_path
from dis_bench.registry import import_target
from dis_bench.runners.scoring.rows import ROWS, draw_rows, read_factors

BATCH = 256
LOST = 1e-3  # of a code's spread: the most by which rounding may change it
JITTER = 1e-12  # of a code's size: one that varies by less is constant, up to the arithmetic that made it


def load_encoders(name: str) -> list[Callable[[Any], Any]]:
    """Load the encoders named by ``path/file.py:function`` or ``module:function``.

    A list of encoders, such as one for each seed, is loaded as several.

    Raises:
        InputError: it cannot be found, or is not callable.
    """
    if ":" not in name:
        raise InputError(
            f"an encoder is named as file.py:function or module:function, but '{name}' was given."
        )
    encoder = import_target("encoder", name)
    several = list(encoder) if isinstance(encoder, (list, tuple)) else [encoder]
    if not several:
        raise InputError(f"the list of encoders '{name}' is empty.")
    for one in several:
        check_encoder(f"the encoder '{name}'", one)
    return several


def check_encoder(what: str, encoder: Any) -> None:
    """Check that an encoder can be called.

    Raises:
        InputError: it cannot, or is a class.
    """
    if not callable(encoder):
        raise InputError(f"{what} cannot be called: it is a {type(encoder).__name__}.")
    if isinstance(encoder, type):
        raise InputError(f"{what} is a class: name a function, or an instance of the class.")


class Encoded(NamedTuple):
    """An encoded sample of a dataset.

    Attributes:
        codes: [N, D].
        factors: classes int64 [N, F] of the same rows; None if the dataset has none.
        log_variances: of the posteriors [N, D], if the encoder gives them.
    """

    codes: np.ndarray
    factors: np.ndarray | None
    log_variances: np.ndarray | None


def encode_dataset(
    encode: Callable[[Any], Any], dataset: Dataset, rows: int = ROWS, batch: int = BATCH
) -> Encoded:
    """Encode a random sample of a dataset, once, for all metrics.

    Args:
        encode: takes a uint8 tensor [B, C, H, W] with the dataset's own pixel values, and returns codes
            [B, D] as a tensor or an array, or a tuple of means and log-variances [B, D]. A
            ``torch.nn.Module`` takes floats in [0, 1] instead, on its device and in its precision; it runs in
            evaluation mode, and its former mode is restored.
        dataset: the dataset to encode.
        rows: size of the sample, drawn with seed 0 without replacement: the rows on which runs are scored.
        batch: images per call.

    Raises:
        InputError: the encoder fails, or returns something other than finite numbers [B, D].
    """
    import torch

    indices = draw_rows(dataset, rows)
    codes: list[np.ndarray] = []
    log_variances: list[np.ndarray] = []
    progress = bar(total=len(indices), desc="encode", unit="image", leave=True)
    with torch.no_grad(), progress, _taking_bytes(encode, dataset) as take:
        for some in torch.from_numpy(indices).split(batch):
            images = dataset.images(some)
            both = _encode(take, images)
            for parts, part in zip((codes, log_variances), both, strict=False):
                # A copy: the next call may change what this one gave.
                parts.append(read_array("codes of the encoder", part).copy())
                _check(parts[-1], some, codes[0])
            if log_variances and len(log_variances) != len(codes):
                raise InputError("the encoder must return log-variances for all images, or for none.")
            progress.update(len(some))
    with blaming("the dataset cannot give its factors"):
        factors = read_factors(dataset, indices)
    return Encoded(np.concatenate(codes), factors, np.concatenate(log_variances) if log_variances else None)


@contextmanager
def _taking_bytes(encode: Callable[[Any], Any], dataset: Dataset) -> Iterator[Callable[[Any], Any]]:
    """Yield an encoder of uint8 images, which converts them if it is a network.

    A network gets floats in [0, 1], and is in evaluation mode in this block.
    """
    import torch

    if not isinstance(encode, torch.nn.Module):
        yield encode
        return
    weight = next((p for p in encode.parameters() if p.is_floating_point()), torch.empty(0))
    modes = {module: module.training for module in encode.modules()}
    encode.eval()
    try:
        yield lambda images: encode((images / dataset.pixel_max).to(weight.device, weight.dtype))
    finally:
        for module, training in modes.items():
            module.training = training


def _encode(encode: Callable[[Any], Any], images: Any) -> tuple[Any, ...]:
    """Encode images to codes, or to codes and log-variances, not checked yet."""
    with blaming(f"the encoder failed on {list(images.shape)} images"):
        codes = encode(images)
    if codes is None:
        raise InputError("the encoder must return codes, but it returned None.")
    if isinstance(codes, tuple) and len(codes) == 2 and all(np.ndim(part) == 2 for part in codes):
        return codes
    if isinstance(codes, tuple) and len(codes) != len(images):
        raise InputError(
            "the encoder must return codes, or a tuple of means and log-variances [B, D], but it returned a "
            f"tuple of {len(codes)}: wrap it in a function that picks from them."
        )
    return (codes,)


def _check(codes: np.ndarray, indices: Any, first: np.ndarray) -> None:
    """Check that codes are finite numbers [B, D], with the D of the first batch."""
    if codes.dtype.kind not in "fiub":
        kind = shown(str(codes.dtype))[1:-1]
        raise InputError(f"the encoder must return numbers, but it returned an array of {kind}.")
    if codes.ndim != 2 or codes.size == 0 or codes.shape != (len(indices), *first.shape[1:]):
        raise InputError(
            f"the encoder must return codes [{len(indices)}, D], with the same D for all images, but it "
            f"returned an array {list(codes.shape)}."
        )
    bad = np.argwhere(~np.isfinite(codes))
    if len(bad):
        row, code = bad[0]
        raise InputError(
            f"the encoder must return finite numbers, but code {code} of image {int(indices[row])} is "
            f"{codes[row, code]}."
        )


def read_codes(path: str | Path, needs_factors: bool = True) -> dict[str, np.ndarray]:
    """Read ``codes``, ``factors`` and any ``log_variances`` from an npz file.

    Args:
        path: the file.
        needs_factors: whether the file must have factors.

    Returns:
        Arrays by name: codes [N, D], factors [N, F], log-variances [N, D], as far as the file has them.

    Raises:
        InputError: the file is missing or not an npz file, holds objects (which would be pickles), or lacks
            an array.
    """
    path = check_path("the file of codes", path)
    if not path.is_file():
        raise InputError(f"there is no file '{path}'.")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"'{path}' is not a complete npz file; make one with "
            "np.savez('codes.npz', codes=..., factors=...)."
        )
    arrays, names = {}, []
    try:
        with np.load(path, allow_pickle=False) as file:
            names = list(file.files)
            for name in set(names) & {"codes", "factors", "log_variances"}:
                arrays[name] = file[name]
    except Exception as error:  # zip, zlib and npy headers each have their own errors
        raise InputError(f"'{path}' cannot be read as plain arrays: {describe(error)}.") from None
    for name in ("codes", "factors") if needs_factors else ("codes",):
        if name not in arrays:
            raise InputError(f"'{path}' has no array '{name}'; it has: {', '.join(names) or 'none'}.")
    return arrays


def round_codes(codes: Any, log_variances: Any = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Round codes and log-variances [N, D] to float32, in which records keep them.

    Raises:
        InputError: they cannot be scored, or a code varies by less than float32 can tell apart.
    """
    given = check_codes(codes)
    variances = None if log_variances is None else check_log_variances(log_variances, given.shape)
    rounded = given.astype(np.float32)
    spread = given.max(0, initial=-np.inf) - given.min(0, initial=np.inf)
    size = np.abs(given).max(0, initial=0)
    lost = np.abs(rounded - given).max(0, initial=0)
    bad = np.flatnonzero((lost > LOST * spread) & (spread > JITTER * size))
    if len(bad):
        raise InputError(
            f"codes are kept in float32, which cannot tell apart all values of code {bad[0]}: it varies by "
            f"{spread[bad[0]]:.3g}, at a size of {size[bad[0]]:.3g}; subtract a constant or multiply by one."
        )
    return rounded, None if variances is None else variances.astype(np.float32)
