"""Cells on a Ray cluster of three nodes end as on this machine, whatever dies meanwhile."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

# Before ray is imported: nodes on 127.0.0.1 keep that address, and report nothing to anybody.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - beside other work, they would wait for ever

from dis_bench import Study
from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.records.store import Store
from dis_bench.runners.engines.cluster.connection import Connection, Node
from dis_bench.runners.run import run_study
from dis_bench.runners.training.log import Progress
from dis_bench.runners.watch import Watcher
from tests.runners.abandoned import leftovers

NODE = {"num_cpus": 1, "num_gpus": 0, "node_ip_address": "127.0.0.1", "object_store_memory": 80 << 20}

MODEL = """
from dis_bench.models.betavae import BetaVAE
import part


class Own(BetaVAE):
    name = "own"

    def loss(self, terms):
        return part.scale(super().loss(terms))
"""
PART = "def scale(loss):\n    return 1.5 * loss\n"
DATA = """
from tests.tiny import Tiny


class Mine(Tiny):
    name = "mine"
    fingerprint = "mine-1"
"""


@pytest.fixture(scope="module")
def cluster():
    """Start a cluster of three nodes, and connect this process, so that its workers stay."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own modules, while they are imported
        import ray
        from ray.cluster_utils import Cluster
    made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        for _ in range(2):
            made.add_node(**NODE)
        ray.init(address=made.address, log_to_driver=False, logging_level="critical")
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def plugins(tmp_path):
    """Write a model and a dataset into files, with a module beside them."""
    for name, text in (("own.py", MODEL), ("part.py", PART), ("mine.py", DATA)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def make_study(plugins, **given):
    common = {"steps": 30, "seeds": 2, "batch_size": 4, "latent_size": 3, "kernels": "torch"}
    common |= {"metrics": ["tests.tiny:mean_code"], "network": "tests.models.small:Small"}
    names = {"models": [f"{plugins / 'own.py'}:Own"], "datasets": [f"{plugins / 'mine.py'}:Mine"]}
    return Study(**{**common, **names, "betas": [1.0, 4.0], "allow_small": True, **given})


def run_on(cluster, study, out, **given):
    return run_study(study, out, engine="ray", address=cluster.address, **given)


def read_cells(out):
    """Read all that two machines should agree on, by cell."""
    found = {}
    for folder in (out / "cells").iterdir():
        record = json.loads(
            max(folder.glob("record*.json"), key=lambda path: len(path.name)).read_text("utf-8")
        )
        codes = dict(np.load(folder / "codes.npz"))
        found[folder.name] = {
            "record": {name: record[name] for name in ("status", "cell", "evaluation", "scores", "protocol")},
            "codes": {name: value.tobytes() for name, value in codes.items()},
            "weights": (folder / "weights.safetensors").read_bytes(),
            "log": (folder / "training.csv").read_bytes(),
            "files": sorted(path.name for path in folder.iterdir()),
            "threads": record["environment"]["threads"],
        }
    return found


class Acting(Watcher):
    """A watcher that acts at the first step after a given one, and remembers what it hears."""

    def __init__(self, step=10, act=lambda cell: None):
        self.step, self.act = step, act
        self.acted = False
        self.notes, self.steps, self.failed = [], [], []

    def watch(self, news):
        cell, what = news
        if isinstance(what, Progress):
            self.steps.append((cell, what.step))
            if what.step >= self.step and not self.acted:
                self.acted = True
                self.act(cell)

    def note(self, sentence):
        self.notes.append(sentence)

    def finish(self, cell, record):
        if record["status"] == "failed":
            self.failed.append(record["failure"]["reason"])


def interrupt(cell):
    raise KeyboardInterrupt


@pytest.fixture
def local(plugins, tmp_path):
    """Return a function that runs the same study on this machine."""

    def run(**given):
        study, out = make_study(plugins, **given), tmp_path / "local"
        run_study(study, out, workers=0)
        return read_cells(out)

    return run


def test_cells_equal_those_of_this_machine_bit_for_bit(cluster, plugins, local, tmp_path):
    out = tmp_path / "out"
    watcher = Acting()
    table = run_on(cluster, make_study(plugins), out, watcher=watcher)
    assert list(table["status"]) == ["done"] * 4
    assert read_cells(out) == local()
    assert watcher.notes == []
    assert leftovers(Store(out)) == []


def test_the_cells_of_a_dead_node_go_on_elsewhere_from_their_checkpoints(cluster, plugins, local, tmp_path):
    doomed = cluster.add_node(**NODE)

    def kill(cell):
        cluster.remove_node(doomed, allow_graceful=False)

    out = tmp_path / "out"
    watcher = Acting(20, kill)
    study = make_study(plugins, steps=400)
    table = run_on(cluster, study, out, watcher=watcher, checkpoint_minutes=1e-6)
    assert list(table["status"]) == ["done"] * 4
    assert read_cells(out) == local(steps=400)
    assert len(watcher.notes) == 1
    assert "died: its cells start again elsewhere" in watcher.notes[0]
    assert leftovers(Store(out)) == []


def drive(cluster, plugins, out, *more):
    """Start the command of a study of one long cell on the cluster."""
    options = {
        "--models": f"{plugins / 'own.py'}:Own",
        "--datasets": f"{plugins / 'mine.py'}:Mine",
        "--metrics": "tests.tiny:mean_code",
        **{"--betas": "4", "--seeds": "1", "--steps": "3000", "--batch-size": "4", "--latent-size": "3"},
        **{"--kernels": "torch", "--network": "tests.models.small:Small"},
        **{"--engine": "ray", "--address": cluster.address, "--out": str(out)},
    }
    words = [word for pair in options.items() for word in pair]
    command = [sys.executable, "-m", "dis_bench", "run", "--allow-small", *words, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(what, process=None, seconds=240):
    """Wait for something; if the process that should do it ends instead, show what it said."""
    deadline = time.monotonic() + seconds
    while not what():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_driver_that_is_stopped_or_killed_leaves_nothing_but_a_checkpoint(
    cluster, plugins, local, tmp_path
):
    out = tmp_path / "out"
    unfinished = out / "unfinished"
    stopped = drive(cluster, plugins, out)
    wait_for(lambda: list(unfinished.glob("owner.*/training.csv")), stopped)
    stopped.send_signal(signal.SIGTERM)
    said, complaints = stopped.communicate(timeout=60)
    assert stopped.returncode == 75, complaints
    assert complaints == ""
    assert "the same command resumes" in said
    assert [path.name for path in unfinished.glob("*/checkpoint.pt")] == ["checkpoint.pt"]
    assert not list(unfinished.glob("owner.*"))
    assert not list(unfinished.glob(".*"))

    killed = drive(cluster, plugins, out, "--checkpoint-minutes", "0.0001")
    wait_for(lambda: list(unfinished.glob("owner.*/training.csv")), killed)
    killed.kill()
    killed.communicate(timeout=60)
    study = make_study(plugins, betas=[4.0], seeds=1, steps=3000)
    watcher = Acting()
    run_on(cluster, study, out, watcher=watcher)
    assert watcher.steps[0][1] > 1  # from a checkpoint
    assert read_cells(out) == local(betas=[4.0], seeds=1, steps=3000)
    assert leftovers(Store(out)) == []


BLIND = """
import os, sys
from ray._private.node import Node
from ray._private.parameter import RayParams
Node(
    RayParams(gcs_address=sys.argv[1], node_ip_address="127.0.0.1", num_cpus=1, num_gpus=0,
              object_store_memory=80 << 20, node_manager_port=0, include_log_monitor=False),
    head=False, shutdown_at_exit=False, spawn_reaper=False,
)
os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
"""


@pytest.fixture
def blind_node(cluster, tmp_path):
    """Start a node on which another file system hides the folder of the test."""
    hide = f'mount --make-rprivate / && mount -t tmpfs none \'{tmp_path}\' && exec "$0" -c "$1" "$2"'
    namespaces = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    trial = [*namespaces, "mount", "-t", "tmpfs", "none", "/mnt"]
    if not shutil.which("unshare") or subprocess.run(trial, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    import ray

    before = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    process = subprocess.Popen(
        [*namespaces, "sh", "-c", hide, sys.executable, BLIND, cluster.address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])},
        start_new_session=True,
    )
    try:
        wait_for(lambda: {node["NodeID"] for node in ray.nodes() if node["Alive"]} - before)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda: {node["NodeID"] for node in ray.nodes() if node["Alive"]} <= before)


