"""3DShapes: sums of planes against direct rendering, and what anyone can see."""

import numpy as np
import pytest
import torch
from PIL import Image

from dis_bench.datasets.shapes3d import planes, scene
from dis_bench.datasets.shapes3d.dataset import Shapes3D

SKY = (153, 226, 249)


def image_of(dataset, **classes):
    """Return one image, [3, 64, 64]; factors that are not given have class 0."""
    return dataset.images(dataset.indices([[classes.get(name, 0) for name in dataset.grid.names]]))[0].int()


def render_directly(dataset, factors):
    """Render without planes or window, in float64.

    Every ray is coloured and rounded; the colours are down-sampled, rounded and clipped.
    """
    values = [factor.values[class_] for factor, class_ in zip(dataset.grid, factors, strict=True)]
    view = scene.look([values[5]])
    ray = scene.place_solid(view, scene.enter_room(view), scene.make_solid(values[4], values[3]))
    region, shade, gleam = (a[0].double() for a in ray)
    colours = torch.from_numpy(np.stack([SKY, *(255 * np.array(planes.HUES)[factors[:3]])]))
    lit = colours[region.long()] * torch.where(region > 0, shade, 1)[..., None] + 255 * gleam[..., None]
    down = planes.lanczos().double()
    small = torch.einsum("ij,jkc,lk->cil", down, lit.round().clamp(0, 255), down)
    return small.round().clamp(0, 255).int()


def test_the_grid_is_the_authors():
    assert Shapes3D.grid.names == ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
    assert Shapes3D.grid.sizes == (10, 10, 10, 8, 4, 15)
    assert len(Shapes3D.grid) == 480_000
    values = {factor.name: factor.values for factor in Shapes3D.grid}
    assert values["floor_hue"][-1] == pytest.approx(0.9)
    assert (values["scale"][0], values["scale"][-1]) == (0.75, 1.25)
    assert (values["orientation"][0], values["orientation"][7]) == (-30, 0)


def test_planes_are_within_one_level_of_direct_rendering(shapes3d):
    generator = np.random.default_rng(4)
    factors = generator.integers(0, shapes3d.grid.sizes, (24, 6))
    factors[:, 4] = np.arange(24) % 4  # every shape
    composed = shapes3d.images(shapes3d.indices(factors)).int()
    differences = torch.stack(
        [(image - render_directly(shapes3d, row)).abs() for image, row in zip(composed, factors, strict=True)]
    )
    assert differences.max() <= 1
    assert differences.float().mean() < 0.02


def test_windows_hold_all_that_a_solid_changes():
    view = scene.look([-30.0, 0.0, 30.0])
    room = scene.enter_room(view)
    for shape in ("cube", "cylinder", "sphere", "capsule"):
        for scale in (0.75, 1.25):
            solid = scene.make_solid(shape, scale)
            after = scene.place_solid(view, room, solid)
            changed = ((after.region != room.region) | (after.shade != room.shade)).any(0)
            rows, columns = scene.find_window(view, solid)
            assert changed.sum() > 1000
            changed[rows, columns] = False
            assert not changed.any()


def test_down_sampling_is_lanczos():
    rays = np.random.default_rng(0).uniform(0, 255, (192, 192)).astype(np.float32)
    expected = np.asarray(Image.fromarray(rays).resize((64, 64), Image.Resampling.LANCZOS))
    down = planes.lanczos().numpy()
    assert down @ rays @ down.T == pytest.approx(expected, abs=1e-2)


def test_hues_mix_from_six_levels():
    assert np.array(planes.LEVELS) / 5 == pytest.approx(np.array(planes.HUES))
    assert planes.LEVELS[0] == [5, 0, 0]
    assert planes.LEVELS[5] == [0, 5, 5]


def test_the_sky_is_above_the_walls(shapes3d):
    for orientation in range(15):
        image = image_of(shapes3d, wall_hue=3, orientation=orientation)
        assert image[:, :8].permute(1, 2, 0).reshape(-1, 3).unique(dim=0).tolist() == [list(SKY)]


def test_a_red_floor_has_no_green_and_no_blue(shapes3d):
    image = image_of(shapes3d, floor_hue=0, wall_hue=5, object_hue=5)
    bottom = image[:, -4:]
    assert bottom[1:].max() == 0
    assert bottom[0].min() > 50


@pytest.mark.parametrize("factor", ["floor_hue", "wall_hue", "object_hue"])
def test_a_hue_changes_its_own_region(shapes3d, factor):
    """Compare regions away from their edges, where ringing reaches three pixels."""
    before, after = (image_of(shapes3d, scale=4, shape=2, orientation=7, **{factor: k}) for k in (1, 6))
    changed = (before != after).any(0)
    places = {"floor_hue": (60, 5), "wall_hue": (26, 5), "object_hue": (42, 32)}
    for name, (row, column) in places.items():
        assert changed[row, column] == (name == factor)


def test_objects_grow_with_scale_and_differ_in_shape(shapes3d):
    def size(**classes):
        red, blue = (image_of(shapes3d, orientation=7, object_hue=hue, **classes) for hue in (0, 6))
        return (red != blue).any(0).sum().item()

    sizes = [size(scale=scale, shape=1) for scale in range(8)]
    assert sizes == sorted(set(sizes))
    assert len({size(scale=3, shape=shape) for shape in range(4)}) == 4


def test_the_first_orientation_shows_the_corner_on_the_right(shapes3d):
    def shade_of_wall(orientation):
        return image_of(shapes3d, orientation=orientation)[0, 24].tolist()

    left, right = shade_of_wall(0), shade_of_wall(14)
    # The steepest step along a row of the wall is the corner of the room.
    assert np.abs(np.diff(left)).argmax() > 40
    assert np.abs(np.diff(right)).argmax() < 24


def test_the_drawings_have_not_changed(shapes3d):
    """Guard against changes, not errors; if one is intended, raise VERSION.

    Rays are cast in floating point, whose last bit may differ between machines, hence a mean and a few
    pixels.
    """
    indices = np.random.default_rng(2).integers(0, len(shapes3d), 512)
    images = shapes3d.images(indices).double()
    assert images.mean((0, 2, 3)).tolist() == pytest.approx([129.5476, 146.7649, 156.4626], abs=0.01)
    expected = torch.tensor([[55, 55, 92, 50], [255, 255, 31, 252], [0, 0, 255, 0]])
    assert (images[0, :, 32, ::16] - expected).abs().max() <= 1
    assert shapes3d.fingerprint == "drawn:9d768d9885bf61a6"
