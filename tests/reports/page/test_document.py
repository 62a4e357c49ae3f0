"""Data in the page is data, whatever the texts in it."""

import json
import math

import pytest

from dis_bench.reports.page.document import write_json


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", "<!--<script>", "a & b", "]]>", "日本"]
)
def test_no_text_can_end_the_element_or_be_markup(text):
    written = write_json({text: [text]})
    assert not set("<>&") & set(written)
    assert written.isascii()
    assert json.loads(written) == {text: [text]}


def test_numbers_that_are_not_finite_become_null():
    assert json.loads(write_json([1.5, math.nan, math.inf, {"a": -math.inf}])) == [
        1.5,
        None,
        None,
        {"a": None},
    ]


def test_invisible_characters_are_shown():
    assert json.loads(write_json("a\u202eb\u2028")) == r"a\u202eb\u2028"
