"""One report of models with dials of their own, models without, and models that lack some quantity."""

import csv
import io

import numpy as np
import pytest

from dis_bench.records.cell import NO_BUDGET
from dis_bench.records.record import read_records
from dis_bench.reports.caveats import find_caveats
from dis_bench.reports.figures.pictures import draw_traversals
from dis_bench.reports.figures.plots import choose_loss, draw_against_dial, draw_tradeoff
from dis_bench.reports.figures.series import split_series
from dis_bench.reports.figures.setting import plan_figures
from dis_bench.reports.figures.theme import theme, to_pixels
from dis_bench.reports.headline import BASELINES, EACH_SCORE, MODELS, write_headlines
from dis_bench.reports.report import build_report
from dis_bench.reports.tables import format_rows, has_other_dials, in_use, write_csv, write_markdown
from tests.reports.figures.test_pictures import make
from tests.reports.mixed import VALUES, write_mixed

ONE_GAMMA = {**VALUES, "factorvae": ("gamma", [10.0])}


@pytest.fixture
def mixed(tmp_path, tabulated):
    """Return a function that gives the only setting of a mixed study, its table and its quantities."""

    def make_setting(**options):
        options.setdefault("pictures", False)
        records, _ = read_records(write_mixed(tmp_path / "results", **options))
        [setting], [table], quantities = tabulated(records)
        return setting, table, in_use(table, quantities)

    return make_setting


def plan(setting, table, quantities):
    problems = []
    plans = {one.kind: one for one in plan_figures(setting, table, quantities, problems)}
    return plans, problems


def draw(function, *arguments):
    with theme():
        figure = function(*arguments)
        to_pixels(figure)
    return figure


def titles(figure):
    return [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes if axes.axison]


def legend(figure):
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def test_cells_without_steps_belong_to_the_setting_of_each_budget(tmp_path, tabulated):
    for steps in (100, 1000):
        records, _ = read_records(write_mixed(tmp_path, steps=steps, pictures=False))
    assert sum(record["cell"]["model"] == "pca" for record in records) == 3
    settings, _, _ = tabulated(records)
    assert [setting.steps for setting in settings] == [100, 1000]
    assert [sorted(set(setting.done["model_name"])) for setting in settings] == [
        ["betavae", "factorvae", "pca"]
    ] * 2
    assert all("pca" not in setting.title for setting in settings)


def test_cells_without_steps_have_a_setting_where_nothing_else_is(mixed, tmp_path):
    setting, table, quantities = mixed(values={})
    assert setting.title == "dsprites (rendered), no training steps"
    [answer] = write_headlines(setting, table, quantities)
    assert answer.sentences[0].startswith("Without training steps, pca reaches reconstruction ")
    records, _ = read_records(tmp_path / "results")
    assert not any("steps" in caveat for caveat in find_caveats(records))


def test_each_model_is_answered_along_its_own_dial(mixed):
    answers = {answer.series: answer for answer in write_headlines(*mixed())}
    assert [*answers] == [MODELS, EACH_SCORE, BASELINES, "betavae", "factorvae"]
    assert "raising β from 1 to 16 " in answers["betavae"].sentences[0]
    assert "raising gamma from 1 to 40 " in answers["factorvae"].sentences[0]
    assert answers["factorvae"].dial == "gamma"
    told = " ".join(answers["factorvae"].sentences).replace("β-VAE score", "")
    assert "β" not in told
    assert "beta" not in told
    compared = " ".join(answers[MODELS].sentences)
    assert "of 3 models" in compared
    assert "factorvae, gamma = 40 (" in compared
    assert compared.endswith("pca takes no steps.")


def test_the_comparison_names_models_without_images(mixed):
    compared = write_headlines(*mixed(blind=True))[0].sentences
    [losses] = [sentence for sentence in compared if sentence.startswith("Their reconstruction: ")]
    assert "blind (none)" in losses


