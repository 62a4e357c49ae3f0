"""Lines and notes are at their values, and keep clear of the data."""

import numpy as np
import pytest

from dis_bench.metrics.anchors import Anchor
from dis_bench.reports.figures.anchor_lines import draw_anchors
from dis_bench.reports.figures.theme import panels, theme
from dis_bench.reports.quantities import Quantity

SCORE = Quantity("mig", "MIG", better="higher", is_score=True, range=(0.0, 1.0))


def draw(anchor, dots=((0, 0.2), (1, 0.4)), limits=(0.1, 0.5)):
    """Draw a panel with dots [P, 2] and anchors, as part of a finished figure."""
    with theme():
        figure, [panel, *_] = panels(3, 3, 2.1)
        panel.scatter(*np.array(dots).T, s=16)
        panel.set_ylim(*limits)
        before = (panel.get_xlim(), panel.get_ylim())
        draw_anchors(panel, anchor, SCORE)
        figure.draw_without_rendering()
    assert (panel.get_xlim(), panel.get_ylim()) == before
    return panel


def notes(panel):
    return [text.get_text() for text in panel.texts]


def boxes(panel):
    return [text.get_window_extent() for text in panel.texts]


def levels(panel):
    return [line.get_ydata()[0] for line in panel.lines]


def test_both_in_view():
    panel = draw(Anchor(0.45, 0.15))
    assert levels(panel) == [0.45, 0.15]
    assert notes(panel) == ["perfect 0.450", "noise 0.150"]
    for box, level in zip(boxes(panel), (0.45, 0.15), strict=True):
        line = panel.transData.transform((0, level))[1]
        assert min(abs(box.y0 - line), abs(box.y1 - line)) < box.height  # each beside its own line


def test_both_beyond_are_told_at_their_edges_and_do_not_zoom_out():
    panel = draw(Anchor(0.896, 0.0002))
    assert levels(panel) == []
    assert notes(panel) == ["perfect 0.896 ↑", "noise 0.000 ↓"]
    perfect, noise = boxes(panel)
    area = panel.get_window_extent()
    assert 0 <= area.y1 - perfect.y1 < 2 * perfect.height
    assert 0 <= noise.y0 - area.y0 < 2 * noise.height
    assert 0 <= area.x1 - perfect.x1 < 0.1 * area.width


def test_both_beyond_the_same_edge_stand_apart():
    panel = draw(Anchor(0.0, 0.05))
    assert notes(panel) == ["perfect 0.000 ↓", "noise 0.050 ↓"]
    perfect, noise = boxes(panel)
    assert not perfect.overlaps(noise)


def test_coinciding_lines_have_notes_apart():
    panel = draw(Anchor(0.3, 0.301))
    assert levels(panel) == [0.3, 0.301]
    perfect, noise = boxes(panel)
    assert not perfect.overlaps(noise)


def test_without_anchors_nothing_is_drawn():
    panel = draw(None)
    assert levels(panel) == []
    assert notes(panel) == []


def test_an_axis_that_is_not_settled_yet_fits_the_data_alone():
    with theme():
        figure, [panel] = panels(1, 1, 2.1)
        panel.scatter([0, 1], [3.0, 4.0])
        panel.margins(y=0.0)
        draw_anchors(panel, Anchor(1000.0, 3.5), SCORE)
        figure.draw_without_rendering()
    assert panel.get_ylim() == (3.0, 4.0)
    assert notes(panel) == ["perfect 1000.000 ↑", "noise 3.500"]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("anchor", [Anchor(0.45, 0.15), Anchor(0.896, 0.0), Anchor(0.3, 0.6)])
def test_notes_lie_in_the_panel_and_cover_no_dot_while_there_is_room(anchor, seed):
    rng = np.random.default_rng(seed)
    dots = np.column_stack([rng.uniform(0, 1, 12), rng.uniform(0.12, 0.48, 12)])
    panel = draw(anchor, dots)
    area = panel.get_window_extent()
    places = panel.transData.transform(dots)
    for box in boxes(panel):
        assert area.x0 <= box.x0 < box.x1 <= area.x1
        assert area.y0 <= box.y0 < box.y1 <= area.y1
        assert not box.count_contains(places)
    first, second = boxes(panel)
    assert not first.overlaps(second)
