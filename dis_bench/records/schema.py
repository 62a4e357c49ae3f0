"""The schema of result folders: every key of a record and of an anchor, with its type.

The columns of tables (:mod:`.columns`), the checks of files (:mod:`.checks`) and docs/results.md follow this
schema, and tests keep them consistent with it.
"""

# No postponed annotations: with them, TypedDict would take NotRequired keys for required ones.

from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict

SCHEMA = 2

# A record in memory: the keys of KeptRecord, and the ``folder`` that it was read from.
Record = dict[str, Any]

LACKS_FACTORS = "it needs factors"  # the beginning of the reason for scores that a dataset cannot have

# The reason for the scores of a cell that was trained, and whose first scoring has not ended.
PENDING = "its scoring was interrupted, and the next run goes on with it"

# A latent is active if its mean code varies by more over images (Burda et al. 2016, sec. 5.2). It is another
# count than that of latents without KL, which have collapsed: a posterior can move by little and still cost.
ACTIVE_VARIANCE = 0.01

ENCODER = "encoder"  # the kind of a cell that was trained elsewhere


class Damaged(ValueError):
    """Error: a file in a result folder is invalid; the message is a clause that says why."""


class Outdated(Damaged):
    """Error: an earlier version wrote the file."""


def is_pending(record: Record) -> bool:
    """Return True for a cell that was trained, and whose first scoring has not ended."""
    return not record["scores"] and PENDING in record["unscored"].values()


