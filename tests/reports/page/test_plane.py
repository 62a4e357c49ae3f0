"""The plane in a real browser: what is where, what pointing says, and what a click selects everywhere."""

import math

import pytest

from tests.records.kept_store import put_encoder
from tests.reports.contrast import contrast
from tests.reports.made_up import PROTOCOL, write_anchors
from tests.reports.mixed import write_one
from tests.reports.page.comparing import write_many, write_page

NUMBERS = {"left": "left", "top": "top"}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plane")
    return write_page(write_many(folder / "results", models=3), folder / "index.html")


@pytest.fixture
def page(many, open_page):
    return open_page(many.path)


def means(page):
    """Return the configurations on the plane, by label."""
    found = page.evaluate("""() => {
        const { setting, means } = plane.drawn();
        return means.map((one) => ({ ...one, label: setting.rows.label[one.row] }));
    }""")
    return {one["label"]: one for one in found}


def point_at(page, item):
    """Move the pointer to a configuration or a cell, and return the text beside it."""
    page.locator("svg.plane").scroll_into_view_if_needed()
    left, top = page.evaluate(
        """({ left, top }) => {
            const frame = document.querySelector("svg.plane").getBoundingClientRect();
            const zoom = frame.width / plane.drawn().width;
            return [frame.x + left * zoom, frame.y + top * zoom];
        }""",
        {name: item[name] for name in NUMBERS},
    )
    page.mouse.move(left, top)
    tip = page.locator(".tip")
    return tip.inner_text() if tip.is_visible() else ""


def value(table, label, name):
    return float(table.set_index("label").loc[label, name])


def test_configurations_lie_where_their_means_are(page, many):
    [table] = many.tables
    found = means(page)
    assert set(found) == set(table["label"])
    for label, one in found.items():
        assert one["y"] == pytest.approx(value(table, label, "mig_mean"))
    placed = [one for one in found.values() if one["x"] is not None]
    by_loss, by_score = (sorted(placed, key=lambda one: one[name]) for name in ("x", "y"))
    assert [one["left"] for one in by_loss] == sorted(one["left"] for one in placed)
    assert [one["top"] for one in by_score] == sorted((one["top"] for one in placed), reverse=True)
    blind = found["blind"]  # without a reconstruction, it is in the strip on the right
    assert blind["x"] is None
    assert blind["left"] > max(one["left"] for one in placed)
    assert "without" in page.text_content("svg.plane")


def test_the_front_has_what_no_other_beats(page, many):
    [table] = many.tables
    rows = table[table["reconstruction_mean"].notna()]
    expected = {
        row["label"]
        for _, row in rows.iterrows()
        if not (
            (rows["reconstruction_mean"] <= row["reconstruction_mean"])
            & (rows["mig_mean"] >= row["mig_mean"])
            & (rows["label"] != row["label"])
        ).any()
    }
    found = page.evaluate("plane.drawn().front.map((one) => plane.drawn().setting.rows.label[one.row])")
    assert set(found) == expected
    assert len(found) == len(expected)
    assert f"the Pareto front, the configurations that no other beats in both means: {found[0]}" in (
        page.inner_text("#plane figcaption")
    )


def write_pairs(root, pairs):
    """Write a model per pair of reconstruction and MIG, with three seeds."""
    for number, (reconstruction, mig) in enumerate(pairs):
        values = {"reconstruction": reconstruction, "mig": mig}
        for seed in range(3):
            write_one(root, f"model{number}", {}, None, seed, {"steps": 3000}, values=values)
    return root


def test_of_equal_reconstructions_only_the_best_score_is_on_the_front(tmp_path, open_page):
    root = write_pairs(
        tmp_path / "results", [(20.0, 0.1), (20.0, 0.3), (30.0, 0.3), (30.0, 0.4), (40.0, 0.2)]
    )
    page = open_page(write_page(root, tmp_path / "index.html").path)
    front = "plane.drawn().front.map((one) => plane.drawn().setting.rows.label[one.row])"
    assert page.evaluate(front) == ["model1", "model3"]


def test_a_score_that_is_in_no_ordering_is_not_offered(tmp_path, open_page):
    root = write_many(tmp_path / "results", models=1)
    page = open_page(write_page(root, tmp_path / "index.html", with_udr=True).path)
    offered = page.locator("select[name=score] option").evaluate_all("(all) => all.map((one) => one.value)")
    assert "mig" in offered
    assert "udr" not in offered
    page.locator(".live [data-column=udr]").click()
    count = page.locator(".live tbody tr:not(.anchor)").count()
    assert f"None has a rank: {count} have no spread over seeds." in page.inner_text(".status")


