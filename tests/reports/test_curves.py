"""Training curves are read unchanged, or named with what is wrong."""

import pytest

from dis_bench.reports.curves import read_curve
from tests.reports.made_up import reseal, write_cell

HEAD = "step,loss,reconstruction,kl,weighted_kl,kl_0\n"


def write(root, rows):
    return put(root, HEAD + "".join(f"{s},{r + k},{r},{k},{k},{k}\n" for s, r, k in rows))


def put(root, content):
    folder = write_cell(root)
    (folder / "training.csv").write_text(content)
    reseal(folder)
    return folder


def test_curves_come_back_unchanged(tmp_path):
    problems = []
    curve = read_curve(write(tmp_path, [(10, 600.0, 1.0), (20, 300.0, 2.0)]), problems)
    assert curve.step.tolist() == [10, 20]
    assert curve.measures["reconstruction"].tolist() == [600, 300]
    assert curve.measures["kl"].tolist() == [1, 2]
    assert "kl_0" not in curve.measures
    assert problems == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is missing"),
        (HEAD, "is empty"),
        ("a,b\n1,2\n", "cannot be read"),
        (HEAD + "x,1,1,1,1,1\n", "cannot be read"),
        (HEAD + "1,1,inf,1,1,1\n", "cannot be read"),
    ],
)
def test_unusable_files_are_told_of(tmp_path, content, words):
    folder = put(tmp_path, content or "")
    if content is None:
        (folder / "training.csv").unlink()
    problems = []
    assert read_curve(folder, problems) is None
    [problem] = problems
    assert words in problem
    assert "training.csv" in problem


def test_held_out_images_have_values_in_some_rows(tmp_path):
    head = "step,reconstruction,kl,heldout_reconstruction,heldout_kl\n"
    rows = "1,9,1,,\n2,8,1,8.5,1.5\n3,7,1,,\n4,6,1,6.5,inf\n5,6,1,6.25,2\n"
    curve = read_curve(put(tmp_path, head + rows), problems := [])
    assert curve.step.tolist() == [1, 2, 3, 4, 5]
    assert curve.heldout.step.tolist() == [2, 5]
    assert curve.heldout.reconstruction.tolist() == [8.5, 6.25]
    assert curve.heldout.kl.tolist() == [1.5, 2]
    assert problems == []
    assert read_curve(write(tmp_path / "without", [(1, 2.0, 1.0)]), problems).heldout is None
