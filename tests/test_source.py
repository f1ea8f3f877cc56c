"""Every node knows its line: scripts, cells, sessions, threads, generators, and the user's line rather than ours."""

from __future__ import annotations

import linecache
import threading
from itertools import count
from pathlib import Path

import pytest

import chainrule as torch
from chainrule.insight.source import Source
from chainrule.insight.syntax import program_files, simple_name, syntax_of
from chainrule.op import REGISTRY, op

_numbers = count()


def run(text: str, name: str = "") -> dict:
    """Runs a program whose text Python knows under a name that is no file, as a notebook's cells are."""
    name = name or f"<cell {next(_numbers)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace = {"torch": torch, "__name__": "__main__"}
    exec(compile(text, name, "exec"), namespace)
    return namespace


def test_a_node_knows_file_line_columns_and_text():
    x = torch.ones(3, requires_grad=True)
    y = x.sin() + 2 * x
    source = y.grad_fn.source
    line = Path(__file__).read_text(encoding="utf-8").splitlines()[source.line - 1]
    assert (source.file, source.text) == (__file__, "x.sin() + 2 * x")
    assert line[source.column : source.end_column] == source.text
    assert source.end_line == source.line
    assert source.function.endswith("test_a_node_knows_file_line_columns_and_text")
    assert [node.source.text for node, _ in y.grad_fn.next_functions] == ["x.sin()", "2 * x"]


def test_an_expression_over_several_lines():
    names = run("x = torch.ones(3, requires_grad=True)\ny = (x\n     * 2\n     + 1)\n")
    source = names["y"].grad_fn.source
    assert (source.line, source.end_line, source.text) == (2, 4, "x * 2 + 1")


def test_columns_count_characters_where_the_line_has_others_than_ascii():
    names = run('x = torch.ones(3, requires_grad=True)\nß = "äöü"; größe = x * 2; y = größe.exp()\n')
    assert names["y"].grad_fn.source.text == "größe.exp()"
    assert names["größe"].grad_fn.source.text == "x * 2"


def test_in_a_thread_and_in_a_generator():
    x = torch.ones(3, requires_grad=True)
    made = []
    thread = threading.Thread(target=lambda: made.append(x * 3))
    thread.start()
    thread.join()

    def generate():
        yield x / 4

    made.append(next(generate()))
    assert [y.grad_fn.source.text for y in made] == ["x * 3", "x / 4"]


CALLERS = """
x = torch.ones(3, requires_grad=True)

class Model(torch.nn.Module):
    def forward(self, x):
        return x.sum(), torch.nn.functional.silu(x), x * 2, x.exp(), x @ x

def inner(x):
    return x.sum(), torch.nn.functional.silu(x), x * 2, x.exp(), x @ x

def outer(x):
    before = x.sum(), torch.nn.functional.silu(x), x * 2, x.exp(), x @ x
    within = inner(x)
    return before, within, Model()(x)
"""


def test_functions_that_call_each_other_have_their_own_lines():
    names = run(CALLERS)
    for _ in range(3):  # what was found for one caller is not taken for another
        for results, function in zip(names["outer"](names["x"]), ("outer", "inner", "Model.forward"), strict=True):
            assert [result.grad_fn.source.function for result in results] == [function] * 5
        assert {result.grad_fn.source.function for result in names["inner"](names["x"])} == {"inner"}


def test_an_operation_of_the_users_own_has_the_line_of_its_call():
    square = op(
        "square_of_this_test",
        forward=lambda xp, x, /, scale: x * x * scale,
        vjp=lambda xp, g, x, scale: 2 * g * x * scale,
    )
    x = torch.ones(3, requires_grad=True)
    try:
        for function in (lambda: square(x, 1.0), lambda: square(x, 2.0)):
            assert function().grad_fn.source.text.startswith("square(x,")
            assert function().grad_fn.source.line == function.__code__.co_firstlineno
    finally:
        del REGISTRY["square_of_this_test"]


