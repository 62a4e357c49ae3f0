"""The contrast of two colours, as defined in WCAG 2."""

from matplotlib.colors import to_rgb


def contrast(one, other="white"):
    """Return the ratio of luminances, from 1 (same colour) to 21 (black on white)."""
    dark, light = sorted([_luminance(one), _luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
