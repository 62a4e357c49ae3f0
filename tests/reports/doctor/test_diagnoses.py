"""Each diagnosis is provoked by a small training, and a healthy one provokes none."""

import re

import numpy as np
import pytest

from dis_bench.cli.main import build_parser
from dis_bench.models.model import Model
from dis_bench.records.pictures import Pictures
from dis_bench.records.record import read_records
from dis_bench.registry import installed
from dis_bench.reports.doctor.budget import find_short_training
from dis_bench.reports.doctor.diagnoses import DIAGNOSES, examine
from dis_bench.reports.doctor.dial import find_low_dial
from dis_bench.reports.doctor.explosion import find_explosion
from dis_bench.reports.doctor.finding import Unseen
from dis_bench.reports.doctor.likeness import find_alike
from dis_bench.reports.doctor.overfitting import find_overfitting
from dis_bench.reports.doctor.parts import Parts
from dis_bench.reports.doctor.plateau import find_plateau
from dis_bench.reports.doctor.quantities import explain_share, find_offset
from dis_bench.reports.doctor.unexplained import find_unexplained
from tests.reports.doctor.conftest import CASES, TINY, train
from tests.reports.made_up import write_study
from tests.reports.mixed import write_mixed

# Figures that each finding gives, and the range that they are in.
FIGURES = {
    "inputs out of range": ("high", 1, 1),
    "KL exploding": ("peak", 80, np.inf),
    "dial too high": ("price", 900, 1100),
    "dial too low": ("mismatch", 0.5, np.inf),
    "posterior collapse": ("used", 0, 2),
    "plateau that never broke": ("explained", -np.inf, 0.1),
    "over-fitting": ("gap", 0.1, np.inf),
    "samples that look alike": ("share", 0, 0.1),
    "too few steps for an ordering": ("gain", 0.05, 1),
}


@pytest.mark.parametrize("name", DIAGNOSES)
def test_it_is_provoked_by_a_training(name, examined):
    finding = examined(name).findings[name]
    assert re.search(r"\d", finding.what)
    assert finding.what.endswith(".")
    assert finding.advice
    if name in FIGURES:
        figure, low, high = FIGURES[name]
        assert low <= finding.figures[figure] <= high


def test_a_healthy_run_provokes_none(examined):
    healthy = examined("healthy")
    assert healthy.findings == {}
    assert healthy.unseen == {"over-fitting": "no images were held out (--holdout 0.1)"}


def test_there_is_a_case_for_every_diagnosis():
    assert CASES.keys() == DIAGNOSES.keys()


def test_collapse_says_which_latents_since_when(examined):
    finding = examined("posterior collapse").findings["posterior collapse"]
    latents, since = finding.figures["latents"], finding.figures["since"]
    assert latents == [0, 1, 2, 3]
    assert all(step is None or 1 <= step <= 400 for step in since.values())
    assert since.keys() == {*latents}


@pytest.mark.parametrize("name", DIAGNOSES)
def test_advice_names_options_and_hyperparameters_that_exist(name, examined):
    options = {
        option
        for parser in build_parser()[1].values()
        for one in parser._actions
        for option in one.option_strings
    }
    for finding in examined(name).findings.values():
        text = " ".join(finding.advice)
        assert {*re.findall(r"--[a-z-]+", text)} <= options
        for model, key, value in re.findall(r"--set \"?(\w+)\.(\w+)=([^`\"]+)", text):
            loaded: type[Model] = installed("models", model).load()
            loaded(**{key: value})


def test_a_training_that_diverged(tmp_path):
    record = train(tmp_path, model=f"{TINY}:Diverging", hyperparameters={"beta": 6.0}, steps=20)
    found = examine(record)
    assert "the loss is not finite at step 1" in found.findings["KL exploding"].what
    assert found.unseen["posterior collapse"] == "it failed before it was evaluated"
    assert found.unseen["samples that look alike"] == "it failed before it was encoded"


