"""The table in a real browser: it sorts, filters, ranks, unfolds, selects, and copies what it shows."""

import csv
import html
import io

import pytest

from dis_bench.reports.ordering import MIN_SEEDS, Sample, claims_best, compare
from dis_bench.reports.quantities import DASH
from dis_bench.reports.tables import format_rows
from tests.reports.made_up import write_anchors
from tests.reports.mixed import write_one
from tests.reports.page.comparing import write_many, write_page


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    root = write_many(folder / "results", models=3, seeds=4)
    for seed in range(2):  # too few for the rule
        write_one(root, "few", {}, None, seed, {"steps": 3000}, values={"mig": 0.7 + 0.01 * seed})
    write_one(root, "few", {}, None, 2, {"steps": 3000}, failed=True)
    return write_page(root, folder / "index.html")


@pytest.fixture
def page(many, open_page):
    return open_page(many.path)


def column(page, head):
    """Return the texts of a column, without the rows of anchors, seeds included."""
    heads = [text.strip(" ▴▾").replace("\N{NO-BREAK SPACE}", " ") for text in texts(page, ".live thead th")]
    number = heads.index(head) + 1
    return texts(page, f".live tbody tr:not(.anchor) > :nth-child({number})")


def texts(page, selector):
    return [text.strip() for text in page.locator(selector).all_text_contents()]


def sort(page, name, times=1):
    for _ in range(times):
        page.locator(f".live [data-column={name}]").click()


def means(page, head):
    return [
        float(text.split("±")[0].replace("\N{MINUS SIGN}", "-"))
        for text in column(page, head)
        if text != DASH
    ]


def test_it_is_in_place_of_the_static_one_and_has_the_same_rows(page, many):
    assert page.locator("#table-static").is_hidden()
    rows = format_rows(many.tables[0], [], by_dial=True)
    assert column(page, "model") == [name for (name, _), *_ in rows]
    assert texts(page, ".live .anchor th") == ["perfect code", "noise"]


def test_without_scripts_only_the_static_one_is_there(many, open_page):
    page = open_page(many.path, scripts=False)
    assert page.locator("#table-static").is_visible()
    assert page.locator("#table-live").is_hidden()
    assert page.locator("#plane").is_hidden()


def test_a_head_sorts_best_first_then_worst_first_then_not(page):
    before = column(page, "model")
    sort(page, "mig")
    assert means(page, "MIG ↑") == sorted(means(page, "MIG ↑"), reverse=True)
    assert page.locator(".live th[aria-sort=descending]").count() == 1
    sort(page, "mig")
    assert means(page, "MIG ↑") == sorted(means(page, "MIG ↑"))
    sort(page, "mig")
    assert column(page, "model") == before
    sort(page, "reconstruction")  # lower is better
    found = column(page, "recon. ↓")
    assert means(page, "recon. ↓") == sorted(means(page, "recon. ↓"))
    assert found[-1] == DASH  # what has no value is last, in both directions
    sort(page, "reconstruction")
    assert column(page, "recon. ↓")[-1] == DASH
    sort(page, "series", times=2)
    assert column(page, "model") == before[::-1]


def test_a_head_keeps_the_focus_and_works_with_keys(page):
    page.locator(".live [data-column=mig]").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.column") == "mig"
    page.keyboard.press("Enter")
    assert page.locator(".live th[aria-sort=ascending]").count() == 1


@pytest.mark.parametrize(("name", "head", "sign"), [("mig", "MIG ↑", 1), ("reconstruction", "recon. ↓", -1)])
def test_ranks_follow_the_ordering_rule(page, many, name, head, sign):
    sort(page, name)
    [table] = many.tables
    quantity = next(quantity for quantity in many.quantities if quantity.name == name)
    samples = [Sample.of(row, quantity) for _, row in table.iterrows()]
    expected = []
    for one in samples:
        changes = [compare(one, other) for other in samples]
        above = [change for change in changes if change.claimed and sign * change.difference > 0]
        expected.append(str(1 + len(above)) if one.n >= MIN_SEEDS else DASH)
    rows = page.evaluate(
        "[...document.querySelectorAll('.live tr[data-row]')].map((row) => +row.dataset.row)"
    )
    assert column(page, "rank") == [expected[row] for row in rows]
    assert len(set(expected)) > 2
    assert DASH in expected
    lacking = "" if name == "mig" else "1 has no value, "  # a model that reconstructs nothing
    assert f"Without a rank ({DASH}): {lacking}1 has fewer than {MIN_SEEDS} seeds." in page.inner_text(
        ".status"
    )
    page.get_by_label("filter").fill("few")
    assert "rank" not in texts(page, ".live thead th")  # none can be judged
    assert f"None has a rank: 1 has fewer than {MIN_SEEDS} seeds." in page.inner_text(".status")
    page.get_by_label("filter").fill("")
    sort(page, "kl")  # no direction is better: sorted, without ranks
    assert "rank" not in texts(page, ".live thead th")


