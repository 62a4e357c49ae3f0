"""A cell: one point of a study, and the hash of everything that determines its result."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dis_bench.records.schema import ENCODER

LONGEST_FOLDER = 100  # characters, and bytes: with any prefix and suffix a name still fits in 143

# Steps per cell in Locatello et al. 2019 (table 1); reports compare every other budget with it.
PUBLISHED_STEPS = 300_000

# The budget of a model that takes no steps, whatever the study's is: every study shares its cells.
NO_BUDGET: dict[str, Any] = {"steps": 0, "batch_size": 0, "lr": 0.0}

# Raise it whenever the same settings would give different numbers: finished cells then count as not done.
RECIPE = 3


EXTERNAL = "external"  # in place of an unknown source of factors or version of a model

# Fields that `auto` takes from the machine: the tasks of one study may run on different ones.
OF_MACHINE = ("precision", "kernels")

# Fields that the identity leaves out if they are empty.
OPTIONAL = (
    *("network_version", "holdout", "score_at", "schedules", "clip_norm", "lr_schedule", "early_stop"),
    *("dataset_parameters", "holdout_rule", "correlate"),
)


@dataclass(frozen=True)
class Cell:
    """One training: a dataset, a model with its hyperparameters, a budget, a seed.

    Attributes:
        dataset: the dataset as the user named it, so that it can be loaded again.
        source: ``rendered`` or ``official``.
        fingerprint: fingerprint of the dataset's pixels.
        dataset_version: version of the dataset's code.
        model: the model as the user named it.
        model_version: version of the model's code.
        hyperparameters: the objective's own, by name.
        network, likelihood, latent_size: the architecture; the network as the user named it, and a
            latent_size of 0 for a model whose codes are as wide as images.
        steps, batch_size, lr: the budget, 0 each for a model that takes no steps; the optimiser is Adam
            (0.9, 0.999, 1e-8).
        precision: ``fp32``, ``tf32`` or ``bf16``.
        kernels: kernels of the convolutions, ``compiled`` or ``torch``.
        seed: seed of the weights, the batches and the noise.
        network_version: version of the network's code; empty for dis-bench's own, which ``recipe`` covers.
        holdout: share of the images that are kept out of training; 0 trains on all.
        holdout_rule: the combinations of factor values that these are, such as ``shape=heart,scale<3``; empty
            if they are chosen by a hash of their index.
        correlate: pairs of factors by which images are drawn, such as ``floor_hue~scale:0.2``; empty draws
            uniformly.
        score_at: training steps after which codes are scored too, in ascending order.
        schedules: schedules of hyperparameters, as texts by name; ``hyperparameters`` has their end values.
        clip_norm: largest norm of each player's gradients; 0 does not clip them.
        lr_schedule: the rule by which learning rates fall, as a text; empty keeps them.
        early_stop: steps without a better held-out reconstruction that end the training; 0 takes all steps.
        dataset_parameters: values of the dataset's parameters that are not its defaults, as a text such as
            ``image_size=32``.
    """

    dataset: str
    source: str
    fingerprint: str
    dataset_version: str
    model: str
    model_version: str
    hyperparameters: dict[str, Any] = field(hash=False)
    network: str
    likelihood: str
    latent_size: int
    steps: int
    batch_size: int
    lr: float
    precision: str
    kernels: str
    seed: int
    network_version: str = ""
    holdout: float = 0.0
    score_at: tuple[int, ...] = ()
    schedules: dict[str, str] = field(default_factory=dict, hash=False)
    clip_norm: float = 0.0
    lr_schedule: str = ""
    early_stop: int = 0
    dataset_parameters: str = ""
    holdout_rule: str = ""
    correlate: str = ""

    def __hash__(self) -> int:
        # With the values of hyperparameters: in a grid of thousands, cells would otherwise all collide.
        return hash((self.dataset, self.model, self.seed, frozenset(self.given.items())))

    @property
    def adapts(self) -> bool:
        """True if held-out images decide about rates or the end; it is trained alone."""
        return bool(self.lr_schedule or self.early_stop)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that determines the result, as plain values."""
        identity = {**asdict(self), "optimiser": "adam", "recipe": RECIPE}
        identity["score_at"] = [*self.score_at]
        for name in OPTIONAL:  # cells without them keep their earlier hash
            if not identity[name]:
                del identity[name]
        return identity

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that differ if the identity does."""
        return hash_identity(self.identity)

    def hash_anywhere(self, chosen: Collection[str] = OF_MACHINE) -> str:
        """Return a hash that is the same on every machine that plans the cell.

        Args:
            chosen: the fields that were chosen for the machine.
        """
        return hash_identity({name: value for name, value in self.identity.items() if name not in chosen})

    @property
    def given(self) -> dict[str, Any]:
        """The model's arguments: hyperparameters, or the texts of their schedules."""
        return {**self.hyperparameters, **self.schedules}

    @property
    def label(self) -> str:
        """The cell in words, as :func:`name_cell` gives them."""
        return name_cell(vars(self))

    @property
    def images(self) -> str:
        """The images of the training in words, as :func:`name_images` gives them."""
        return name_images(vars(self))

    @property
    def folder(self) -> str:
        """A readable folder name, such as ``dsprites-betavae-beta4-seed0-1a2b3c4d5e6f``.

        It ends in the hash, is shortened before the hash if it is too long, and is valid on every system.
        """
        return _name_folder(self.label, self.hash)


