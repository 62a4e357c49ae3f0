"""``dis-bench list`` shows studies and published figures beside plug-ins."""

from dis_bench.cli.main import main
from dis_bench.reports.published.source import find_sources
from dis_bench.runners.named import find_studies, read_about


def list_kind(kind, capsys):
    assert main(["list", kind]) == 0
    return capsys.readouterr().out


def test_studies_have_cells_a_cost_and_every_difference(capsys):
    text = list_kind("studies", capsys)
    words = " ".join(text.split())
    for name in find_studies():
        about = read_about(name)
        assert f"\n{name}  ({about.cells:,} cells, roughly " in f"\n{text}"
        assert all(" ".join(line.split()) in words for line in (about.summary, *about.differences))


def test_sources_say_where_they_were_read_and_what_they_have(capsys):
    text = list_kind("published", capsys)
    heads = [line for line in text.splitlines() if not line.startswith(" ")]
    assert [head.split()[0] for head in heads] == [*find_sources()]
    assert "higgins2017  (second-hand)" in heads
    assert "cfasl2024" in heads
    assert "rows: cars3d 5, smallnorb 5, dsprites 5, shapes3d 5" in text
    assert "arXiv 2305.18378. Second-hand: read in a reading note" in " ".join(text.split())


def test_the_short_list_has_a_line_for_each(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in [*find_studies(), *find_sources()]:
        assert [line for line in lines if line.split()[0] == name]


def test_an_unknown_kind_names_them(capsys):
    assert main(["list", "study"]) == 2
    assert "did you mean 'studies'?" in capsys.readouterr().err