def test_rounding_separates_no_rows(open_page, tmp_path):
    for model, seeds in (("three", 3), ("six", 6)):
        for seed in range(seeds):
            write_one(tmp_path / "results", model, {}, None, seed, {"steps": 3000}, values={"mig": 0.1})
    written = write_page(tmp_path / "results", tmp_path / "index.html")
    assert written.tables[0]["mig_mean"].nunique() == 2  # they differ in the last digit
    page = open_page(written.path)
    sort(page, "mig")
    assert column(page, "rank") == ["1", "1"]


def test_a_filter_leaves_rows_with_all_its_words_and_ranks_these(page, many):
    page.get_by_label("filter").fill("FACTORVAE gamma")
    assert column(page, "model") == ["factorvae"] * 3
    sort(page, "mig")
    assert column(page, "rank")[0] == "1"
    page.get_by_label("filter").fill("baseline")
    assert sorted(column(page, "model")) == ["ica", "pca", "untrained"]
    page.get_by_label("filter").fill("nothing like it")
    assert column(page, "model") == []
    assert f"0 of {len(many.tables[0])} configurations" in page.inner_text(".status")


@pytest.mark.parametrize(
    ("written", "keeps"),
    [
        ("mig > 0.3", lambda row: row["mig_mean"] > 0.3),
        ("MIG>=0.3 recon < 70", lambda row: row["mig_mean"] >= 0.3 and row["reconstruction_mean"] < 70),
        ("beta <= 4", lambda row: row["beta"] <= 4),
        ("\u03b2 \u2264 4", lambda row: row["beta"] <= 4),
        ("gamma != 10", lambda row: row["dial"] == "gamma" and row["level"] != 10),
        ("model: ica", lambda row: row["model_name"] == "ica"),
        ("model:vae", lambda row: "vae" in row["model_name"]),
        ("model != betavae", lambda row: row["model_name"] != "betavae"),
        ("seeds < 3", lambda row: row["n"] < 3),
        ("dci disentanglement < 0.3", lambda row: row["dci_disentanglement_mean"] < 0.3),
        (
            "factorvae dci_c > 0.3",
            lambda row: "factorvae" in row["label"] and row["dci_completeness_mean"] > 0.3,
        ),
        ("factorvae, gamma = 40", lambda row: row["label"] == "factorvae, gamma = 40"),
        ("elbo < 0 kl < 1,000", lambda row: row["kl_mean"] < 1000),
        (
            "baseline mig < 0.5",
            lambda row: row["model"] in ("ica", "pca", "untrained") and row["mig_mean"] < 0.5,
        ),
    ],
)
def test_a_filter_compares_numbers_and_models(page, many, written, keeps):
    [table] = many.tables
    page.get_by_label("filter").fill(written)
    shown = page.evaluate(
        "[...document.querySelectorAll('.live tr[data-row]')].map((row) => +row.dataset.row)"
    )
    assert shown == [number for number, (_, row) in enumerate(table.iterrows()) if keeps(row)]
    assert "The filter takes words" in page.inner_text("#filter-hint")


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("migg > 0.1", "no column or dial is called “migg”"),
        ("dci > 0.1", "“dci” can be dci d, dci c or dci i"),
        ("mig > ", "“mig >” is not complete"),
        (", > 3", "“> 3” is not complete"),
        ("mig > 0,1", "“0,1” is not a number"),
        ("mig > high", "“high” is not a number"),
        ("model: nobody", "no model is called “nobody”"),
        ("model > vae", "models have no order"),
    ],
)
def test_a_filter_that_is_not_understood_is_said_gently(page, many, written, fault):
    page.get_by_label("filter").fill(f"factorvae {written}")
    assert fault in page.inner_text("#filter-hint")
    assert column(page, "model") == ["factorvae"] * 3  # what was understood is done
    page.get_by_label("filter").fill("")
    assert "The filter takes words" in page.inner_text("#filter-hint")
    assert len(column(page, "model")) == len(many.tables[0])


