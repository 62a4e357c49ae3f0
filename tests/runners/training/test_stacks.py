"""A cell in a stack trains as alone, up to rounding, with any neighbours."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
import torch

from dis_bench.nn.patches import WAYS
from dis_bench.runners.device import computing
from dis_bench.runners.study import Study
from dis_bench.runners.training.log import TrainingDiverged
from dis_bench.runners.training.loop import train
from dis_bench.runners.training.steps import Training
from dis_bench.runners.training.trainee import prepare

HERE = str(Path(__file__).parents[2] / "tiny.py")
STUDY = Study(
    betas=[1, 4, 10],
    datasets=[f"{HERE}:Tiny"],
    metrics=(),
    seeds=3,
    steps=6,
    batch_size=8,
    lr=1e-3,
    latent_size=4,
    device="cpu",
    precision="fp32",
)

SQUARED = """
from dis_bench.models.model import Hyperparameter
from dis_bench.models.vae import VAE

class Squared(VAE):
    name = "squared"
    hyperparameters = (
        Hyperparameter("gamma", 1.0, "weight"),
        Hyperparameter("capacity", 2.0, "nats"),
        Hyperparameter("power", 2, "of the distance"),
    )

    def loss(self, terms):
        distance = terms.kl.sum(1).mean() - self.capacity
        return terms.reconstruction.mean() + self.gamma * distance ** self.power
"""


def cells_of(study, count=None, device="cpu"):
    """Return some of a study's cells, with different betas and seeds."""
    plan = study.plan()
    all_of_them = len(plan.cells)
    chosen = [plan.cells[4 * number % all_of_them] for number in range(count or all_of_them)]
    return [start(cell, plan.models, plan.datasets, device) for cell in chosen]


def start(cell, models, datasets, device="cpu"):
    """Return a cell with narrow posteriors from the start, so that the KL matters in the loss."""
    ready = prepare(cell, models, datasets, device)
    with torch.no_grad():
        ready.networks.autoencoder.encoder[-1].bias[cell.latent_size :] = -1.0
    return ready


def stacked(cells, folder, **options):
    logs = [folder / f"stack-{number}.csv" for number in range(len(cells))]
    trained = train(cells, logs=logs, **{"watch": lambda number, progress: None, **options})
    return trained.failures, [pd.read_csv(log) for log in logs]


def alone(cell, folder):
    trained = train([cell], logs=[folder / "alone.csv"], watch=lambda number, progress: None)
    if trained.failures[0] is not None:
        raise trained.failures[0]
    return pd.read_csv(folder / "alone.csv")


def check_same(together, log, own, own_log, tolerance=3e-2):
    """Check that losses agree, and that weights differ by a small part of their change.

    A gradient that consists only of rounding errors still makes Adam take steps, in any direction.
    """
    pd.testing.assert_frame_equal(log, own_log, rtol=1e-4, atol=1e-4)
    before = start(own.cell, {own.cell.model: own.cell.model}, {own.cell.dataset: own.dataset})
    first, stacked, alone = (
        torch.cat([weight.detach().flatten() for weight in ready.networks.parameters()])
        for ready in (before, together, own)
    )
    assert (stacked - alone).norm() <= tolerance * (alone - first).norm()
    assert not together.networks.training


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("way", WAYS)
def test_a_cell_in_a_stack_is_the_cell_alone(count, way, tmp_path):
    cells = cells_of(STUDY, count)
    assert len({(cell.cell.seed, cell.cell.hyperparameters["beta"]) for cell in cells}) == count
    failures, logs = stacked(cells, tmp_path, way=way)
    assert failures == [None] * count
    for number, own in enumerate(cells_of(STUDY, count)):
        check_same(cells[number], logs[number], own, alone(own, tmp_path))


