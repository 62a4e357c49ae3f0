"""Scoring needs few packages, and works the same without the others."""

import ast
import configparser
import functools
import importlib.metadata
import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from dis_bench import requirements
from dis_bench.cli.main import main

ROOT = Path(__file__).parent.parent
DECLARED = {*requirements.SCORING, *requirements.BROUGHT_BY_SCORING, *requirements.OTHERS}

# Runs in a process of its own, where only the packages for scoring can be imported.
ONLY = """
import importlib.abc, json, sys

class Only(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = set(json.loads(sys.argv.pop(1)))
sys.meta_path.insert(0, Only())
"""

COMMANDS = """
import contextlib, io
from dis_bench.cli.main import main

def run(words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as done:
            code = done.code
    return code, out.getvalue(), err.getvalue()

print(json.dumps([run(words) for words in json.loads(sys.argv[1])]))
"""

FUNCTIONS = """
import numpy as np
import dis_bench

arrays = np.load("codes.npz")
scores = dis_bench.score(arrays["codes"], arrays["factors"], ["mig", "sap"], allow_small=True)
ranking = dis_bench.udr([arrays["codes"], arrays["codes"][:, ::-1] ** 3])
said = {}
for name, call in {
    "build_model": lambda: dis_bench.build_model("vae"),
    "images": lambda: dis_bench.load_dataset("dsprites").images([0]),
    "plan": lambda: dis_bench.Study().plan(),
    "run": lambda: dis_bench.run(dis_bench.Study(metrics=["mig"]), "out"),
    "Study.run": lambda: dis_bench.Study(metrics=["mig"]).run("out"),
}.items():
    try:
        said[name] = repr(call())
    except dis_bench.InputError as error:
        said[name] = str(error)
last = dis_bench.load_dataset("dsprites").factors([737_279])
print(json.dumps([scores.to_dict(), ranking.tolist(), said, last.tolist()]))
"""

MINE = """
def spread(codes, factors):
    "Mean absolute code."
    return float(abs(codes).mean())

def lacking(codes, factors):
    import nobody_has_this

def encode(images):
    return images
"""


@functools.cache
def distributions():
    """Return the distributions that own each importable name."""
    return importlib.metadata.packages_distributions()


def bring(packages):
    """Return the importable names once packages and their dependencies are installed."""
    found, open_ends = set(), list(packages)
    while open_ends:
        package = normalise(open_ends.pop())
        if package not in found:
            with suppress(importlib.metadata.PackageNotFoundError):  # on another system or Python only
                needed = importlib.metadata.requires(package) or ()
                open_ends += [re.match(r"[\w.-]+", one)[0] for one in needed if "extra ==" not in one]
                found.add(package)
    return {name for name, owners in distributions().items() if set(map(normalise, owners)) & found}


def normalise(package):
    return re.sub(r"[-_.]+", "-", package).lower()