@dataclass(frozen=True)
class EncoderCell:
    """A cell of an encoder that was trained elsewhere; its codes determine the result.

    Attributes:
        dataset: the dataset whose images were encoded, as the user named it.
        source: ``rendered`` or ``official``; ``external`` if only codes and factors are known.
        fingerprint: of the dataset's pixels, or of external factors.
        dataset_version: version of the dataset's code; empty for external factors.
        model: the encoder's name.
        latent_size: number of codes.
        seed: distinguishes trainings of one encoder.
        codes: SHA-256 of codes and log-variances.
    """

    dataset: str
    source: str
    fingerprint: str
    dataset_version: str
    model: str
    latent_size: int
    seed: int
    codes: str

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that determines the result, as plain values."""
        fixed = {"kind": ENCODER, "model_version": EXTERNAL, "hyperparameters": {}, "recipe": RECIPE}
        return {**asdict(self), **fixed}

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that differ if the identity does."""
        return hash_identity(self.identity)

    @property
    def label(self) -> str:
        """The cell in words: ``dsprites mine seed=0``."""
        return name_cell(self.identity)

    @property
    def folder(self) -> str:
        """A readable folder name that ends in the hash, as for :class:`Cell`."""
        return _name_folder(self.label, self.hash)


def _name_folder(label: str, cell_hash: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", label.replace("=", "")).lstrip(".-")
    if readable.partition(".")[0].lower() in _DEVICES:
        readable = f"x-{readable}"
    room = LONGEST_FOLDER - len(cell_hash) - 1
    return f"{readable[:room].rstrip('.-')}-{cell_hash}"


# Windows reserves these names for devices, with any extension.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def hash_identity(identity: Mapping[str, Any]) -> str:
    """Return twelve hexadecimal digits that differ if the identities do."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def name_cell(cell: Mapping[str, Any], format_value: Callable[[Any], str] = _short) -> str:
    """Return a cell in words: ``dsprites betavae beta=4 seed=0``.

    The images of its training follow where :func:`name_images` has words for them.

    Args:
        cell: its identity.
        format_value: returns the value of a hyperparameter as text.
    """
    given = {**cell["hyperparameters"], **cell.get("schedules", {})}
    values = [f"{name}={format_value(value)}" for name, value in given.items()]
    named = [plain_name(cell["dataset"]), plain_name(cell["model"]), *values, f"seed={cell['seed']}"]
    return " ".join([*named, *filter(None, [name_images(cell)])])


def name_images(cell: Mapping[str, Any]) -> str:
    """Return the images of a training: ``floor_hue~scale:0.2 without shape=heart``.

    The text is empty if they are drawn uniformly from all, or from all but a share.

    Args:
        cell: its identity.
    """
    rule = cell.get("holdout_rule", "")
    return " ".join(filter(None, [cell.get("correlate", ""), rule and f"without {rule}"]))


def plain_name(name: str) -> str:
    """Return ``MyVAE`` for ``path/file.py:MyVAE``, which makes a readable label."""
    return name.rpartition(":")[2]
