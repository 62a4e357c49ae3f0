"""The 3DShapes scene: a room, the solid in it, and their lighting.

This module computes light and shape, not hue: each ray hits a region, with a factor that multiplies the
region's colour. The constants in scene.json were fitted to real images, and the light of the room was
measured rather than modelled; docs/datasets.md says how close the result is.

Lengths are in scene units, z is up, the solid stands at the origin and the camera moves around it. All
orientations are cast at once: tensors are ``[O, 192, 192]``, or broadcast to that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch.nn.functional import grid_sample

from dis_bench.datasets.shapes3d.raycast import Vector, cast

CONSTANTS = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
SIDE = 64  # pixels of an image
RAYS = 192  # across an image: three per pixel
SLICES, STACKS = 28, 16  # of the meshes, which the original lit at their vertices
SKY, FLOOR, WALL, SOLID = range(4)  # regions

Level = tuple[torch.Tensor, torch.Tensor]  # (x, y)
Window = tuple[slice, slice]  # rows and columns of rays
WHOLE: Window = (slice(0, RAYS), slice(0, RAYS))


class View(NamedTuple):
    """The cameras and their rays; ``forward`` is a camera's horizontal direction."""

    origin: Vector
    direction: Vector
    forward: Level


class Room(NamedTuple):
    """The hit of each ray in the empty room, and where it crosses the floor's height."""

    region: torch.Tensor
    shade: torch.Tensor
    floor: Level


class Solid(NamedTuple):
    """A solid: dimensions as in :func:`raycast.cast`, and the height of its underside."""

    shape: str
    radius: float
    half: float
    base: float


class Scene(NamedTuple):
    """The hit of each ray: region, factor on its colour, and white added (0 .. 1)."""

    region: torch.Tensor
    shade: torch.Tensor
    gleam: torch.Tensor


def look(orientations: Sequence[float]) -> View:
    """Place the cameras at the given orientations, ``[O]`` in degrees.

    Within an image, a ray's x and y depend only on the column, and its z only on the row.
    """
    angle = torch.tensor(orientations, dtype=torch.float64).deg2rad().float()[:, None, None]
    sin, cos = angle.sin(), angle.cos()
    distance, height, focal = (CONSTANTS["camera"][name] for name in ("distance", "height", "focal_px"))
    step = ((torch.arange(RAYS) + 0.5) * (SIDE / RAYS) - SIDE / 2) / focal
    origin = (distance * sin, -distance * cos, torch.tensor(height))
    return View(origin, (step * cos - sin, step * sin + cos, -step[:, None]), (-sin, cos))


def enter_room(view: View) -> Room:
    """Cast all rays into the empty room."""
    room, (x, y, z), (dx, dy, dz) = CONSTANTS["room"], view.origin, view.direction
    half = room["half_width"]
    # The distance along a ray to each wall, [back, right, left]; inf if it is behind the camera.
    walls = torch.stack([(half - y) / dy, (half - x) / dx, (-half - x) / dx])
    wall_distance, wall = walls.masked_fill(walls <= 0, torch.inf).min(0)
    floor_distance = (room["floor_z"] - z) / dz
    floor_distance = floor_distance.masked_fill(floor_distance <= 0, torch.inf)

    height = z + wall_distance * dz
    # The walls end slightly above the floor, which continues behind the gap.
    is_floor = (floor_distance < wall_distance) | (height < 0)
    region = torch.where(height > room["wall_height"], SKY, WALL).masked_fill(is_floor, FLOOR)

    floor = (x + floor_distance * dx, y + floor_distance * dy)
    along = torch.where(wall == 0, x + wall_distance * dx, y + wall_distance * dy)
    facing = torch.where(wall == 0, view.forward[1], view.forward[0].abs())
    light = _wall_light(wall, along / half, height / room["wall_height"]) + room["headlight"] * facing
    return Room(region, torch.where(is_floor, _floor_light(*floor), light), floor)


