"""Values of parameters as one text, as records keep them."""

import pytest

from dis_bench.parameters import read_values, write_values


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, ""),
        ({"size": 32, "correlated": True, "share": 0.5}, "correlated=true share=0.5 size=32"),
        ({"rule": "a=b,c;d(e)*é"}, "rule=a=b,c;d(e)*é"),  # as earlier records have it
        ({"style": "thin", "tone": "y"}, "style=thin tone=y"),
        ({"style": "thin tone=y"}, "style='thin tone=y'"),
        ({"style": 'it\'s "grey" \\ no'}, None),
        ({"style": "non\u00a0breaking"}, None),
        ({"style": ""}, "style="),
    ],
)
def test_what_is_written_is_read_again(values, text):
    written = write_values(values)
    assert text is None or written == text
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()
    }
    assert read_values(written) == texts


def test_an_earlier_text_with_one_quotation_mark_is_read():
    assert read_values("style=it's size=32") == {"style": "it's", "size": "32"}
