"""Images that a script has: what they may be, and what is refused."""

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

import dis_bench
from dis_bench.errors import InputError
from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study

GREY = np.random.default_rng(0).integers(0, 256, (6, 8, 8)).astype(np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 3, 8, 8)).astype(np.uint8)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY, GREY[:, None]),
        (GREY[:, None], GREY[:, None]),
        (GREY[..., None], GREY[:, None]),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 2, 3, 1), COLOUR),
        (torch.from_numpy(COLOUR), COLOUR),
        (torch.from_numpy(COLOUR) / 255, COLOUR),
        (COLOUR.astype(np.float64) / 255, COLOUR),
        (COLOUR.astype(">u2"), COLOUR),
        (COLOUR.astype(np.int64), COLOUR),
        (GREY > 100, (GREY > 100)[:, None] * np.uint8(255)),
        (GREY.tolist(), GREY[:, None]),
    ],
)
def test_images_are_bytes_with_channels_first(images, expected):
    dataset = dis_bench.dataset_from(images)
    assert dataset.image_shape == expected.shape[1:]
    assert np.array_equal(dataset.images(np.arange(6)), expected)
    assert dataset.source == "memory"
    assert dataset.name == f"images-{dataset.fingerprint.removeprefix('sha256:')[:8]}"


def test_the_fingerprint_is_that_of_pixels_shape_and_labels():
    found = [
        dis_bench.dataset_from(GREY),
        dis_bench.dataset_from(GREY[::-1]),
        dis_bench.dataset_from(GREY.reshape(6, 4, 16)),
        dis_bench.dataset_from(GREY, [0, 1, 0, 1, 0, 1]),
        dis_bench.dataset_from(GREY, [0, 1, 0, 1, 0, 0]),
    ]
    assert len({dataset.fingerprint for dataset in found}) == 5
    assert dis_bench.dataset_from(GREY / 255, name="mine").fingerprint == found[0].fingerprint


BITS = (GREY > 100).astype(np.uint8)


@pytest.mark.parametrize(
    ("images", "white"),
    [
        (BITS, 1),
        (BITS.astype(np.int64), 1),
        (torch.from_numpy(BITS), 1),
        (BITS > 0, 255),
        (BITS * 1.0, 255),
        (np.zeros_like(BITS), 255),
        (BITS * 2, 255),
    ],
)
def test_whole_numbers_of_0_and_1_are_black_and_white(images, white):
    dataset = dis_bench.dataset_from(images)
    assert dataset.pixel_max == white
    alone = dis_bench.dataset_from(Pairs([*images]))  # one by one, of which some may be black
    assert (alone.pixel_max, alone.fingerprint) == (white, dataset.fingerprint)
    if np.asarray(images).any() and np.asarray(images).max() == 1:
        assert dataset.images(range(6)).max() == white


def test_fingerprints_are_those_of_earlier_versions_and_tell_white_from_1():
    images = np.arange(96, dtype=np.uint8).reshape(6, 4, 4)
    assert dis_bench.dataset_from(images).fingerprint == "sha256:342e8e7955591706"
    assert dis_bench.dataset_from(images, [0, 1] * 3).fingerprint == "sha256:da8f75b97b665cd0"
    nearly_black = dis_bench.dataset_from(BITS / 255)
    assert np.array_equal(nearly_black.images(range(6))[:, 0], BITS)
    assert nearly_black.fingerprint != dis_bench.dataset_from(BITS).fingerprint


def test_later_changes_of_the_array_change_nothing():
    images = torch.from_numpy(GREY.copy())
    dataset = dis_bench.dataset_from(images)
    images.zero_()
    assert np.array_equal(dataset.images([3])[0, 0], GREY[3])