def stamp() -> str:
    """Return the time in UTC as ``created`` has it: ``2026-11-27T13:15:12+00:00``."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class CellIdentity(TypedDict):
    """Everything that determines a result; further fields may follow.

    A cell of kind ``encoder`` has codes of an encoder that was trained elsewhere, and only the keys that are
    always required. Any other cell has no ``kind``, and all the other keys.
    """

    kind: NotRequired[str]  # encoder; absent in cells that were trained here
    dataset: str  # as the user named it
    source: str  # rendered, official or external
    fingerprint: str  # of the dataset's pixels
    dataset_version: str  # of the dataset's code
    dataset_parameters: NotRequired[str]  # values that are not the dataset's defaults: image_size=32
    model: str  # as the user named it
    model_version: str  # of the model's code
    hyperparameters: dict[str, float | bool | str]  # the objective's own, by name
    network: NotRequired[str]  # architecture of encoder and decoder, as the user named it
    network_version: NotRequired[str]  # of the code of a network that is not dis-bench's own
    likelihood: NotRequired[str]  # bernoulli or gaussian
    latent_size: int  # number of latents; 0 if codes are as wide as images
    steps: NotRequired[int]  # of the optimiser; 0 for a model without weights to train
    batch_size: NotRequired[int]  # images per step; 0 without steps
    lr: NotRequired[float]  # learning rate; 0 without steps
    clip_norm: NotRequired[float]  # largest norm of each player's gradients, if they are clipped
    lr_schedule: NotRequired[str]  # rule by which learning rates fall, if they do
    early_stop: NotRequired[int]  # steps without improvement that end the training, if it may end early
    precision: NotRequired[str]  # fp32, tf32 or bf16
    kernels: NotRequired[str]  # of the convolutions: compiled or torch
    holdout: NotRequired[float]  # share of the images that are kept out of training, if any are
    holdout_rule: NotRequired[str]  # combinations of factor values that are held out, if a rule decides
    correlate: NotRequired[str]  # pairs of factors by which images are drawn, if they are correlated
    score_at: NotRequired[list[int]]  # training steps after which codes are scored too, if there are any
    schedules: NotRequired[dict[str, str]]  # of hyperparameters, whose values above are the end values
    codes: NotRequired[str]  # SHA-256 of the codes of an encoder
    seed: int  # of weights, batches and noise; distinguishes trainings of one encoder
    optimiser: NotRequired[str]  # adam
    recipe: int  # raised when the same settings would give different numbers


class Evaluation(TypedDict, total=False):
    """Quality of the reconstructions, averaged over 15,000 images; nats per image.

    A cell has the measures that its model provides: a model without a posterior has no KL. Measures on other
    images than the study's sample are named as in :data:`.columns.OTHER_IMAGES`: ``heldout_kl``.
    """

    reconstruction: float  # negative log-likelihood, summed over pixels and channels
    mse: float  # mean squared error per pixel
    kl: float  # of the posterior from the prior, summed over latents
    elbo: float  # -(reconstruction + kl)
    active_latents: float  # latents whose mean varies by more than ACTIVE_VARIANCE; every trained cell has it
    kl_per_latent: list[float]  # [latent_size]
    readout: float  # accuracy with which factors are read from codes, if a rule holds out combinations


class Images(TypedDict):
    """The images that the networks were built for."""

    shape: list[int]  # channels, height, width
    pixel_max: float  # value of a white pixel


class Timing(TypedDict, total=False):
    """Durations and throughput."""

    train_seconds: float  # in a stack of cells, the cell's share
    images_per_second: float  # in training
    score_seconds: float  # of all metrics


class Adapted(TypedDict, total=False):
    """Decisions about a training, by the reconstruction of held-out images."""

    lr_fell_at: list[int]  # steps after which the learning rates fell, if the cell has an ``lr_schedule``
    stopped_at: int  # last step that was taken, if the cell has an ``early_stop``
    scored_at: int  # step after which the weights were as they are kept and scored
    reason: str  # one clause on why the training stopped there


class Failure(TypedDict):
    """The reason why a cell failed."""

    reason: str  # one sentence
    traceback: NotRequired[str]  # where an unexpected exception was raised


class ScoresAt(TypedDict):
    """The scores of the codes at a training step, in the same form as those at the end."""

    scores: dict[str, float]  # by column
    protocol: dict[str, dict[str, Any]]  # version and parameters of each metric that gave a score
    unscored: dict[str, str]  # by metric, the reason why it gave no score
    small: list[str]  # scores from fewer rows than the protocol needs


class PerFactor(TypedDict, total=False):
    """Parts of scores: of each factor that varies, and of each code and factor."""

    scores: dict[str, list[float]]  # by column, one number per factor
    importances: dict[str, list[list[float]]]  # by metric, [latent_size][factors]


class Rescored(TypedDict):
    """The run that added scores after the training."""

    command: str  # as the user typed it
    environment: dict[str, Any]  # versions and hardware
    created: str  # ISO 8601


class DeclaredMetric(TypedDict):
    """The declarations of a metric to readers."""

    label: dict[str, str]  # of each score, by column
    better: str  # higher, lower, or empty if it is not declared
    range: list[float | None] | None  # an unbounded end is null; null if it is not declared
    summary: str  # one line
    short: NotRequired[dict[str, str]]  # for the heading of a narrow column
    leads: NotRequired[bool]  # whether it takes precedence in the first sentence of a report
    caveat: NotRequired[str]  # warning to readers of these scores
    perfect: NotRequired[dict[str, float]]  # scores of a perfect code, if they are known beforehand


class DeclaredModel(TypedDict):
    """The declarations of a model to readers."""

    note: str  # legends add it to the model's name
    baseline: NotRequired[bool]  # whether it is there to be beaten; earlier records lack it


class Declared(TypedDict, total=False):
    """The declarations of plug-ins to readers, so that a report does not need the plug-ins."""

    dataset: dict[str, Any]  # caveat; the names of factors, if they are labels instead of a grid
    model: DeclaredModel
    metrics: dict[str, DeclaredMetric]  # of each metric that gave a score


PARTS = ("weights", "codes", "pictures")  # of a finished cell, of which ``--keep`` chooses

EARLIER_WEIGHTS = "weights.pt"  # a pickle by torch.save, from earlier versions
EXPORTED_WEIGHTS = "model.safetensors"  # of a cell that was exported

# SHA-256 of each file beside a record; the module in the comment writes and reads it.
KeptFiles = TypedDict(
    "KeptFiles",
    {
        "codes.npz": str,  # codes.py
        "training.csv": str,  # curves.py
        "pictures.npz": str,  # pictures.py
        "weights.safetensors": str,  # weights.py; EARLIER_WEIGHTS in records of earlier versions
    },
    total=False,
)
ENCODER_FILES = ("codes.npz",)  # those that an encoder trained elsewhere has


class KeptRecord(TypedDict):
    """The content of ``record.json``."""

    schema: int  # version of this layout
    status: str  # done or failed
    hash: str  # of the cell; the folder's name ends in it
    cell: CellIdentity  # the hash is computed from it
    beta_norm: float | None  # beta x latents / (pixels x channels)
    dial: NotRequired[str | None]  # the hyperparameter that reports draw the model along
    evaluation: Evaluation  # empty if the cell failed before it was encoded
    scores: dict[str, float]  # by column
    protocol: dict[str, dict[str, Any]]  # version and parameters of each metric that gave a score
    unscored: dict[str, str]  # by metric, the reason why it gave no score
    small: NotRequired[list[str]]  # scores from fewer rows than the protocol needs
    per_factor: NotRequired[PerFactor]  # parts of the scores, if metrics gave them
    readout: NotRequired[dict[str, list[float]]]  # by factor, accuracies on images seen and held out
    left_out: NotRequired[dict[str, int]]  # number of codes that a metric left out, if it is most
    scores_at: NotRequired[dict[str, ScoresAt]]  # by training step, if the cell has ``score_at``
    declared: NotRequired[Declared]  # declarations of the plug-ins; absent from earlier records
    sources: NotRequired[
        dict[str, dict[str, str]]
    ]  # of classes and functions given in Python, by kind and name
    images: NotRequired[Images]  # absent from earlier records, and if the cell failed before it was built
    keep: NotRequired[list[str]]  # the parts that ``--keep`` chose, unless they are all
    timing: Timing  # seconds
    adapted: NotRequired[Adapted]  # decisions by held-out images, if the cell leaves them any
    failure: Failure | None  # None if the cell is done
    environment: dict[str, Any]  # versions, processor, device, threads, precision
    command: str  # as the user typed it
    created: str  # ISO 8601
    rescored: NotRequired[Rescored]  # only if scores were added later
    files: KeptFiles  # the files that were kept
    digest: str  # SHA-256 of all of the above as canonical JSON


class KeptAnchor(TypedDict):
    """The content of a file in ``anchors/``."""

    schema: int  # version of this layout
    dataset: str  # as in the cells
    fingerprint: NotRequired[str]  # of the dataset's pixels, as in the cells; earlier anchors lack it
    dataset_version: NotRequired[str]  # of the dataset's code, likewise
    dataset_parameters: NotRequired[str]  # likewise; ``none`` if they are the dataset's defaults
    grid: list[int]  # number of values of each factor
    labels: NotRequired[str]  # fingerprint of the factors, if they are labels instead of a grid
    rows: int  # number of scored images
    latent_size: int  # width of the noise
    seed: int  # of the metrics' draws
    metric: str  # name of the metric
    protocol: dict[str, Any]  # version and parameters of the metric
    scores: dict[str, dict[str, float]]  # by column: perfect and chance; empty if it cannot score them
    digest: str  # SHA-256 of all of the above as canonical JSON


class PlannedCell(TypedDict):
    """A cell of a plan."""

    folder: str  # its name in ``cells/``
    dataset: str  # as the user named it
    model: str  # as the user named it
    steps: int  # of the training
    anywhere: NotRequired[str]  # hash of the cell without what `auto` chose for the machine that planned it


class KeptPlan(TypedDict):
    """The content of a file in ``plans/``."""

    schema: int  # version of this layout
    command: str  # as the user typed it
    created: str  # ISO 8601
    cells: list[PlannedCell]  # of the whole study
    digest: str  # SHA-256 of all of the above as canonical JSON
