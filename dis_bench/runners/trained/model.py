"""A trained model: its networks, ready to encode, decode, traverse, sample and score."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from dis_bench.errors import InputError, shown
from dis_bench.metrics.inputs import check_count
from dis_bench.models.model import Model
from dis_bench.neutral import neutral
from dis_bench.records.cell import name_cell
from dis_bench.records.columns import KL_PER_LATENT
from dis_bench.records.schema import Record
from dis_bench.runners import passes
from dis_bench.runners.device import computing
from dis_bench.runners.passes import BATCH
from dis_bench.runners.trained.interpolation import interpolate

if TYPE_CHECKING:
    import pandas as pd

    from dis_bench.datasets.dataset import Dataset

VALUES = 21  # of a traversed latent
MOST_SAMPLES = 10_000
LARGEST_SEED = 2**64 - 1  # that torch accepts
MOST_SLIDERS = 24  # in a notebook: latents by falling KL


@dataclass(frozen=True, repr=False)
class TrainedModel:
    """A trained model of a result folder, from :func:`dis_bench.load`.

    It computes in fp32, as when its codes were scored. Images are uint8 tensors or arrays [B, C, H, W] with
    the dataset's own pixel values; decoded images are floats in [0, 1].

    Attributes:
        record: the record of its cell, as docs/results.md describes it.
        model: the objective, with its hyperparameters.
        networks: the trained networks, in evaluation mode.
    """

    record: Record
    model: Model
    networks: nn.Module
    _dataset: Dataset | partial[Dataset]

    @property
    def device(self) -> torch.device:
        """The device of the networks."""
        tensors = [*self.networks.parameters(), *self.networks.buffers()]
        return tensors[0].device if tensors else torch.device("cpu")

    @property
    def latent_size(self) -> int:
        """Number of latents D; that of pixels if codes are as wide as images."""
        return int(self.record["cell"]["latent_size"]) or math.prod(self.image_shape)

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset that it was trained on, on the same device.

        Raises:
            InputError: it is not installed and was not given to ``load``, or it has changed.
        """
        made: Any = self._dataset
        return (made() if isinstance(made, partial) else made).to(self.device)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape (C, H, W) of the images that it takes."""
        return tuple(self.record["images"]["shape"])

    @property
    def pixel_max(self) -> float:
        """The value of a white pixel in its dataset."""
        return float(self.record["images"]["pixel_max"])

    @property
    def kl_per_latent(self) -> list[float] | None:
        """KL of each latent in nats, from the record; None without a posterior."""
        return self.record["evaluation"].get(KL_PER_LATENT)

    @property
    def order(self) -> list[int]:
        """The latents by falling KL; in their own order without a KL."""
        kl = self.kl_per_latent
        if kl is None:
            return [*range(self.latent_size)]
        latents: list[int] = np.argsort(-np.asarray(kl), kind="stable").tolist()
        return latents

    def encode(self, images: Any) -> Tensor:
        """Encode images [B, C, H, W] to codes [B, D], the means of any posteriors.

        Raises:
            InputError: the images are not uint8, or have another shape or larger values than the dataset's.
        """
        return self.posterior(images)[0]

    @neutral()
    @torch.no_grad()
    def posterior(self, images: Any) -> tuple[Tensor, Tensor | None]:
        """Encode images to codes and log-variances [B, D], None without posteriors.

        Raises:
            InputError: as for :meth:`encode`.
        """
        pixels = self._read_images(images).float() / self.pixel_max
        codes, log_variances = [], []
        with self._computing():
            for some in pixels.split(BATCH[self.device.type]):
                means, variances = passes.encode(self.model, self.networks, some)
                codes.append(means)
                if variances is not None:
                    log_variances.append(variances)
        return torch.cat(codes), torch.cat(log_variances) if log_variances else None

    @neutral()
    @torch.no_grad()
    def decode(self, codes: Any) -> Tensor:
        """Decode codes [B, D] to images [B, C, H, W] in [0, 1].

        Raises:
            InputError: the model has no decoder, or the codes are not finite numbers [B, D].
        """
        codes, logits = self._read_codes(codes), []
        with self._computing():
            for some in codes.split(BATCH[self.device.type]):
                part = passes.decode(self.model, self.networks, some)
                if part is not None:
                    logits.append(part)
        if not logits:
            raise InputError(f"model '{self.model.name}' has no decoder, so it makes no images.")
        return torch.sigmoid(torch.cat(logits))

    def reconstruct(self, images: Any) -> Tensor:
        """Decode the codes of images [B, C, H, W]; floats of the same shape in [0, 1].

        Raises:
            InputError: as for :meth:`encode` and :meth:`decode`.
        """
        return self.decode(self.encode(images))

    def traverse(
        self, image: Any, latent: int | Sequence[int] | None = None, values: Sequence[float] | None = None
    ) -> Tensor:
        """Decode the code of an image while one latent takes each of some values.

        Args:
            image: a uint8 image [C, H, W], or a code [D] of floats.
            latent: its number, or several; by default all, in :attr:`order`.
            values: V values; by default 21 from -3 to 3, or from -1 to 1 if the prior is uniform.

        Returns:
            Images [V, C, H, W] in [0, 1] for a single latent; [L, V, C, H, W] for several.

        Raises:
            InputError: there is no such latent, or as for :meth:`encode` and :meth:`decode`.
        """
        code = self._read_code(image)
        latents = self.order if latent is None else _read_latents(latent, len(code))
        given = _read_values(self._values if values is None else values).to(code)
        codes = code.repeat(len(latents), len(given), 1)
        for row, one in enumerate(latents):
            codes[row, :, one] = given
        images = self.decode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
        return images if latent is None or np.ndim(latent) else images[0]

    def interpolate(self, first: Any, last: Any, steps: int = 9, path: str = "linear") -> Tensor:
        """Decode codes on a path between those of two images.

        Args:
            first: a uint8 image [C, H, W], or codes [D] of floats.
            last: likewise.
            steps: number of images, with both ends.
            path: ``linear``, or ``spherical`` (Shoemake 1985), whose codes keep their distance from the
                origin where the ends agree in it.

        Returns:
            Images [steps, C, H, W] in [0, 1].

        Raises:
            InputError: there is no such path, or as for :meth:`encode` and :meth:`decode`.
        """
        check_count("steps", steps, least=2, most=MOST_SAMPLES)
        return self.decode(interpolate(self._read_code(first), self._read_code(last), int(steps), path))

    def sample(self, count: int, seed: int = 0) -> Tensor:
        """Decode codes drawn from the model's prior.

        Args:
            count: number of images N.
            seed: seed of the draws, which are the same on every device.

        Returns:
            Images [N, C, H, W] in [0, 1].

        Raises:
            InputError: the model has no prior, so that nothing says where its codes lie; or no decoder.
        """
        check_count("count", count, least=1, most=MOST_SAMPLES)
        check_count("seed", seed, least=0, most=LARGEST_SEED)
        size, generator = (int(count), self.latent_size), torch.Generator().manual_seed(int(seed))
        if self.kl_per_latent is not None:
            return self.decode(torch.randn(size, generator=generator))
        if self.model.prior == "uniform":
            return self.decode(2 * torch.rand(size, generator=generator) - 1)
        raise InputError(
            f"model '{self.model.name}' has no prior to draw codes from; decode codes of your own with "
            "decode(codes)."
        )

    def score(self, metrics: Iterable[Any] | None = None) -> pd.Series:
        """Encode the rows that were scored again, and score them with the same seed.

        On the machine that wrote the record, the scores equal the kept ones to the last digit.

        Args:
            metrics: names or functions, with their defaults; by default those of the record, with its
                protocol.

        Returns:
            Scores by name.

        Raises:
            InputError: the dataset is not available, or a metric cannot score it.
        """
        from dis_bench.runners.trained.scoring import score_again

        return score_again(self.record, self.dataset, self.posterior, metrics)

    def __repr__(self) -> str:
        cell = self.record["cell"]
        size = f"{cell['steps']:,} steps, {self.latent_size} latents"
        return f"TrainedModel({name_cell(cell, str)}, {size})"

    def _repr_html_(self) -> str:
        """Return a page of sliders, one for each latent, that works offline."""
        from dis_bench.runners.trained.sliders import draw_page, draw_picture, draw_slider

        latents = self.order[:MOST_SLIDERS]
        code, originals, origin = self._choose_code()
        try:
            strips = self.traverse(code, latents)
        except InputError as error:
            return draw_page(repr(self), [str(error)], [])
        kl = self.kl_per_latent
        named = [f"latent {one}" + ("" if kl is None else f", {kl[one]:.2f} nats") for one in latents]
        pictures = [draw_picture(images, label) for label, images in originals.items()]
        sliders = [
            draw_slider(strip, label, self._values) for strip, label in zip(strips, named, strict=True)
        ]
        left = self.latent_size - len(latents)
        more = [f"{left} more latents: traverse(image, latent) decodes them."] if left else []
        return draw_page(repr(self), [origin, *more], pictures + sliders)

    @property
    def _values(self) -> np.ndarray:
        return np.linspace(-self.model.reach, self.model.reach, VALUES)

    def _choose_code(self) -> tuple[Tensor, dict[str, Tensor], str]:
        """Return the code of the dataset's first image, images to show, and a sentence."""
        try:
            image = self.dataset.images([0])
        except InputError:
            zeros = torch.zeros(self.latent_size)
            return zeros, {}, "Each slider varies one latent of the code 0, as the dataset is not available."
        said = "Each slider varies one latent of the code of image 0."
        return self.encode(image)[0], {"image 0": image / self.pixel_max}, said

    def _computing(self) -> Any:
        """Compute in fp32 with the kernels of the training, if they run here."""
        from dis_bench.nn.compiled import why_unavailable

        kernels = self.record["cell"]["kernels"]
        if kernels == "compiled" and (self.device.type != "cpu" or why_unavailable("fp32")):
            kernels = "torch"
        return computing("fp32", kernels)

    def _read_images(self, images: Any) -> Tensor:
        """Return uint8 images [B, C, H, W] on the device, after checks."""
        wanted = f"uint8 images [B, {', '.join(map(str, self.image_shape))}]"
        read = _as_tensor(images, wanted)
        if read.dtype != torch.uint8:
            kind = str(read.dtype).removeprefix("torch.")
            raise InputError(f"{wanted}, 0 to {self.pixel_max:g}, are needed, but {kind} was given.")
        read = read[None] if read.dim() == 3 else read
        if read.dim() != 4 or tuple(read.shape[1:]) != self.image_shape or not len(read):
            raise InputError(f"{wanted} are needed, but an array {list(read.shape)} was given.")
        brightest = int(read.max())
        if brightest > self.pixel_max:
            raise InputError(
                f"images of this dataset have values up to {self.pixel_max:g}, but {brightest} was given."
            )
        return read.to(self.device)

    def _read_codes(self, codes: Any) -> Tensor:
        wanted = f"codes [B, {self.latent_size}]"
        read = _as_tensor(codes, wanted)
        if read.dtype == torch.bool or read.is_complex():
            raise InputError(f"{wanted} must be numbers, but an array of {read.dtype} was given.")
        read = read[None] if read.dim() == 1 else read
        if read.dim() != 2 or read.shape[1] != self.latent_size or not len(read):
            raise InputError(f"{wanted} are needed, but an array {list(read.shape)} was given.")
        if not torch.isfinite(read).all():
            raise InputError(f"{wanted} must be finite, but some of these are not.")
        return read.to(self.device, torch.float32)

    def _read_code(self, given: Any) -> Tensor:
        """Return the code [D] of an image, or a code that was given as floats."""
        read = _as_tensor(given, f"a uint8 image {list(self.image_shape)} or a code [{self.latent_size}]")
        is_code = read.dtype != torch.uint8 and read.dim() == 1
        codes = self._read_codes(read) if is_code else self.encode(read)
        if len(codes) != 1:
            raise InputError(f"a single image is needed, but {len(codes)} were given.")
        return codes[0]