class Pairs(torch.utils.data.Dataset):
    """Images with labels, as torchvision gives them."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def test_a_torch_dataset_gives_images_and_labels():
    tensor = torch.utils.data.TensorDataset(torch.from_numpy(COLOUR) / 255, torch.arange(6) % 2)
    dataset = dis_bench.dataset_from(tensor)
    assert np.array_equal(dataset.images(np.arange(6)), COLOUR)
    assert dataset.factors(np.arange(6))[:, 0].tolist() == [0, 1] * 3
    assert dis_bench.dataset_from(tensor, labels=False).known_factors is None
    assert dis_bench.dataset_from(tensor, labels=list("aabbcc")).labels.sizes == (3,)
    pictures = Pairs([(Image.fromarray(image), number % 3) for number, image in enumerate(GREY)])
    dataset = dis_bench.dataset_from(pictures, label_names=["third"])
    assert np.array_equal(dataset.images(np.arange(6))[:, 0], GREY)
    assert dataset.labels.names == ("third",)
    alone = dis_bench.dataset_from(Pairs([torch.from_numpy(image) for image in GREY]))
    assert (alone.image_shape, alone.known_factors) == ((1, 8, 8), None)
    with_texts = dis_bench.dataset_from(Pairs([(image, "a text") for image in GREY]))
    assert with_texts.known_factors is None


def picture(mode, color=(250, 100, 20), **options):
    return Image.new("RGB", (8, 8), color).convert(mode, **options)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (picture("P", palette=Image.Palette.ADAPTIVE), (250, 100, 20)),
        (picture("HSV"), (250, 100, 20)),
        (picture("YCbCr"), (250, 100, 20)),
        (picture("LAB"), (250, 100, 20)),
        (picture("CMYK"), (250, 100, 20)),
        (picture("RGBA"), (250, 100, 20)),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 0)), (255, 255, 255)),
        (Image.new("LA", (8, 8), (7, 255)), (7,)),
        (Image.fromarray(np.full((8, 8), 200 << 8, np.uint16)), (200,)),
        (Image.new("I", (8, 8), 200), (200,)),
        (Image.new("F", (8, 8), 200 / 255), (200,)),
        (Image.new("1", (8, 8), 1), (255,)),
        (Image.new("L", (8, 8), 200), (200,)),
    ],
    ids=lambda value: getattr(value, "mode", ""),
)
def test_pictures_of_any_mode_look_as_in_a_folder(one, expected):
    for images in (Pairs([(one, 1)] * 2), [one] * 2):
        found = dis_bench.dataset_from(images).images([1])[0].reshape(len(expected), -1).int()
        assert (found - torch.tensor(expected)[:, None]).abs().max() <= 4


def test_images_of_16_bits_share_one_scale():
    def portable(value):
        return Image.open(io.BytesIO(b"P5 4 4 65535\n" + np.full(16, value, ">u2").tobytes()))

    dataset = dis_bench.dataset_from([portable(65_535), portable(30_000), portable(200)])
    assert dataset.images([0, 1, 2])[:, 0, 0, 0].tolist() == [255, 117, 0]
    with pytest.raises(InputError, match=r"must be in \[0, 255\], but these are from 30000"):
        dis_bench.dataset_from([Image.new("I", (4, 4), 200), Image.new("I", (4, 4), 30_000)])


def test_masked_images_are_refused():
    with pytest.raises(InputError, match="images must be a tensor or an array"):
        dis_bench.dataset_from(np.ma.array(GREY, mask=GREY[0, 0, 0] == GREY))


@pytest.mark.parametrize(
    "images",
    [
        *(torch.from_numpy(GREY).to(kind) for kind in (torch.uint16, torch.uint32, torch.uint64)),
        torch.from_numpy(GREY[:, None]).to_sparse(),
        (torch.from_numpy(GREY) / 255).to_sparse(),
        (torch.from_numpy(GREY) / 255).requires_grad_(),
    ],
    ids=lambda images: str(images.dtype),
)
def test_tensors_of_any_type_are_read(images):
    assert np.array_equal(dis_bench.dataset_from(images).images(range(6))[:, 0], GREY)
    assert np.array_equal(dis_bench.dataset_from(Pairs([*images])).images(range(6))[:, 0], GREY)


def test_floats_of_one_byte_are_read():
    images = torch.tensor([0, 0.5, 1]).repeat(2, 3, 1).to(torch.float8_e4m3fn)
    assert dis_bench.dataset_from(images).images([1])[0, 0, 2].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("images", "options", "sentence"),
    [
        (GREY[0], {}, "but one [8, 8] was given"),
        (np.zeros((6, 2, 8, 8), np.uint8), {}, "with 1 or 3 channels C, but one [6, 2, 8, 8]"),
        (np.zeros((6, 0, 8), np.uint8), {}, "but one [6, 1, 0, 8] was given"),
        (COLOUR * 2.0, {}, "images of floats must be in [0, 1], but these are from 0 to 510"),
        (torch.randn(6, 3, 8, 8), {}, "undo their normalisation, or give bytes"),
        (np.full((6, 8, 8), np.nan), {}, "images of floats must be in [0, 1], but these are from nan"),
        (
            COLOUR.astype(np.int64) + 1,
            {},
            "images of whole numbers must be in [0, 255], but these are from 1 to 256",
        ),
        (np.zeros((6, 8, 8), complex), {}, "images must be a tensor or an array"),
        (torch.zeros(6, 8, 8, dtype=torch.complex64), {}, "images must be a tensor or an array"),
        (Pairs([GREY[0], torch.zeros(8, 8, dtype=torch.complex64)]), {}, "image 1: images must be a tensor"),
        (torch.full((6, 8, 8), 256, dtype=torch.uint16), {}, "must be in [0, 255], but these are from 256"),
        (Pairs([GREY[0], torch.zeros(8, 8, device="meta")]), {}, "image 1: images must be a tensor"),
        ("photos", {}, "but 'photos' was given"),
        (3, {}, "images must be a tensor or an array"),
        (None, {}, "images must be a tensor or an array"),
        (GREY[:1], {}, "a dataset needs two images, but 1 was given"),
        (Pairs([]), {}, "a dataset needs two images, but none was given"),
        (Pairs([GREY[0], GREY[0, :4]]), {}, "image 0 has [1, 8, 8] and image 1 [1, 4, 8]"),
        (Pairs([GREY[0], "x"]), {}, "image 1"),
        (Pairs([GREY[0], GREY[1] / 100]), {}, "image 1: images of floats must be in [0, 1]"),
        (GREY, {"labels": [1, 2]}, "labels must be [N] or [N, F] with N = 6 images"),
        (GREY, {"label_names": ["a"]}, "label_names ['a'] were given, but no labels"),
        (GREY, {"name": "dsprites"}, "not the name of an installed dataset, but 'dsprites'"),
        (GREY, {"name": "a/b"}, "the name of a dataset must be letters, digits"),
    ],
)
def test_what_is_no_image_is_refused(images, options, sentence):
    with pytest.raises(InputError) as error:
        dis_bench.dataset_from(images, **options)
    assert sentence in str(error.value)


def test_a_dataset_that_fails_is_named():
    class Failing(Pairs):
        def __getitem__(self, index):
            raise OSError("gone")

    with pytest.raises(InputError, match="the dataset fails on image 0: OSError: gone"):
        dis_bench.dataset_from(Failing([1, 2]))


def make(size=64):
    images = np.random.default_rng(0).integers(0, 256, (40, size, size)).astype(np.uint8)
    return dis_bench.dataset_from(images, labels=np.arange(40) % 4, name="mine")


def test_a_study_takes_it_as_an_object(tmp_path):
    dataset = make()
    options = {
        "metrics": ["mig"],
        "allow_small": True,
        "seeds": 2,
        "steps": 2,
        "batch_size": 4,
        "latent_size": 3,
    }
    study = Study(models=["vae"], datasets=[dataset], **options)
    [cell, _] = study.plan().cells
    assert (cell.dataset, cell.source, cell.fingerprint) == ("mine", "memory", dataset.fingerprint)
    assert cell.dataset_version.startswith("dis-bench ")
    table = run_study(study, tmp_path, workers=2)  # in processes of their own, which get the pixels
    assert table["status"].tolist() == ["done", "done"]
    assert table["mig"].notna().all()
    again = Study(models=["vae"], datasets=[make()], **options)
    assert [cell.hash for cell in again.plan().cells] == table.sort_values("seed")["hash"].tolist()


def test_a_copy_has_the_same_images():
    dataset = make(8)
    dataset.images([0])
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301 (our own bytes)
    assert torch.equal(copy.images([5]), dataset.images([5]))


def test_objects_that_no_record_could_describe_are_refused():
    with pytest.raises(
        InputError, match="source 'official' was given, but dataset 'mine' was made with source"
    ):
        Study(datasets=[make()], source="official", metrics=[]).plan()
    with pytest.raises(InputError, match="has images of 64x64 pixels and cannot resize them"):
        Study(datasets=[make()], image_size=32, metrics=[]).plan()
    with pytest.raises(InputError, match="two datasets of the study are called 'mine'"):
        Study(datasets=[make(), dis_bench.dataset_from(GREY, name="mine")], metrics=[]).plan()
    scope = {}
    exec(
        "from tests.tiny import Tiny\nclass Own(Tiny):\n    name = 'own'",
        scope | {"__name__": "elsewhere"},
        scope,
    )
    with pytest.raises(
        InputError, match=r"the source of 'Own' cannot be found: put it into a file and give 'file\.py:Own'"
    ):
        Study(datasets=[scope["Own"]()], metrics=[]).plan()


def test_built_in_datasets_may_be_objects_too(tmp_path):
    by_name = Study(datasets=["dsprites"], metrics=[], seeds=1).plan().cells
    by_object = Study(datasets=[dis_bench.load_dataset("dsprites")], metrics=[], seeds=1).plan().cells
    assert by_name == by_object


@pytest.mark.parametrize(("height", "width"), [(1, 5), (3, 5), (1, 1), (5, 3), (5, 1)])
def test_pictures_of_few_pixels_keep_their_channels(height, width):
    pixels = np.random.default_rng(0).integers(2, 256, (4, height, width, 3), dtype=np.uint8)
    dataset = dis_bench.dataset_from(Pairs([Image.fromarray(one) for one in pixels]))
    assert dataset.image_shape == (3, height, width)
    assert np.array_equal(dataset.images(range(4)).numpy(), pixels.transpose(0, 3, 1, 2))
    grey = dis_bench.dataset_from(Pairs([Image.fromarray(one[..., 0]) for one in pixels]))
    assert np.array_equal(grey.images(range(4)).numpy()[:, 0], pixels[..., 0])


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 8)])
def test_a_colour_that_is_transparent_is_white_as_in_a_folder(shape, tmp_path):
    pixels = np.random.default_rng(0).integers(9, 200, shape, dtype=np.uint8)
    pixels[0, 0] = 1
    for name in "ab":
        Image.fromarray(pixels).save(
            tmp_path / f"{name}.png", transparency=1 if len(shape) == 2 else (1, 1, 1)
        )
    dataset = dis_bench.dataset_from(Pairs([Image.open(tmp_path / f"{name}.png") for name in "ab"]))
    found = dataset.images([0])[0].numpy()
    assert (found[:, 0, 0] == 255).all()
    assert np.array_equal(found[:, 1:], pixels.reshape(8, 8, -1).transpose(2, 0, 1)[:, 1:])


def test_a_dataset_may_give_a_label_for_each_factor():
    images = torch.rand(6, 1, 8, 8)
    factors = torch.tensor([[0, 5], [1, 5], [2, 7], [0, 7], [1, 5], [2, 7]])
    dataset = dis_bench.dataset_from(torch.utils.data.TensorDataset(images, factors), label_names=["a", "b"])
    assert [(factor.name, factor.values) for factor in dataset.labels] == [("a", (0, 1, 2)), ("b", (5, 7))]
    ragged = [
        (image, row[: 1 + number % 2])
        for number, (image, row) in enumerate(zip(images, factors, strict=True))
    ]
    assert dis_bench.dataset_from(Pairs(ragged)).labels is None
