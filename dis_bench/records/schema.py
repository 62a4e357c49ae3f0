"""The schema of what a result folder keeps: every key of a record and of an anchor, with its type.

The columns of tables (:mod:`.columns`), the checks of what is read (:mod:`.checks`) and docs/results.md
follow it, and tests hold the three together.
"""

# Without postponed annotations, under which TypedDict takes keys that are NotRequired for required ones.

from typing import Any, NotRequired, TypedDict

SCHEMA = 2

# A record as it is handed around: the keys of KeptRecord, and the ``folder`` that it was read from.
Record = dict[str, Any]

ENCODER = "encoder"  # the kind of a cell that was trained elsewhere


class Damaged(ValueError):
    """Something in a result folder that cannot be believed; the message says why, for a sentence."""


class Outdated(Damaged):
    """Something that an earlier version wrote."""


class CellIdentity(TypedDict):
    """Everything that determines a result; further fields may follow.

    A cell of kind ``encoder`` has codes of an encoder that was trained elsewhere, and only the keys that are
    always required. Any other cell has no ``kind``, and all the other keys.
    """

    kind: NotRequired[str]  # encoder; lacking in cells that were trained here
    dataset: str  # as the user named it
    source: str  # rendered, official or external
    fingerprint: str  # of the dataset's pixels
    dataset_version: str  # of the code behind the dataset
    model: str  # as the user named it
    model_version: str  # of the code behind the model
    hyperparameters: dict[str, float | bool | str]  # the objective's own, by name
    network: NotRequired[str]  # architecture of encoder and decoder, as the user named it
    network_version: NotRequired[str]  # of the code behind a network that is not dis-bench's own
    likelihood: NotRequired[str]  # bernoulli or gaussian
    latent_size: int  # number of latents
    steps: NotRequired[int]  # of the optimiser; 0 for a model without weights to train
    batch_size: NotRequired[int]  # images per step; 0 without steps
    lr: NotRequired[float]  # learning rate; 0 without steps
    precision: NotRequired[str]  # fp32, tf32 or bf16
    kernels: NotRequired[str]  # of the convolutions: compiled or torch
    holdout: NotRequired[float]  # share of the images that are kept out of training, where any are
    score_at: NotRequired[list[int]]  # steps of the training whose codes are scored too, where there are any
    seed: int  # of weights, batches and noise; tells trainings of one encoder apart
    optimiser: NotRequired[str]  # adam
    recipe: int  # raised when the same settings would give other numbers


class Evaluation(TypedDict, total=False):
    """How well images come back, over 15,000 of them; nats per image.

    A cell has those that its model gives: a model without a posterior has no KL. Those on other images than
    the study's sample have the names of :data:`.columns.OTHER_IMAGES`: ``heldout_kl``.
    """

    reconstruction: float  # negative log-likelihood, summed over pixels and channels
    mse: float  # mean squared error per pixel
    kl: float  # of the posterior from the prior, summed over latents
    elbo: float  # -(reconstruction + kl)
    active_latents: float  # latents whose mean varies by more than 0.01; every trained cell has it
    kl_per_latent: list[float]  # [latent_size]


class Timing(TypedDict, total=False):
    """How long it took."""

    train_seconds: float  # of cells trained as one, each its share
    images_per_second: float  # in training
    score_seconds: float  # of all metrics


class Failure(TypedDict):
    """Why a cell failed."""

    reason: str  # one sentence
    traceback: NotRequired[str]  # where an unexpected exception was raised


class ScoresAt(TypedDict):
    """Scores of the codes at a step of the training, as a record has them of those at its end."""

    scores: dict[str, float]  # by column
    protocol: dict[str, dict[str, Any]]  # version and parameters of each metric that gave a score
    unscored: dict[str, str]  # why a metric gave no score
    small: list[str]  # scores from fewer rows than the protocol wants


class Rescored(TypedDict):
    """How scores were added after the training."""

    command: str  # what the user typed
    environment: dict[str, Any]  # versions and hardware
    created: str  # ISO 8601


class DeclaredMetric(TypedDict):
    """What a metric says of itself to readers."""

    label: dict[str, str]  # of each score, by column
    better: str  # higher, lower, or empty where it is not declared
    range: list[float | None] | None  # null at an end without bound, and where it is not declared
    summary: str  # one line
    short: NotRequired[dict[str, str]]  # for the head of a narrow column
    leads: NotRequired[bool]  # whether it takes precedence in the first sentence of a report
    caveat: NotRequired[str]  # what a reader must know of these scores
    perfect: NotRequired[dict[str, float]]  # what a perfect code scores, where that was known beforehand


class Declared(TypedDict, total=False):
    """What plug-ins say of themselves to readers, so that a report needs none of them."""

    dataset: dict[str, str]  # caveat
    model: dict[str, str]  # note: what legends add to its name
    metrics: dict[str, DeclaredMetric]  # of each metric that gave a score


# SHA-256 of each file beside a record; the module that is named here writes and reads it.
KeptFiles = TypedDict(
    "KeptFiles",
    {
        "codes.npz": str,  # codes.py
        "training.csv": str,  # curves.py
        "pictures.npz": str,  # pictures.py
        "weights.pt": str,  # weights.py
    },
    total=False,
)


class KeptRecord(TypedDict):
    """The content of ``record.json``."""

    schema: int  # version of this layout
    status: str  # done or failed
    hash: str  # of the cell; the folder's name ends in it
    cell: CellIdentity  # what the hash is of
    beta_norm: float | None  # beta x latents / (pixels x channels)
    dial: NotRequired[str | None]  # the hyperparameter that reports draw the model along
    evaluation: Evaluation  # empty where the cell failed before it was encoded
    scores: dict[str, float]  # by column
    protocol: dict[str, dict[str, Any]]  # version and parameters of each metric that gave a score
    unscored: dict[str, str]  # why a metric gave no score
    small: NotRequired[list[str]]  # scores from fewer rows than the protocol wants
    scores_at: NotRequired[dict[str, ScoresAt]]  # by step of the training, where the cell asks for it
    declared: NotRequired[Declared]  # what plug-ins say of themselves; absent from earlier records
    timing: Timing  # seconds
    failure: Failure | None  # None where the cell is done
    environment: dict[str, Any]  # versions, processor, device, threads, precision
    command: str  # what the user typed
    created: str  # ISO 8601
    rescored: NotRequired[Rescored]  # only where scores were added later
    files: KeptFiles  # those that were kept
    digest: str  # SHA-256 of all of the above as canonical JSON


class KeptAnchor(TypedDict):
    """The content of a file in ``anchors/``."""

    schema: int  # version of this layout
    dataset: str  # as in the cells
    grid: list[int]  # number of values of each factor
    rows: int  # images that are scored
    latent_size: int  # codes of the noise
    seed: int  # of the metrics' draws
    metric: str  # its name
    protocol: dict[str, Any]  # its version and parameters
    scores: dict[str, dict[str, float]]  # by column: perfect and chance; empty where it cannot score them
    digest: str  # SHA-256 of all of the above as canonical JSON