def test_printed_tables_have_a_column_of_dials(mixed):
    setting, table, quantities = mixed()
    assert has_other_dials([table])
    rows = format_rows(table, quantities, by_dial=True)
    names = [(name, dial) for (name, _), (dial, _), *_ in rows]
    assert names == [
        *(("betavae", f"β = {value}") for value in (1, 4, 16)),
        *(("factorvae", f"gamma = {value}") for value in (1, 10, 40)),
        ("pca", "\N{EN DASH}"),
    ]
    assert "| model | dial | β norm | n |" in write_markdown([setting], [table], quantities)


def test_a_study_of_beta_alone_keeps_its_column(mixed):
    setting, table, quantities = mixed(values={"betavae": VALUES["betavae"]})
    assert not has_other_dials([table])
    assert "| model | β | β norm | n |" in write_markdown([setting], [table], quantities)


def test_the_csv_table_has_dials_and_the_steps_of_each_model(mixed):
    setting, table, _ = mixed(values={"factorvae": ("gamma", [1.0, 40.0])})
    rows = list(csv.DictReader(io.StringIO(write_csv([setting], [table]))))
    assert [(row["dial"], row["dial_value"], row["steps"]) for row in rows] == [
        ("gamma", "1.0", "3000"),
        ("gamma", "40.0", "3000"),
        ("", "", "0"),
    ]
    assert {float(rows[-1][name]) for name in NO_BUDGET} == {0.0}


def test_the_tradeoff_has_every_model_with_the_values_of_its_dial(mixed):
    figure = draw(draw_tradeoff, *mixed())
    assert legend(figure) == ["betavae (along β)", "factorvae (along gamma)", "pca"]
    for panel in figure.axes:
        assert [text.get_text() for text in panel.texts] == ["1", "4", "16", "1", "10", "40"]
        assert sum(len(line.get_xdata()) == 3 for line in panel.lines) == 2


def test_models_without_images_are_left_out_of_the_tradeoff_in_words(mixed):
    setting, table, quantities = mixed(blind=True)
    assert "blind" not in legend(draw(draw_tradeoff, setting, table, quantities))
    plans, _ = plan(setting, table, quantities)
    assert plans["tradeoff"].caption.count("blind has no reconstruction, so is left out there.") == 1
    assert "blind has no reconstruction, MSE, KL or ELBO, so is" in plans["against-beta"].caption
    assert "pca has no KL or ELBO, so is left out there." in plans["against-dial"].caption


def test_a_score_that_only_an_encoder_has_gets_no_panel(mixed):
    setting, table, quantities = mixed(blind=True)
    table.loc[table["model"] != "blind", "sap_n"] = 0
    blind = table["model"] == "blind"
    table.loc[blind, "dial"] = ""
    plans, _ = plan(setting, table, quantities)
    for kind, title in (("tradeoff", "SAP"), ("against-beta", "SAP\N{NO-BREAK SPACE}↑")):
        with theme():
            figure = plans[kind].draw()
        assert title not in titles(figure)
        assert title.replace("SAP", "MIG") in titles(figure)
    assert "SAP" not in plans["against-beta"].alt
    table.loc[~blind, [name for name in table if name.endswith("_n")]] = 0
    assert not plan(setting, table, quantities)[0].keys() & {"tradeoff", "against-beta"}


def test_the_tradeoff_is_against_mse_where_more_models_have_that(mixed):
    setting, table, quantities = mixed()
    assert choose_loss(table, quantities).name == "reconstruction"
    table.loc[table["model"] == "pca", "reconstruction_n"] = 0
    assert choose_loss(table, quantities).name == "mse"
    figure = draw(draw_tradeoff, setting, table, quantities)
    assert figure.axes[-1].get_xlabel() == "MSE, per pixel  (← better)"


def test_a_dial_with_one_value_is_a_point_and_has_no_axis(mixed):
    setting, table, quantities = mixed(values=ONE_GAMMA)
    series = {one.name: one.has_dial for one in split_series(setting, table)}
    assert series == {"betavae": True, "factorvae, gamma = 10": False, "pca": False}
    plans, _ = plan(setting, table, quantities)
    assert "against-beta" in plans
    assert "against-dial" not in plans
    assert "in the order of β." in plans["tradeoff"].caption


