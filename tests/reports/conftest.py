"""Made-up studies, and one report of nine cells that several tests share."""

import pytest

from dis_bench.records.record import read_records
from dis_bench.records.table import tabulate
from dis_bench.reports.quantities import find_quantities
from dis_bench.reports.settings import split_settings
from dis_bench.reports.tables import summarise
from tests.reports.made_up import write_study


@pytest.fixture(scope="session")
def nine_cells(tmp_path_factory):
    """Return a result folder of betavae on dsprites: three betas, three seeds."""
    return write_study(tmp_path_factory.mktemp("nine"))


@pytest.fixture
def study(tmp_path):
    """Return a function that writes made-up cells without pictures, for records."""

    def write(**options):
        return read_records(write_study(tmp_path / "results", pictures=False, **options))[0]

    return write


@pytest.fixture
def tabulated():
    """Return a function from records to settings, summary tables and quantities."""

    def make(records, anchors=None):
        scores = dict.fromkeys(score for record in records for score in record["scores"])
        quantities = find_quantities(tabulate(records), scores)
        settings = split_settings(records, anchors)
        return settings, [summarise(setting, quantities) for setting in settings], quantities

    return make