@pytest.mark.parametrize(("model", "options"), [("betavae", {"--network", "--lr"}), ("infogan", set())])
def test_no_network_or_rate_is_advised_where_the_model_has_its_own(model, options):
    originals = np.random.default_rng(0).integers(0, 256, (4, 1, 8, 8), dtype=np.uint8)
    blank = np.zeros_like(originals)
    cell = {"model": model, "lr": 5e-4, "latent_size": 5}
    record = {"cell": cell, "failure": {"reason": "the loss is not finite."}, "status": "done"}
    record["evaluation"] = {"kl": 0.0}
    curves = {"step": np.arange(20), "reconstruction": np.full(20, 9.0)}
    shown = Pictures(originals, blank, np.zeros((5, 9, 1, 8, 8), np.uint8), np.linspace(-1, 1, 9), None)
    found = [find_alike(Parts(record, pictures=shown)), find_explosion(Parts(record))]
    found.append(find_plateau(Parts(record, curves=curves, lacks={"pictures": "it has no pictures"})))
    for finding in found:
        assert finding.advice
    advice = " ".join(" ".join(finding.advice) for finding in found)
    assert {*re.findall(r"--(?:network|lr)\b", advice)} == options


@pytest.mark.parametrize(
    ("trained", "options"),
    [
        ({"kind": "encoder"}, set()),
        ({"steps": 0, "lr": 0.0}, {"--seeds", "--latent-size"}),
        ({"steps": 9, "lr": 1e-4}, {"--seeds", "--latent-size", "--steps", "--network", "--lr"}),
    ],
)
def test_no_option_is_advised_that_the_training_does_not_take(trained, options):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 1, 8, 8), dtype=np.uint8)
    arrays = {"codes": rng.normal(size=(400, 5)), "factors": rng.integers(0, 3, (400, 2))}
    record = {"cell": {"model": "betavae", "latent_size": 5, **trained}, "evaluation": {}}
    shown = Pictures(images, 0 * images, np.zeros((5, 9, 1, 8, 8), np.uint8), np.linspace(-1, 1, 9), None)
    lost = find_unexplained(Parts(record, codes=arrays))
    found = [lost] if "kind" in trained else [lost, find_alike(Parts(record, pictures=shown))]
    assert all(finding.advice for finding in found)
    assert {*re.findall(r"--[a-z-]+", " ".join(" ".join(finding.advice) for finding in found))} == options


@pytest.mark.parametrize(
    ("model", "dial", "told"), [("slowvae", "gamma", False), ("hfs", "gamma", True), ("gone", "beta", False)]
)
def test_published_values_are_advised_where_there_are_any(model, dial, told):
    arrays = {"codes": np.full((9, 4), 5.0), "log_variances": np.zeros((9, 4))}
    curves = {"step": np.arange(20), "kl": np.ones(20), "weighted_kl": np.full(20, 0.5)}
    cell = {"model": model, "hyperparameters": {dial: 10.0}, "latent_size": 4}
    [advice] = find_low_dial(Parts({"cell": cell, "dial": dial}, curves=curves, codes=arrays)).advice
    assert advice.startswith(f"other values of `{dial}`, now 10.0")
    assert ("--grid published" in advice) == told


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_constant_of_a_likelihood_hides_no_improvement(likelihood):
    constant = 0.5 * np.log(2 * np.pi) * 64 * 64 if likelihood == "gaussian" else 0.0
    falling = np.geomspace(400, 20, 40) + constant
    cell = {"likelihood": likelihood, "steps": 4000, "latent_size": 4, "holdout": 0.1}
    evaluation = {"reconstruction": 21.5 + constant, "heldout_reconstruction": 35.0 + constant}
    record = {"cell": cell, "images": {"shape": [1, 64, 64]}, "evaluation": evaluation, "status": "done"}
    curves = {"step": np.arange(40), "loss": falling, "reconstruction": falling}
    heldout = {"step": np.arange(9), "heldout_reconstruction": [40, 30, *[35] * 7] + constant * np.ones(9)}
    short = find_short_training(Parts(record, curves=curves))
    assert short.figures["gain"] > 0.3
    fitted = find_overfitting(Parts(record, heldout=heldout))
    assert fitted.figures["gap"] == pytest.approx(15 / 20)
    assert fitted.figures["best_step"] == 1


