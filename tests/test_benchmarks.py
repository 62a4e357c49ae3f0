"""Every benchmark starts, and its plain baseline is the same model as ours."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dis_bench.models import build_model

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted(
    path.name for path in (ROOT / "benchmarks").glob("*.py") if '"__main__"' in path.read_text("utf-8")
)
TINY, MEAN_CODE = (f"{ROOT / 'tests' / 'tiny.py'}:{name}" for name in ("Tiny", "mean_code"))


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def run(script, *arguments):
    """Return what a benchmark prints; it may use as many threads as it likes."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, ROOT / "benchmarks" / script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_benchmark_says_how_it_is_run(script):
    assert f"usage: {script}" in run(script, "--help")


@pytest.mark.parametrize("network", ["burgess", "locatello", "tutorial"])
def test_the_plain_twin_is_the_same_model_in_torchs_own_layers(network):
    from plain import PlainVAE

    model, networks = build_model("betavae", network=network, image_shape=(3, 64, 64), latent_size=6)
    twin = PlainVAE(networks)
    kinds = {type(layer).__module__ for part in (twin.encoder, twin.decoder) for layer in part.modules()}
    assert all(kind.startswith("torch.nn.") for kind in kinds)

    networks.double(), twin.double()  # so that rounding does not decide on which side of a kink a unit is
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(5, 3, 64, 64, generator=generator, dtype=torch.float64)
    noise = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    batch = {"images": images, "noise": noise, "progress": torch.zeros(())}
    losses = [model.loss(terms) for terms in (model.terms(networks, batch), twin(images, noise))]
    torch.testing.assert_close(*losses, rtol=1e-6, atol=0, check_dtype=False)
    for loss in losses:
        loss.backward()
    # The largest of all gradients, because that of a bias before BatchNorm is zero.
    largest = max(weights.grad.abs().max().item() for weights in networks.parameters())
    for ours, plain in zip(networks.autoencoder.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-4, atol=1e-7 * largest)


def test_the_plain_twin_knows_no_layer_but_torchs():
    from plain import make_plain

    class Ours(torch.nn.Module):
        pass

    with pytest.raises(TypeError, match="no plain twin of a Ours"):
        make_plain(torch.nn.Sequential(Ours()))


def test_work_per_image_is_counted_as_by_hand():
    from plain import PlainVAE, count_flops

    _model, networks = build_model("betavae", image_shape=(3, 64, 64), latent_size=10)
    first = 32 * 32 * 32 * 3 * 16  # multiplications of the first convolution; the last has as many
    others = sum(size * size * 32 * 32 * 16 for size in (16, 8, 4))
    encoder = first + others + 512 * 256 + 256 * 256 + 256 * 20
    decoder = 10 * 256 + 256 * 256 + 256 * 512 + others + first
    # The backward pass takes twice that work, except for the gradient of the images, which is not needed.
    assert count_flops(PlainVAE(networks), (3, 64, 64), 10) == 2 * (3 * (encoder + decoder) - first)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not tell")
def test_memory_counts_the_children_of_a_process():
    from machine import memory_mb

    hold = "block = b'x' * 200_000_000; print('held', flush=True); input()"
    start_and_hold = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    command = [sys.executable, "-c", start_and_hold]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"held\n"
        memory = memory_mb(parent.pid)
        parent.stdin.close()
    assert 200 < memory < 250
    assert memory_mb(parent.pid) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (12.345, "12.3"), (0.01234, "0.0123"), (64, "64"), ("a", "a"), (None, "–")],  # noqa: RUF001
)
def test_numbers_in_tables_have_three_digits_or_all_before_the_point(value, text):
    from machine import format_number

    assert format_number(value) == text


