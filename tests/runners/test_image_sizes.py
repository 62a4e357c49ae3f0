"""Studies of images of 32x32 and 128x128, grey and coloured, from the plan to the report."""

import math

import pytest

from dis_bench import registry
from dis_bench.errors import InputError
from dis_bench.models import build_model
from dis_bench.models.pca import SAMPLE, count_sample
from dis_bench.records.arrays import MOST_BYTES
from dis_bench.records.pictures import read_pictures
from dis_bench.reports.report import build_report
from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study
from tests.runners.test_run import TINY

DATA = """
from tests.tiny import Tiny

class Small(Tiny):
    "The squares of Tiny, half as large."
    name, image_shape = "small", (1, 32, 32)

    def draw(self, indices):
        return super().draw(indices)[:, :, ::2, ::2].contiguous()

class Large(Tiny):
    "The squares of Tiny, twice as large, in three channels."
    name, image_shape = "large", (3, 128, 128)

    def draw(self, indices):
        large = super().draw(indices).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        return large.expand(-1, 3, -1, -1).contiguous()

class Oblong(Tiny):
    "The upper halves of Tiny."
    name, image_shape = "oblong", (1, 32, 64)

    def draw(self, indices):
        return super().draw(indices)[:, :, :32].contiguous()
"""


@pytest.fixture
def study(tmp_path):
    """Return a function that makes a study of some datasets."""
    (tmp_path / "sizes.py").write_text(DATA)

    def make(*datasets, **options):
        names = [f"{tmp_path}/sizes.py:{name}" for name in datasets]
        given = {"models": ["betavae"], "betas": [1], "seeds": 1, "steps": 2, **options}
        return Study(**{**vars(TINY), **given, "datasets": names})

    return make


def test_images_smaller_and_larger_than_the_published_ones_are_trained_and_reported(study, tmp_path):
    out = tmp_path / "out"
    table = run_study(study("Small", "Large"), out, workers=0)
    assert table["failure"].tolist() == ["", ""]
    table = table.set_index("dataset")
    for name, shape in (("small", (1, 32, 32)), ("large", (3, 128, 128))):
        pictures = read_pictures(table.loc[name, "folder"])
        assert pictures.originals.shape[1:] == pictures.traversals.shape[2:] == shape
        pixels, latents = math.prod(shape), len(pictures.traversals)
        assert table.loc[name, "reconstruction"] == pytest.approx(math.log(2) * pixels, rel=0.3)
        assert table.loc[name, "beta_norm"] == pytest.approx(latents / pixels)
    page = build_report(out).files["index.html"].decode()
    assert "small" in page
    assert "large" in page


def test_models_take_a_step_on_small_images_or_say_which_they_take(study):
    models = [name for name, plugin in registry.plugins("models").items() if plugin.is_ours]
    models = [model for model in models if model not in ("infogan", "infogan_cr")]
    planned = study("Small", models=models, betas=(), latent_size=3).plan()  # takes a step, and encodes
    assert [cell.model for cell in planned.cells] == models
    with pytest.raises(InputError) as refusal:
        study("Small", models=["infogan"], betas=()).plan()
    assert str(refusal.value) == (
        "model 'infogan' cannot be built for dataset 'small': the networks of InfoGAN take images of 64x64 "
        "pixels, but these have 32x32."
    )


@pytest.mark.parametrize("network", ["burgess", "locatello", "tutorial", "hsu"])
def test_images_that_are_not_square_are_refused_by_networks_of_squares(study, network):
    with pytest.raises(InputError) as refusal:
        study("Oblong", network=network).plan()
    assert str(refusal.value) == (
        f"model 'betavae' cannot be built for dataset 'oblong': network '{network}' takes images of 32x32, "
        "64x64 or 128x128 pixels, but these have 32x64."
    )


def test_traversals_of_large_images_that_could_not_be_kept_are_refused(study):
    with pytest.raises(InputError) as refusal:
        study("Large", latent_size=1_214).plan()
    assert str(refusal.value) == (
        "latent_size may be 1,213 at most with dataset 'large', since the traversals of its images of "
        "128x128 in 3 channels are kept, but 1,214 was given."
    )
    assert 1_213 * 9 * 3 * 128 * 128 <= MOST_BYTES < 1_214 * 9 * 3 * 128 * 128


def test_images_that_are_not_square_are_trained_by_networks_of_any_size(study, tmp_path):
    table = run_study(study("Oblong", network="mlp", models=["betavae", "pca"]), tmp_path / "out", workers=0)
    assert table["failure"].tolist() == ["", ""]
    for folder in table["folder"]:
        assert read_pictures(folder).reconstructions.shape[1:] == (1, 32, 64)
    assert "oblong" in build_report(tmp_path / "out").files["index.html"].decode()


@pytest.mark.parametrize(
    ("shape", "images"),
    [
        ((1, 32, 32), SAMPLE),
        ((3, 64, 64), SAMPLE),
        ((1, 128, 128), 7_500),
        ((3, 128, 128), 2_500),
        ((3, 256, 256), 625),
    ],
)
def test_components_are_fitted_on_half_a_gigabyte_at_most(shape, images):
    assert count_sample(math.prod(shape)) == images
    asked = []
    for name in ("pca", "random"):
        model, networks = build_model(name, image_shape=(3, 128, 128), latent_size=2)

        def give(count):
            asked.append(count)
            raise StopIteration

        with pytest.raises(StopIteration):
            model.fit(networks, give)
    assert asked == [2_500, 2_500]