def test_bold_is_the_best_of_the_rows_shown(page, many):
    [table] = many.tables
    for words, rows in (("", table), ("betavae", table[table["model"] == "betavae"])):
        page.get_by_label("filter").fill(words)
        best = {q.name: claims_best(rows, q) for q in many.quantities}
        marked = page.evaluate(
            "[...document.querySelectorAll('.live td.best')].map((cell) => +cell.parentNode.dataset.row)"
        )
        assert sorted(marked) == sorted(row for row in best.values() if row is not None)
    assert marked


def test_columns_can_be_picked(page):
    page.locator(".picker summary").click()
    page.locator(".picker").get_by_label("MSE").uncheck()
    assert "MSE ↓" not in page.inner_text(".live thead").replace("\N{NO-BREAK SPACE}", " ")
    page.locator(".picker").get_by_text("only scores").click()
    heads = texts(page, ".live thead th")
    assert heads[:4] == ["model", "dial", "β norm", "n"]
    assert not any("recon" in head or "KL" in head for head in heads)
    page.locator(".picker").get_by_text("all", exact=True).click()
    assert "KL" in texts(page, ".live thead th")


def test_a_row_unfolds_to_its_seeds(page, many):
    toggle = page.get_by_label("2 (1 failed) seeds of few")
    assert toggle.get_attribute("aria-expanded") == "false"
    toggle.click()
    row = column(page, "model").index("few")
    assert column(page, "model")[row + 1 : row + 4] == ["seed 0", "seed 1", "seed 2 failed"]
    assert column(page, "MIG ↑")[row + 1 : row + 4] == ["0.700", "0.710", DASH]
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.get_by_text("unfold or fold seeds").click()
    assert "seed 0" not in column(page, "model")
    page.get_by_text("unfold or fold seeds").click()
    assert column(page, "model").count("seed 0") == len(many.tables[0])


def copied(page, form):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(f"[data-format={form}]").click()
    page.locator(".status", has_text="Copied").wait_for()  # the page's policy forbids functions that poll
    return page.evaluate("navigator.clipboard.readText()")


def cells_of(written, label):
    cells = written.settings[0].cells
    return cells[cells["label"] == label].to_dict("records")


def test_what_is_shown_is_copied(page, many):
    page.get_by_label("filter").fill("factorvae")
    sort(page, "mig")
    page.locator(".toggle").first.click()
    page.locator(".picker summary").click()
    page.locator(".picker").get_by_text("only scores").click()
    lines = [
        [" ".join(text.split()) for text in row]
        for row in page.evaluate(
            "[...document.querySelectorAll('.live tbody tr')].map((row) => "
            "[...row.children].map((cell) => cell.innerText.replace(/[▸▾]/, '')))"
        )
    ]
    markdown = copied(page, "Markdown").split("\n")
    assert markdown[0].startswith("| model | rank | dial | β norm | n | β-VAE score")
    found = [[text.strip("* ") for text in line.strip("|").split("|")] for line in markdown[2:-1]]
    assert [[text.replace("gamma = ", "") for text in row] for row in found] == [
        [text.replace("gamma = ", "") for text in row] for row in lines
    ]
    latex = copied(page, "LaTeX")
    assert r"\begin{tabular}{l" + "r" * 10 + "}" in latex
    assert latex.count(r"\\") == len(lines) + 2  # and its head, and its title
    [head, *rows] = csv.reader(io.StringIO(copied(page, "CSV")))
    assert head[:3] == ["series", "rank", "dial"]
    assert [row[0] for row in rows][1:3] == ["factorvae, gamma = 40, seed 0", "factorvae, gamma = 40, seed 1"]
    exact = [cell["betavae_score"] for cell in cells_of(many, "factorvae, gamma = 40")]
    assert [float(row[head.index("betavae_score_mean")]) for row in rows[1:5]] == exact
    shown = [line[5].split(" ")[0] for line in lines[:-2]]  # without the anchors
    assert [f"{float(row[head.index('betavae_score_mean')]):.3f}" for row in rows] == shown


def test_where_the_clipboard_is_closed_the_text_is_shown_to_copy(page):
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    page.locator("[data-format=CSV]").click()
    text = page.get_by_label("The copied text")
    text.wait_for()
    assert text.input_value() == page.evaluate("table.write('CSV')")
    assert page.evaluate("getSelection().toString()") == text.input_value()