@pytest.mark.slow
def test_training_is_measured(tmp_path):
    options = ("--rounds", 1, "--steps", 2, "--warmup", 1, "--batch", 8, "--dataset", TINY)
    run("training.py", *options, "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    rows = {row["system"]: row for row in figures["rows"]}
    assert {"plain, no loaders", "plain, 2 loaders", "ours, fp32"} <= set(rows)
    assert min(row["images/s"] for row in rows.values()) > 0
    plain = max(row["images/s"] for name, row in rows.items() if name.startswith("plain"))
    assert all(row["times plain"] == row["images/s"] / plain for row in rows.values())
    assert {len(turns) for turns in figures["rounds"]["burgess"].values()} == {1}


@pytest.mark.slow
def test_steps_of_models_are_measured_beside_each_other(tmp_path):
    options = ("--models", "factorvae", "adagvae", "pca", "--rounds", 1, "--steps", 1, "--batch", 8)
    run("zoo.py", *options, "--precision", "fp32", "--json", tmp_path / "zoo.json")
    figures = json.loads((tmp_path / "zoo.json").read_text())
    rows = {row["model"]: row for row in figures["rows"]}
    assert {"betavae", "factorvae", "adagvae", "critic alone", "second encoding"} < set(rows)
    assert "pca" not in rows  # takes no steps
    assert rows["betavae"]["in units of betavae"] == 1
    parts = sum(rows[name]["ms"] for name in ("betavae", "second encoding", "critic alone"))
    assert figures["factorvae in units of its parts"] == pytest.approx(rows["factorvae"]["ms"] / parts)


@pytest.mark.slow
def test_a_step_is_taken_apart(tmp_path):
    kernels = pytest.importorskip("dis_bench.nn.kernels")
    if not kernels.HAS_FLOAT32:
        pytest.skip("this processor has no AVX2")
    run("step.py", "--batch", 4, "--steps", 3, "--json", tmp_path / "step.json")
    steps = json.loads((tmp_path / "step.json").read_text())["steps"]
    for rows in steps.values():
        parts = {row["part"]: row["ms"] for row in rows}
        whole = parts.pop("a step")
        assert len(parts) == 12
        assert min(parts.values()) > 0
        assert sum(parts.values()) < 1.5 * whole
        assert {row["part"] for row in rows if row["% of ceiling"]} > {"a step"}


def test_sizes_are_measured_where_networks_take_them(tmp_path):
    options = ("--sizes", 28, 32, "--rounds", 1, "--steps", 1, "--batch", 2)
    run("sizes.py", "--networks", "burgess", "mlp", *options, "--json", tmp_path / "sizes.json")
    figures = json.loads((tmp_path / "sizes.json").read_text())
    rows = {(row["networks"], row["images"]): row for row in figures["rows"]}
    assert list(rows) == [("burgess", "32x32"), ("mlp", "28x28"), ("mlp", "32x32")]
    for row in rows.values():
        assert row["ours, fp32, times faster"] == pytest.approx(row["plain, ms"] / row["ours, fp32, ms"])


def test_work_in_convolutions_is_counted_as_by_hand():
    from step import count_convolutions

    _, networks = build_model("betavae")
    counted = count_convolutions(networks, (1, 64, 64), batch=2)
    # Pixels of the smaller image, taps, channels on both sides; a multiply-add counts as two.
    layers = [2 * 2 * 16 * 32 * wide * size**2 for size, wide in ((32, 1), (16, 32), (8, 32), (4, 32))]
    assert counted["convolve"] == counted["convolve_transposed"] == sum(layers)
    assert counted["convolve_transposed_backward"] == 2 * sum(layers)
    assert counted["convolve_backward"] == 2 * sum(layers) - layers[0]  # no gradient of the images


def test_numerics_are_compared(tmp_path):
    options = ("--steps", 3, "--runs", 2, "--seeds", 2, "--study-steps", 3, "--metrics", MEAN_CODE)
    run("numerics.py", *options, "--dataset", TINY, "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert float(figures["losses"][0]["largest"]) < 1e-4
    assert {row["same"] for row in figures["repeats"]} == {"yes"}
    if "scores" in figures:  # if the processor supports bf16
        assert [row[""] for row in figures["scores"]] == ["`reconstruction`", "`kl`", "`mean_code`"]


@pytest.mark.slow
def test_growth_is_measured_and_drawn(tmp_path):
    figure, numbers = tmp_path / "growth.png", tmp_path / "growth.json"
    options = ("--sweeps", "latents", "rows", "--points", 1, "--steps", 2, "--metrics", "mig")
    run("growth.py", *options, "--figure", figure, "--json", numbers)
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert [row["sweep"] for row in json.loads(numbers.read_text())["rows"]] == ["latents", "rows"]


@pytest.mark.slow
def test_startup_is_measured():
    table = run("startup.py", "--repeats", 1, "--steps", 1, "--metrics", "mig")
    assert table.count("`dis-bench run`") == 2


def test_a_kept_figure_has_nearly_the_colours_that_were_drawn():
    import numpy as np
    from PIL import Image
    from reference import reduce_colours

    from dis_bench.reports.figures.theme import COLOURS, panels, theme, to_pixels

    figure, [panel] = panels(1, 1, 3.0)
    points = np.random.default_rng(0).random((400, 2))
    panel.scatter(*points.T, c=points[:, 0], cmap="viridis", alpha=0.3)
    for number, colour in enumerate(COLOURS):
        panel.plot([0.1 * number], [1.2], marker="o", ms=3, color=colour)  # few pixels, as of a rare model
    with theme():
        drawn = to_pixels(figure)
    kept = reduce_colours(drawn)
    assert isinstance(kept, Image.Image)
    change = np.abs(np.asarray(drawn, dtype=int) - np.asarray(kept.convert("RGB"), dtype=int))
    assert change.max() <= 24  # levels of 256