def test_a_perfect_code_that_noise_reaches_gives_no_scale(tmp_path, open_page):
    root = write_many(tmp_path / "results", models=1)
    write_anchors(root, {"sap": (0.2, 0.2 - 1e-9)})
    write_anchors(root, {"betavae_score": (0.5, 0.9)})
    page = open_page(write_page(root, tmp_path / "index.html").path)
    assert page.get_by_label("normalised").is_enabled()
    for name in ("sap", "betavae_score"):
        page.locator("select[name=score]").select_option(name)
        assert page.get_by_label("normalised").is_disabled()


def test_pointing_says_the_seeds_that_each_value_has(tmp_path, open_page):
    root = write_pairs(tmp_path / "results", [(20.0, 0.1)])
    for seed in range(3):
        metrics = {} if seed == 2 else PROTOCOL
        write_one(root, "some", {}, None, seed, {"steps": 3000}, protocol=metrics, failed=seed == 0)
    page = open_page(write_page(root, tmp_path / "index.html").path)
    text = point_at(page, means(page)["some"])
    assert "mean of 2 seeds" in text
    assert "(n = 1)" in text
    kept = page.evaluate(
        "comparing.current().cells.find((one) => one.label === 'some' && one.seed === 1).folder"
    )
    assert f"{kept} and 1 more" in text


def test_the_choice_of_a_setting_keeps_the_focus(tmp_path, open_page):
    root = write_pairs(tmp_path / "results", [(20.0, 0.1)])
    write_one(root, "other", {}, None, 0, {"steps": 5000})
    page = open_page(write_page(root, tmp_path / "index.html").path)
    for place in ("#plane", "#table-live"):
        page.locator(f"{place} select[name=setting]").focus()
        page.keyboard.press("ArrowDown" if place == "#plane" else "ArrowUp")
        assert page.evaluate("document.activeElement.name") == "setting"
        assert page.evaluate(f"document.activeElement.closest('{place}') !== null")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_and_dots_of_every_colour_stand_out_from_the_page(many, open_page, scheme):
    page = open_page(many.path, scheme=scheme)
    for name in (".plane .seeds", ".plane .series"):
        assert page.locator(name).first.evaluate("(line) => getComputedStyle(line).opacity") == "1"
    names = ["--page", *(f"--hue{number}" for number in range(8))]
    ground, *hues = page.evaluate(
        "(names) => names.map((name) => getComputedStyle(document.documentElement).getPropertyValue(name))",
        names,
    )
    assert {
        hue: contrast(hue.strip(), ground.strip())
        for hue in hues
        if contrast(hue.strip(), ground.strip()) < 3
    } == {}


def test_pointing_says_name_scores_and_folder(page, many):
    [table] = many.tables
    text = point_at(page, means(page)["factorvae, gamma = 40"])
    assert "factorvae, gamma = 40" in text
    assert "mean of 3 seeds" in text
    mean, std = (value(table, "factorvae, gamma = 40", f"mig_{part}") for part in ("mean", "std"))
    assert f"{mean:.3f} ± {std:.3f}" in text
    assert "SAP" in text
    assert "dsprites-factorvae" in text
    page.mouse.move(2, 2)
    assert page.locator(".tip").is_hidden()


def test_a_click_on_a_dot_selects_its_cell_everywhere(page):
    cell = page.evaluate("""() => {
        const { means, cells } = plane.drawn();
        const far = (cell) => Math.min(...[...means, ...cells].filter((one) => one !== cell)
            .map((one) => Math.hypot(one.left - cell.left, one.top - cell.top)));
        return cells.reduce((best, one) => (far(one) > far(best) ? one : best));
    }""")
    known = page.evaluate("(cell) => page.data.settings[0].cells[cell]", cell["cell"])
    text = point_at(page, cell)
    assert f"seed {known['seed']}" in text
    assert known["folder"] in text
    page.mouse.down()
    page.mouse.up()
    assert page.evaluate("page.selected()") == known["hash"]
    assert known["folder"] in page.inner_text(".readout")
    row = page.locator(".live tr.selected")
    assert row.get_attribute("data-row") == str(cell["row"])
    assert page.locator(".ring.selected").count() == 2


