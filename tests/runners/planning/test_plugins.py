"""Invalid plug-ins are refused before training, in a sentence that names them."""

import numpy as np
import pytest

from dis_bench.cli.main import main
from dis_bench.datasets.grid import Factor
from dis_bench.datasets.labels import Labels
from dis_bench.errors import InputError
from dis_bench.runners.planning.plugins import check_needs
from dis_bench.runners.study import Study
from tests.runners.test_run import HERE
from tests.tiny import Tiny

PLUGINS = """
import sys
import numpy as np
import torch
from dis_bench.datasets.labels import Labels
from dis_bench.networks.burgess import Burgess
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.models.betavae import BetaVAE
from dis_bench.models.model import Hyperparameter, Model
from dis_bench.models.pca import PCA
from dis_bench.models.vae import VAE
from tests.tiny import Tiny

def fail(self, *arguments, **options): raise RuntimeError("not\\ntoday")
def leave(self, *arguments, **options): sys.exit(0)
def one(name, size): return FactorGrid([Factor(name, size, tuple(range(size)), "ordinal")])

def model(name, **members): return type(BetaVAE)(name, (BetaVAE,), {"name": name, **members})
Init, InitExit = model("Init", __init__=fail), model("InitExit", __init__=leave)
Build, BuildNone = model("Build", build=fail), model("BuildNone", build=lambda self, *a, **k: None)
class Own(PCA): name = "Own"
Loss, LossExit = model("Loss", loss=fail), model("LossExit", loss=leave)
LossNumber, LossMany = model("LossNumber", loss=lambda s, t: 3.0), model("LossMany", loss=lambda s, t: t.kl)
LossFixed = model("LossFixed", loss=lambda s, t: torch.zeros(()))
Tuples, Number = model("Tuples", hyperparameters=[("beta", 1.0)]), model("Number", hyperparameters=3)
Twice = model("Twice", hyperparameters=(Hyperparameter("a", 1.0, ""), Hyperparameter("a", 1.0, "")))
Column = model("Column", hyperparameters=(Hyperparameter("kl_17", 1.0, ""),))
KL = (Hyperparameter("kl_weight", 1.0, ""), Hyperparameter("kl_", 1.0, ""))
KlWeight = model("KlWeight", hyperparameters=KL, loss=lambda s, t: s.kl_weight * t.kl.sum())
Named = model("Named"); Named.name = 3
class Bare(Model): name = "bare"
class OnlyLoss(Model):
    name = "onlyloss"
    def loss(self, terms): return terms.kl.sum()
class NoName(VAE):
    name = None
Dial = model("Dial", dial="alpha")
Needs, NeedsText = model("Needs", needs=("labels",)), model("NeedsText", needs="factors")
class Played(VAE):
    name = "played"
    def step(self, networks, batch):
        step = super().step(networks, batch)
        return step._replace(losses={"generator": step.losses["autoencoder"]})
class Indices(VAE):
    name = "indices"
    def draw(self, draws): return {"images": draws.gaussian(3)}
class Codes(VAE):
    name = "codes"
    def encode(self, networks, images): return super().encode(networks, images)[0][:, :3], None
class Measure(VAE):
    name = "measure"
    def step(self, networks, batch): return super().step(networks, batch)._replace(measures={"a": 3.0})

def data(name, **members): return type(name, (Tiny,), {"name": name, "__doc__": "", **members})
DInit, DInitExit = data("DInit", __init__=fail), data("DInitExit", __init__=leave)
TWO = Labels([Factor("a", 1, (0,), "ordinal")], np.zeros((2, 1), int))
Uneven = data("Uneven", grid=None, count=3, labels=TWO)
NoLabels = data("NoLabels", grid=None, count=3, labels=[0, 1, 1])
Parameters = data("Parameters", parameters=["size"])
Grid, GridList = data("Grid", grid=None), data("GridList", grid=[8, 8])
Shape, Flat = data("Shape", image_shape=None), data("Flat", image_shape=(64, 64))
Size, Oblong = data("Size", image_shape=(1, 28, 28)), data("Oblong", image_shape=(3, 64, 32))
TwoChannels, Poster = data("TwoChannels", image_shape=(2, 64, 64)), data("Poster", image_shape=(3, 64, 512))
Print, Source = data("Print", fingerprint=3), data("Source", sources=())
Draw, DrawNone = data("Draw", draw=fail), data("DrawNone", draw=lambda self, i: None)
Floats = data("Floats", draw=lambda self, i: torch.zeros(len(i), 1, 64, 64))
Shapes = data("Shapes", draw=lambda self, i: torch.zeros(len(i), 64, 64, dtype=torch.uint8))
Bright = data("Bright", pixel_max=1, draw=lambda self, i: Tiny().images(i) + 7)
Length, Factors = data("Length", __len__=fail), data("Factors", factors=fail)
Constant = data("Constant", grid=one("x", 1))
Continuous = data("Continuous", grid=one("x", 9_000), draw=lambda self, i: Tiny().images(i % 256))

class Halved(VAE):
    name = "Halved"
    def build(self, given):
        players = super().build(given)
        players.autoencoder.encoder = given.network(flat(10))
        return players
    def posterior(self, networks, images):
        return networks.autoencoder.encoder(images).repeat(1, 2).chunk(2, 1)
    encode = posterior
def nets(name, **members): return type(name, (Burgess,), {"name": name, **members})
def flat(numbers, *more):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4096, numbers), *more)
def half(self, shape, numbers): return flat(numbers // 2)
def norm(self, shape, numbers): return flat(numbers, torch.nn.BatchNorm1d(numbers))
def lay(self, shape, numbers): return torch.nn.Linear(numbers, 4096)
class Whole(torch.nn.Module):
    def forward(self, images): return images.new_zeros(len(images), 20, dtype=torch.int64)
class Pair(torch.nn.Module):
    def forward(self, images): return images, images
NetInit, NetBuild = nets("NetInit", __init__=fail), nets("NetBuild", encoder=fail)
NetLeave, NetNone = nets("NetLeave", decoder=leave), nets("NetNone", encoder=lambda *a: None)
NetHalf, NetLay = nets("NetHalf", encoder=half), nets("NetLay", decoder=lay)
NetPair, NetWhole = nets("NetPair", encoder=lambda *a: Pair()), nets("NetWhole", encoder=lambda *a: Whole())
NetFail = nets("NetFail", encoder=lambda *a: torch.nn.Linear(3, 3))
NetBatch, NetNorm = nets("NetBatch", least_batch=100), nets("NetNorm", encoder=norm)

number = 3
def kl_0(codes, factors): return 0.0
def beta(codes, factors): return 0.0
def label_free(codes, factors, *, power): return 0.0
"""


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    (tmp_path / "plugins.py").write_text(PLUGINS)
    monkeypatch.chdir(tmp_path)


