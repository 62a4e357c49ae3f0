"""Build the wheel, and use it on each Python that is given, away from the checkout.

    python .ci/wheel_test.py                         # every Python from 3.11 on, on the PATH and of pyenv
    python .ci/wheel_test.py --pythons python3.12    # these
    python .ci/wheel_test.py --light                 # with torch, of several GB, only on that of this run

Everywhere: help, lists, and scores of codes; with torch: a tiny training and its report, too. A light test
takes the versions of constraints.txt on the Python that runs it; all else is as a user gets it today.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
OLDEST = (3, 11)
SCORING = ("numpy", "scipy", "pandas", "scikit-learn", "numba")  # as the README says
CODES = """
import numpy as np
generator = np.random.default_rng(0)
factors = np.stack([generator.integers(0, size, 2000) for size in (3, 4, 5)], axis=1)
codes = factors + 0.1 * generator.standard_normal(factors.shape)
np.savez("codes.npz", codes=codes, factors=factors)
"""
RUN = "run --models betavae --datasets tiny.py:Tiny --steps 3 --seeds 1 --metrics mig --allow-small"
SCORE = "score codes.npz --allow-small --metrics mig dci"


def find_pythons() -> list[str]:
    """Return an interpreter of each version from the oldest on, of those on the PATH and of pyenv."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], OLDEST[1] + 10)]
    found = [shutil.which(name) for name in names]
    found += [str(path) for path in Path("~/.pyenv/versions").expanduser().glob("3.*/bin/python")]
    versions = {read_version(path): path for path in reversed([*filter(None, found)])}
    return [path for version, path in sorted(versions.items()) if version >= OLDEST]


def read_version(python: str) -> tuple[int, ...]:
    """Return an interpreter's version, as two numbers; (0,) of one that does not start."""
    words = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    done = subprocess.run(words, capture_output=True, text=True)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else (0,)


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout."""
    words = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    [wheel] = folder.glob("*.whl")
    return wheel


def install(python: str, wheel: Path, folder: Path, *, scoring_only: bool, locked: bool) -> Path:
    """Install the wheel into an environment of its own, and return the folder of its commands."""
    subprocess.run([python, "-m", "venv", str(folder / "venv")], check=True)
    commands = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(commands / "python"), "-m", "pip", "install", "--quiet"]
    pip += ["--constraint", str(ROOT / "constraints.txt")] if locked else []
    if scoring_only:
        subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
        subprocess.run([*pip, *SCORING], check=True)
    else:
        subprocess.run([*pip, str(wheel)], check=True)
    return commands


def use(commands: Path, folder: Path, *, scoring_only: bool) -> None:
    """Run what a user would, and check that it left what it should."""
    shutil.copy(ROOT / "tests" / "tiny.py", folder)
    python, command = str(commands / "python"), str(commands / "dis-bench")
    where = ask([python, "-c", "import dis_bench; print(dis_bench.__file__)"], folder)
    check(str(folder / "venv") in where, f"dis_bench is not the wheel's, but {where}")
    ask([python, "-c", CODES], folder)
    check("usage: dis-bench" in ask([command, "--help"], folder), "no help")
    check("betavae" in ask([command, "list", "models"], folder), "no list of models")
    scores = ask([command, *SCORE.split()], folder)
    check("mig" in scores and "dci_disentanglement" in scores, f"no scores in {scores}")
    if not scoring_only:
        ask([command, *RUN.split()], folder)
        ask([command, "report"], folder)
        check((folder / "results" / "report" / "index.html").stat().st_size > 10_000, "no report")


def ask(words: list[str], folder: Path) -> str:
    """Run a command, and return what it prints."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    check(done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SystemExit(otherwise)


def try_out(python: str, wheel: Path, *, scoring_only: bool, locked: bool) -> str:
    """Install and use the wheel on one Python, and return a line that says so."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as made:  # torch alone may take gigabytes
        folder = Path(made).resolve()
        commands = install(python, wheel, folder, scoring_only=scoring_only, locked=locked)
        use(commands, folder, scoring_only=scoring_only)
    version = ".".join(map(str, read_version(python)))
    what = "scores" if scoring_only else "scores, trains and reports"
    return f"Python {version}: the wheel {what} ({time.monotonic() - began:.0f} s)"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pythons", nargs="+", help="interpreters; by default all that are found")
    parser.add_argument("--light", action="store_true", help="torch on the Python that runs this alone")
    args = parser.parse_args()
    mine = sys.version_info[:2]
    with tempfile.TemporaryDirectory() as made:
        wheel = build_wheel(Path(made))
        if args.light:
            print(try_out(sys.executable, wheel, scoring_only=False, locked=True), flush=True)
        for python in args.pythons or find_pythons():
            if not (args.light and read_version(python) == mine):
                print(try_out(python, wheel, scoring_only=args.light, locked=False), flush=True)


if __name__ == "__main__":
    main()