def test_without_a_shared_folder_results_and_checkpoints_come_through_ray(
    cluster, blind_node, plugins, local, tmp_path
):
    out = tmp_path / "out"
    study = make_study(plugins, steps=400, metrics=[])
    watcher = Acting(20, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_on(cluster, study, out, watcher=watcher)
    [note] = watcher.notes
    assert f"does not see '{out}', so results come through Ray" in note
    kept = list((out / "unfinished").glob("*/checkpoint.pt"))
    assert kept
    assert not list((out / "unfinished").glob("owner.*"))

    watcher = Acting()
    run_on(cluster, study, out, watcher=watcher)
    first = {}
    for cell, step in watcher.steps:
        first.setdefault(cell.folder, step)
    assert all(first[path.parent.name] > 1 for path in kept)
    run_on(cluster, make_study(plugins, steps=400), out)  # which only adds scores
    assert all(len(list(folder.glob("record*.json"))) == 2 for folder in (out / "cells").iterdir())
    mine, theirs = read_cells(out), local(steps=400)
    for one in (*mine.values(), *theirs.values()):
        del one["files"]  # the second record
    assert mine == theirs
    assert leftovers(Store(out)) == []


def test_a_cell_that_kills_its_workers_fails_and_says_how(cluster, tmp_path):
    study = Study(
        **{"models": ["tests.tiny:Deadly"], "betas": [1.0, 10.0], "datasets": ["tests.tiny:Tiny"]},
        **{"steps": 2, "seeds": 1, "batch_size": 4, "latent_size": 3, "metrics": [], "kernels": "torch"},
    )
    watcher = Acting()
    table = run_on(cluster, study, tmp_path / "out", watcher=watcher)
    assert sorted(table["status"]) == ["done", "failed"]
    [reason] = watcher.failed
    assert "its worker process was killed 2 times (on node " in reason
    assert leftovers(Store(tmp_path / "out")) == []


def test_a_node_that_is_gone_when_it_is_asked_takes_no_part(cluster, tmp_path, monkeypatch):
    alive = Connection.list_nodes
    gone = Node("ab" * 28, "gone", 1, 0)
    monkeypatch.setattr(Connection, "list_nodes", lambda self: [*alive(self), gone])
    study = Study(
        **{"models": ["betavae"], "betas": [1.0], "datasets": ["tests.tiny:Tiny"], "seeds": 1, "steps": 2},
        **{"network": "tests.models.small:Small", "batch_size": 4, "latent_size": 3, "metrics": []},
    )
    assert list(run_on(cluster, study, tmp_path / "out")["status"]) == ["done"]


def test_a_task_can_be_a_stack(cluster, tmp_path):
    study = Study(
        **{"models": ["betavae"], "betas": [1.0, 4.0], "datasets": ["tests.tiny:Tiny"], "kernels": "torch"},
        **{
            "network": "tests.models.small:Small",
            "steps": 3,
            "seeds": 2,
            "batch_size": 4,
            "latent_size": 3,
            "metrics": ["tests.tiny:mean_code"],
            "precision": "fp32",
        },
    )
    table = run_on(cluster, study, tmp_path / "out", stack=True, workers=2)
    assert list(table["status"]) == ["done"] * 4
    assert table["mean_code"].notna().all()
    stacks = {
        json.loads(path.read_text("utf-8"))["environment"]["stack"]["cells"]
        for path in (tmp_path / "out").glob("cells/*/record.json")
    }
    assert stacks == {2}  # of four cells, in two tasks


def test_a_plugin_that_no_node_has_installed_is_refused(cluster, tmp_path, monkeypatch):
    packages = tmp_path / "packages"
    metadata = packages / "elsewhere-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n", "utf-8")
    (metadata / "entry_points.txt").write_text("[dis_bench.models]\nelse = elsewhere:Else\n", "utf-8")
    (metadata / "RECORD").write_text("elsewhere.py,,\n", "utf-8")
    model = MODEL.replace("import part", "").replace("part.scale", "").replace('"own"', '"else"')
    (packages / "elsewhere.py").write_text(model.replace("Own", "Else"), "utf-8")
    monkeypatch.syspath_prepend(packages)
    study = Study(models=["else"], datasets=["tests.tiny:Tiny"], steps=2, seeds=1, metrics=[])
    with pytest.raises(InputError, match=r"node .* lacks model 'else': .*; install its package there\.$"):
        run_on(cluster, study, tmp_path / "out")
    assert leftovers(Store(tmp_path / "out")) == []