def python(code, *words, cwd):
    installed = {*distributions(), *requirements.OTHERS}
    blocked = installed - bring(requirements.SCORING) - {"dis_bench"}
    command = [sys.executable, "-c", ONLY + code, json.dumps(sorted(blocked)), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scoring")
    generator = np.random.default_rng(0)
    factors = np.stack([generator.integers(0, size, 300) for size in (3, 4, 2)], axis=1)
    codes = factors @ generator.standard_normal((3, 4)) + 0.1 * generator.standard_normal((300, 4))
    np.savez(folder / "codes.npz", codes=codes, factors=factors, log_variances=0 * codes - 4)
    (folder / "mine.py").write_text(MINE)
    (folder / "model.py").write_text("import torch\nclass Model: pass\n")
    (folder / "results").mkdir()
    return folder


WORKS = (
    ["score", "codes.npz", "--allow-small", "--metrics", "all", "--out", "all.csv"],
    ["score", "codes.npz", "--allow-small", "--metrics", "mig", "--bootstrap", "3", "--no-anchors"],
    ["list", "metrics"],
    ["list", "models"],
    ["list", "networks"],
    ["list", "datasets"],
    ["check", "metric", "mine.py:spread"],
    ["check", "metric", "mig"],
    ["--version"],
    ["--help"],
    *([command, "--help"] for command in ("run", "report", "score", "check", "list", "data")),
)
LACKS = (
    (["run", "--models", "vae"], "torch"),
    (["run", "--dry-run"], "torch"),
    (["report"], "pillow"),
    (["data", "show", "dsprites"], "torch"),
    (["data", "fetch", "dsprites"], "pooch"),
    (["data", "fetch", "dsprites", "--data-dir", "."], "requests"),
    (["data", "verify", "shapes3d"], "pooch"),
    (["score", "--encoder", "mine.py:encode"], "torch"),
    (["run", "--models", "model.py:Model"], "torch"),
)
OWN = (
    (
        ["score", "codes.npz", "--metrics", "mine.py:lacking"],
        "ModuleNotFoundError: No module named 'nobody_has",
    ),
    (
        ["score", "codes.npz", "--metrics", "not_there:spread"],
        "ModuleNotFoundError: No module named 'not_there'",
    ),
)


@pytest.fixture(scope="module")
def outcomes(folder):
    """Return exit code, output and errors per command, with scoring's packages only."""
    lines = [*WORKS, *(words for words, _ in (*LACKS, *OWN))]
    results = python(COMMANDS, json.dumps(lines), cwd=folder)
    return {tuple(words): result for words, result in zip(lines, results, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("words", WORKS, ids=" ".join)
def test_commands_that_score_work(outcomes, words):
    code, out, err = outcomes[tuple(words)]
    assert (code, err) == (1 if "mine.py:spread" in words else 0, "")
    assert "cannot be used" not in out
    assert len(out) > 10


@pytest.mark.slow
def test_every_score_and_anchor_is_that_of_the_full_installation(outcomes, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    words = [*WORKS[0][:-1], "full.csv"]
    assert main(words) == 0
    assert Path("all.csv").read_text(encoding="utf-8") == Path("full.csv").read_text(encoding="utf-8")
    assert Path("all.csv").read_text(encoding="utf-8").count("\n") > 30
    assert outcomes[tuple(WORKS[0])][1] == capsys.readouterr().out


@pytest.mark.parametrize(("words", "package"), LACKS, ids=[" ".join(words) for words, _ in LACKS])
def test_commands_that_need_more_say_what_to_type(outcomes, words, package):
    code, out, err = outcomes[tuple(words)]
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert line.startswith("dis-bench: error: ")
    sentence = (
        f"this needs {package}, which is not installed: `pip install dis-bench` installs what is missing."
    )
    assert line.endswith(sentence)


@pytest.mark.parametrize(("words", "reason"), OWN, ids=[" ".join(words) for words, _ in OWN])
def test_a_users_own_missing_module_keeps_its_message(outcomes, words, reason):
    code, _, err = outcomes[tuple(words)]
    assert code == 2
    assert reason in err
    assert "pip" not in err


def test_functions_score_or_say_what_to_type(folder):
    scores, ranking, said, last = python(FUNCTIONS, cwd=folder)
    assert scores["mig"] > 0
    assert len(ranking) == 2
    assert last == [[0, 2, 5, 39, 31, 31]]
    sentence = "this needs torch, which is not installed: `pip install dis-bench` installs what is missing."
    assert said == dict.fromkeys(said, sentence)


def test_without_numba_all_but_dci_is_scored(folder):
    code = "BLOCKED |= {'numba', 'llvmlite'}\n" + COMMANDS
    words = ["score", "codes.npz", "--allow-small", "--no-anchors", "--metrics"]
    lines = [[*words, "dci_forest", "explicitness", "mig", "sap"], [*words, "dci"]]
    (works, _, _), (fails, _, err) = python(code, json.dumps(lines), cwd=folder)
    assert (works, fails) == (0, 2)
    assert f"this needs numba, which is not installed: `pip install {' '.join(requirements.SCORING)}`" in err


def test_the_packages_are_those_that_setup_declares():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    declared = re.findall(r"^[\w-]+", setup["options"]["install_requires"], flags=re.M)
    assert sorted(declared) == sorted(DECLARED)
    assert {*setup["options.extras_require"]} == {*requirements.EXTRAS, "docs", "test", "dev"}
    assert bring(requirements.BROUGHT_BY_SCORING) <= bring(requirements.SCORING)
    assert not bring(["torch"]) & bring(requirements.SCORING) - bring(["numpy"])


def test_every_import_is_of_a_declared_package():
    known = {*DECLARED, *requirements.EXTRAS}
    declared = {requirements.IMPORTED_AS.get(package, package) for package in known}
    for path in (ROOT / "dis_bench").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            others = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"dis_bench"}
            assert others <= declared, path


def test_the_line_to_type_is_documented():
    assert f"    pip install {' '.join(requirements.SCORING)}\n" in (ROOT / "README.md").read_text("utf-8")


def test_only_a_missing_package_of_ours_is_named():
    assert "scikit-learn" in requirements.lacks(ModuleNotFoundError(name="sklearn"))
    for other in (
        ModuleNotFoundError(name="nobody_has_this"),
        ModuleNotFoundError("No module named 'torch'"),
        ModuleNotFoundError(name="torch.no_such_part"),
        ImportError(name="torch"),
        ValueError("torch"),
    ):
        assert requirements.lacks(other) is None

    @requirements.names_missing_packages
    def fail():
        raise ModuleNotFoundError("No module named 'nobody_has_this'", name="nobody_has_this")

    with pytest.raises(ModuleNotFoundError, match="nobody_has_this"):
        fail()