@pytest.mark.parametrize(("rows", "share"), [(64, 13 / 64), (100, 0.21), (15_000, 0.3)])
def test_few_images_are_held_out_in_another_share(rows, share):
    cell = {"likelihood": "bernoulli", "steps": 4000, "latent_size": 4, "holdout": 0.3}
    evaluation = {"reconstruction": 100 + 50 * share, "heldout_reconstruction": 150.0}
    record = {"cell": cell, "images": {"shape": [1, 64, 64]}, "evaluation": evaluation, "status": "done"}
    found = find_overfitting(Parts(record, codes={"codes": np.zeros((rows, 4))}))
    assert found.figures["trained"] == pytest.approx(100)


def test_a_constant_of_the_loss_hides_no_improvement():
    falling, kl = np.geomspace(400, 100, 40), np.full(40, 9.0)
    cell = {"likelihood": "bernoulli", "steps": 4000, "latent_size": 4}
    curves = {"step": np.arange(40), "reconstruction": falling, "kl": kl, "weighted_kl": kl}
    plain, constant = (
        find_short_training(Parts({"cell": cell}, curves={**curves, "loss": falling + kl + more}))
        for more in (0.0, 765.0)
    )
    assert plain.figures["gain"] == constant.figures["gain"] > 0.2
    assert plain.what.startswith("the loss still improved")
    assert constant.what.startswith("the reconstruction with weighted KL still improved")


def test_penalties_are_no_price_of_the_kl():
    arrays = {"codes": np.full((9, 4), 5.0), "log_variances": np.zeros((9, 4))}
    curves = {"step": np.arange(20), "kl": np.ones(20), "weighted_kl": np.full(20, 0.5)}
    cell = {"hyperparameters": {"beta": 0.5}, "model": "betavae", "latent_size": 4}
    weighted = find_low_dial(Parts({"cell": cell, "dial": "beta"}, curves=curves, codes=arrays))
    assert weighted.what.startswith("each nat of KL costs 0.5 nats of loss")
    cell = {"hyperparameters": {"gamma": 7.0}, "model": "hfs", "latent_size": 4}
    penalised = find_low_dial(Parts({"cell": cell, "dial": "gamma"}, curves=curves, codes=arrays))
    assert penalised.what.startswith("beside the reconstruction, the loss has 0.5 nats for each nat of KL")


def test_a_loss_that_draws_the_kl_to_a_capacity_has_no_price_for_it():
    arrays = {"codes": np.full((9, 4), 5.0), "log_variances": np.zeros((9, 4))}
    curves = {"step": np.arange(20), "kl": np.ones(20), "weighted_kl": np.full(20, 0.5)}
    values = {"capacity": 25.0, "gamma": 1000.0, "share": 0.3}
    cell = {"model": "annealedvae", "hyperparameters": values, "latent_size": 4}
    with pytest.raises(Unseen, match="its loss draws the KL to a capacity"):
        find_low_dial(Parts({"cell": cell, "dial": "capacity"}, curves=curves, codes=arrays))


def test_combinations_that_a_rule_holds_out_are_no_sign_of_over_fitting(tmp_path):
    record = train(tmp_path, steps=20, dataset=f"{TINY}:Tiny", holdout="x<2,y<2")
    assert record["evaluation"]["heldout_reconstruction"]
    assert "other combinations of factors" in examine(record).unseen["over-fitting"]


def test_parts_that_were_not_kept_are_named(tmp_path):
    found = examine(train(tmp_path, steps=20, keep=["weights"]))
    assert found.unseen["latents that no factor explains"] == "its codes were not kept"
    assert found.unseen["samples that look alike"] == "its pictures were not kept"
    assert found.unseen["dial too high"] == "its pictures were not kept"


