"""Plots draw the seeds and the means of the table, with beta as an ordered number."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from dis_bench.reports.anchors import gather_anchors
from dis_bench.reports.figures.plots import draw_against_dial, draw_tradeoff, split_series
from dis_bench.reports.figures.theme import (
    COLOURS,
    OTHERS,
    REFERENCE_COLOURS,
    DialScale,
    label_steps,
    panels,
    set_title,
    theme,
    to_pixels,
)
from tests.reports.made_up import write_anchors

draw_against_beta = partial(draw_against_dial, dial="beta")


def luminance(colour):
    return np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722))


def titled(figure, title):
    return next(axes for axes in figure.axes if axes.get_title(loc="left").split() == title.split())


@pytest.fixture
def drawn(study, tabulated, tmp_path):
    """Return a setting, its table, its quantities, and a figure of it."""

    def draw(function, records):
        [setting], [table], quantities = tabulated(records, gather_anchors(tmp_path / "results", []))
        with theme():
            figure = function(setting, table, quantities)
            to_pixels(figure)
        return setting, table, figure

    return draw


def test_tradeoff_has_a_dot_per_cell_and_a_path_through_the_means_in_beta_order(drawn, study):
    setting, table, figure = drawn(draw_tradeoff, study(betas=[10, 1, 4]))
    panel = titled(figure, "MIG")
    dots = np.concatenate([c.get_offsets() for c in panel.collections if len(c.get_offsets()) > 1])
    assert sorted(map(tuple, dots)) == sorted(
        zip(setting.done["reconstruction"], setting.done["mig"], strict=True)
    )
    path = next(line for line in panel.lines if len(line.get_xdata()) == 3)
    assert path.get_xdata().tolist() == table["reconstruction_mean"].tolist()
    assert path.get_ydata().tolist() == table["mig_mean"].tolist()
    assert table["beta"].tolist() == [1, 4, 10]
    assert "better" in panel.get_ylabel()
    assert len([axes for axes in figure.axes if axes.get_title(loc="left")]) == 6


def test_error_bars_are_the_standard_deviations(drawn, study):
    _, table, figure = drawn(draw_against_beta, study())
    panel = titled(figure, "MIG ↑")
    bars = [container[2][0].get_segments()[0] for container in panel.containers]
    assert [bar[1, 1] - bar[0, 1] for bar in bars] == pytest.approx((2 * table["mig_std"]).tolist())
    assert [bar[0, 0] for bar in bars] == [1, 4, 10]


def test_a_model_without_beta_is_a_line_across(drawn, study):
    study()
    setting, table, figure = drawn(draw_against_beta, study(betas=[None], model="vae"))
    names = [one.name for one in split_series(setting, table)]
    assert names == ["betavae", "vae (its objective: β = 1)"]
    panel = titled(figure, "MIG ↑")
    [level] = {
        line.get_ydata()[0] for line in panel.lines if line.get_xdata()[0] == 0 and line.get_xdata()[-1] == 1
    }
    assert level == table.loc[table["model"] == "vae", "mig_mean"].item()
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == names


@pytest.mark.parametrize("function", [draw_tradeoff, draw_against_beta])
def test_anchors_stand_in_the_panels_of_their_scores(drawn, study, tmp_path, function):
    records = study()
    write_anchors(tmp_path / "results", {"mig": (0.2, 0.0)})
    _, _, figure = drawn(function, records)
    mig = titled(figure, "MIG" if function is draw_tradeoff else "MIG ↑")
    low, high = mig.get_ylim()
    assert low < 0.2 < high
    assert 0.2 in [line.get_ydata()[0] for line in mig.lines if list(line.get_xdata()) == [0, 1]]
    assert mig.texts[0].get_text() == "perfect 0.200"
    assert [axes for axes in figure.axes if axes.texts] == [mig]


@pytest.mark.parametrize("function", [draw_tradeoff, draw_against_beta])
def test_anchors_stand_beside_a_score_that_some_cells_lack(drawn, study, tmp_path, function):
    records = study(seeds=[0])
    del records[0]["scores"]["mig"]
    write_anchors(tmp_path / "results", {"mig": (1.0, 0.0)})
    _, _, figure = drawn(function, records)
    assert [[note.get_text() for note in axes.texts] for axes in figure.axes if axes.texts] == [
        ["perfect 1.000 ↑", "noise 0.000 ↓"]
    ]


def test_long_titles_are_broken_into_lines_that_end_before_the_next_panel():
    with theme():
        figure, axes = panels(4, 4, 2.1)
        for panel in axes:
            set_title(panel, "gaussian wasserstein correlation norm\N{NO-BREAK SPACE}↓")
        figure.draw_without_rendering()
    titles = [panel._left_title.get_window_extent() for panel in axes]
    assert all(one.x1 < two.x0 for one, two in pairwise(titles))
    assert titles[-1].x1 <= figure.bbox.x1


@pytest.mark.parametrize(
    "title", ["DCI informativeness\N{NO-BREAK SPACE}↑", "normalised Gaussian Wasserstein"]
)
@pytest.mark.parametrize("columns", [2, 3, 4])
def test_titles_end_before_the_edge_of_the_figure(columns, title):
    with theme():
        figure, axes = panels(columns, columns, 2.1)
        for panel in axes:
            set_title(panel, title)
            panel.set_yticks([0.9, 1.0], ["0.090", "0.100"])
            panel.set_ylabel("accuracy")
        figure.draw_without_rendering()
    titles = [panel._left_title.get_window_extent() for panel in axes]
    assert all(one.x1 < two.x0 for one, two in pairwise(titles))
    assert titles[-1].x1 <= figure.bbox.x1


@pytest.mark.parametrize(("worst", "scale"), [(2839.0, "log"), (250.0, "linear")])
def test_the_loss_has_the_axis_of_the_page_s_plane(drawn, study, worst, scale):
    values = {(beta, seed): {"reconstruction": 80.0 + seed} for beta in (1, 4) for seed in (0, 1, 2)}
    study(betas=[1, 4], values=values)
    worst = {(None, seed): {"reconstruction": worst} for seed in (0, 1, 2)}
    _, _, figure = drawn(draw_tradeoff, study(betas=[None], model="untrained", values=worst))
    panel = titled(figure, "MIG")
    assert panel.get_xscale() == scale
    assert ("log scale" in figure.axes[-1].get_xlabel()) == (scale == "log")
    if scale == "log":
        assert [label.get_text() for label in panel.get_xticklabels()] == [
            "100",
            "200",
            "500",
            "1,000",
            "2,000",
        ]


@pytest.mark.parametrize("noise", [0.0, 1e-17])
def test_a_quantity_that_is_zero_everywhere_has_an_axis_around_zero(drawn, study, noise):
    values = {(beta, seed): {"kl": noise * seed} for beta in (1, 4) for seed in (0, 1)}
    _, _, figure = drawn(draw_against_beta, study(betas=[1, 4], seeds=[0, 1], values=values))
    panel = titled(figure, "KL")
    low, high = panel.get_ylim()
    assert low < 0 < high
    assert 0.01 < high - low < 1
    assert panel.yaxis.get_offset_text().get_text() == ""


def test_linear_within_a_factor_of_ten_and_logarithmic_beyond():
    assert [DialScale([1, 4, 10]).position(beta) for beta in (1, 4, 10)] == [1, 4, 10]
    scale = DialScale([0.1, 1, 100])
    assert [scale.position(beta) for beta in (0.1, 1, 100)] == pytest.approx([-1, 0, 2])


@pytest.mark.parametrize("betas", [[0, 1, 4], [0, 0.1, 1, 100], [0], [4], [1, 4, 10, 10]])
def test_beta_zero_shows_and_colours_follow_beta(betas):
    from matplotlib.figure import Figure

    scale = DialScale(reversed(betas))
    shades = [luminance(scale.colour(beta)) for beta in scale.levels]
    assert shades == sorted(shades)
    assert len(set(shades)) == len(set(betas))
    axes = Figure().subplots()
    scale.label_axis(axes)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels[0] == f"{betas[0]:g}"
    assert labels[-1] == f"{betas[-1]:g}"
    low, high = axes.get_xlim()
    assert low < scale.position(betas[0]) <= scale.position(betas[-1]) < high


@pytest.mark.parametrize("hue", [*COLOURS, *REFERENCE_COLOURS, OTHERS])
def test_every_hue_stands_out_from_white_and_darkens_along_the_dial(hue):
    scale = DialScale([1, 2, 4])
    shades = [contrast_to_white(scale.colour(beta, hue)) for beta in scale.levels]
    assert shades[0] >= 3
    assert shades == sorted(shades)


def contrast_to_white(colour):
    """Return the contrast of a colour to white, as defined in WCAG."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 1.05 / (np.dot(linear, (0.2126, 0.7152, 0.0722)) + 0.05)


