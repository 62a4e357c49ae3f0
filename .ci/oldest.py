"""Print constraints for pip: the oldest version of each package that setup.cfg allows.

    python .ci/oldest.py                  # of all that dis-bench needs to run
    python .ci/oldest.py --but torch      # these as in constraints.txt

What tests need besides is as in constraints.txt.
"""

import argparse
import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ("hypothesis", "pytest")


def read_oldest() -> dict[str, str]:
    """Return the lower bound of each requirement."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return dict(re.findall(r"^([\w-]+)>=([\w.]+)$", setup["options"]["install_requires"], flags=re.M))


def read_locked() -> dict[str, str]:
    """Return the versions that were tested together."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return {name.lower(): version for name, version in re.findall(r"^([\w-]+)==(\S+)$", text, flags=re.M)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the oldest versions that setup.cfg allows.")
    parser.add_argument("--but", nargs="*", default=[], metavar="PACKAGE", help="as in constraints.txt")
    oldest, locked = read_oldest(), read_locked()
    chosen = oldest | {name: locked[name] for name in (*parser.parse_args().but, *TESTS)}
    print("\n".join(f"{name}=={version}" for name, version in chosen.items()))


if __name__ == "__main__":
    main()