def test_lines_across_are_dashed_and_only_where_there_is_a_value(mixed):
    setting, table, quantities = mixed()
    figure = draw(draw_against_dial, setting, table, quantities, "gamma")
    assert legend(figure)[1:] == ["betavae, β = 16 (its best MIG)", "pca"]
    across = {
        title: [line for line in axes.lines if list(line.get_xdata()) == [0, 1]]
        for title, axes in zip(titles(figure), figure.axes, strict=False)
    }
    assert len(across["KL"]) == 1
    assert len(across["reconstruction\N{NO-BREAK SPACE}↓"]) == 2
    assert all(line.get_linestyle() != "-" for lines in across.values() for line in lines)


def test_training_shows_what_models_share_then_what_each_has(mixed):
    setting, table, quantities = mixed()
    plans, problems = plan(setting, table, quantities)
    with theme():
        figure = plans["training"].draw()
    assert titles(figure) == [
        *("reconstruction ↓", "KL", "loss", "loss of autoencoder", "loss of critic", "total correlation")
    ]
    drawn = [len({line.get_color() for line in axes.lines}) for axes in figure.axes]
    assert drawn == [6, 6, 3, 3, 3, 3]
    assert "pca takes no steps." in plans["training"].caption
    assert not [problem for problem in problems if "training.csv" in problem]


def test_a_study_of_vaes_alone_shows_reconstruction_and_kl(mixed):
    plans, _ = plan(*mixed(values={"betavae": VALUES["betavae"]}, pca=False))
    with theme():
        figure = plans["training"].draw()
    assert titles(figure) == ["reconstruction ↓", "KL"]


def test_curves_without_the_usual_measures_are_drawn(mixed):
    setting, table, quantities = mixed(values={}, pca=False, blind=True)
    plans, _ = plan(setting, table, quantities)
    with theme():
        figure = plans["training"].draw()
    assert titles(figure) == ["loss of autoencoder", "loss of critic", "total correlation"]


def test_short_training_is_no_caveat_of_models_without_steps(tmp_path):
    records, _ = read_records(write_mixed(tmp_path, pictures=False))
    [caveat] = [one for one in find_caveats(records) if one.startswith("Training ran")]
    assert caveat.startswith("Training ran for 3,000 steps,")
    assert caveat.endswith(" pca takes no steps.")


def test_traversals_without_kl_are_in_the_order_of_the_latents():
    kept = make()
    pictures = type(kept)(kept.originals, kept.reconstructions, kept.traversals, kept.traversal_values)
    texts = [text.get_text() for text in draw(draw_traversals, pictures).texts]
    assert texts[:3] == ["z0", "z1", "z2"]
    assert np.array_equal(texts[3:], ["−2", "−1", "0", "1", "2"])  # noqa: RUF001


def test_the_page_says_which_models_have_no_pictures(tmp_path):
    report = build_report(
        write_mixed(tmp_path / "all", seeds=1, blind=True, values={"betavae": VALUES["betavae"]})
    )
    page = report.files["index.html"].decode()
    assert page.count("blind decodes no images, so it has no reconstructions and no traversals.") == 1
    assert "Latent traversals of pca, seed 0: one row per latent in their order." in page
    assert not [caveat for caveat in report.caveats if "missing" in caveat]
    alone = build_report(write_mixed(tmp_path / "blind", seeds=1, values={}, pca=False, blind=True))
    assert "blind decodes no images, so it has no reconstructions" in alone.files["index.html"].decode()


def test_the_summary_lists_the_values_of_every_dial(tmp_path):
    report = build_report(write_mixed(tmp_path, seeds=1, pictures=False))
    assert report.summary.startswith("7 cells: betavae, factorvae, pca; β = 1, 4, 16; gamma = 1, 10, 40")
