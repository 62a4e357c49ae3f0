"""Files of cells that come back from nodes without a shared folder end in the store."""

import pytest

from dis_bench.records.carried import read_files
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