def test_a_selected_row_is_found_through_filter_and_limit(page):
    page.get_by_label("filter").fill("factorvae")
    label = "pca"
    page.evaluate(
        "(label) => page.select(page.data.settings[0].cells.find((cell) => cell.label === label).hash)", label
    )
    assert "not among the models to play with" in page.inner_text(".readout")
    page.get_by_role("button", name="Its row in the table").click()
    assert page.get_by_label("filter").input_value() == ""
    assert page.evaluate("document.activeElement.textContent") == label
    assert page.locator(".live tr.selected").count() == 1
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") > 0


def test_a_selection_from_elsewhere_is_marked(page):
    known = page.evaluate(
        "page.data.settings[0].cells.find((cell) => cell.label === 'pca' && cell.seed === 1)"
    )
    page.evaluate("(hash) => page.select(hash)", known["hash"])
    assert "pca, seed 1" in page.inner_text(".readout")
    assert page.locator(".ring.selected").count() == 2
    page.evaluate("page.select(null)")
    assert page.locator(".ring.selected").count() == 0
    assert page.locator(".live tr.selected").count() == 0


def test_keys_go_from_one_to_the_next_and_select(page):
    order = sorted(means(page).values(), key=lambda one: one["left"])
    page.locator("svg.plane").focus()
    page.keyboard.press("Home")
    assert order[0]["label"] in page.inner_text(".tip")
    page.keyboard.press("ArrowRight")
    assert order[1]["label"] in page.inner_text(".tip")
    assert f"{order[1]['label']}, mean of 3 seeds: " in page.inner_text(".readout")
    page.keyboard.press("Enter")
    selected = page.evaluate("page.data.settings[0].cells.find((cell) => cell.hash === page.selected())")
    assert (selected["label"], selected["seed"]) == (order[1]["label"], 0)
    page.keyboard.press("Escape")
    assert page.locator(".tip").is_hidden()
    page.keyboard.press("ArrowLeft")  # from the selected one
    assert order[0]["label"] in page.inner_text(".tip")
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert order[-1]["label"] in page.inner_text(".tip")


def test_the_scale_can_be_full_or_normalised_where_that_is_known(page, many):
    [table] = many.tables
    page.get_by_label("normalised").check()
    for label, one in means(page).items():
        assert one["y"] == pytest.approx((value(table, label, "mig_mean") - 0.01) / (0.85 - 0.01))
    assert "from noise 0 to perfect 1" in page.text_content("svg.plane")
    page.get_by_label("full").check()
    low, high = page.evaluate("plane.drawn().up.domain")
    assert low <= 0 < 1 <= high
    page.locator("select[name=score]").select_option("sap")  # which has no anchors here
    assert page.get_by_label("normalised").is_disabled()
    assert page.get_by_label("full").is_checked()
    assert means(page)["pca"]["y"] == pytest.approx(value(table, "pca", "sap_mean"))
    page.locator("select[name=score]").select_option("kl")
    assert page.get_by_label("full").is_disabled()
    assert page.get_by_label("fit").is_checked()
    assert "pca" not in means(page)  # it has no KL
    assert page.locator(".front").count() == 0  # no direction is better


def test_the_loss_can_be_chosen(page, many):
    page.locator("select[name=across]").select_option("mse")
    assert means(page)["pca"]["x"] == pytest.approx(value(many.tables[0], "pca", "mse_mean"))


def test_models_can_be_hidden(page):
    assert page.locator(".legend .model").count() == 7
    page.locator(".legend").get_by_text("factorvae").click()
    assert not any("factorvae" in label for label in means(page))
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "false"
    assert page.locator(".plane .lit").count() == 0
    page.get_by_text("show all").click()
    page.locator(".legend").get_by_text("dipvae1").hover()
    assert page.locator(".plane.dimmed .lit").count() >= 3
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.plane .mark:not(.lit)')).opacity") == "0.12"
    )
    page.get_by_text("hide all").click()
    assert page.locator(".plane.dimmed").count() == 0
    assert means(page) == {}
    page.get_by_text("show all").click()
    assert len(means(page)) == 13


