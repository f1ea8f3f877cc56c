"""LaTeX documents, and text of a program in which TeX finds nothing of its own. All of it is ASCII, for every engine."""

from __future__ import annotations

import re
import unicodedata

from .writing import GREEK

_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "'": r"\textquotesingle{}", "`": r"\textasciigrave{}", '"': r"\char34{}", "-": "{-}",
}  # fmt: skip
# in formulas and in text alike
_MATHEMATICAL = {
    "∂": r"\partial", "·": r"\cdot", "×": r"\times", "…": r"\ldots", "←": r"\leftarrow", "→": r"\rightarrow", "≤": r"\leq",
    "≥": r"\geq", "≠": r"\neq", "‖": r"\|", "∇": r"\nabla", "√": r"\surd", "∞": r"\infty", "−": "-", "⌊": r"\lfloor",
    "⌋": r"\rfloor", "°": r"^{\circ}", "±": r"\pm",
}  # fmt: skip
_TEXTUAL = {"–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "ß": r"\ss{}", "\u00a0": r"\ "}
_ACCENTS = {
    "\u0300": r"\`", "\u0301": r"\'", "\u0302": r"\^", "\u0303": r"\~", "\u0304": r"\=", "\u0306": r"\u", "\u0307": r"\.",
    "\u0308": r"\"", "\u030a": r"\r", "\u030b": r"\H", "\u030c": r"\v", "\u0327": r"\c",
}  # fmt: skip
_CAPITALS = {"Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"}


def escape(text: str) -> str:
    """A line of text as LaTeX shows it letter for letter, outside of formulas."""
    escaped = "".join(_SIGNS.get(sign, sign) if sign.isascii() else _spelled(sign) for sign in _visible(text))
    return re.sub(r"(?<= ) |^ ", r"\\ ", escaped)


def in_ascii(fragment: str) -> str:
    """LaTeX whose letters beyond ASCII are spelled as commands."""
    return "".join(sign if sign.isascii() else _spelled(sign) for sign in fragment)


def document(body: str, packages: tuple[str, ...] = (), options: str = "") -> str:
    """A document of one page, as large as what is on it, with `options` of the class `standalone`."""
    wanted = "".join(f"\\usepackage{{{package}}}\n" for package in packages)
    return (
        f"\\documentclass[border=8pt{options and ','}{options}]{{standalone}}\n"
        "\\usepackage[T1]{fontenc}\n\\usepackage{textcomp}\n\\IfFileExists{lmodern.sty}{\\usepackage{lmodern}}{}\n"
        f"{wanted}\\begin{{document}}\n\\frenchspacing\n{body}\n\\end{{document}}\n"
    )


def _visible(text: str) -> str:
    """The text with a blank for what ends a line, and a sign for what cannot be printed."""
    return "".join(
        " " if sign in "\t\n\r\v\f" else "\ufffd" if unicodedata.category(sign) in ("Cc", "Cs") else sign
        for sign in text
    )


def _spelled(sign: str) -> str:
    """A sign beyond ASCII as a command that holds in formulas and in text; by its number where LaTeX knows none."""
    known = _MATHEMATICAL.get(sign) or _greek(sign)
    if known is not None:
        return rf"\ensuremath{{{known}}}"
    if sign in _TEXTUAL:
        return rf"\mbox{{{_TEXTUAL[sign]}}}"
    decomposed = unicodedata.decomposition(sign).split()
    if decomposed and decomposed[0] in ("<sub>", "<super>") and len(decomposed) == 2:
        inner = chr(int(decomposed[1], 16))
        if inner.isascii() and inner.isalnum():
            return rf"\ensuremath{{{'_' if decomposed[0] == '<sub>' else '^'}{{\mathrm{{{inner}}}}}}}"
    if len(decomposed) == 2 and not decomposed[0].startswith("<"):
        letter, accent = (chr(int(code, 16)) for code in decomposed)
        if accent in _ACCENTS and letter.isascii() and letter.isalpha():
            return rf"\mbox{{{_ACCENTS[accent]}{{{letter}}}}}"
    return rf"\mbox{{[U+{ord(sign):04X}]}}"


def _greek(sign: str) -> str | None:
    name = unicodedata.name(sign, "")
    if name.startswith("GREEK SMALL LETTER "):
        letter = name.removeprefix("GREEK SMALL LETTER ").lower().replace("lamda", "lambda")
        return "\\" + letter if letter in GREEK else None
    if name.startswith("GREEK CAPITAL LETTER "):
        letter = name.removeprefix("GREEK CAPITAL LETTER ").capitalize().replace("Lamda", "Lambda")
        return "\\" + letter if letter in _CAPITALS else None
    return {"∑": r"\Sigma", "∏": r"\Pi"}.get(sign)
