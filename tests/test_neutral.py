"""Public entry points in a process whose global settings the caller has changed."""

import contextlib
import random
import subprocess
import sys
import threading
import warnings
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch

import dis_bench
from dis_bench.metrics import find_metrics
from dis_bench.metrics.representation import Representation
from dis_bench.metrics.score_card import make_card
from dis_bench.neutral import neutral, own_streams
from dis_bench.runners.run import run_study
from dis_bench.runners.scoring.encoding import encode_dataset
from tests.cli.test_run import TINY
from tests.reports.made_up import write_study
from tests.tiny import Tiny

FILE = TINY[1].rpartition(":")[0]


@contextlib.contextmanager
def set_to(get, set, value):
    before = get()
    set(value)
    try:
        yield
    finally:
        set(before)


def of_sklearn(**values):
    before = {name: sklearn.get_config()[name] for name in values}
    return set_to(lambda: before, lambda config: sklearn.set_config(**config), values)


HOSTILE = {
    "float64": lambda: set_to(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "float16": lambda: set_to(torch.get_default_dtype, torch.set_default_dtype, torch.float16),
    "meta device": lambda: torch.device("meta"),
    "default device": lambda: set_to(lambda: None, torch.set_default_device, "meta"),
    "deterministic": lambda: set_to(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ),
    "no_grad": torch.no_grad,
    "inference mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "anomaly": lambda: set_to(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly, True),
    "matmul precision": lambda: set_to(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"
    ),
    "no mkldnn": lambda: set_to(lambda: True, partial(setattr, torch.backends.mkldnn, "enabled"), False),
    "flushed denormals": lambda: set_to(lambda: False, torch.set_flush_denormal, True),
    "numpy raises": lambda: np.errstate(all="raise"),
    "numpy prints": lambda: np.printoptions(precision=1, legacy="1.13", threshold=2),
    "sklearn's frames": lambda: of_sklearn(transform_output="pandas", enable_metadata_routing=True),
    "sklearn's memory": lambda: of_sklearn(working_memory=1, assume_finite=True),
    "parallel": lambda: joblib.parallel_config("threading", n_jobs=2),
    "errors of warnings": lambda: _errors_of_warnings(),
}


@contextlib.contextmanager
def _errors_of_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def read_world():
    """Return every global setting that the caller may rely on."""
    return {
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "anomaly": torch.is_anomaly_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "mkldnn": torch.backends.mkldnn.enabled,
        "threads": torch.get_num_threads(),
        "denormal": float("5e-324") * 1.0,
        "numpy": np.geterr(),
        "printing": np.get_printoptions(),
        "sklearn": sklearn.get_config(),
        "joblib": joblib.parallel.get_active_backend()[1],
        "warnings": list(warnings.filters),
        "random": random.getstate(),
        "numpy stream": str(np.random.get_state()),  # noqa: NPY002
        "torch stream": torch.default_generator.get_state().numpy().tobytes(),
        "path": list(sys.path),
        "threads alive": threading.active_count(),
    }


def make_codes():
    rng = np.random.default_rng(0)
    factors = np.stack([rng.integers(0, size, 400) for size in (3, 4)], axis=1)
    return factors @ rng.standard_normal((2, 3)) + 0.1 * rng.standard_normal((400, 3)), factors


CODES, FACTORS = make_codes()


def score_all():
    variances = np.full(CODES.shape, -3.0)
    metrics = [name for name in find_metrics(given=["log_variances"]) if name != "dci_forest"]
    scores = dis_bench.score(CODES, FACTORS, metrics, log_variances=variances, allow_small=True)
    assert scores.dtype == np.float64
    return scores.to_dict()


def call_a_metric():
    representation = Representation(CODES * 1e-149, FACTORS, allow_small=True)
    return [find_metrics(name)[name](representation) for name in ("mig", "sap", "dci_lasso", "betavae_score")]


def call_a_forest():
    return tuple(find_metrics("dci_forest")["dci_forest"](CODES, FACTORS, allow_small=True))


def call_udr():
    return dis_bench.udr([CODES, CODES[:, ::-1], CODES**2]).tolist()


def print_a_card():
    return make_card(Representation(CODES, FACTORS, allow_small=True), ["mig", "sap"], bootstrap=2).text


def draw_images():
    drawn = [dis_bench.load_dataset(name).images([0, 5, 77]) for name in ("dsprites",)]
    assert all(images.dtype == torch.uint8 and images.device.type == "cpu" for images in drawn)
    return [images.numpy().tobytes() for images in [*drawn, Tiny().images(np.arange(20))]]


def build():
    _, networks = dis_bench.build_model("betavae", beta=2.0, seed=3)
    values = list(networks.parameters())
    assert all(each.dtype == torch.float32 and each.requires_grad for each in values)
    assert not any(each.is_inference() for each in values)
    return [each.detach().numpy().tobytes() for each in values]


def encode():
    codes, factors, _ = encode_dataset(lambda images: images.numpy().mean(axis=(1, 2)), Tiny(), rows=50)
    return codes.tobytes(), factors.tobytes()


DOORS = {
    "score": score_all,
    "metrics": call_a_metric,
    "forest": call_a_forest,
    "udr": call_udr,
    "card": print_a_card,
    "images": draw_images,
    "build_model": build,
    "encode_dataset": encode,
}
NEUTRAL = {}


@pytest.mark.parametrize("setting", HOSTILE)
@pytest.mark.parametrize("door", DOORS)
def test_results_neither_depend_on_settings_nor_change_them(door, setting):
    if door not in NEUTRAL:
        NEUTRAL[door] = DOORS[door]()
    with HOSTILE[setting]():
        before = read_world()
        result = DOORS[door]()
        after = read_world()
    assert result == NEUTRAL[door]
    assert after == before
    torch.set_default_device(None)


def train(folder):
    study = dis_bench.Study(
        models=[f"{FILE}:Drawing"],
        datasets=[f"{FILE}:Tiny"],
        metrics=[f"{FILE}:mean_code"],
        seeds=1,
        steps=3,
        batch_size=4,
        latent_size=3,
        precision="fp32",
    )
    table = run_study(study, folder, workers=0)
    assert list(table["status"]) == ["done"], list(table["failure"])
    return table[["reconstruction", "kl", "mse", "mean_code"]].to_numpy().tolist()


@pytest.mark.parametrize("setting", HOSTILE)
def test_training_neither_depends_on_settings_nor_changes_them(tmp_path, setting):
    if "train" not in NEUTRAL:
        NEUTRAL["train"] = train(tmp_path / "neutral")
    with HOSTILE[setting]():
        before = read_world()
        result = train(tmp_path / "hostile")
        after = read_world()
    assert result == NEUTRAL["train"]
    assert after == before
    torch.set_default_device(None)


@pytest.mark.parametrize(
    "setting", ["numpy raises", "numpy prints", "errors of warnings", "sklearn's frames"]
)
def test_reports_neither_depend_on_settings_nor_change_them(tmp_path, setting):
    from dis_bench.reports.report import build_report

    folder = write_study(tmp_path / "made", betas=[1, 4], seeds=[0, 1], pictures=False)
    expected = build_report(folder).files
    table = dis_bench.read_results(folder)
    with HOSTILE[setting]():
        before = read_world()
        assert build_report(folder).files == expected
        pd.testing.assert_frame_equal(dis_bench.read_results(folder), table)
        assert read_world() == before


OPTIONS = {
    "future.infer_string": False,
    "display.precision": 1,
    "display.max_rows": 1,
    "mode.chained_assignment": "raise",
    "mode.copy_on_write": True,
    "mode.sim_interactive": True,
}


@pytest.mark.filterwarnings("ignore")  # some options are deprecated
@pytest.mark.parametrize("option", OPTIONS)
def test_reports_do_not_depend_on_options_of_pandas(tmp_path, option):
    from dis_bench.reports.report import build_report

    folder = write_study(tmp_path / "made", betas=[4], seeds=[0], pictures=False)
    expected = build_report(folder).files
    table = dis_bench.read_results(folder)
    with pd.option_context(option, OPTIONS[option]):
        assert build_report(folder).files == expected
        again = dis_bench.read_results(folder)
    assert again.astype(object).to_csv() == table.astype(object).to_csv()


def test_settings_are_back_after_a_failure():
    with np.errstate(all="raise"):
        before = read_world()
        with pytest.raises(dis_bench.InputError):
            dis_bench.score(CODES, FACTORS, ["no such metric"])
        assert read_world() == before


def legacy(codes, factors):
    """Score with draws from every global random generator."""
    return random.random() + np.random.rand() + float(torch.rand(()))  # noqa: NPY002


def test_a_metric_that_draws_from_global_streams_says_the_same_every_time():
    before = read_world()
    first = dis_bench.score(CODES, FACTORS, [legacy])["legacy"]
    assert read_world() == before
    np.random.seed(77)  # noqa: NPY002
    assert dis_bench.score(CODES, FACTORS, [legacy])["legacy"] == first
    assert dis_bench.score(CODES, FACTORS, [legacy], seed=1)["legacy"] != first


def test_the_way_in_which_processes_start_stays_undecided():
    code = """
import multiprocessing, numpy, dis_bench
factors = numpy.arange(400)[:, None] % [3, 4]
dis_bench.score(factors + 0.1, factors, ["mig", "sap", "dci_lasso"], allow_small=True)
multiprocessing.set_start_method("spawn")
dis_bench.score(factors + 0.1, factors, ["sap"], allow_small=True)
assert multiprocessing.get_start_method() == "spawn"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_streams_go_on_where_they_were():
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.rand(4)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    drawn = [np.random.rand(2)]  # noqa: NPY002
    for seed in (2**40, 2**64, 2**70):
        with own_streams(seed):
            np.random.rand()  # noqa: NPY002
    drawn.append(np.random.rand(2))  # noqa: NPY002
    assert np.concatenate(drawn).tolist() == expected.tolist()


def test_what_a_plug_in_sets_when_it_is_imported_does_not_reach_another_block():
    with neutral(), set_to(torch.get_default_dtype, torch.set_default_dtype, torch.float64):
        with neutral():
            assert torch.ones(1).dtype == torch.float32
        assert torch.ones(1).dtype == torch.float64
