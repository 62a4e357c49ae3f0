"""Lists in sentences name all or a few, and numbers fit their nouns."""

import pytest

from dis_bench.reports.words import count_things, join_words, list_words


@pytest.mark.parametrize(
    ("words", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_words_are_joined_as_in_a_sentence(words, text):
    assert join_words(words) == text
    assert join_words(words, "or") == text.replace("and", "or")


def test_many_words_are_counted():
    assert list_words(list("abcdefghij")) == "a, b, c, d, e, f, g, h, and 2 more"
    assert list_words("abc", "; ", most=3) == "a; b; c"
    assert list_words(["a"] * 2001, "; ", most=1) == "a; and 2,000 more"


def test_nouns_follow_their_numbers():
    assert [count_things(number, "cell") for number in (0, 1, 2000)] == ["0 cells", "1 cell", "2,000 cells"]
