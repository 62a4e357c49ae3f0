"""``python -m dis_bench`` is ``dis-bench``."""

from dis_bench.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
