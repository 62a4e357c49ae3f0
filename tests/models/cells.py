"""Cells of any model on small networks, ready to train in a moment."""

from pathlib import Path

from dis_bench.records.cell import Cell
from dis_bench.runners.training.loop import train
from dis_bench.runners.training.trainee import prepare
from tests.tiny import Tiny

SMALL = f"{Path(__file__).parent / 'small.py'}:Small"
LATENTS = 4


def prepare_cell(
    model,
    steps=8,
    batch_size=8,
    seed=0,
    network=SMALL,
    dataset=None,
    lr=1e-3,
    latents=LATENTS,
    **hyperparameters,
):
    """Return a cell that is about to train."""
    dataset = dataset or Tiny()
    cell = Cell(
        **{"dataset": "tiny", "source": "rendered", "fingerprint": "", "dataset_version": ""},
        **{"model": model, "model_version": "", "hyperparameters": hyperparameters, "network": network},
        **{"likelihood": "bernoulli", "latent_size": latents, "steps": steps, "batch_size": batch_size},
        **{"lr": lr, "precision": "fp32", "kernels": "torch", "seed": seed},
    )
    return prepare(cell, {model: model}, {"tiny": dataset}, "cpu")


def train_cell(model, folder, **options):
    """Train a cell; its log is ``log.csv`` in the folder."""
    one = prepare_cell(model, **options)
    [failure] = train([one], logs=[folder / "log.csv"], watch=lambda *_: None).failures
    if failure is not None:
        raise failure
    return one
