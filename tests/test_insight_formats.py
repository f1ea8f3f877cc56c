"""`draw`, `explain` and `why` as HTML, SVG, LaTeX and JSON: what is in each, and that no name of a program gets out of it."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

import chainrule as torch
from chainrule.insight import latex
from chainrule.insight.pictures import stacked, text_picture

from .running import chainrule, write_script

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</script></svg>\\input{/etc/passwd}\\end{document}$^_%&#~`|\"'<img src=x onerror=alert(1)>é中α"
ENDINGS = {"html": "html", "svg": "svg", "latex": "tex", "json": "json"}
PDFLATEX = shutil.which("pdflatex")

PROGRAM = f"""
    import torch
    holder = {{{HOSTILE!r}: torch.ones(2, requires_grad=True)}}
    x = torch.ones(2, requires_grad=True)
    y = (x * 2).detach()  # {HOSTILE}
    w, = holder.values()
    del w
    z = list(holder.values())[0] * y
    loss = z.sum()
    loss.backward()
"""


def tokens(document: str) -> list[str]:
    """Commands, braces and other signs of LaTeX, comments having none of them."""
    return re.findall(r"\\[A-Za-z@]+|\\.|.", document, re.DOTALL)


def commands(document: str) -> set[str]:
    return {one for one in tokens(document) if one.startswith("\\")}


def check_latex(document: str) -> None:
    """Braces and environments that match, and signs that would stop TeX escaped."""
    assert document.isascii()
    depth, environments = 0, []
    for one in tokens(document):
        depth += {"{": 1, "}": -1}.get(one, 0)
        assert depth >= 0
        assert one not in ("#", "%", "~", "\x00")
    assert depth == 0
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", document):
        if kind == "begin":
            environments.append(name)
        else:
            assert environments.pop() == name
    assert environments == []
    assert "\\input" not in commands(document)
    assert document.count("\\end{document}") == document.count("\\begin{document}") <= 1


def compiled(path: Path) -> None:
    if PDFLATEX is not None:
        command = [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", path.name]
        done = subprocess.run(command, cwd=path.parent, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout[-2000:]


# ---------------------------------------------------------------- letters


@given(st.text())
def test_no_sign_of_a_text_is_anything_but_a_letter(text):
    escaped = latex.escape(text)
    check_latex(escaped)
    known = commands("".join(latex._SIGNS.values())) | {"\\mbox", "\\ensuremath", "\\mathrm", "\\ "}
    accents = set(latex._ACCENTS.values()) | {"\\ss", "\\|"}
    symbols = {f"\\{name}" for name in latex.GREEK | latex._CAPITALS} | set(latex._MATHEMATICAL.values())
    assert commands(escaped) <= known | accents | symbols | {"\\circ"}
    assert not set('$&_^<>|"\n') & set(tokens(re.sub(r"\\ensuremath\{[_^]", "", escaped)))


def test_letters_beyond_ascii():
    assert latex.escape("α ∂ é ß x₂ ᵀ …") == (
        r"\ensuremath{\alpha} \ensuremath{\partial} \mbox{\'{e}} \mbox{\ss{}} x\ensuremath{_{\mathrm{2}}} "
        r"\ensuremath{^{\mathrm{T}}} \ensuremath{\ldots}"
    )
    assert latex.escape("中\x00") == r"\mbox{[U+4E2D]}\mbox{[U+FFFD]}"
    assert latex.escape("  a  b") == r"\ \ a \ b"
    assert latex.escape("1--2") == "1{-}{-}2"
    assert latex.in_ascii(r"\mathrm{größe}_{i}") == r"\mathrm{gr\mbox{\"{o}}\mbox{\ss{}}e}_{i}"


# ---------------------------------------------------------------- pictures


def small():
    x = torch.ones(2, 2, requires_grad=True)
    z = 3 * (x + 2) ** 2
    out = z.mean()
    return out


def test_the_tikz_picture_is_the_svg():
    drawing = torch.draw(small())
    tikz, svg = drawing.latex(), ElementTree.fromstring(drawing.svg())
    check_latex(tikz)
    labels = re.findall(r"\\node\[graph label\] at \(([\d.]+),([\d.]+)\) \{(.*)\};", tikz)
    texts = [text for text in svg.iter(SVG + "text") if text.get("class") == "label"]
    assert labels == [(text.get("x"), text.get("y"), text.text) for text in texts]
    assert {name for *_, name in labels} == {"x", "add", "pow", "z = mul", "out = mean"}
    numbers = [re.findall(r"-?[\d.]+", path.get("d")) for path in svg.iter(SVG + "path") if path.get("class") == "edge"]
    drawn = [re.findall(r"-?\d[\d.]*", line) for line in tikz.splitlines() if line.startswith("\\draw[graph edge]")]
    assert drawn == numbers and len(drawn) == 4
    boxes = re.findall(r"rectangle", tikz)
    assert len(boxes) == sum(group.find(SVG + "rect") is not None for group in svg.iter(SVG + "g"))


def test_a_large_graph_is_folded_in_tikz_as_in_the_picture():
    w = torch.full((2,), 0.5, requires_grad=True)
    h = torch.ones(2)
    for _ in range(400):
        h = torch.tanh(h * w) + 0.1
    drawing = torch.draw(h.sum())
    folded = drawing.svg().count('<g class="folded"')
    assert folded > 3 and drawing.latex().count("\\draw[graph folded") == folded
    assert drawing.latex(folded=False).count("\\draw[graph node") == len(drawing.graph.items)


def test_a_document_is_saved(tmp_path):
    torch.draw(small()).save(tmp_path / "graph.tex")
    document = (tmp_path / "graph.tex").read_text()
    check_latex(document)
    assert (
        document.startswith("\\documentclass") and "\\usepackage{tikz}" in document and "usetikzlibrary" not in document
    )
    compiled(tmp_path / "graph.tex")


def test_pictures_of_text_and_stacks_of_them():
    one = text_picture("a", [("heading", "first <b>"), ("", "  indented"), ("told", "this")])
    texts = [t.text for t in ElementTree.fromstring(one).iter(SVG + "text")]
    assert texts == ["first <b>", "  indented", "this"]
    both = ElementTree.fromstring(stacked([one, one], "two"))
    inner = both.findall(SVG + "svg")
    assert [picture.get("y") for picture in inner] == ["0", inner[0].get("height")]
    assert int(both.get("height")) == 2 * int(inner[0].get("height"))
    assert "prefers-color-scheme:dark" in one


# ---------------------------------------------------------------- the command line


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """{(command, format): the text} of a program with hostile names, all formats at once."""
    directory = tmp_path_factory.mktemp("formats")
    write_script(directory / "p.py", PROGRAM)
    texts = {}
    for command in ("draw", "explain", "why"):
        options = [part for kind, ending in ENDINGS.items() for part in (f"--{kind}", f"{command}.{ending}")]
        done = chainrule(command, "p.py", *options, cwd=directory)
        assert done.returncode == (1 if command == "why" else 0), done.stderr
        assert [line for line in done.stdout.splitlines() if line.startswith("wrote ")] == [
            f"wrote {command}.{ending}" for ending in ENDINGS.values()
        ]
        for kind, ending in ENDINGS.items():
            texts[command, kind] = (directory / f"{command}.{ending}").read_text(encoding="utf-8")
        compiled(directory / f"{command}.tex")
    return texts


class Elements(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("command", ["draw", "explain", "why"])
def test_every_command_writes_every_format(written, command):
    assert "Content-Security-Policy" in written[command, "html"]
    page = Elements(written[command, "html"])
    assert "img" not in page.tags and "</script></svg>" in page.text
    picture = ElementTree.fromstring(written[command, "svg"])
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} <= {
        "svg", "title", "desc", "style", "defs", "marker", "path", "g", "rect", "text",
    }  # fmt: skip
    assert "</script></svg>" in "".join(picture.itertext())
    check_latex(written[command, "latex"])
    assert written[command, "latex"].startswith("\\documentclass")
    assert HOSTILE[:12] in json.dumps(json.loads(written[command, "json"])) or command == "why"


def test_why_marks_where_the_way_is_cut(written):
    picture = ElementTree.fromstring(written["why", "svg"])
    lit = [g for g in picture.iter(SVG + "g") if "marked" in g.get("class").split()]
    assert [g.findtext(f"{SVG}text[@class='label']") for g in lit] == ["x: detach"]
    assert sum(path.get("class") == "edge cut" for path in picture.iter(SVG + "path")) == 1
    lines = [text.text for text in picture.iter(SVG + "text") if text.get("class") == "line told"]
    assert len(lines) == 1 and lines[0].startswith("    4  y = (x * 2).detach()")
    assert "graph marked" in written["why", "latex"] and "\\rightarrow$ 4}" in written["why", "latex"]
    assert "<mark>    4  y = (x * 2).detach()" in written["why", "html"]


def marked(path: Path, program: str, *options: str) -> list[str]:
    """The labels of the nodes that the picture of `chainrule why` points out."""
    write_script(path / "p.py", program)
    done = chainrule("why", "p.py", "--svg", "-", *options, cwd=path)
    picture = ElementTree.fromstring(done.stdout)
    groups = [g for g in picture.iter(SVG + "g") if "marked" in g.get("class").split()]
    return [g.findtext(f"{SVG}text[@class='label']") for g in groups]


def test_why_marks_the_operation_whose_result_is_bad(tmp_path):
    program = """
        import torch
        w = torch.ones(2, requires_grad=True)
        for _ in range(200):
            w2 = torch.tanh(w * 1.0) + 0
        loss = w.sum() + torch.log(w - 1).sum()
        loss.backward()
    """
    assert marked(tmp_path, program) == ["log"]


def test_why_opens_what_is_folded_around_the_operation(tmp_path):
    program = """
        import torch
        w = torch.ones(2, requires_grad=True)
        h = w
        for n in range(300):
            if n == 150:
                h = torch.log(h - h)
            h = h * w
        h.sum().backward()
    """
    assert marked(tmp_path, program) == ["h = log"]


def test_why_without_a_graph_shows_the_lines(tmp_path):
    program = """
        import torch
        x = torch.ones(2, requires_grad=True)
        y = (x * x).sum()
        y.backward()
        y.backward()
    """
    assert marked(tmp_path, program) == []
    done = chainrule("why", "p.py", "--svg", "-", cwd=tmp_path)
    told = [t.text for t in ElementTree.fromstring(done.stdout).iter(SVG + "text") if t.get("class") == "line told"]
    assert told == ["    5  y.backward()"]


def test_a_clean_bill_in_every_format(tmp_path):
    write_script(tmp_path / "p.py", "import torch\nx = torch.ones(1, requires_grad=True)\n(x * x).sum().backward()\n")
    for kind in ENDINGS:
        done = chainrule("why", "p.py", f"--{kind}", "-", cwd=tmp_path)
        assert done.returncode == 0 and "no finding" in done.stderr
        assert json.loads(done.stdout) == [] if kind == "json" else "no finding" in done.stdout


@pytest.mark.parametrize("command", ["draw", "explain", "why"])
def test_the_standard_output_has_nothing_but_the_file(tmp_path, command):
    write_script(tmp_path / "p.py", PROGRAM)
    done = chainrule(command, "p.py", "--json", "-", "--svg", "p.svg", "--latex", "p.tex", cwd=tmp_path)
    json.loads(done.stdout)
    assert "wrote p.svg\nwrote p.tex\n" in done.stderr
    done = chainrule(command, "p.py", "--latex", "-", cwd=tmp_path)
    check_latex(done.stdout)
    assert done.stdout.startswith("\\documentclass") and not (tmp_path / "p.html").exists()


def test_help_names_every_format(capsys):
    from chainrule.cli import main

    for command in ("draw", "explain", "why"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        told = capsys.readouterr().out
        assert all(f"--{kind} " in told for kind in ENDINGS)


def test_why_marks_what_a_module_is_given_without_its_history(tmp_path):
    program = """
        import torch
        from torch import nn
        first, second = nn.Linear(2, 3), nn.Linear(3, 1)
        optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            h = torch.tanh(first(torch.ones(4, 2))).detach()
            loss = second(h).sum()
            loss.backward()
            optimizer.step()
    """
    (label,) = marked(tmp_path, program)
    assert label.endswith(": detach")


def test_why_names_leaves_of_a_function_that_has_ended(tmp_path):
    program = """
        import torch
        def train():
            weight = torch.ones(2, requires_grad=True)
            loss = torch.log(weight - 1).sum()
            loss.backward()
        train()
    """
    assert marked(tmp_path, program) == ["log"]
    done = chainrule("why", "p.py", "--svg", "-", cwd=tmp_path)
    labels = [t.text for t in ElementTree.fromstring(done.stdout).iter(SVG + "text") if t.get("class") == "label"]
    assert "weight" in labels and "leaf" not in labels