def test_each_model_has_a_look_of_its_own_and_baselines_are_hollow(page):
    found = page.evaluate("""() => Array.from({ length: 72 }, (_, model) => {
        const setting = { models: { [model]: { baseline: false } } };
        const path = marks.path(setting, model, 0, marks.outline(model, 0, 0, 6));
        return path.getAttribute("d") + path.style.getPropertyValue("--hue");
    })""")
    assert len(set(found)) == 72
    hollow = page.evaluate("""() => [...document.querySelectorAll(".legend .model")]
        .filter((model) => model.querySelector(".hollow")).map((model) => model.textContent)""")
    assert [name.split("baseline")[0] for name in hollow] == ["ica", "pca", "untrained"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_higher_dial_stands_out_more(many, open_page, scheme):
    page = open_page(many.path, scheme=scheme)
    light = page.evaluate("""() => {
        const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
        return [0, 0.5, 1].map((shade) => {
            const { setting } = plane.drawn();
            const path = marks.path(setting, 0, shade, "M0 0h1v1z");
            document.querySelector("svg.plane").append(path);
            canvas.fillStyle = getComputedStyle(path).fill;
            canvas.fillRect(0, 0, 1, 1);
            return canvas.getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((sum, part) => sum + part);
        });
    }""")
    assert light == sorted(light, reverse=scheme == "light")
    assert len(set(light)) == 3


def test_the_plane_fits_a_phone(many, open_page):
    page = open_page(many.path, width=400)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    title, plane = page.locator(".plane .title").last, page.locator("svg.plane")
    assert "reconstruction, nats" in title.text_content()
    assert title.bounding_box()["x"] >= plane.bounding_box()["x"]
    point_at(page, means(page)["factorvae, gamma = 40"])
    tip = page.locator(".tip").bounding_box()
    assert tip["x"] >= 0
    assert tip["x"] + tip["width"] <= 400
    page.set_viewport_size({"width": 900, "height": 800})
    for _ in range(100):  # the page's policy forbids functions that poll
        if page.evaluate("plane.drawn().width") > 500:
            return
        page.wait_for_timeout(50)
    pytest.fail("the plane stays narrow in a wider window")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_axe_finds_nothing_serious(many, open_page, width, scheme):
    page = open_page(many.path, width=width, scheme=scheme, bypass_csp=True)  # as axe is a script
    page.locator(".live [data-column=mig]").click()
    page.locator(".toggle").first.click()
    page.locator(".picker summary").click()
    page.locator(".legend .model").first.click()
    page.locator(".live .name").nth(1).click()
    found = pytest.importorskip("axe_playwright_python.sync_playwright").Axe().run(page)
    serious = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []


def test_encoders_have_a_plane_of_their_own_without_reconstructions(tmp_path, open_page):
    root = write_many(tmp_path / "results", models=1)
    for model in ("mine.py:encode", "codes.npz"):
        for seed in range(3):
            put_encoder(root, model=model, seed=seed)
    page = open_page(write_page(root, tmp_path / "index.html").path)
    assert set(means(page)) == {"encode", "codes.npz"}
    assert "a column per model" in page.text_content("svg.plane")
    assert all(math.isfinite(one["left"]) and one["x"] is None for one in means(page).values())
    trained = page.evaluate("page.data.settings[1].cells[0].hash")
    page.evaluate("(hash) => page.select(hash)", trained)  # a selection goes to its setting, in both
    assert "pca" in means(page)
    assert page.locator("#table-live select[name=setting]").input_value() == "1"
    page.locator("#table-live select[name=setting]").select_option("0")
    assert set(means(page)) == {"encode", "codes.npz"}
    assert page.locator("#plane select[name=setting]").input_value() == "0"


def test_data_without_factors_have_other_quantities(tmp_path, open_page):
    for beta in (1.0, 4.0):
        for seed in range(3):
            write_one(
                tmp_path / "results", "betavae", {"beta": beta}, "beta", seed, {"steps": 3000}, protocol={}
            )
    page = open_page(write_page(tmp_path / "results", tmp_path / "index.html").path)
    assert page.locator("select[name=score]").input_value() == "kl"
    assert len(means(page)) == 2


def test_nothing_finished_leaves_no_plane_but_a_table(tmp_path, open_page):
    write_one(tmp_path / "results", "betavae", {"beta": 4.0}, "beta", 0, {"steps": 3000}, failed=True)
    page = open_page(write_page(tmp_path / "results", tmp_path / "index.html").path)
    assert page.locator("#plane").is_hidden()
    assert page.locator(".live tbody tr").count() == 1
