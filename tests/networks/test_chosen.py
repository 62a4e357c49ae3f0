"""Users' networks are built as they are declared, or refused in a sentence."""

import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.models import build_model
from dis_bench.networks.chosen import choose_networks, describe_sizes

PLUGINS = """
import math
import torch
from torch import nn
from dis_bench.networks.family import Family

class Plain:
    def encoder(self, image_shape, outputs):
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image_shape), outputs))

    def decoder(self, image_shape, inputs):
        return nn.Sequential(nn.Linear(inputs, math.prod(image_shape)), nn.Unflatten(1, image_shape))

class Ones(Plain):
    name, sizes, least_batch, stackable = "ones", [16, 32], 3, False

    def initialise(self, network):
        for weights in network.parameters():
            nn.init.ones_(weights)

def build():
    return Ones()

def fail(self, *arguments): raise RuntimeError("not today")
def variant(name, **members): return type(name, (Plain,), members)

number = 3
def nothing(): return None
class Half:
    encoder = Plain.encoder
class Empty(Family):
    name = "empty"
Init, Encoder = variant("Init", __init__=fail), variant("Encoder", encoder=fail)
Module, Weights = variant("Module", decoder=lambda *a: "none"), variant("Weights", initialise=fail)
Sizes, NoSizes, Sized = variant("Sizes", sizes=64), variant("NoSizes", sizes=()), variant("Sized", sizes=(0,))
Batch, Stack = variant("Batch", least_batch=0), variant("Stack", stackable=1)
"""


@pytest.fixture(autouse=True)
def plugins(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(PLUGINS)
    monkeypatch.chdir(tmp_path)


def test_a_plain_class_takes_any_image_and_keeps_the_weights_of_its_layers():
    networks = choose_networks("nets.py:Plain")
    assert (networks.name, networks.sizes, networks.least_batch, networks.stackable) == (
        "Plain",
        None,
        1,
        True,
    )
    encoder = networks.encoder((1, 5, 4), 6)
    before = encoder[1].weight.clone()
    networks.initialise(encoder)
    assert torch.equal(encoder[1].weight, before)


def test_a_function_may_give_what_says_how_it_is_initialised():
    networks = choose_networks("nets.py:build")
    assert (networks.name, networks.sizes) == ("build", (16, 32))
    assert (networks.least_batch, networks.stackable) == (3, False)
    _, built = build_model("vae", network="nets.py:build", image_shape=(1, 16, 16))
    assert all((weights == 1).all() for weights in built.parameters())


def test_what_a_file_draws_when_it_is_imported_does_not_change_the_weights(tmp_path):
    (tmp_path / "drawing.py").write_text(PLUGINS + "torch.rand(3)\n")
    first, second = (build_model("vae", network="drawing.py:Plain", seed=4)[1] for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "number",
            "network 'number' must be something to call without arguments that gives an object with encoder",
        ),
        ("nothing", "but gives a NoneType without encoder."),
        ("Half", "but gives a Half without decoder."),
        ("Init", "network 'Init' cannot be made: RuntimeError: not today."),
        ("Encoder", "the encoder of network 'Encoder' cannot be built: RuntimeError: not today."),
        (
            "Empty",
            "cannot be built: NotImplementedError: Empty must define encoder(self, image_shape, outputs).",
        ),
        ("Module", "the decoder of network 'Module' must be a torch.nn.Module, but is 'none'."),
        ("Weights", "network 'Weights' cannot be initialised: RuntimeError: not today."),
        (
            "Sizes",
            "network 'Sizes': sizes must be a tuple of whole numbers, or None for any size, but is 64.",
        ),
        ("NoSizes", "or None for any size, but is ()."),
        ("Sized", "or None for any size, but is (0,)."),
        ("Batch", "network 'Batch': least_batch must be a whole number of at least 1, but is 0."),
        ("Stack", "network 'Stack': stackable must be True or False, but is 1."),
        ("build", "network 'build' takes images of 16x16 or 32x32 pixels, but these have 64x64."),
        ("Plane", "nets.py' 'Plane': did you mean 'Plain'?"),
    ],
)
def test_refusals(name, sentence):
    with pytest.raises(InputError) as refusal:
        build_model("vae", network=f"nets.py:{name}")
    assert sentence in str(refusal.value)


def test_unknown_and_taken_names(tmp_path):
    with pytest.raises(
        InputError, match=r"unknown network 'burges': did you mean 'burgess'\? There are: burg"
    ):
        choose_networks("burges")
    (tmp_path / "thief.py").write_text("class Mine:\n    name = 'burgess'\n")
    with pytest.raises(InputError, match="two networks are called 'burgess'"):
        choose_networks("thief.py:Mine")


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 64, 32), (3, 96, 96), (3, 256, 256), (1, 64)])
def test_a_published_family_says_which_images_it_takes(shape):
    given = "x".join(map(str, shape[1:]))
    with pytest.raises(InputError) as refusal:
        choose_networks("burgess").encoder(shape, 20)
    assert str(refusal.value) == (
        f"network 'burgess' takes images of 32x32, 64x64 or 128x128 pixels, but these have {given}."
    )


def test_sizes_in_words():
    assert describe_sizes(None) == "any size"
    assert describe_sizes((64,)) == "64x64 pixels"
    assert describe_sizes((28, 64)) == "28x28 or 64x64 pixels"
    assert describe_sizes((28, 64, 128)) == "28x28, 64x64 or 128x128 pixels"
