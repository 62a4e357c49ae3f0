"""What breaks a model's contract is refused in a sentence before anything is trained."""

import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.models.model import Adam
from dis_bench.runners.study import Study
from tests.runners.test_run import HERE

MODELS = """
import torch
from dis_bench.models.betavae import BetaVAE
from dis_bench.models.model import Adam, Hyperparameter
from dis_bench.models.vae import VAE

def model(name, **members): return type(BetaVAE)(name, (BetaVAE,), {"name": name, **members})
def fail(self, *given): raise RuntimeError("not today")

# What is changed in place.
def dark(self, networks, images): return VAE.encode(self, networks, images.zero_())
def flat(self, networks, codes): return VAE.decode(self, networks, codes.zero_())
def posterior(self, networks, images): return VAE.posterior(self, networks, images.mul_(2).sub_(1))
def rounded(self, terms):
    terms.images.round_()
    return VAE.loss(self, terms)
Dark, Flat = model("dark", encode=dark), model("flat", decode=flat)
Centred, Rounded = model("centred", posterior=posterior), model("rounded", loss=rounded)
def floored(self, terms):
    squares = terms.mean.exp()
    loss = squares.sum()
    squares.clamp_(min=1.0)
    return loss + squares.square().sum() + terms.mean.exp().mul(squares).sum() + squares.zero_().sum()
Floored = model("floored", loss=floored)

# Steps.
def step(name, change): return model(name, step=lambda s, n, b: change(VAE.step(s, n, b)))
def measuring(name, measures): return step(name, lambda made: made._replace(measures=measures))
Plain, Lone = step("plain", tuple), step("lone", lambda made: None)
MeasuresNone, MeasuresList = measuring("measuresnone", None), measuring("measureslist", [1])
ONE = torch.ones(())
Complex, Whole = measuring("complex", {"a": ONE * 1j}), measuring("whole", {"a": torch.ones(2).long()})
Hollow, Third = measuring("hollow", {"a": torch.zeros(0)}), measuring("third", {3: ONE})
Comma, Line = measuring("comma", {"a,b": ONE}), measuring("line", {"a\\nb": ONE})
Quote, Nameless = measuring("quote", {'a"b': ONE}), measuring("nameless", {"": ONE})
StepName, LossName = measuring("stepname", {"step": ONE}), measuring("lossname", {"loss": ONE})
Heldout = measuring("heldout", {"heldout_kl": ONE})
Parts = measuring("parts", {"kl": torch.ones(2, 3), "kl_0": ONE})
LossComplex = model("losscomplex", loss=lambda s, t: t.kl.sum() * 1j)

# Batches.
def drawing(name, change): return model(name, draw=lambda s, d: change(VAE.draw(s, d)))
DrawNone = drawing("drawnone", lambda b: {**b, "x": None})
DrawFloat = drawing("drawfloat", lambda b: {**b, "x": 3.0})
DrawList = drawing("drawlist", lambda b: [b["images"]])
DrawFar = drawing("drawfar", lambda b: {**b, "images": b["images"] + 256})

# Codes and images.
def coding(name, change): return model(name, encode=lambda s, n, i: change(*VAE.encode(s, n, i)))
def showing(name, change): return model(name, decode=lambda s, n, c: change(VAE.decode(s, n, c)))
CodesNan = coding("codesnan", lambda m, v: (m / 0, v))
CodesWhole = coding("codeswhole", lambda m, v: (m.long(), v))
CodesSparse = coding("codessparse", lambda m, v: (m.to_sparse(), v))
Alone = coding("alone", lambda m, v: m)
VarianceNan = coding("variancenan", lambda m, v: (m, v.sub(1e9).log()))
ImagesComplex = showing("imagescomplex", lambda i: i * 1j)
ImagesNan = showing("imagesnan", lambda i: i * float("nan"))
Fit = model("fit", fit=fail)
def build(self, parts):
    networks = VAE.build(self, parts)
    networks.autoencoder.late = torch.nn.LazyLinear(3)
    return networks
Lazy = model("lazy", build=build)

# Optimisers.
def with_adams(name, adams): return model(name, optimisers=lambda self: adams())
Typo = with_adams("typo", lambda: {"autoencodr": Adam(lr=1e-3)})
NoAdams = with_adams("noadams", lambda: None)
Numbers = with_adams("numbers", lambda: {"autoencoder": float("nan")})
Uphill = with_adams("uphill", lambda: {"autoencoder": Adam(lr=-1.0)})

# Hyperparameters.
def having(name): return model(f"h_{name}", hyperparameters=(Hyperparameter(name, 1.0, ""),), loss=VAE.loss)
HFit, HLoss, HValues, HReach, HNeeds = map(having, ("fit", "loss", "values", "reach", "needs"))
HName, HInit = having("name"), having("__init__")
"""