def test_what_a_hook_records_has_the_hooks_line():
    x = torch.ones(3, requires_grad=True)
    seen = []

    def hook(g):
        seen.extend([g * x, (g * x).sum()])

    y = x * x
    y.register_hook(hook)
    (gradient,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert [result.grad_fn.source.function.split(".")[-1] for result in seen] == ["hook"] * 2
    assert gradient.grad_fn.source.text.startswith("torch.autograd.grad(")


def test_through_composites_it_is_the_users_line():
    x = torch.rand(4, 4, requires_grad=True)
    for y in (torch.nn.functional.softplus(x), torch.logsumexp(x, 0), x.var(), torch.addbmm(x, x[None], x[None])):
        stack = [y.grad_fn]
        while stack:
            node = stack.pop()
            if node is not None and hasattr(node, "edges") and node.edges:
                assert node.source.file == __file__
                stack.extend(edge for edge in node.edges if hasattr(edge, "edges"))


def test_without_its_text_the_line_is_still_known():
    namespace = {"torch": torch}
    exec(compile("x = torch.ones(2, requires_grad=True)\n\ny = x * 2\n", "<nowhere to be read>", "exec"), namespace)
    source = namespace["y"].grad_fn.source
    assert (source.line, source.text, str(source)) == (3, "", "<nowhere to be read>:3")


def test_a_source_is_shown_with_its_place():
    x = torch.ones(2, requires_grad=True)
    source = (x * 2).grad_fn.source
    assert str(source) == f"{__file__}:{source.line}: x * 2"
    assert repr(source) == f"<Source {source}>"
    assert isinstance(source, Source)


# ---------------------------------------------------------------- what the text says


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("z = 2 * x", "z"),
        ("z: object = 2 * x", "z"),
        ("z = w = 2 * x", "z"),
        ("(z := 2 * x)", "z"),
        ("a, z = 1, 2 * x", "z"),
        ("z = 2 * x if True else x", "z"),
        ("box.z = 2 * x", "box.z"),
        ("table['z'] = 2 * x", "table['z']"),
        ("z = (2 * x).sin()", None),
        ("print(2 * x)", None),
    ],
)
def test_what_an_expression_is_assigned_to(statement, expected):
    name = f"<cell {next(_numbers)}>"
    linecache.cache[name] = (len(statement), None, [statement + "\n"], name)
    syntax = syntax_of(name)
    (product,) = (e for key, e in syntax._at.items() if statement.encode()[key[1] : key[3]] == b"2 * x")
    assert simple_name(syntax.target(product)) == expected