def answer_with(content):
    """Start a server that answers once, and return its address."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer():
        connection, _ = server.accept()
        with connection:
            connection.sendall(content)
            connection.recv(100)
        server.close()

    threading.Thread(target=answer, daemon=True).start()
    return f"127.0.0.1:{server.getsockname()[1]}"


COMMAND = ["run", "--models", "pca", "--datasets", "tests.tiny:Tiny", "--metrics", "none"]


def refuse(capsys, tmp_path, *words):
    start = time.monotonic()
    assert main([*COMMAND, "--out", str(tmp_path / "out"), *words]) == 2
    assert time.monotonic() - start < 60
    return capsys.readouterr().err


@pytest.fixture
def alone(monkeypatch):
    """Let the engine know of no connection of this process to a cluster."""
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)


def test_a_cluster_that_does_not_answer_is_refused(alone, capsys, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    said = refuse(capsys, tmp_path, "--engine", "ray", "--address", address)
    assert f"no Ray cluster answers at '{address}': Connection refused" in said
    address = answer_with(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    said = refuse(capsys, tmp_path, "--engine", "ray", "--address", address)
    assert "the server there is another one" in said
    assert leftovers(Store(tmp_path / "out")) == []


def test_a_machine_that_is_no_node_of_the_cluster_is_refused(cluster, alone, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("ray._private.services.find_node_ids", lambda: [])  # its processes are not seen
    said = refuse(capsys, tmp_path, "--engine", "ray", "--address", cluster.address)
    assert f"this machine is no node of the Ray cluster at '{cluster.address}'" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--address", "auto"], "which only a cluster has: give --engine ray too"),
        (["--engine", "rays"], "did you mean 'ray'"),
        (["--engine", "ray", "--address", "nowhere"], "auto, or HOST:PORT"),
        (["--engine", "ray", "--address", "ray://127.0.0.1:10001"], "auto, or HOST:PORT"),
        (["--engine", "ray", "--address", "host:99999"], "auto, or HOST:PORT"),
        (["--engine", "ray", "--workers", "0"], "workers 0 starts no other process"),
    ],
)
def test_options_that_make_no_sense_are_refused(capsys, tmp_path, words, said):
    assert said in refuse(capsys, tmp_path, *words)
    assert not (tmp_path / "out").exists()


def test_a_missing_ray_is_said_before_anything_starts(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("dis_bench.runners.planning.options.find_spec", lambda name: None)
    assert "pip install 'dis-bench[ray]'" in refuse(capsys, tmp_path, "--engine", "ray")
    assert not (tmp_path / "out").exists()