REFUSALS = {
    "Dark": "encode of model 'dark' changes the images that it is given: let it change a copy,",
    "Flat": "decode of model 'flat' changes the codes that it is given: let it change a copy, codes.clone().",
    "Centred": "a step of model 'centred' changes the images that it is given",
    "Rounded": "a step of model 'rounded' changes the images that it is given",
    "Floored": "the loss of model 'floored' has no gradient: RuntimeError: one of the variables needed",
    "Plain": "a step of model 'plain' must return Step(losses, measures), but returns a tuple.",
    "Lone": "a step of model 'lone' must return Step(losses, measures), but returns None.",
    "MeasuresNone": "of a step of model 'measuresnone' must be a dict of tensors by name, but are None.",
    "MeasuresList": "must be a dict of tensors by name, but are [1].",
    "Complex": "must be a tensor of one number, [B] or [B, D], but is a tensor [] of complex64.",
    "Whole": "must be a tensor of one number, [B] or [B, D], but is a tensor [2] of int64.",
    "Hollow": "must be a tensor of one number, [B] or [B, D], but is a tensor [0] of float32.",
    "Third": "without commas and quotes, but one is called 3.",
    "Comma": "without commas and quotes, but one is called 'a,b'.",
    "Line": "must have names of one line without commas and quotes, but one is called 'a\\nb'.",
    "Quote": "one is called 'a\"b'.",
    "Nameless": "one is called ''.",
    "StepName": "a measure called 'step', which is the name of another column of its training.csv;",
    "LossName": "a measure called 'loss', which is the name of another column",
    "Heldout": "a measure called 'heldout_kl', which is the name of another column",
    "Parts": "the measures of model 'parts' give two columns of the name 'kl_0'; rename one.",
    "LossComplex": "must be a tensor of one number with a gradient, but is one of complex64.",
    "DrawNone": "model 'drawnone' must draw tensors by name, but draws 'x' as None.",
    "DrawFloat": "model 'drawfloat' must draw tensors by name, but draws 'x' as 3.0.",
    "DrawList": "model 'drawlist' must draw tensors by name, but draws [tensor(",
    "DrawFar": "must draw 'images' as int64 indices [B] from 0 to 255, but draws tensor(",
    "CodesNan": "the codes of model 'codesnan' must be finite, but some of them are ",
    "CodesWhole": "must be a dense tensor of floats, but are one of int64.",
    "CodesSparse": "must be a dense tensor of floats, but are one of sparse_coo.",
    "Alone": "must encode images to codes and log-variances, or codes and None, but gives tensor(",
    "VarianceNan": "the log-variances of model 'variancenan' must be finite, but some of them are nan.",
    "ImagesComplex": "decodes must be a dense tensor of floats, but are one of complex64.",
    "ImagesNan": "the images that model 'imagesnan' decodes must be finite, but some of them are nan.",
    "Lazy": "has a lazy layer: 'autoencoder.late.weight' has no shape before the first batch",
    "Fit": "fit of model 'fit' fails: RuntimeError: not today.",
    "Typo": "optimisers() of model 'typo' names player 'autoencodr', but the players are autoencoder.",
    "NoAdams": "optimisers() of model 'noadams' must return Adams by player, but returns None.",
    "Numbers": "must return Adams by player, but returns {'autoencoder': nan}.",
    "Uphill": "optimisers() of model 'uphill': lr of Adam must be a number of at least 0, but -1.0",
    "HFit": "a hyperparameter called 'fit', which is the name of another part of a model; rename it.",
    "HLoss": "a hyperparameter called 'loss', which is the name of another part",
    "HValues": "a hyperparameter called 'values', which is",
    "HReach": "a hyperparameter called 'reach', which is",
    "HNeeds": "a hyperparameter called 'needs', which is",
    "HName": "a hyperparameter called 'name', which is",
    "HInit": "a hyperparameter called '__init__', which is",
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_model_that_breaks_its_contract_is_refused_in_a_sentence(name, tmp_path, monkeypatch):
    (tmp_path / "models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    study = Study(models=[f"models.py:{name}"], datasets=[f"{HERE}:Tiny"], metrics=(), seeds=1, steps=1)
    with pytest.raises(InputError) as refusal:
        study.plan()
    assert REFUSALS[name] in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"lr": -1e-3}, "lr of Adam must be a number of at least 0, but -0.001 was given."),
        ({"lr": float("nan")}, "lr of Adam must be a number of at least 0, but nan was given."),
        ({"lr": torch.ones(())}, "lr of Adam must be a number of at least 0, but tensor(1.) was given."),
        ({"betas": (2, 3)}, "betas of Adam must be two numbers from 0 to below 1, but (2, 3) was given."),
        ({"betas": (0.9, 1.0)}, "from 0 to below 1, but (0.9, 1.0) was given."),
        ({"betas": 0.9}, "from 0 to below 1, but 0.9 was given."),
        ({"weight_decay": -1}, "weight_decay of Adam must be a number of at least 0, but -1 was given."),
        (
            {"clip_value": float("inf")},
            "clip_value of Adam must be a number of at least 0, but inf was given.",
        ),
    ],
)
def test_values_with_which_adam_takes_no_step_are_refused(given, sentence):
    with pytest.raises(InputError) as refusal:
        Adam(**given)
    assert sentence in str(refusal.value)
