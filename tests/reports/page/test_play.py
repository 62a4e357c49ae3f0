"""Play, in a real browser: sliders, images to start from, what lies between, and two models in step."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dis_bench.reports import write_report
from tests.reports.contrast import contrast
from tests.reports.made_up import LATENTS, write_study
from tests.reports.play.played import make_trained, write_played

PIXELS = """(number) => {
    const { canvas } = play.panels[number], copy = document.createElement("canvas");
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    return [...context.getImageData(0, 0, copy.width, copy.height).data];
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = write_played(tmp_path_factory.mktemp("played"))
    return write_report(folder / ".", tmp_path_factory.mktemp("report"))


@pytest.fixture
def page(report, open_page):
    return settle(open_page(report))


def wait_until(page, expression):
    """Wait until an expression is true; playwright's own way needs eval, which the page's policy forbids."""
    for _ in range(1200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(25)
    raise TimeoutError(expression)


def settle(page):
    """Wait until all panels have drawn the present pose."""
    wait_until(page, "play.panels.every((p) => p.canvas.width === 64 && p.frame === null)")
    return page


def read_image(page, number=0):
    """Return what a panel shows, [64, 64] in 0 to 255."""
    settle(page)
    return np.array(page.evaluate(PIXELS, number), dtype=float).reshape(64, 64, 4)[..., 0]


def find_shown(page, number=0):
    """Return the model of a panel, rebuilt, with the code that it shows."""
    panel = f"play.panels[{number}]"
    label, seed = page.evaluate(f"[{panel}.model.cell.label, {panel}.model.cell.seed]")
    trained = make_trained(float(label.rpartition("= ")[2]), seed)
    return trained, torch.tensor([page.evaluate(f"[...{panel}.pose.code]")])


def assert_shows_what_torch_decodes(page, number=0):
    trained, code = find_shown(page, number)
    expected = trained.decode(code)[0, 0].numpy() * 255
    assert np.abs(read_image(page, number) - expected).max() <= 0.5 + 255e-3  # rounding, and 16-bit weights


def drag(page, latent, value, number=0):
    """Set a slider, as dragging it does."""
    page.locator(f"#latent-{number}-{latent}").fill(str(value))
    settle(page)


def choose_model(page, number, label):
    page.locator(".panel select").nth(2 * number).select_option(label=label)
    settle(page)


def test_the_best_model_and_the_other_end_of_its_dial_are_live(page):
    shown = page.evaluate("play.panels.map((p) => [p.model.cell.label, p.model.cell.seed, p.model.isLive])")
    assert shown == [["betavae, β = 10", 0, True], ["betavae, β = 1", 0, True]]
    assert page.evaluate("models.all.length") == 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_slider_changes_pixels_as_torch_does(report, open_page, scheme):
    page = settle(open_page(report, scheme=scheme))
    assert_shows_what_torch_decodes(page)
    before, latent = read_image(page), page.evaluate("play.panels[0].model.order[0]")
    drag(page, latent, 2.4)
    _, code = find_shown(page)
    assert float(code[0, latent]) == pytest.approx(2.4, abs=0.02)
    assert np.abs(read_image(page) - before).max() > 5
    assert_shows_what_torch_decodes(page)


def test_the_keyboard_moves_a_latent(page):
    latent = page.evaluate("play.panels[0].model.order[0]")
    before = page.evaluate(f"play.panels[0].pose.code[{latent}]")
    page.locator(f"#latent-0-{latent}").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(f"play.panels[0].pose.code[{latent}]") > before + 0.1
    assert_shows_what_torch_decodes(page)


def test_latents_are_sorted_by_kl_and_frozen_ones_are_grey(page):
    kl = page.evaluate("play.panels[0].model.cell.kl")
    labels = page.locator(".panel").nth(0).locator(".latent label").all_inner_texts()
    shown = [kl[int(label.removeprefix("z"))] for label in labels]
    assert len(shown) == LATENTS
    assert shown == sorted(kl, reverse=True)
    frozen = page.locator(".panel").nth(0).locator(".latent.frozen").count()
    assert frozen == sum(nats < 0.01 for nats in kl) > 0


def test_an_image_to_start_from_is_encoded_and_decoded_by_both(page):
    page.get_by_role("radio", name="image 5").first.check()
    for number in (0, 1):
        trained, code = find_shown(page, number)
        codes = page.evaluate(f"play.panels[{number}].model.cell.codes")
        assert code.tolist()[0] == pytest.approx(codes[4])
        assert_shows_what_torch_decodes(page, number)
        original = strip_of_originals(page)[4]
        encoded = trained.encode(torch.from_numpy(original)[None, None].float() / 255)
        assert np.abs(encoded.numpy() - codes[4]).max() < 0.05  # the strip is lossy


def strip_of_originals(page):
    uri = page.evaluate("models.originals[0]")
    strip = np.array(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("L"))
    return strip.reshape(64, -1, 64).transpose(1, 0, 2)


def test_interpolation_ends_where_it_should(page):
    codes = np.array(page.evaluate("play.panels[0].model.cell.codes"))
    page.get_by_role("radio", name="image 3").first.check()
    page.get_by_role("radio", name="image 7").last.check()
    assert find_shown(page)[1][0].tolist() == pytest.approx(codes[6])
    for share in (0, 0.5, 1):
        page.get_by_role("slider", name="Between the two images").fill(str(share))
        expected = (1 - share) * codes[2] + share * codes[6]
        assert find_shown(page)[1][0].tolist() == pytest.approx(expected, abs=1e-6)
        assert_shows_what_torch_decodes(page)
    page.get_by_role("slider", name="Between the two images").fill("0")
    page.get_by_role("button", name="Go there").click()
    wait_until(page, "play.state.share === 1")
    assert find_shown(page)[1][0].tolist() == pytest.approx(codes[6])
    assert_shows_what_torch_decodes(page)


def test_the_second_model_moves_in_step(page):
    latent = page.evaluate("play.panels[0].model.order[0]")
    partner, turn = page.evaluate(f"instep.findPartner(play.panels[0].model, {latent}, play.panels[1].model)")
    before = read_image(page, 1)
    start = page.evaluate(f"[play.panels[0].pose.code[{latent}], play.panels[1].pose.code[{partner}]]")
    drag(page, latent, 1.5)
    moved = page.evaluate(f"[play.panels[0].pose.code[{latent}], play.panels[1].pose.code[{partner}]]")
    assert moved[1] - start[1] == pytest.approx(turn * (moved[0] - start[0]))
    assert np.abs(read_image(page, 1) - before).max() > 1
    first, second = (
        np.array(page.evaluate(f"play.panels[{n}].model.cell.knows.information")) for n in (0, 1)
    )
    kl = np.array(page.evaluate("play.panels[1].model.cell.kl"))
    assert partner == (second[:, first[latent].argmax()] * (kl >= 0.01)).argmax()

    page.get_by_role("checkbox", name="In step").uncheck()
    before = read_image(page, 1)
    drag(page, latent, -1.5)
    assert (read_image(page, 1) == before).all()


def test_a_frozen_latent_moves_alone(page):
    latent = page.evaluate("play.panels[0].model.order.at(-1)")
    assert page.evaluate(f"play.panels[0].model.isFrozen({latent})")
    before = read_image(page, 1)
    drag(page, latent, 2)
    assert (read_image(page, 1) == before).all()
    assert_shows_what_torch_decodes(page)


def test_a_latent_that_knows_no_factor_moves_alone(page):
    latent = page.evaluate("play.panels[0].model.order[0]")
    page.evaluate(f"play.panels[0].model.cell.knows.information[{latent}].fill(0.01)")
    before = read_image(page, 1)
    drag(page, latent, 2)
    assert (read_image(page, 1) == before).all()


def test_a_factor_moves_in_each_model_the_latent_that_knows_it_best(page):
    page.evaluate("""() => {  // another order of the latents, and the opposite direction
        const { model } = play.panels[1], { knows } = model.cell;
        knows.information.reverse();
        knows.directions = knows.directions.map((row) => row.map((sign) => -sign)).reverse();
        play.panels[1].show(model);
    }""")
    settle(page)
    cells = [page.evaluate(f"play.panels[{number}].model.cell") for number in (0, 1)]
    starts = [find_shown(page, number)[1][0].numpy() for number in (0, 1)]
    moved = set()
    for factor, name in enumerate(cells[0]["knows"]["factors"]):
        slider = page.locator("#play .shared").get_by_label(name, exact=True)
        slider.fill("2")
        for number, (cell, start) in enumerate(zip(cells, starts, strict=True)):
            known = np.array(cell["knows"]["information"])[:, factor] * (np.array(cell["kl"]) >= 0.01)
            best, turn = int(known.argmax()), cell["knows"]["directions"][int(known.argmax())][factor]
            code = find_shown(page, number)[1][0].numpy()
            assert code[best] - start[best] == pytest.approx(2 * turn, abs=1e-3)
            moved.add((number, best, turn))
            assert_shows_what_torch_decodes(page, number)
    assert len({turn for _, _, turn in moved}) == 2  # both directions were met
    assert len(moved) >= 6
    page.get_by_role("button", name="Start over").click()
    assert float(slider.input_value()) == 0
    latent = page.evaluate(f"instep.findLatent(play.panels[0].model, '{name}').latent")
    drag(page, latent, starts[0][latent] + 1)  # the slider of the factor follows that of the latent
    assert abs(float(slider.input_value())) == pytest.approx(1, abs=0.06)


def test_a_factor_that_a_model_lost_is_said_and_moves_in_the_other_only(page):
    factor = page.evaluate("play.panels[0].model.cell.knows.factors[0]")
    page.evaluate("""() => {
        play.panels[1].model.cell.knows.information.forEach((row) => { row[0] = 0.01; });
        play.panels[1].show(play.panels[1].model);
    }""")
    slider = page.locator("#play .shared").get_by_label(factor, exact=True)
    assert re.search(r"^z\d \d+ % · lost$", page.locator(".factor .nats").first.inner_text())
    before = [read_image(page, number) for number in (0, 1)]
    slider.fill("3")
    assert np.abs(read_image(page, 0) - before[0]).max() > 1
    assert (read_image(page, 1) == before[1]).all()
    assert slider.get_attribute("aria-valuetext").endswith(" standard deviations")
    page.evaluate("() => { play.panels[0].model.cell.kl = null; }")  # without a prior
    slider.fill("1")
    settle(page)
    assert slider.get_attribute("aria-valuetext").endswith(" sixths of the range")


def test_models_without_common_factors_are_not_in_step(page):
    page.evaluate("""() => {
        play.panels[1].model.cell.knows = null;
        play.panels[1].show(play.panels[1].model);
    }""")
    assert page.locator("#play .shared").is_hidden()
    assert page.get_by_role("checkbox", name="In step").is_disabled()
    before = read_image(page, 1)
    drag(page, page.evaluate("play.panels[0].model.order[0]"), 2)
    assert (read_image(page, 1) == before).all()
    assert_shows_what_torch_decodes(page, 0)


def test_samples_come_from_the_prior(page):
    drawn = []
    for _ in range(40):
        page.get_by_role("button", name="Sample from the prior").click()
        drawn += page.evaluate("[...play.panels[0].pose.code]")
    assert abs(np.mean(drawn)) < 0.2
    assert 0.8 < np.std(drawn) < 1.2
    assert_shows_what_torch_decodes(page, 0)
    assert_shows_what_torch_decodes(page, 1)


def test_play_animates_until_it_is_stopped(page):
    button, still = page.get_by_role("button", name="Play"), read_image(page)
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    latent = page.evaluate("play.panels[0].model.order[0]")
    wait_until(page, f"play.panels[0].pose.code[{latent}] > play.panels[0].origin[{latent}] + 0.3")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert np.abs(read_image(page) - still).max() > 1
    held = read_image(page)
    page.wait_for_timeout(150)
    assert (read_image(page) == held).all()
    page.get_by_role("button", name="Start over").click()
    assert (read_image(page) == still).all()


def test_another_model_shows_its_sheet_and_leads_to_its_decoder(page, report, open_page):
    choose_model(page, 0, "betavae, β = 4")
    assert not page.evaluate("play.panels[0].model.isLive")
    trained = make_trained(4.0, 0)
    cell = page.evaluate("play.panels[0].model.cell")
    latent = page.evaluate("play.panels[0].model.order[0]")
    drag(page, latent, cell["high"][latent])
    code = torch.tensor([cell["base"]])
    code[0, latent] = cell["high"][latent]
    expected = 255 * trained.decode(code)[0, 0].numpy()
    # The sheet is lossy, and images of untrained networks are the hardest to compress.
    assert np.corrcoef(read_image(page).ravel(), expected.ravel())[0, 1] > 0.8
    link = page.locator(".panel").nth(0).locator(".note a").get_attribute("href")

    alone = settle(open_page(report.parent / link))
    assert alone.evaluate("play.panels.length") == 1
    assert alone.locator(".choice").is_hidden()  # there is nothing to choose from
    drag(alone, latent, 1.0)
    assert_shows_what_torch_decodes(alone)


def test_a_selection_made_elsewhere_is_followed(page):
    hash_ = page.evaluate(
        "models.all.find((m) => m.cell.label === 'betavae, β = 4' && m.cell.seed === 1).cell.hash"
    )
    page.evaluate(f"page.select('{hash_}')")
    settle(page)
    assert page.evaluate("play.panels[0].model.cell.hash") == hash_
    assert page.locator(".panel select").nth(1).input_value() == "1"
    assert "β = 4, seed 1" in page.locator("#knowledge strong").inner_text()


def click_on_plane(page, label):
    """Click on the mark of a configuration."""
    page.locator("svg.plane").scroll_into_view_if_needed()
    left, top = page.evaluate(
        """(label) => {
            const { setting, means, width } = plane.drawn();
            const frame = document.querySelector("svg.plane").getBoundingClientRect();
            const { left, top } = means.find((one) => setting.rows.label[one.row] === label);
            return [frame.x + left * frame.width / width, frame.y + top * frame.width / width];
        }""",
        label,
    )
    page.mouse.click(left, top)


def test_a_click_on_the_plane_selects_everywhere(page):
    click_on_plane(page, "betavae, β = 4")
    settle(page)
    [chosen] = page.evaluate(
        "models.all.filter((m) => m.cell.label === 'betavae, β = 4' && m.cell.seed === 0).map((m) => m.cell)"
    )
    assert page.evaluate("page.selected()") == chosen["hash"]
    panel = page.locator(".panel").nth(0)
    assert panel.locator("select").first.input_value().endswith("betavae, β = 4")
    order = page.evaluate("play.panels[0].model.order")
    assert panel.locator(".latent label").all_inner_texts() == [f"z{latent}" for latent in order]
    assert panel.locator(".latent .nats").first.inner_text().startswith(f"{max(chosen['kl']):.2f} nats")
    drag(page, order[0], chosen["high"][order[0]])  # its sliders move its images
    assert page.evaluate("play.panels[0].pose.moved") == order[0]
    assert "betavae, β = 4, seed 0" in page.inner_text("#knowledge strong")
    [row] = page.locator(".live tr.selected th").all_inner_texts()
    assert row.strip() == "betavae"
    assert page.locator(".live tr.selected td").first.inner_text() == "4"
    page.locator(".readout a").click()
    assert page.evaluate("document.querySelector('#play').getBoundingClientRect().top") < 100


def test_a_selection_of_the_second_model_leaves_both_where_they_are(page):
    before = page.evaluate("play.panels.map((panel) => panel.model.cell.hash)")
    click_on_plane(page, "betavae, β = 1")
    assert page.evaluate("page.selected()") == before[1]
    assert page.evaluate("play.panels.map((panel) => panel.model.cell.hash)") == before
    assert "betavae, β = 1, seed 0" in page.inner_text("#knowledge strong")


def test_what_latents_know_is_shown_with_their_traversals(page):
    cell = page.evaluate("play.panels[0].model.cell")
    table = page.locator("#knowledge table").first
    assert table.locator("thead th").all_inner_texts()[2:] == [
        "shape",
        "scale",
        "orientation",
        "posX",
        "posY",
    ]
    order = page.evaluate("play.panels[0].model.order")
    first = [
        float(text) for text in table.locator("tbody tr").first.locator("td:not(.strip)").all_inner_texts()
    ]
    assert first == pytest.approx(cell["knows"]["information"][order[0]], abs=0.006)
    page.get_by_label("Measure").select_option(label="importance (dci)")
    first = [
        float(text) for text in table.locator("tbody tr").first.locator("td:not(.strip)").all_inner_texts()
    ]
    assert first == pytest.approx(cell["knows"]["importances"]["dci"][order[0]], abs=0.006)
    lost = page.locator("#knowledge tbody.scores td")
    assert lost.all_inner_texts() == ["0.10", "0.20", "0.00", "0.40", "0.50"]
    width = page.evaluate("document.querySelector('canvas.strip').width")
    assert width == 7 * 64


def test_without_weights_it_plays_from_pictures_and_says_why(tmp_path, open_page):
    page = settle(open_page(write_report(write_study(tmp_path, betas=[1, 4], seeds=[0]))))
    assert page.evaluate("play.panels.map((p) => p.model.isLive)") == [False, False]
    assert "as its weights were not kept" in page.locator(".note").first.inner_text()
    before, latent = read_image(page), page.evaluate("play.panels[0].model.order[0]")
    drag(page, latent, 3)
    assert np.abs(read_image(page) - before).max() > 20
    assert page.get_by_role("button", name="Sample from the prior").is_disabled()


def test_without_pictures_there_is_nothing_to_play(tmp_path, open_page):
    page = open_page(write_report(write_study(tmp_path, betas=[4], seeds=[0], pictures=False)))
    assert page.locator("#play").is_hidden()
    assert page.locator('a[href="#play"]').is_hidden()


def test_nothing_of_it_is_seen_without_scripts(report, open_page):
    page = open_page(report, scripts=False)
    assert page.locator("#play").is_hidden()
    [alone] = list(Path(report.parent, "play").glob("*beta4-seed0*.html"))
    assert "each latent runs through its values" in open_page(alone, scripts=False).inner_text("main")


def test_pages_of_cells_are_escaped_and_whole(report):
    for path in (report.parent / "play").glob("*.html"):
        data = json.loads(re.search('id="data">(.*?)</script>', path.read_text("utf-8"), re.S)[1])
        assert list(data) == ["play"]
        assert len(data["play"]["cells"]) == 1


def test_one_model_to_play_with_is_not_called_two(report, tmp_path):
    assert "see what two models make of it" in report.read_text("utf-8")
    write_played(tmp_path / "one", betas=[4], seeds=[0])
    page = write_report(tmp_path / "one", tmp_path / "report").read_text("utf-8")
    assert "see what the model makes of it" in page
    assert "In step, the other model" not in page


def test_on_a_phone_each_list_of_latents_says_whose_it_is(report, open_page):
    page = settle(open_page(report, width=400))
    whose = page.locator(".panel .latents > .whose")
    assert whose.all_inner_texts() == ["betavae, β = 10, seed 0", "betavae, β = 1, seed 0"]
    choose_model(page, 1, "betavae, β = 4")
    assert whose.all_inner_texts()[1] == "betavae, β = 4, seed 0"
    page.set_viewport_size({"width": 1400, "height": 900})
    assert [whose.nth(number).is_visible() for number in (0, 1)] == [False, False]


def test_factors_are_spoken_of_where_there_are_any(report, page):
    assert "the factor that it knows best" in page.locator("#play > p").first.inner_text()


def test_an_animation_runs_through_every_latent(report):
    paths = sorted((report.parent / "play").glob("*.webp"))
    assert len(paths) == 6
    with Image.open(paths[0]) as animation:
        assert animation.size == (64 * LATENTS, 64)
        assert animation.n_frames == 20


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (400, "dark")])
@pytest.mark.parametrize("is_alone", [False, True])
def test_axe_finds_nothing_serious(report, open_page, is_alone, width, scheme):
    path = next((report.parent / "play").glob("*.html")) if is_alone else report
    page = settle(open_page(path, width=width, scheme=scheme))
    axe = Path(pytest.importorskip("axe_playwright_python").__file__).parent / "axe.min.js"
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    assert [(one["impact"], one["id"]) for one in found if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# The colours of an element, as sRGB in hexadecimal, whatever space they were mixed in.
COLOURS = """(element) => {
    const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const { color, backgroundColor } = getComputedStyle(element);
    return [color, backgroundColor].map((colour) => {
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const parts = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
        return "#" + parts.map((part) => part.toString(16).padStart(2, "0")).join("");
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_numbers_stand_out_from_every_shade(report, open_page, scheme, share):
    page = settle(open_page(report, scheme=scheme))
    cell = page.locator("#knowledge td:not(.strip)").first
    cell.evaluate(f"(element) => element.style.setProperty('--share', {share})")
    assert contrast(*cell.evaluate(COLOURS)) >= 4.5


def test_paper_has_the_images_and_no_controls(report, open_page):
    page = settle(open_page(report))
    page.emulate_media(media="print")
    assert page.locator("#play .controls").is_hidden()
    assert page.locator("#play canvas.decoded").first.is_visible()