def _floor_light(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    reach = CONSTANTS["room"]["floor_reach"]
    return _between_knots(torch.tensor(CONSTANTS["room"]["floor_light"]), x / reach, y / reach)


def _wall_light(wall: torch.Tensor, along: torch.Tensor, height: torch.Tensor) -> torch.Tensor:
    """Return the light on walls, by number of the wall.

    ``along`` runs from -1 to 1 along a wall, ``height`` from 0 to 1.
    """
    light = torch.tensor(CONSTANTS["room"]["wall_light"])
    walls, knots, _ = light.shape
    # The walls follow each other in one table; no point lies between two of them.
    place = wall * knots + (along + 1) / 2 * (knots - 1)
    return _between_knots(light.flatten(0, 1), place / (walls * knots - 1) * 2 - 1, height * 2 - 1)


def _between_knots(table: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Interpolate bilinearly in a table ``[m, n]``, at u along m and v along n.

    Both run from -1 to 1.
    """
    places = torch.stack(torch.broadcast_tensors(v, u), -1)
    rows = places.flatten(0, 1)[None]
    values = grid_sample(table[None, None], rows, padding_mode="border", align_corners=True)
    return values.view(places.shape[:-1])


def make_solid(shape: str, scale: float) -> Solid:
    """Return the solid of a shape and scale, standing in the room."""
    radius, half, lift = CONSTANTS["solid"]["sizes"][shape]
    return Solid(shape, radius * scale, half * scale, lift + CONSTANTS["room"]["floor_z"])


def find_window(view: View, solid: Solid) -> Window:
    """Find the rows and columns of rays that can hit the solid or its shadow.

    The window holds for all orientations.
    """
    shape, radius, half, base = solid
    top = base + {"sphere": 2 * radius, "capsule": 2 * (half + radius)}.get(shape, 2 * half)
    sides = (-radius, radius)
    box = torch.tensor([[x, y, z] for x in sides for y in sides for z in (base, top)])
    light, floor = torch.tensor(CONSTANTS["room"]["shadow_light"]), CONSTANTS["room"]["floor_z"]
    shadow = light + (box - light) * ((light[2] - floor) / (light[2] - box[:, 2:]))
    corners = torch.cat([box, shadow]).T[:, None, None]
    x, y, z = (corner - o for corner, o in zip(corners, view.origin, strict=True))

    ahead_x, ahead_y = view.forward
    focal = CONSTANTS["camera"]["focal_px"] * RAYS / SIDE / (ahead_x * x + ahead_y * y)
    rows, columns = -focal * z, focal * (ahead_y * x - ahead_x * y)
    first = [max(0, int(at.min() + RAYS / 2) - 1) for at in (rows, columns)]
    last = [min(RAYS, int(at.max() + RAYS / 2) + 2) for at in (rows, columns)]
    return slice(first[0], last[0]), slice(first[1], last[1])


def place_solid(view: View, room: Room, solid: Solid, window: Window = WHOLE) -> Scene:
    """Cast a window's rays at a solid, light it, and throw its shadow on the floor."""
    shape, radius, half, base = solid
    rows, columns = window
    (x, y, z), (dx, dy, dz) = view.origin, view.direction
    origin, direction = (x, y, z - base), (dx[..., columns], dy[..., columns], dz[rows])
    distance, part = cast(shape, radius, half, origin, direction)
    hit = distance.isfinite()

    # The shadow was fitted separately from the shading, as if cast by a nearer light.
    floor, light = CONSTANTS["room"]["floor_z"], torch.tensor(CONSTANTS["room"]["shadow_light"])
    x, y = (a[:, rows, columns] for a in room.floor)
    to_light = (light[0] - x, light[1] - y, light[2] - floor)
    blocked, _ = cast(shape, radius, half, (x, y, torch.tensor(floor - base)), to_light)

    region, shade = room.region[:, rows, columns], room.shade[:, rows, columns]
    shade = shade.masked_fill((blocked < 1) & (region == FLOOR), CONSTANTS["room"]["shadow"])
    gleam = torch.zeros_like(shade)
    where = hit.flatten().nonzero().squeeze(1)
    x, y, z = ((o + distance * d).take(where) for o, d in zip(origin, direction, strict=True))
    ahead_x, ahead_y = (ahead.flatten()[where // hit[0].numel()] for ahead in view.forward)
    lit = _light_solid(solid, part.take(where), (x, y, z), (ahead_x, ahead_y))
    shade.put_(where, lit[0])
    gleam.put_(where, lit[1])
    return Scene(region.masked_fill(hit, SOLID), shade, gleam)


Lit = tuple[torch.Tensor, torch.Tensor]  # shade and gleam


def _light_solid(solid: Solid, part: torch.Tensor, point: Vector, forward: Level) -> Lit:
    """Light points ``[P]`` of a solid; ``part`` is as in :func:`raycast.cast`."""
    shape, radius, half, _ = solid
    x, y, z = point
    if shape == "cube":
        facing = (x.sign(), y.sign(), (z - half).sign())
        a, b, c = (side.masked_fill(part != axis, 0) for axis, side in enumerate(facing))
        return _light(point, (a, b, c), forward)
    # A ball curves around its centre; a side is straight, and is lit at the point's own height.
    centre, rise = z, torch.zeros_like(z)
    balls = {"cylinder": (), "sphere": (radius,), "capsule": (radius + 2 * half, radius)}[shape]
    for ball, height in enumerate(balls, 1):
        centre = centre.masked_fill(part == ball, height)
        rise = torch.where(part == ball, ((z - height) / radius).clamp(-1, 1).asin(), rise)
    shade, gleam = _light_round(radius, centre, y.atan2(x), rise, forward)
    if shape == "cylinder":
        zero, top = torch.zeros_like(z), part == 1
        flat = _light(point, (zero, zero, zero + 1), forward)
        shade, gleam = torch.where(top, flat[0], shade), torch.where(top, flat[1], gleam)
    return shade, gleam


def _light_round(
    radius: float, centre: torch.Tensor, turn: torch.Tensor, rise: torch.Tensor, forward: Level
) -> Lit:
    """Light a round surface as the original did: on a mesh's vertices, then blended."""
    turn, rise = turn * (SLICES / (2 * math.pi)), rise * (STACKS / math.pi)
    shade, gleam = torch.zeros_like(turn), torch.zeros_like(turn)
    for stack in (rise.floor(), rise.floor() + 1):
        up, out = (stack * (math.pi / STACKS)).sin(), (stack * (math.pi / STACKS)).cos()
        for slice_ in (turn.floor(), turn.floor() + 1):
            angle = slice_ * (2 * math.pi / SLICES)
            normal = (out * angle.cos(), out * angle.sin(), up)
            corner = (radius * normal[0], radius * normal[1], radius * up + centre)
            corner_shade, corner_gleam = _light(corner, normal, forward)
            weight = (1 - (rise - stack).abs()) * (1 - (turn - slice_).abs())
            shade += weight * corner_shade
            gleam += weight * corner_gleam
    return shade, gleam


def _light(point: Vector, normal: Vector, forward: Level) -> Lit:
    """Apply ambient light, a headlight, and one light that also adds a constant gleam.

    The gleam appears wherever the surface faces that light.
    """
    solid = CONSTANTS["solid"]
    dx, dy, dz = (light - p for light, p in zip(solid["light"], point, strict=True))
    nx, ny, nz = normal
    facing = (nx * dx + ny * dy + nz * dz) / (dx * dx + dy * dy + dz * dz).sqrt()
    headlight = -(nx * forward[0] + ny * forward[1])
    shade = solid["ambient"] + solid["headlight"] * headlight.clamp_min(0)
    return shade + solid["light_strength"] * facing.clamp_min(0), solid["gleam"] * (facing > 0)
