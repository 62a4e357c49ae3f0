"""Run the command line with ``python -m dis_bench``, as ``dis-bench`` does."""

from dis_bench.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
