"""Problems of many files are one sentence, with a count and an example."""

from pathlib import Path

from dis_bench.records.record import read_records
from dis_bench.records.schema import Damaged
from dis_bench.reports.caveats import find_caveats
from dis_bench.reports.curves import read_curve
from dis_bench.reports.figures.pictures import find_pictures
from dis_bench.reports.problems import MISSING, FileProblem, gather_problems, unreadable
from tests.reports.made_up import write_study

LOSSES = ("its pictures are left out", "their pictures are left out")


def test_equal_problems_of_files_of_one_name_are_gathered():
    missing = [FileProblem(Path(cell, "a.npz"), MISSING, LOSSES) for cell in ("x", "y", "z")]
    damaged = [FileProblem(Path(cell, "a.npz"), unreadable(Damaged("short")), LOSSES) for cell in ("x", "y")]
    other = FileProblem(Path("x", "b.npz"), MISSING, LOSSES)
    given = [missing[0], "A sentence.", *damaged, other, *missing[1:], missing[0], "A sentence."]
    assert gather_problems(given) == [
        "3 files a.npz are missing, such as x/a.npz; their pictures are left out.",
        "A sentence.",
        "2 files a.npz cannot be read (short), such as x/a.npz; their pictures are left out.",
        "x/b.npz is missing; its pictures are left out.",
    ]


def test_a_study_without_its_pictures_and_curves_has_a_caveat_of_each(tmp_path):
    write_study(tmp_path, betas=[4.0], seeds=[0, 1, 2])
    records, problems = read_records(tmp_path)
    for record in records:
        for name, read in (("pictures.npz", find_pictures), ("training.csv", read_curve)):
            Path(record["folder"], name).unlink()
            assert read(record["folder"], problems, record) is None
    caveats = [caveat for caveat in find_caveats(records, problems) if "missing" in caveat]
    assert [caveat[:31] for caveat in caveats] == [
        "3 files pictures.npz are missin",
        "3 files training.csv are missin",
    ]
    assert all(str(tmp_path) in caveat for caveat in caveats)
