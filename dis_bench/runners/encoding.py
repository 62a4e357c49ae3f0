"""Anybody's encoder on a dataset: the table of codes and factors that metrics score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dis_bench.datasets.dataset import Dataset
from dis_bench.errors import InputError
from dis_bench.registry import import_target
from dis_bench.runners.evaluation import ROWS, draw_rows

BATCH = 256


def load_encoder(name: str) -> Callable[[Any], Any]:
    """The encoder that ``path/file.py:function`` or ``module:function`` names.

    Raises:
        InputError: there is none, or it cannot be called.
    """
    if ":" not in name:
        raise InputError(
            f"an encoder is named by file.py:function or module:function, but '{name}' was given."
        )
    encoder = import_target("encoder", name)
    if not callable(encoder):
        raise InputError(f"the encoder '{name}' cannot be called: it is a {type(encoder).__name__}.")
    return encoder


def encode_dataset(
    encode: Callable[[Any], Any], dataset: Dataset, rows: int = ROWS, batch: int = BATCH
) -> tuple[np.ndarray, np.ndarray]:
    """Encode a random sample of a dataset, once, for all metrics.

    Args:
        encode: takes a uint8 tensor [B, C, H, W] with the dataset's own pixel values, returns codes [B, D]
            as a tensor or an array.
        dataset: what to encode.
        rows: the size of the sample, drawn by seed 0 without replacement: the rows on which runs are scored.
        batch: images per call.

    Returns:
        Codes [N, D] and factor classes int64 [N, F].

    Raises:
        InputError: the encoder fails, or returns something other than finite numbers [B, D].
    """
    import torch
    from tqdm import tqdm

    indices = draw_rows(dataset, rows)
    codes: list[np.ndarray] = []
    with torch.no_grad(), tqdm(total=len(indices), desc="encode", unit="image", delay=2, disable=None) as bar:
        for some in torch.from_numpy(indices).split(batch):
            codes.append(_check(encode, dataset.images(some), width=codes[0].shape[1] if codes else None))
            bar.update(len(some))
    return np.concatenate(codes), np.asarray(dataset.factors(indices))


def _check(encode: Callable[[Any], Any], images: Any, width: int | None) -> np.ndarray:
    try:
        codes = encode(images)
    except Exception as error:  # a stranger's code may raise anything
        shape = tuple(images.shape)
        raise InputError(
            f"the encoder failed on images {shape}, uint8: {type(error).__name__}: {error}"
        ) from error
    codes = np.asarray(codes.detach().float().cpu() if hasattr(codes, "detach") else codes)
    if codes.ndim != 2 or len(codes) != len(images) or (width is not None and codes.shape[1] != width):
        wanted = f"[{len(images)}, {'D' if width is None else width}]"
        raise InputError(f"the encoder must return codes {wanted}, but it returned {list(codes.shape)}.")
    if codes.dtype.kind not in "fiu" or not np.isfinite(codes).all():
        raise InputError(
            "the encoder must return finite numbers, but it returned NaN, infinity or no numbers."
        )
    return codes


def read_codes(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file: ``codes`` [N, D], ``factors`` [N, F], and ``log_variances`` if it is there.

    Raises:
        InputError: no such file, no npz, a pickle in it, or an array is missing.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if not hasattr(file, "files"):
                raise InputError(
                    f"'{path}' holds one array; save two: np.savez(path, codes=..., factors=...)."
                )
            arrays = {
                name: file[name] for name in ("codes", "factors", "log_variances") if name in file.files
            }
            names = list(file.files)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"there is no file '{path}'.") from None
    except Exception as error:  # zip, zlib, npy headers: each has its own errors
        raise InputError(f"'{path}' cannot be read as npz without pickle ({error}).") from None
    for name in ("codes", "factors"):
        if name not in arrays:
            raise InputError(f"'{path}' has no array '{name}'; it has: {', '.join(names) or 'none'}.")
    return arrays
