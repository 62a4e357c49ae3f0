"""The doctor's section of the page."""

from dis_bench.reports.doctor.diagnoses import Examined
from dis_bench.reports.doctor.finding import Finding
from dis_bench.reports.page.findings import describe_findings
from dis_bench.reports.report import build_report
from tests.reports.doctor.conftest import train
from tests.reports.made_up import write_study


def find_section(folder):
    page = build_report(folder).files["index.html"].decode()
    return page.partition('<section id="doctor">')[2].partition("</section>")[0], page


def test_findings_are_on_the_page_without_scripts(tmp_path):
    train(tmp_path, hyperparameters={"beta": 1000.0}, steps=100)
    section, page = find_section(tmp_path)
    assert "posterior collapse (1)" in section
    assert "little betavae beta=1000 seed=0" in section
    assert "<code>--set betavae.beta=250</code>" in section
    assert "<script" not in section
    assert '<a href="#doctor">Doctor (' in page


def test_names_are_escaped(tmp_path):
    dead = {(4, 0): {"kl": 0.0}}  # so that there is a finding, which names it
    write_study(tmp_path, betas=[4], seeds=[0], dataset="<b>bold", pictures=False, values=dead)
    section, _ = find_section(tmp_path)
    assert "&lt;b&gt;bold" in section
    assert "<b>" not in section


def test_the_summary_counts():
    finding = Finding("It is ill.", ("rest: `--steps 4`, or more",))
    ill, well = Examined("a", "f", {"plague": finding}, {}), Examined("b", "g", {}, {})
    found = describe_findings([ill, well], 9)
    assert found["summary"].startswith("1 finding in 2 of 9 cells, from")
    assert found["findings"][0]["cells"][0]["advice"] == [["rest: ", "--steps 4", ", or more"]]
    assert describe_findings([well], 1)["summary"].startswith("Nothing looks wrong in the only cell")
    assert describe_findings([], 9) is None


def test_what_could_be_looked_at_in_no_cell_is_not_called_sound():
    blind = Examined("a", "f", {}, {"collapse": "it has no KL", "plague": "it has no codes"})
    other = Examined("b", "g", {}, {"plague": "it has no codes"})
    assert "Not looked at: plague. " in describe_findings([blind, other], 9)["summary"]
    assert "Not looked at" not in describe_findings([Examined("c", "h", {}, {}), other], 9)["summary"]