def test_many_betas_do_not_crowd_the_axis_or_the_legend():
    from matplotlib.figure import Figure

    scale = DialScale([0, 0.1, 0.25, 0.5, 1, 2, 3, 4, 6, 8, 10, 16, 32, 64, 100])
    axes = Figure().subplots()
    scale.label_axis(axes)
    labels = axes.get_xticklabels()
    assert 4 <= len(labels) < 10
    assert (labels[0].get_text(), labels[-1].get_text()) == ("0", "100")
    names = [handle.get_label() for handle in scale.legend_handles()]
    assert (len(names), names[0], names[-1]) == (8, "β = 0", "β = 100")


def test_the_caller_s_plot_settings_stay(drawn, study):
    import matplotlib

    before = dict(matplotlib.rcParams)
    drawn(draw_tradeoff, study(seeds=[0]))
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("steps", "scale", "labels"),
    [
        ([1_000, 3_000, 30_000], "log", ["1,000", "10,000"]),
        ([100_000, 300_000], "linear", ["0", "100,000", "200,000", "300,000"]),
        ([0], "linear", ["0", "100,000", "200,000", "300,000"]),
    ],
)
def test_labels_of_steps_leave_each_other_room(steps, scale, labels):
    from matplotlib.figure import Figure

    panel = Figure().subplots()
    panel.plot([max(min(steps), 1), 300_000 if scale == "linear" else 30_000], [0, 1])
    label_steps(panel, steps)
    panel.figure.canvas.draw()
    low, high = panel.get_xlim()
    ticks = zip(panel.get_xticks(), panel.get_xticklabels(), strict=True)
    assert panel.get_xscale() == scale
    assert [label.get_text() for tick, label in ticks if low <= tick <= high] == labels
    assert [label.get_text() for label in panel.get_xticklabels(minor=True) if label.get_text()] == []
