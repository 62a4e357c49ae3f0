"""Files of cells that come back from nodes without a shared folder end in the store."""

import dataclasses

import pytest

from dis_bench.records.carried import read_files
from dis_bench.records.claims import find_owners
from dis_bench.records.store import Store
from dis_bench.runners.engines.cluster.carrier import Carrier
from dis_bench.runners.engines.cluster.errand import Outcome
from dis_bench.runners.remaining import choose_jobs
from dis_bench.runners.run import build_pipeline
from tests.runners.abandoned import leftovers
from tests.runners.engines.test_gpu import TINY, Stopping, run


@pytest.fixture
def node(tmp_path):
    """Return the store of a node that was stopped in scoring the first cell of a stack."""
    with pytest.raises(KeyboardInterrupt):
        run(TINY, tmp_path / "node", watcher=Stopping(lambda cell, what: what == "scoring mean_code"))
    return Store(tmp_path / "node")


def pack(node, job):
    folders = node.cells, node.unfinished
    return Outcome(*(read_files(folder / job.cell.folder) for folder in folders), {})


def test_a_cell_that_was_trained_and_not_yet_scored_is_kept_when_its_task_is_stopped(node, tmp_path):
    store = Store(tmp_path / "mine")
    jobs = choose_jobs(TINY.plan(), store, "missing")
    carrier = Carrier(build_pipeline(TINY.plan(), store, ""))
    assert carrier.claim_all(jobs) == ([], jobs)
    for job in jobs:
        carrier.put_back(job, pack(node, job))
    left = choose_jobs(TINY.plan(), store, "missing")
    assert [job.scores_only for job in left] == [True, False, False, False]
    assert read_files(store.folder(jobs[0].cell)) == read_files(node.folder(jobs[0].cell))
    assert leftovers(store) == []


def test_a_finished_cell_whose_scoring_is_stopped_stays_as_it_is(node):
    [job, *_] = choose_jobs(TINY.plan(), node, "missing")
    assert job.scores_only
    before = read_files(node.folder(job.cell))
    carrier = Carrier(build_pipeline(TINY.plan(), node, ""))
    carrier.claim_all([job])
    carrier.put_back(job, Outcome({"record.json": b"half"}, {}, {}))
    assert read_files(node.folder(job.cell)) == before
    assert not (node.root / "superseded").exists()
    assert leftovers(node) == []


def test_a_cell_that_its_node_lost_is_released(tmp_path):
    store = Store(tmp_path)
    [job, *_] = choose_jobs(TINY.plan(), store, "missing")
    carrier = Carrier(build_pipeline(TINY.plan(), store, ""))
    carrier.claim_all([job])
    assert carrier.put_down(job, None, Outcome({}, {}, {})) == (job, None)
    assert store.claim(job.cell) is not None
    assert find_owners(store.unfinished).keys() == {job.cell.folder}  # the claim of the line above


def test_a_cell_that_another_run_has_trained_meanwhile_gets_the_scores_that_it_lacks(tmp_path):
    store = Store(tmp_path)
    jobs = choose_jobs(TINY.plan(), store, "missing")
    carrier = Carrier(build_pipeline(TINY.plan(), store, ""))
    run(dataclasses.replace(TINY, metrics=()), tmp_path)
    done, left = carrier.claim_all(jobs)
    assert done == []
    assert [(job.cell, job.scores_only) for job in left] == [(job.cell, True) for job in jobs]
    carrier.release(left)
    run(TINY, tmp_path)
    done, left = carrier.claim_all(jobs)
    assert [record["scores"].keys() for _, record in done] == [{"mean_code"}] * 4
    assert left == []