def test_a_page_of_markdown_is_read_for_its_python(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nText (not Python).\n\n```python\nz = 2 * x\n```\n\nMore.\n", encoding="utf-8")
    syntax = syntax_of(str(page))
    assert [type(node).__name__ for node in syntax.tree.body] == ["Assign"]
    assert syntax.tree.body[0].lineno == 6


def test_what_cannot_be_parsed_is_none(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("x = (\n", encoding="utf-8")
    assert syntax_of(str(file)) is None
    assert syntax_of(str(tmp_path / "absent.py")) is None


def test_the_inputs_of_a_session_belong_together():
    assert program_files("<doctest page.md[2]>") == [f"<doctest page.md[{n}]>" for n in range(3)]
    names = [f"<session of tests-{n}>" for n in range(3)]
    for name in names:
        linecache.cache[name] = (2, None, ["1\n"], name)
    assert program_files(names[1]) == names[:2]
    assert program_files(__file__) == [__file__]


def test_a_call_in_a_chain_over_several_lines_is_told_from_the_others():
    names = run("x = torch.ones(3, requires_grad=True)\ny = (x\n     .sin()\n     .mul(2)\n     .cos())\n")
    node, texts = names["y"].grad_fn, []
    while node.next_functions:
        texts.append((node.source.line, node.source.text))
        node = node.next_functions[0][0]
    assert texts == [(5, ".cos()"), (4, ".mul(2)"), (3, ".sin()")]


def test_a_cell_of_ipython_is_called_by_its_number(monkeypatch):
    import sys
    from types import SimpleNamespace

    from chainrule.insight.source import short_path

    shell = SimpleNamespace(compile=SimpleNamespace(_filename_map={"/tmp/ipykernel_1/2.py": 3}))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert short_path("/tmp/ipykernel_1/2.py") == "In[3]"
    assert short_path("/nowhere/else.py") == "/nowhere/else.py"


def test_a_loop_is_told_by_what_it_runs_over():
    names = run(
        "x = torch.ones(2, 3, requires_grad=True)\n"
        "for row in x.unbind():\n    pass\n"
        "for n, one in enumerate(x):\n    y = one\n    y = y + 1\n"
        "for other in x:\n    y = other\n    y = y + 1\n"
        "for mapped in map(torch.exp, [x]):\n    z = mapped\n    z = z + 1\n"
    )
    sources = [names[name].grad_fn.source for name in ("row", "one", "other", "mapped")]
    assert [(s.line, s.end_line, s.text) for s in sources] == [
        (2, 2, "x.unbind()"),
        (4, 4, "enumerate(x)"),
        (7, 7, "x"),
        (10, 10, "map(torch.exp, [x])"),
    ]


def test_a_write_to_a_part_is_told_by_its_line():
    names = run("x = torch.ones(2, requires_grad=True)\na = x * 1\na[0] = (\n    x[1]\n)\nb, c = x  # two\n")
    source = names["a"].grad_fn.source
    assert (source.line, source.text) == (3, "a[0] = (")
    assert names["c"].grad_fn.source.text == "b, c = x  # two"


def test_a_module_in_an_archive_can_be_read(tmp_path, monkeypatch):
    import sys
    import zipfile

    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("inside_archive.py", "def triple(x):\n    return x * 3\n")
    monkeypatch.syspath_prepend(str(tmp_path / "archive.zip"))
    monkeypatch.delitem(sys.modules, "inside_archive", raising=False)
    from inside_archive import triple

    source = triple(torch.ones(2, requires_grad=True)).grad_fn.source
    assert (source.line, source.text) == (2, "x * 3")
    assert str(source).endswith("archive.zip/inside_archive.py:2: x * 3")


def test_a_file_that_was_written_anew_is_read_anew(tmp_path, monkeypatch):
    import importlib
    import os

    file = tmp_path / "written_anew.py"
    file.write_text("def change(x):\n    return x * 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import written_anew as module

    x = torch.ones(2, requires_grad=True)
    assert module.change(x).grad_fn.source.text == "x * 3"
    file.write_text("# more\n\n\ndef change(x):\n    return x.exp()\n")
    os.utime(file, (1, 1))
    importlib.reload(module)
    source = module.change(x).grad_fn.source
    assert (source.line, source.text) == (5, "x.exp()")


def test_a_cell_of_ipython_is_shown_by_its_number_everywhere(monkeypatch):
    import sys
    from types import SimpleNamespace

    from chainrule.insight import briefly

    names = run("x = torch.ones(2, requires_grad=True)\ny = x * 2\n", "/tmp/ipykernel_1/7.py")
    shell = SimpleNamespace(compile=SimpleNamespace(_filename_map={"/tmp/ipykernel_1/7.py": 4}))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    source = names["y"].grad_fn.source
    assert source.file == "/tmp/ipykernel_1/7.py"
    assert str(source) == "In[4]:2: x * 2"
    assert briefly.place(source) == "In[4]:2"


def test_what_adds_to_a_leaf_has_no_line():
    x = torch.ones(2, requires_grad=True)
    accumulator = (x * 2).grad_fn.next_functions[0][0]
    assert accumulator.source is None


def test_columns_count_bytes_as_those_of_ast_do():
    import ast

    text = 'x = torch.ones(2, requires_grad=True)\ns = "äöü"; y = x * 2\n'
    source = run(text)["y"].grad_fn.source
    product = next(node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.BinOp))
    assert (source.column, source.end_column) == (product.col_offset, product.end_col_offset)


def test_what_is_typed_at_the_prompt_is_found_in_the_history(monkeypatch):
    import sys
    from types import SimpleNamespace

    typed = [
        "x = torch.ones(2, requires_grad=True)",
        "y = x * 2",
        "(broken",
        "def f(t):",
        "    z = t + 1",
        "    return z.exp()",
    ]
    typed += ["", "w = f(x); v = w / 2", "y = x * 2 - 1"]
    history = SimpleNamespace(
        get_current_history_length=lambda: len(typed), get_history_item=lambda n: typed[n - 1]
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "readline", history)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    names = {"torch": torch}
    for statement in (typed[0], typed[1], "\n".join(typed[3:6]) + "\n", typed[7]):
        exec(compile(statement, "<stdin>", "single", dont_inherit=statement != typed[7]), names)
    sources = [names[name].grad_fn.source for name in ("y", "w", "v")]
    assert [(s.line, s.text) for s in sources] == [(1, "x * 2"), (3, "z.exp()"), (1, "w / 2")]
    assert str(sources[1]) == "<stdin>:3: z.exp()"
    exec(compile("u = x * 5", "<stdin>", "single"), names)  # which nobody typed
    assert names["u"].grad_fn.source.text == ""


def test_a_program_among_pythons_arguments(tmp_path):
    from .running import python

    program = """
import chainrule as torch
x = torch.ones(2, requires_grad=True)
def f(t):
    return t * 3
exec("y = x + 1")
print(f(x).grad_fn.source, y.grad_fn.source, sep="|")
"""
    assert python("-c", program, cwd=tmp_path).stdout == "<string>:5: t * 3|<string>:1\n"


def test_a_view_whose_base_was_written_to_keeps_its_line():
    base = torch.ones(3)
    view = base[:2]
    base.mul_(torch.ones(3, requires_grad=True))
    assert view.grad_fn.source.text == "view.grad_fn"  # it had none before
    names = run("x = torch.ones(3, requires_grad=True)\na = x * 1\nv = a[:2]\nw = a.view(3)\na += 1\n")
    sources = [names[name].grad_fn.source for name in ("v", "w", "a")]
    assert [(s.line, s.text) for s in sources] == [(3, "a[:2]"), (4, "a.view(3)"), (5, "a += 1")]
