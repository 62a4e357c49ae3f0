"""Any encoder can encode a dataset: rows, batches, kinds of arrays, refusals."""

import numpy as np
import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.runners.scoring.encoding import encode_dataset, load_encoders, read_codes
from dis_bench.runners.scoring.rows import draw_rows
from tests.tiny import Tiny


def brightness(images):
    return images.double().mean((1, 2, 3))[:, None]


def test_codes_stand_beside_the_factors_of_their_images():
    codes, factors, _ = encode_dataset(brightness, Tiny())
    assert codes.shape == (256, 1)
    assert np.array_equal(codes[:, 0], (6 + 4 * factors[:, 2]) ** 2 / 64**2)
    assert np.array_equal(np.sort(Tiny.grid.indices(factors)), np.arange(256))


def test_rows_are_those_on_which_runs_are_scored():
    _, factors, _ = encode_dataset(brightness, Tiny(), rows=40)
    assert np.array_equal(Tiny.grid.indices(factors), draw_rows(Tiny(), 40))


def test_every_image_is_encoded_once_in_batches_with_the_pixels_of_the_dataset():
    seen = []

    def encode(images):
        seen.append(images)
        return images.flatten(1)[:, :2]

    codes, _, _ = encode_dataset(encode, Tiny(), rows=100, batch=32)
    assert [len(images) for images in seen] == [32, 32, 32, 4]
    assert {images.dtype for images in seen} == {torch.uint8}
    assert torch.equal(torch.cat(seen), Tiny().images(draw_rows(Tiny(), 100)))
    assert codes.shape == (100, 2)


@pytest.mark.parametrize("width", [1, 2])
def test_an_encoder_may_return_a_view_of_its_own_buffer(width):
    buffer = torch.zeros(500, width, dtype=torch.float64)

    def encode(images):
        buffer[: len(images)] = brightness(images)
        return buffer[: len(images)]

    codes, _, _ = encode_dataset(encode, Tiny(), rows=100, batch=32)
    assert np.array_equal(codes[:, :1], encode_dataset(brightness, Tiny(), rows=100).codes)


@pytest.mark.parametrize(
    "convert",
    [
        torch.Tensor.numpy,
        torch.Tensor.float,
        torch.Tensor.tolist,
        lambda codes: codes.requires_grad_(),
        lambda codes: codes.bfloat16(),
    ],
)
def test_arrays_tensors_and_lists(convert):
    codes, factors, _ = encode_dataset(lambda images: convert(brightness(images)), Tiny(), rows=20)
    expected = (6 + 4 * factors[:, 2]) ** 2 / 64**2
    assert codes[:, 0] == pytest.approx(expected, rel=0.005)
    assert codes.dtype.kind == "f"


def test_no_gradients_are_kept():
    layer = torch.nn.Linear(4096, 3)
    encode_dataset(lambda images: layer(images.flatten(1).float()), Tiny(), rows=20)
    assert layer.weight.grad is None


def test_a_width_that_changes_is_refused():
    with pytest.raises(InputError, match=r"codes \[4, D\], with the same D for all images, but .* \[4, 2\]"):
        encode_dataset(lambda images: np.zeros((len(images), len(images) // 2)), Tiny(), rows=36, batch=32)


def test_a_value_that_is_not_finite_is_told_by_image():
    index = int(draw_rows(Tiny(), 40)[33])

    def encode(images):
        codes = brightness(images).repeat(1, 3)
        codes[(images == Tiny().images([index])).flatten(1).all(1), 2] = float("-inf")
        return codes

    with pytest.raises(InputError, match=f"code 2 of image {index} is -inf"):
        encode_dataset(encode, Tiny(), rows=40, batch=32)


def test_an_encoder_by_module_and_by_file(tmp_path):
    assert load_encoders(f"{__name__}:brightness") == [brightness]
    (tmp_path / "model.py").write_text("encode = len\nseeds = [len, abs]\nnone = []\n")
    assert load_encoders(f"{tmp_path / 'model.py'}:encode") == [len]
    assert load_encoders(f"{tmp_path / 'model.py'}:seeds") == [len, abs]
    with pytest.raises(InputError, match=r"the list of encoders .* is empty"):
        load_encoders(f"{tmp_path / 'model.py'}:none")


def test_read_codes_gives_the_arrays_that_are_there(tmp_path):
    codes, factors = np.eye(3), np.arange(3)[:, None]
    np.savez_compressed(tmp_path / "codes.npz", codes=codes, factors=factors, more=codes)
    arrays = read_codes(tmp_path / "codes.npz")
    assert arrays.keys() == {"codes", "factors"}
    assert np.array_equal(arrays["codes"], codes)


class Network(torch.nn.Module):
    """A network that returns mean brightness, and remembers its inputs and its mode."""

    def __init__(self, kind=torch.float32):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones((), dtype=kind))
        self.noise = torch.nn.Dropout(0.5)
        self.seen = []

    def forward(self, images):
        self.seen.append((images.dtype, float(images.max()), self.noise.training, torch.is_grad_enabled()))
        return self.noise(self.scale * images.mean((1, 2, 3)))[:, None]


class Bytes(Tiny):
    """The dataset Tiny with white pixels of 255."""

    pixel_max = 255

    def draw(self, indices):
        return super().draw(indices) * 255


@pytest.mark.parametrize(("dataset", "kind"), [(Tiny(), torch.float32), (Bytes(), torch.float64)])
def test_a_network_takes_floats_and_is_left_as_it_was(dataset, kind):
    network = Network(kind)
    network.noise.eval()
    codes, factors, _ = encode_dataset(network, dataset, rows=20)
    assert codes[:, 0] == pytest.approx((6 + 4 * factors[:, 2]) ** 2 / 64**2, rel=1e-5)
    assert set(network.seen) == {(kind, 1.0, False, False)}
    assert (network.training, network.noise.training) == (True, False)


def test_a_network_that_fails_is_left_as_it_was():
    network = torch.nn.Linear(3, 2)
    with pytest.raises(InputError, match="the encoder failed on"):
        encode_dataset(network, Tiny(), rows=20)
    assert network.training
