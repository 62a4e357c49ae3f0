"""The codes and the decoded images of a model: their shapes, and what they depend on."""

from __future__ import annotations

import torch
from torch import Tensor

from dis_bench.errors import InputError
from dis_bench.findings import Broken, relative_distance
from dis_bench.models.building import count_codes
from dis_bench.runners.checks.trial import IMAGES, LATENTS, ModelTrial
from dis_bench.runners.planning.trial import try_codes, try_fit

ROUNDING = 1e-4  # share of the largest number by which rounding may move one


def gives_codes_and_images(trial: ModelTrial) -> str:
    """Check the shapes of codes, log-variances and decoded images.

    Scores read the codes; reports draw the images.
    """
    trainee, whose = trial.prepare(), f"model '{trial.name}'"
    latents = count_codes(trainee.model, LATENTS, trainee.dataset.image_shape)
    model, networks, dataset = trainee.model, trainee.networks.eval(), trainee.dataset
    with torch.no_grad():
        try:
            try_fit(whose, model, networks, len(dataset), dataset.image_shape)
            for count in (1, IMAGES):
                try_codes(whose, model, networks, trainee.images(count), latents)
        except InputError as error:
            raise Broken(str(error)) from None
    given = trial.encode(trainee, trainee.images(IMAGES))
    return (
        "; ".join(f"{name} {['B', *part.shape[1:]]}".replace("'", "") for name, part in given.items()) + "."
    )


def encodes_each_image_alone(trial: ModelTrial) -> str:
    """Check that codes and decoded images depend on nothing but the image.

    Codes are scored image by image; whatever else is in the batch is an accident.
    """
    images = trial.trained.trainee.images(IMAGES)
    together, again = _encode(trial, images), _encode(trial, images)
    single = [_encode(trial, image[None]) for image in images]
    largest = 0.0
    for name, part in together.items():
        if not part.isfinite().all():
            raise Broken(f"after training its {name} are not all finite")
        if not torch.equal(part, again[name]):
            raise Broken(f"the same images encoded twice give other {name}; expected equal ones")
        moved = relative_distance(torch.cat([one[name] for one in single]), part)
        if moved > ROUNDING:
            raise Broken(
                f"an image encoded alone has other {name} than in a batch, by {moved:.2g} of the largest; "
                f"expected {ROUNDING:g} at most"
            )
        largest = max(largest, moved)
    return f"alone and in a batch numbers differ by {largest:.2g} of the largest at most."


def _encode(trial: ModelTrial, images: Tensor) -> dict[str, Tensor]:
    """Encode images and decode them to pixels.

    The logit of a pixel near 0 or 1 would magnify its rounding.
    """
    parts = trial.encode(trial.trained.trainee, images)
    if "logits" in parts:
        parts["decoded images"] = parts.pop("logits").sigmoid()
    return parts
