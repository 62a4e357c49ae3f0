"""Escaping of other people's names and texts, one function per output format.

The name of a model, dataset, hyperparameter or score, or the reason for a failure, can be any text. It must
neither turn into markup, a formula or a command in the program that reads it, nor be invisible there.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# Characters that are invisible, or that change how their neighbours are shown: control characters, line and
# paragraph separators and lone surrogates; format characters, such as direction marks; blank letters,
# variation selectors and tags.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a"
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffe\uffff"
    "\U000e0000-\U000e0fff]"
)


def describe_rules() -> dict[str, Any]:
    """Return the rules of this module as data, for scripts that escape alike.

    Returns:
        ``hidden`` and ``formula``, regular expressions that Python and JavaScript read alike, the latter of
        an apostrophe's place; ``markdown`` and ``latex`` by character; ``accents`` by Unicode's combining
        character.
    """
    greek = {letter: rf"$\{name}$" for letter, name in _LATEX_GREEK.items()}
    return {
        "hidden": _HIDDEN.pattern,
        "formula": _FORMULA.pattern,
        "markdown": _MARKDOWN,
        "latex": {**greek, **_LATEX},
        "accents": _LATEX_ACCENTS,
    }


def visible(text: str) -> str:
    r"""Write invisible characters as Python escapes: ``\n``, ``\x1b``, ``\u202e``.

    This is sufficient for text in pictures and for a single line on a terminal.
    """
    if text.isascii() and text.isprintable():  # much faster, for weights and pictures in base64
        return text
    return _HIDDEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def for_html(value: Any) -> Any:
    """Escape a value for HTML text or a quoted attribute; leave existing markup alone."""
    from markupsafe import escape

    return value if hasattr(value, "__html__") else escape(visible(str(value)))


# The start of a formula in a spreadsheet, including one that separates cells with semicolons.
_FORMULA = re.compile(r"""(^|;)(?=[\s"']*[=+\-@＝＋－＠])""")  # noqa: RUF001


def for_csv(value: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would evaluate; keep numbers."""
    return _FORMULA.sub(r"\1'", visible(value)) if isinstance(value, str) else value


_MARKDOWN = {
    **{character: rf"\{character}" for character in r"\`*_{}[]#|~$^@:"},
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
}


def for_markdown(text: str) -> str:
    """Escape a text for a heading or a table cell.

    It then yields no HTML, link, picture, code, emphasis or further cell.
    """
    escaped = "".join(_MARKDOWN.get(character, character) for character in visible(text))
    return re.sub(r"(?i)\bwww\.", lambda match: match[0][:-1] + r"\.", escaped)  # GitHub links it


_LATEX = {
    **{character: rf"\{character}" for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[]*"},  # else an argument of a preceding \\
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",  # babel makes it a command in some languages
    "±": r"$\pm$",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "·": r"$\cdot$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{NO-BREAK SPACE}": "~",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
}
# Keyed by Unicode's combining character for the accent.
_LATEX_ACCENTS = dict(
    zip(
        "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327",
        "`'^~=u.\"rHvc",
        strict=True,
    )
)
_GREEK = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu mu nu xi pi rho sigma tau upsilon "
    "varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_LATEX_GREEK = dict(zip("αβγδεζηθικλμµνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", _GREEK.split(), strict=True))


def for_latex(text: str) -> str:
    r"""Escape a text for a cell or a title, in ASCII that any LaTeX engine accepts.

    Accented letters become commands and Greek letters become mathematics. Any other character without a LaTeX
    command is written as a Python escape: ``\u65e5``.
    """
    return "".join(map(_escape_for_latex, unicodedata.normalize("NFC", visible(text))))


def _escape_for_latex(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    if character.isascii():
        return character
    if character in _LATEX_GREEK:
        return rf"$\{_LATEX_GREEK[character]}$"
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in _LATEX_ACCENTS:
        return rf"\{_LATEX_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return for_latex(character.encode("unicode_escape").decode())