def test_models_without_training_posterior_or_reconstruction(tmp_path):
    records, _ = read_records(write_mixed(tmp_path, seeds=1, blind=True))
    found = {record["cell"]["model"]: examine(record).unseen for record in records}
    assert found["pca"]["KL exploding"] == "it takes no training steps"
    assert found["pca"]["posterior collapse"] == "it has no KL"
    assert found["blind"]["too few steps for an ordering"] == "its training measured no reconstruction"
    assert found["blind"]["samples that look alike"] == "it has no pictures" or "decoder" in str(
        found["blind"]
    )


def test_damaged_files_are_named(tmp_path):
    write_study(tmp_path, betas=[4.0], seeds=[0])
    [record] = read_records(tmp_path)[0]
    for name in ("training.csv", "pictures.npz"):
        with open(f"{record['folder']}/{name}", "ab") as file:
            file.write(b"x")
    found = examine(record)
    assert "its training.csv cannot be read" in found.unseen["KL exploding"]
    assert "its pictures.npz cannot be read" in found.unseen["samples that look alike"]


def test_the_label_tells_values_and_images_apart(tmp_path):
    write_study(tmp_path, betas=[4.0000001], seeds=[0], pictures=False)
    [record] = read_records(tmp_path)[0]
    assert examine(record).label == "dsprites betavae beta=4.0000001 seed=0"
    record["cell"]["holdout_rule"] = "shape=heart"
    assert examine(record).label == "dsprites betavae beta=4.0000001 seed=0 without shape=heart"


def test_a_training_that_ended_early_is_told_with_the_steps_that_it_took():
    curves = {"step": np.arange(1, 101), "loss": np.linspace(200, 100, 100)}
    cell = {"steps": 3000, "early_stop": 500}
    finding = find_short_training(Parts({"cell": cell, "adapted": {"stopped_at": 1200}}, curves=curves))
    assert " of the 1,200 steps " in finding.what
    assert finding.advice == ("a longer patience: `--early-stop 1000`",)
    whole = find_short_training(Parts({"cell": cell, "adapted": {"stopped_at": 3000}}, curves=curves))
    assert " of the 3,000 steps " in whole.what
    assert whole.advice == ("`--steps 12000`, or `--budget paper`",)  # it excludes scores along the way


def picture(originals, made, mse=0.01):
    """Return the parts of a cell that keeps these images in [0, 1]."""
    both = [(np.asarray(images) * 255).round().astype(np.uint8) for images in (originals, made)]
    shown = Pictures(*both, np.zeros((1, 9, 3, 4, 4), np.uint8), np.linspace(-1, 1, 9), None)
    record = {"cell": {"model": "betavae", "latent_size": 1}, "evaluation": {"mse": mse}, "status": "done"}
    return Parts(record, pictures=shown)


def test_a_decoder_of_one_image_explains_none_of_the_originals_whatever_eight_are_drawn():
    rng = np.random.default_rng(0)
    brightness = rng.beta(0.5, 0.5, (200, 1, 1, 1))
    images = np.clip(brightness + rng.normal(0, 0.1, (200, 3, 4, 4)), 0, 1)
    mean = np.broadcast_to(images.mean(axis=0), (8, 3, 4, 4))
    mse = float(((images - images.mean(axis=0)) ** 2).mean())
    for _ in range(50):
        eight = rng.choice(images, 8, replace=False)
        assert explain_share(picture(eight, mean, mse)) == pytest.approx(0, abs=1e-12)
        assert explain_share(picture(eight, eight, mse)) == 1
        half = mean + (eight - eight.mean(axis=0)) / 2
        assert explain_share(picture(eight, half.clip(0, 1), mse)) == pytest.approx(0.75, abs=0.02)


def test_a_mean_that_is_missed_is_told_from_one_that_differs_by_chance():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 0.2, (8, 3, 4, 4))
    assert find_offset(picture(images, np.full_like(images, 0.1))) < 0.5
    assert find_offset(picture(images, np.full_like(images, 0.5))) > 0.5