def test_a_selected_cell_is_marked_here_and_in_the_plane(page):
    page.locator(".live .name", has_text="ica").click()
    hash_ = page.evaluate("page.selected()")
    cell = next(c for c in page.evaluate("page.data.settings[0].cells") if c["hash"] == hash_)
    assert (cell["label"], cell["seed"]) == ("ica", 0)
    assert texts(page, ".live tr.selected .name") == ["ica"]
    assert "ica, seed 0" in page.inner_text(".readout")
    page.get_by_label("4 seeds of ica").click()
    page.locator("tr.seed", has_text="seed 2").locator(".name").click()
    assert texts(page, ".live tr.selected .name") == ["ica", "seed 2"]
    assert page.evaluate("document.querySelectorAll('.ring.selected').length") == 2


def test_many_rows_are_shown_on_request(tmp_path, open_page):
    for number in range(120):
        write_one(tmp_path / "results", f"model{number}", {}, None, 0, {"steps": 3000})
    page = open_page(write_page(tmp_path / "results", tmp_path / "index.html").path)
    assert page.locator(".live tbody tr").count() == 100
    assert page.evaluate("table.write('Markdown')").count("model") == 121  # all, and the head
    page.get_by_text("Show 20 more").press("Enter")
    assert page.locator(".live tbody tr").count() == 120
    assert page.evaluate("document.activeElement.closest('tr').rowIndex") == 101  # the first new one


@pytest.fixture
def with_beta(tmp_path, open_page):
    """Open the page of a model that has a dial besides beta, and a rate in letters of science."""
    for gamma, beta, rate in [(1.0, 8.0, 1e-5), (10.0, 1.0, 1e-5), (10.0, 4.0, 1e-3), (100.0, 2.0, 1e20)]:
        values = {"gamma": gamma, "beta": beta, "rate": rate}
        write_one(tmp_path / "results", "slow", values, "gamma", 0, {"steps": 3000})
    return open_page(write_page(tmp_path / "results", tmp_path / "index.html").path)


def test_the_column_of_beta_sorts_by_beta_though_the_dial_is_another(with_beta):
    sort(with_beta, "dial")
    assert column(with_beta, "β") in (["1", "2", "4", "8"], ["8", "4", "2", "1"])


@pytest.mark.parametrize(
    ("written", "count"),
    [("rate <= 0.001", 3), ("rate = 1e-05", 2), ("rate = 1E-5", 2), ("rate > 1", 1), ("gamma = 10", 2)],
)
def test_a_filter_reads_numbers_with_exponents(with_beta, written, count):
    with_beta.get_by_label("filter").fill(written)
    assert with_beta.locator(".live tr[data-row]").count() == count


def test_the_head_of_a_saturated_score_says_so(tmp_path, open_page):
    root = write_many(tmp_path / "results", models=1)
    write_anchors(root, {"betavae_score": (0.85, 0.3)})
    path = write_page(root, tmp_path / "index.html").path
    static = html.unescape(path.read_text("utf-8")).replace("\N{NO-BREAK SPACE}", " ")
    assert 'score ↑ <span class="saturated">saturated</span></th>' in static
    assert " is saturated by " in static
    page = open_page(path)
    assert page.locator(".live .saturated").count() == 1
    assert page.locator(".live th:has([data-column=betavae_score])").inner_text().endswith("saturated")
    page.locator("select[name=score]").select_option("betavae_score")
    assert " is saturated by " in page.inner_text("#plane figcaption")


def test_published_rows_stay_at_the_foot_and_are_copied_as_such(tmp_path, open_page):
    root = write_many(tmp_path / "results", models=2, seeds=3)
    page = open_page(write_page(root, tmp_path / "index.html", ["cfasl2024"]).path)
    names = ["β-VAE", "β-TCVAE", "ControlVAE", "CLG-VAE", "CFASL"]
    expected = [f"{name} [cfasl2024]" for name in names]
    assert texts(page, ".live .published th") == expected
    assert page.get_by_text("Sampled codes are scored, also in evaluation").is_visible()
    sort(page, "mig")
    page.get_by_label("filter").fill("betavae")
    rows = page.locator(".live tbody tr")
    assert texts(page, ".live tbody th")[-5:] == expected
    assert page.locator(".live .published").last.locator("td").first.inner_text() == DASH  # it has no rank
    assert rows.count() == 3 + 2 + 5
    assert page.locator(".live .published .best").count() == 0
    assert r"| *CFASL \[cfasl2024\]* |" in copied(page, "Markdown")
    assert r"\emph{CFASL " in copied(page, "LaTeX")
    assert "cfasl2024" not in copied(page, "CSV")