def refuse(capsys, *words):
    assert main(["run", "--dry-run", "--seeds", "1", "--steps", "1", *words]) == 2
    _, err = capsys.readouterr()
    [line] = err.splitlines()
    return line


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Init", "model 'Init': RuntimeError: not today."),
        ("InitExit", "model 'InitExit': SystemExit: 0."),
        ("Build", "model 'Build' cannot be built for dataset 'tiny': RuntimeError: not today."),
        ("BuildNone", "must build a torch.nn.Module, but builds a NoneType"),
        ("Loss", "a step of model 'Loss' fails: RuntimeError: not today."),
        ("LossExit", "a step of model 'LossExit' fails: SystemExit: 0."),
        ("LossNumber", "must be a tensor of one number with a gradient, but is 3.0."),
        ("LossMany", "but is one of shape [2, 10]."),
        ("LossFixed", "but is one without a gradient."),
        ("Tuples", "hyperparameters must be a tuple of Hyperparameter, but is [('beta', 1.0)]."),
        ("Number", "hyperparameters must be a tuple of Hyperparameter, but is 3."),
        ("Twice", "declares the hyperparameter 'a' twice"),
        ("Column", "a hyperparameter called 'kl_17', which is the name of a column"),
        ("Named", "model '3': name must be a text, but is 3."),
        (
            "Bare",
            "model 'bare' must define build(self, given) and encode(self, networks, images), or subclass",
        ),
        (
            "OnlyLoss",
            "model 'onlyloss' defines a loss of a VAE's terms, so it must subclass dis_bench.models.vae",
        ),
        ("Needs", "needs must be () or some of ('factors', 'grid'), but is ('labels',)."),
        ("NeedsText", "needs must be () or some of ('factors', 'grid'), but is 'factors'."),
        ("Dial", "dial must be one of its hyperparameters, but is 'alpha'."),
        ("Played", "a loss to each of its players (autoencoder), but gives them to: generator."),
        ("Indices", "model 'indices' must draw 'images' as int64 indices [B], but draws tensor("),
        ("Codes", "the codes of model 'codes' must be a tensor [2, 10], but are one [2, 3]."),
        (
            "Measure",
            "measure 'a' of model 'measure' must be a tensor of one number, [B] or [B, D], but is 3.0.",
        ),
        ("NoName", "model 'NoName': name must be a text, but is None."),
        ("one", "must be a subclass of dis_bench.models.model.Model"),
    ],
)
def test_models(plugins, capsys, name, sentence):
    words = ["--datasets", f"{HERE}:Tiny", "--metrics", "none", "--models", f"plugins.py:{name}"]
    assert sentence in refuse(capsys, *words)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("DInit", "plugins.py:DInit' cannot be made: RuntimeError: not today."),
        ("DInitExit", "cannot be made: SystemExit: 0."),
        ("Grid", "dataset 'Grid' has no grid, so count must be its number of images, but is None."),
        ("GridList", "grid must be a FactorGrid or None, but is [8, 8]."),
        ("Uneven", "dataset 'Uneven' has 3 images, but labels of 2."),
        ("NoLabels", "labels must be Labels or None, but is [0, 1, 1]."),
        ("Parameters", "dataset 'Parameters': parameters must be a tuple of Parameter, but is ['size']."),
        ("Shape", "image_shape must be (C, H, W), but is None."),
        ("Flat", "image_shape must be (C, H, W), but is (64, 64)."),
        (
            "Size",
            "model 'betavae' cannot be built for dataset 'Size': network 'burgess' takes images of 32x32, "
            "64x64 or 128x128 pixels, but these have 28x28.",
        ),
        ("Oblong", "or 128x128 pixels, but these have 64x32."),
        (
            "TwoChannels",
            "dataset 'TwoChannels' must have images of 1 or 3 channels, and of 256 pixels to a side at most, "
            "but its image_shape is (2, 64, 64).",
        ),
        ("Poster", "but its image_shape is (3, 64, 512)."),
        ("Print", "fingerprint must be a text, but is 3."),
        ("Source", "cannot be made: IndexError"),
        ("Draw", "dataset 'Draw' cannot draw its images: RuntimeError: not today."),
        ("DrawNone", "must draw a uint8 tensor [2, 1, 64, 64], but draws a NoneType."),
        ("Floats", "but draws a float32 tensor [2, 1, 64, 64]."),
        ("Shapes", "but draws a uint8 tensor [2, 64, 64]."),
        ("Bright", "dataset 'Bright' has a pixel of 8, above its pixel_max of 1."),
        ("Length", "dataset 'Length': RuntimeError: not today."),
        ("Factors", "cannot give its factors: RuntimeError: not today."),
        ("Constant", "must have at least 2 images, but has 1."),
        ("Continuous", "cannot be scored: factor 0 looks continuous"),
        ("fail", "cannot be made: TypeError: fail() missing 1 required"),
        ("number", "must be a subclass of Dataset, but is 3."),
        ("Grod", "plugins.py' 'Grod': did you mean 'Grid'?"),
    ],
)
def test_datasets(plugins, capsys, name, sentence):
    words = ["--metrics", f"{HERE}:mean_code", "--datasets", f"plugins.py:{name}"]
    assert sentence in refuse(capsys, *words)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("number", "must be something to call without arguments that gives an object with encoder"),
        ("NetInit", "network 'NetInit' cannot be made: RuntimeError: not today."),
        ("NetBuild", "the encoder of network 'NetBuild' cannot be built: RuntimeError: not today."),
        ("NetLeave", "the decoder of network 'NetLeave' cannot be built: SystemExit: 0."),
        ("NetNone", "the encoder of network 'NetNone' must be a torch.nn.Module, but is None."),
        (
            "NetHalf",
            "the encoder of model 'betavae' with network 'NetHalf' must give a tensor [2, 20] of floats "
            "for a tensor [2, 1, 64, 64], but gives a float32 tensor [2, 10].",
        ),
        ("NetLay", "must give a tensor [2, 1, 64, 64] of floats for a tensor [2, 10], but gives a float32"),
        ("NetPair", "of floats for a tensor [2, 1, 64, 64], but gives a tuple."),
        ("NetWhole", "but gives a int64 tensor [2, 20]."),
        ("NetFail", "with network 'NetFail' fails on a tensor [2, 1, 64, 64]: RuntimeError: mat1"),
        (
            "NetBatch",
            "network 'NetBatch' needs batches of 100 images or more, so batch_size must be at least 100, "
            "but 64 was given.",
        ),
        ("NetBuilt", "plugins.py' 'NetBuilt': did you mean 'NetBuild'?"),
    ],
)
def test_networks(plugins, capsys, name, sentence):
    words = ["--datasets", f"{HERE}:Tiny", "--metrics", "none", "--network", f"plugins.py:{name}"]
    assert sentence in refuse(capsys, *words)