def _read_latents(given: Any, count: int) -> list[int]:
    """Return the numbers of latents, one or several."""
    read = _as_array(given)
    if read.dtype.kind not in "iu" or read.ndim > 1 or not read.size or read.min() < 0 or read.max() >= count:
        raise InputError(
            f"latent must be a number from 0 to {count - 1}, or a list of some, but {shown(given)} was given."
        )
    latents: list[int] = np.atleast_1d(read).tolist()
    return latents


def _read_values(given: Any) -> Tensor:
    """Return the values [V] that a latent takes."""
    read = _as_array(given)
    if read.dtype.kind not in "fiub" or read.ndim != 1 or not read.size:
        raise InputError(f"values must be a list of numbers, but {shown(given)} was given.")
    return torch.as_tensor(read.astype(float))


def _as_array(given: Any) -> np.ndarray:
    """Return an array of numbers; an empty one if there are no numbers in it."""
    try:
        return np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
    except Exception:  # numpy raises for lists of unequal lengths; other containers may raise anything
        return np.empty(0)


def _as_tensor(given: Any, wanted: str) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of arrays that it cannot write to, and nothing writes
        try:
            return torch.as_tensor(np.asarray(given) if isinstance(given, (list, tuple)) else given).detach()
        except Exception:
            raise InputError(f"{wanted} are needed, but {shown(given)} was given.") from None
