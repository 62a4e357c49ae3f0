"""Foreign names become neither markup, formula nor command, nor invisible."""

import csv
import io
import re
import sys
import unicodedata

import pandas as pd
import pytest

from dis_bench.escape import for_csv, for_html, for_latex, for_markdown, visible

PLAIN = [
    "betavae",
    "beta-VAE",
    "dsprites (rendered), 3,000 steps",
    "naïve",
    "日本語",
    "0.312 ± 0.041",
    "",
]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_texts_stay_as_they_are(text):
    assert visible(text) == for_csv(text) == for_markdown(text) == str(for_html(text)) == text


def test_no_control_or_format_character_is_left_by_any_format():
    hidden = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    ]
    for escape in (visible, for_html, for_csv, for_markdown, for_latex):
        text = str(escape("".join(hidden)))
        assert not set(text) & set(hidden), escape


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u200bb\u2060", r"a\u200bb\u2060"),
        ("\u2800\u3164", r"\u2800\u3164"),
        ("a\ud800b", r"a\ud800b"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_html_has_no_tag_and_no_end_of_an_attribute():
    assert str(for_html("<script>'\"&amp;")) == "&lt;script&gt;&#39;&#34;&amp;amp;"
    assert str(for_html(for_html("<"))) == "&lt;"


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://x","y")',
        "+1+1",
        "-1+cmd|'/c calc'!A0",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\N{NO-BREAK SPACE}=1",
        "'=1",
        '"=1',
        "\N{FULLWIDTH EQUALS SIGN}1",
        "a;=1",
        'a; "=1',
    ],
)
def test_no_cell_of_a_csv_is_a_formula(text):
    line = pd.DataFrame({text: [text]}).map(for_csv).rename(columns=for_csv).to_csv(index=False)
    for separator in ",;":
        for row in csv.reader(io.StringIO(line), delimiter=separator):
            assert not [cell for cell in row if re.match(r"""[\s"]*[=+\-@＝]""", cell)]  # noqa: RUF001
    assert text.strip() in for_csv(text).replace("'", "", 1) or "'" in text


@pytest.mark.parametrize("number", [-1.5, -0.0, 1e-300, float("-inf"), -(10**20), 0.1 + 0.2, True])
def test_numbers_stay_numbers(number):
    assert for_csv(number) is number


# What GitHub and pandoc interpret inside a line unless a backslash precedes it.
MARKUP = r"(?<!\\)(?:\\\\)*[`*_{}\[\]|~$^@#]|[<>]|&(?!(amp|lt|gt);)|https?:/|\bwww\.|\n"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<!-- -->",
        "![x](http://e.org/x.png)",
        "[x](javascript:alert(1))",
        "https://e.org",
        "WWW.e.org",
        "a | b",
        "a\\| b",
        "`rm -rf`",
        "**bold** _it_ ~~no~~ $x$",
        "a\n# head",
        "&copy;",
        "x {#id} [^1] @key",
    ],
)
def test_markdown_has_nothing_to_render(text):
    written = for_markdown(text)
    assert not re.search(MARKUP, written, flags=re.I), written
    back = re.sub(r"\\(?=[!-/:-@\[-`{-~])", "", written.replace("\\\\", "\0")).replace("\0", "\\")
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        back = back.replace(entity, character)
    assert back == visible(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        (r"\write18{id}", r"\textbackslash{}write18\{id\}"),
        ("^^5cinput", r"\textasciicircum{}\textasciicircum{}5cinput"),
        ("50%&#_$~", r"50\%\&\#\_\$\textasciitilde{}"),
        ("[1ex] *", "{[}1ex{]} {*}"),
        ('"a <b|c> `d', r"{\char34}a \textless{}b\textbar{}c\textgreater{} \textasciigrave{}d"),
        ("a\n\\end{tabular}", r"a\textbackslash{}n\textbackslash{}end\{tabular\}"),
        ("β-VAE Ω ±3", r"$\beta$-VAE $\Omega$ $\pm$3"),
        ("Čech naïve Łódź", r"\v{C}ech na\"{i}ve \L{}\'{o}d\'{z}"),
        ("日😀", r"\textbackslash{}u65e5\textbackslash{}U0001f600"),
    ],
)
def test_latex_has_no_command_of_others(text, written):
    assert for_latex(text) == written


def test_every_character_is_ascii_in_latex_and_braces_balance():
    for code in range(0x3000):
        written = for_latex(chr(code))
        assert written.isascii()
        assert "^^" not in written
        plain = re.sub(r"\\[{}\\]", "", written)
        assert plain.count("{") == plain.count("}"), hex(code)