def test_a_model_without_hyperparameters_is_stacked_too(tmp_path):
    study = dataclasses.replace(STUDY, models=["vae"], betas=(), steps=2)
    cells = cells_of(study, 2)
    _, logs = stacked(cells, tmp_path)
    for number, own in enumerate(cells_of(study, 2)):
        check_same(cells[number], logs[number], own, alone(own, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["dsprites", "shapes3d"])
def test_so_it_is_with_the_drawn_datasets_and_other_networks(dataset, tmp_path):
    study = dataclasses.replace(
        STUDY, datasets=[dataset], network="locatello", likelihood="gaussian", steps=3
    )
    cells = cells_of(study, 2)
    _, logs = stacked(cells, tmp_path)
    for number, own in enumerate(cells_of(study, 2)):
        check_same(cells[number], logs[number], own, alone(own, tmp_path))


@pytest.mark.parametrize(
    "change",
    [{"network": "mlp"}, {"models": ["factorvae"], "betas": (), "settings": {"factorvae.gamma": [1, 9]}}],
)
def test_each_player_has_the_gradient_of_the_cell_alone(change):
    # Many of the millions of weights have gradients near zero, whose rounding errors Adam turns into steps.
    cells = cells_of(dataclasses.replace(STUDY, **change), 2)
    stack = Training(cells)
    drawn = next(stack.draw_ahead([1]))
    stack.take(drawn)
    for number, own in enumerate(cells):
        batch = {name: part[0, number] for name, part in drawn.batches.items()}
        batch |= {"images": own.pixels(batch["images"]), "progress": torch.zeros(())}
        for player, loss in own.model.step(own.networks, batch).losses.items():
            weights = dict(getattr(own.networks, player).named_parameters())
            gradients = torch.autograd.grad(loss, list(weights.values()), retain_graph=True)
            for name, gradient in zip(weights, gradients, strict=True):
                together = stack.weights[f"networks.{player}.{name}"].grad[number]
                assert (together - gradient).norm() <= 1e-5 * gradient.norm(), name


def test_batch_normalisation_keeps_its_averages_per_cell(tmp_path):
    study = dataclasses.replace(STUDY, network="tutorial", steps=2)
    cells = cells_of(study, 2)
    stacked(cells, tmp_path)
    for number, own in enumerate(cells_of(study, 2)):
        alone(own, tmp_path)
        for name, buffer in own.networks.named_buffers():
            # The gradient of a bias before a normalisation is rounding errors, which Adam turns into steps.
            torch.testing.assert_close(
                cells[number].networks.get_buffer(name), buffer, rtol=1e-2, atol=5e-3, msg=name
            )
    assert cells[0].networks.get_buffer("autoencoder.encoder.1.num_batches_tracked") == 2


def in_bf16(cells):
    """Return the cells in bf16, even if the device does not support it."""
    return [
        dataclasses.replace(ready, cell=dataclasses.replace(ready.cell, precision="bf16")) for ready in cells
    ]


def dtypes_of_layers(network, way):
    """Return the output type of each layer of a bf16 stack, by its name."""
    stack = Training(in_bf16(cells_of(dataclasses.replace(STUDY, network=network), 2)), way)
    dtypes = {}
    for name, layer in stack._game.networks.autoencoder.named_modules():
        if not any(layer.children()):
            layer.register_forward_hook(
                lambda layer, inputs, out, name=name: dtypes.update({name: out.dtype})
            )
    with computing("bf16", "torch"):
        stack.take(next(stack.draw_ahead([1])))
    return dtypes


@pytest.mark.parametrize("network", ["burgess", "locatello"])
@pytest.mark.parametrize("way", WAYS)
def test_in_bf16_every_layer_of_a_stack_gives_bf16(network, way):
    # An fp32 bias that vmap adds would promote everything after it to fp32.
    assert set(dtypes_of_layers(network, way).values()) == {torch.bfloat16}


def test_in_bf16_every_dense_layer_of_a_stack_gives_bf16():
    dtypes = dtypes_of_layers("mlp", "torch")
    assert dtypes.pop("encoder.0") == torch.float32  # the images, flattened
    assert set(dtypes.values()) == {torch.bfloat16}


def test_in_bf16_batch_normalisation_is_given_fp32():
    dtypes = dtypes_of_layers("tutorial", "torch")
    assert dtypes["encoder.0"] == dtypes["encoder.1"] == torch.float32


def test_in_bf16_weights_and_losses_stay_fp32(tmp_path):
    study = dataclasses.replace(STUDY, steps=3)
    cells = in_bf16(cells_of(study, 2))
    _, logs = stacked(cells, tmp_path, way="patches")
    exact = alone(cells_of(study, 1)[0], tmp_path)
    assert logs[0]["kl"].to_numpy() == pytest.approx(exact["kl"].to_numpy(), rel=1e-2)
    assert logs[0]["kl"].to_numpy() != pytest.approx(exact["kl"].to_numpy(), rel=1e-5)
    assert {weight.dtype for weight in cells[0].networks.parameters()} == {torch.float32}


def test_a_plug_in_writes_only_its_loss(tmp_path):
    (tmp_path / "squared.py").write_text(SQUARED)
    name = f"{tmp_path}/squared.py:Squared"
    settings = {"squared.gamma": [0.5, 3.0], "squared.capacity": [1.0, 8.0]}
    study = dataclasses.replace(STUDY, models=[name], betas=(), settings=settings, seeds=1)
    plan = study.plan()

    def cells():
        return [start(cell, plan.models, plan.datasets) for cell in plan.cells]

    together = cells()
    assert len(together) == 4
    _, logs = stacked(together, tmp_path)
    for number, own in enumerate(cells()):
        pd.testing.assert_frame_equal(logs[number], alone(own, tmp_path), rtol=1e-3, atol=1e-3)
    # The loss uses the hyperparameters and the power: reconstruction + gamma * (KL - capacity)^2.
    for log, ready in zip(logs, together, strict=True):
        values = ready.cell.hyperparameters
        expected = values["gamma"] * (log["kl"] - values["capacity"]) ** 2
        assert log["weighted_kl"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-3, abs=2e-2)


def bounded(bounds):
    return dataclasses.replace(
        STUDY,
        models=[f"{HERE}:Bounded"],
        betas=[1],
        settings={"bounded.bound": bounds},
        seeds=1,
        steps=8,
    )


def kl_of_steps(folder):
    plan = bounded([1e9]).plan()
    ready = prepare(plan.cells[0], plan.models, plan.datasets, "cpu")
    return alone(ready, folder)["kl"]


def test_a_diverging_cell_fails_by_itself_and_as_it_would_alone(tmp_path):
    kl = kl_of_steps(tmp_path)
    step = int(kl.argmax())
    assert step > 0  # rows are steps from 1, so that the bound is passed at step + 1
    bound = float(kl[step] + kl[:step].max()) / 2
    plan = bounded([bound, 1e9]).plan()
    cells = [prepare(cell, plan.models, plan.datasets, "cpu") for cell in plan.cells]
    failures, logs = stacked(cells, tmp_path)
    assert failures[1] is None

    own = prepare(plan.cells[0], plan.models, plan.datasets, "cpu")
    with pytest.raises(TrainingDiverged) as caught:
        alone(own, tmp_path)
    assert str(failures[0]) == str(caught.value)
    assert f"not finite at step {step + 1}: loss = nan" in str(failures[0])
    expected = pd.read_csv(tmp_path / "alone.csv")
    pd.testing.assert_frame_equal(logs[0], expected, rtol=1e-3, atol=1e-3)

    good = prepare(plan.cells[1], plan.models, plan.datasets, "cpu")
    pd.testing.assert_frame_equal(logs[1], alone(good, tmp_path), rtol=1e-3, atol=1e-3)


def test_rows_are_means_over_the_steps_between_and_a_break_ends_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr("dis_bench.runners.training.log.LOG_ROWS", 3)
    monkeypatch.setattr("dis_bench.runners.training.loop.MOST_AHEAD", 2)
    seen = []
    _, (log, *_) = stacked(
        cells_of(dataclasses.replace(STUDY, steps=7), 2),
        tmp_path,
        watch=lambda number, progress: seen.append((number, progress.step)),
    )
    assert log["step"].tolist() == [3, 6, 7]
    assert seen == [(number, step) for step in (2, 3, 5, 6, 7) for number in (0, 1)]
    own = alone(cells_of(dataclasses.replace(STUDY, steps=7), 1)[0], tmp_path)
    pd.testing.assert_frame_equal(log, own, rtol=1e-3, atol=1e-3)


def test_when_all_cells_failed_training_ends(tmp_path):
    plan = bounded([-1.0]).plan()
    cells = [start(cell, plan.models, plan.datasets) for cell in plan.cells]
    steps = []
    failures, _ = stacked(cells, tmp_path, watch=lambda number, progress: steps.append(progress.step))
    assert "at step 1" in str(failures[0])
    assert steps == []


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@needs_gpu
@pytest.mark.parametrize("way", WAYS)
def test_on_a_gpu_captured_steps_are_those_of_a_cpu(way, tmp_path):
    study = dataclasses.replace(STUDY, datasets=["dsprites"], steps=12)  # three warm up, nine are replayed
    on_gpu, on_cpu = cells_of(study, 3, "cuda"), cells_of(study, 3)
    _, logs = stacked(on_gpu, tmp_path, way=way)
    for number, own in enumerate(on_cpu):
        pd.testing.assert_frame_equal(logs[number], alone(own, tmp_path), rtol=1e-2, atol=1e-2)


@needs_gpu
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("network", ["locatello", "tutorial"])
def test_on_a_gpu_faster_precisions_are_near_to_fp32(precision, way, network, tmp_path):
    study = dataclasses.replace(STUDY, network=network, device="cuda")
    cells = cells_of(dataclasses.replace(study, precision=precision), 3, "cuda")
    logs = [tmp_path / f"{number}.csv" for number in range(3)]
    trained = train(cells, logs=logs, watch=lambda number, progress: None, way=way)
    assert trained.captured
    assert trained.failures == [None] * 3
    for log, own in zip(logs, cells_of(study, 3, "cuda"), strict=True):
        losses = pd.read_csv(log)["loss"].to_numpy()
        assert losses == pytest.approx(alone(own, tmp_path)["loss"].to_numpy(), rel=3e-2)


def test_a_stack_leaves_the_networks_alone_until_it_gives_back():
    cells = cells_of(STUDY, 2)
    before = [weight.clone() for weight in cells[0].networks.parameters()]
    stack = Training(cells)
    stack.take(next(stack.draw_ahead([1])))
    assert all(torch.equal(*pair) for pair in zip(before, cells[0].networks.parameters(), strict=True))
    stack.give_back()
    assert not any(torch.equal(*pair) for pair in zip(before, cells[0].networks.parameters(), strict=True))
