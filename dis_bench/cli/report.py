"""``dis-bench report``: tables, plots and a page from recorded results."""

from __future__ import annotations

import argparse
from typing import Any

from dis_bench.cli.options import SEVERAL
from dis_bench.escape import visible

EXAMPLES = """\
examples:
  dis-bench report                          report on results/ in results/report/index.html
  dis-bench report results/paper            another result folder
  dis-bench report results results/paper    several as one, in report/
  dis-bench report --out /tmp/report        write elsewhere
  dis-bench report --published cfasl2024    with published figures beside the measured ones
"""


def add_parser(subparsers: Any) -> None:
    """Add ``report`` to the command line."""
    parser = subparsers.add_parser(
        "report",
        help="tables, plots and a page from recorded results",
        description=(
            "Write table.csv, table.md, table.tex, plots/ and one index.html that opens offline, from a "
            "result folder; the cells to play with have pages of their own in play/. Nothing is trained or "
            "scored, so it can be run again at any time."
        ),
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "folders", nargs="*", default=["results"], metavar="DIR", help="result folders (default: results)"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="where to write (default: DIR/report; report, for several folders)"
    )
    parser.add_argument(
        "--published",
        **SEVERAL,
        default=[],
        metavar="SOURCE",
        help="published figures to show beside, by name (`dis-bench list published`) or FILE.toml",
    )
    parser.add_argument(
        "--play",
        type=int,
        metavar="N",
        help="cells to play with on the page, 0 for none (default: one of each configuration, at least 12; "
        "of more than 36 configurations 12, or one of each model)",
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Write the report, and print its location and main findings."""
    from dis_bench.reports.writing import make_report

    report, index = make_report(args.folders, args.out, args.published, args.play)
    print(f"{visible(report.summary)}.")
    for setting, headlines in zip(report.settings, report.headlines, strict=True):
        for headline in headlines:
            apart = headline.series if len(headlines) > 1 else ""
            name = ", ".join(filter(None, [setting.title, apart]))
            print(f"\n{visible(name)}\n  {visible(headline.sentences[0])}")
    if report.caveats:
        count = "1 caveat" if len(report.caveats) == 1 else f"{len(report.caveats)} caveats"
        print(f"\nRead the {count} on the page before trusting this.")
    print(f"\nreport: {visible(str(index))}")
    return 0