def test_networks_are_tried_on_as_many_images_as_a_batch_has(plugins, capsys):
    study = Study(datasets=[f"{HERE}:Tiny"], metrics=(), network="plugins.py:NetNorm", seeds=1)
    assert len(study.plan().cells) == 1
    words = ["--datasets", f"{HERE}:Tiny", "--metrics", "none", "--network", "plugins.py:NetNorm"]
    assert "fails on a tensor [1, 1, 64, 64]: ValueError" in refuse(capsys, *words, "--batch-size", "1")


@pytest.mark.parametrize(("model", "data"), [("Own", "plugins.py:Size"), ("Halved", f"{HERE}:Tiny")])
def test_a_model_may_have_networks_of_its_own(plugins, model, data):
    study = Study(models=[f"plugins.py:{model}"], datasets=[data], metrics=(), seeds=1)
    assert len(study.plan().cells) == 1


def test_what_cannot_be_scored_can_be_trained(plugins, capsys):
    words = ["--datasets", "plugins.py:Continuous", "--metrics"]
    assert "--metrics none trains without scores." in refuse(capsys, *words, f"{HERE}:mean_code")
    assert main(["run", "--dry-run", "--seeds", "1", "--steps", "1", *words, "none"]) == 0


def test_names_that_only_begin_like_columns_are_free(plugins):
    Study(models=["plugins.py:KlWeight"], datasets=[f"{HERE}:Tiny"], metrics=()).plan()
    with pytest.raises(InputError, match="metric called 'kl_0', which is the name of a column"):
        Study(datasets=[f"{HERE}:Tiny"], metrics=["plugins.py:kl_0"]).plan()
    with pytest.raises(InputError, match="metric called 'beta', as a hyperparameter of model 'betavae' is"):
        Study(datasets=[f"{HERE}:Tiny"], metrics=["plugins.py:beta"]).plan()
    Study(models=["pca"], datasets=[f"{HERE}:Tiny"], metrics=["plugins.py:beta"]).plan()


def test_a_model_that_needs_factors_is_refused_on_data_without():
    class OwnImages(Tiny):
        """Images without factors: an example."""

        grid, count = None, 3

    class Labelled(OwnImages):
        """Images with a label: an example."""

        labels = Labels([Factor("kind", 2, ("a", "b"), "categorical")], np.array([[0], [1], [1]]))

    check_needs("paired", ("factors", "grid"), "tiny", Tiny())
    check_needs("labelled", ("factors",), "own", Labelled())
    with pytest.raises(InputError, match="by which it draws pairs, but dataset 'own' has labels alone"):
        check_needs("paired", ("grid",), "own", Labelled())
    with pytest.raises(InputError, match="by which it draws pairs, but dataset 'own' has none"):
        check_needs("paired", ("grid",), "own", OwnImages())
    check_needs("vae", (), "own", OwnImages())
    sentence = "model 'paired' needs factors, by which it draws pairs or labels, but dataset 'own' has none."
    with pytest.raises(InputError) as refusal:
        check_needs("paired", ("factors",), "own", OwnImages())
    assert str(refusal.value) == sentence
