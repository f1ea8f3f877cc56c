"""`chainrule draw`, `chainrule explain` and `chainrule why`: programs on disk, and what is said and written about them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from .running import chainrule, write_notebook, write_script

PROGRAM = """
    import torch
    x = torch.ones(2, 2, requires_grad=True)
    z = 3 * (x + 2) ** 2
    out = z.mean()
    out.backward()
    print("hello", x.grad)
    with torch.no_grad():
        x -= 1
"""


@pytest.fixture
def program(tmp_path):
    return write_script(tmp_path / "program.py", PROGRAM)


def test_draw_writes_a_page_beside_you(program, tmp_path):
    done = chainrule("draw", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "wrote program.html\n")
    assert "hello" in done.stderr
    assert "Graph of out" in (tmp_path / "program.html").read_text(encoding="utf-8")


def test_draw_shows_the_numbers_of_the_last_backward(program, tmp_path):
    done = chainrule("draw", "program.py", "--svg", "g.svg", "--json", "g.json", cwd=tmp_path)
    assert done.stdout == "wrote g.svg\nwrote g.json\n", done.stderr
    ElementTree.parse(tmp_path / "g.svg")
    nodes = {n["label"]: n for n in json.loads((tmp_path / "g.json").read_text(encoding="utf-8"))["nodes"]}
    assert nodes["x"]["value"] == "[[1, 1], [1, 1]]"  # which the program has changed since
    assert nodes["x"]["gradient"] == "[[4.5, 4.5], [4.5, 4.5]]"
    assert not (tmp_path / "program.html").exists()


def test_draw_of_a_variable(program, tmp_path):
    chainrule("draw", "--of", "z", "--json", "g.json", "program.py", cwd=tmp_path)
    assert json.loads((tmp_path / "g.json").read_text(encoding="utf-8"))["name"] == "z"


def test_draw_between_two_variables(tmp_path):
    write_script(
        tmp_path / "two.py",
        """
        import torch
        from torch import nn
        model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
        parts = [torch.ones(1, requires_grad=True)]
        loss = model(torch.ones(4, 2)).sum() + parts[0].sum()
        loss.backward()
        """,
    )
    labels = {}
    for name in ("model[2].bias", "model.2.bias", "parts[0]"):
        done = chainrule("draw", "two.py", "--wrt", name, "--json", "-", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        data = json.loads(done.stdout)
        labels[name] = [node["told"] for node in data["nodes"]]
        assert sorted(n["step"] for n in data["nodes"] if n["operation"]) == list(range(data["steps"]))
    assert labels["model[2].bias"] == labels["model.2.bias"] == ["model[2].bias", "addmm", "sum", "loss = add"]
    assert labels["parts[0]"] == ["parts[0]", "sum", "loss = add"]
    done = chainrule("draw", "two.py", "--of", "model[0].weight", "--wrt", "parts[0]", cwd=tmp_path)
    assert done.returncode == 2 and "was not computed from that tensor" in done.stderr
    done = chainrule("draw", "two.py", "--wrt", "parts[7]", cwd=tmp_path)
    assert done.returncode == 2 and "parts[7] is no tensor of the program when it ends" in done.stderr


def test_draw_on_the_standard_output(program, tmp_path):
    done = chainrule("draw", "program.py", "--svg", "-", cwd=tmp_path)
    assert ElementTree.fromstring(done.stdout).tag.endswith("svg")
    done = chainrule("draw", "program.py", "--html", "-", cwd=tmp_path)
    assert done.stdout.startswith("<!DOCTYPE html>") and "hello" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program.py"]


def test_draw_what_a_program_with_an_error_had_recorded(tmp_path):
    write_script(tmp_path / "p.py", PROGRAM + "    raise ValueError('mine')\n")
    done = chainrule("draw", "p.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "wrote p.html\n")
    assert "ValueError: mine" in done.stderr


def test_draw_a_program_that_ends_itself(tmp_path):
    write_script(tmp_path / "p.py", PROGRAM + "    import sys\n    sys.exit(3)\n")
    done = chainrule("draw", "p.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "wrote p.html\n")


def test_draw_a_notebook_and_pass_arguments(tmp_path):
    write_notebook(
        tmp_path / "sub.ipynb",
        "import sys, torch\nw = torch.tensor(float(sys.argv[1]), requires_grad=True)",
        "loss = w * w\nloss.backward()",
    )
    done = chainrule("draw", "--json", "g.json", "--", "sub.ipynb", "-3", cwd=tmp_path)
    assert done.stdout == "wrote g.json\n", done.stderr
    nodes = {n["label"]: n for n in json.loads((tmp_path / "g.json").read_text(encoding="utf-8"))["nodes"]}
    assert nodes["w"]["value"] == "-3" and nodes["w"]["gradient"] == "-6"
    assert nodes["loss = mul"]["text"] == "w * w"


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("import torch", [], "backward was not called on a scalar; name a tensor with --of NAME"),
        ("import torch\ny = 3", ["--of", "y"], "y is no tensor of the program when it ends"),
        ("import torch\ny = torch.ones(2)", ["--of", "y"], "nothing of how it was computed was recorded"),
    ],
)
def test_nothing_to_draw(tmp_path, text, arguments, message):
    write_script(tmp_path / "p.py", text)
    done = chainrule("draw", *arguments, "p.py", cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and done.stderr.startswith("chainrule: p.py: ")


def test_files_that_cannot_be_run_or_written(program, tmp_path):
    done = chainrule("draw", "none.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "chainrule: none.py: no such file\n")
    done = chainrule("draw", "program.py", "--html", "no/such/place.html", cwd=tmp_path)
    assert done.returncode == 2 and "cannot be written" in done.stderr


def test_explain(program, tmp_path):
    done = chainrule("explain", "program.py", "--latex", "e.tex", "--json", "e.json", "--html", "e.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4.5" in done.stdout and "hello" not in done.stdout
    (found,) = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    assert (found["of"], found["wrt"], found["paths"]) == ("out", "x", 1)
    assert found["gradient"] == [[4.5, 4.5], [4.5, 4.5]]
    assert "partial" in (tmp_path / "e.tex").read_text(encoding="utf-8")


def test_explain_of_and_with_respect_to(program, tmp_path):
    done = chainrule("explain", "--of", "out", "--wrt", "z", "program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0.25" in done.stdout


def test_explain_what_a_program_with_an_error_had_recorded(tmp_path):
    write_script(tmp_path / "p.py", PROGRAM + "    raise ValueError('mine')\n")
    done = chainrule("explain", "p.py", "--json", "e.json", cwd=tmp_path)
    assert done.returncode == 1 and "∂out/∂x" in done.stdout and done.stdout.endswith("wrote e.json\n")
    assert "ValueError: mine" in done.stderr
    write_script(tmp_path / "early.py", "import torch\nraise ValueError('mine')\n")
    assert chainrule("explain", "early.py", cwd=tmp_path).returncode == 2


def test_explain_a_program_that_ends_itself(tmp_path):
    write_script(tmp_path / "p.py", PROGRAM + "    import sys\n    sys.exit(3)\n")
    assert chainrule("explain", "p.py", cwd=tmp_path).returncode == 0


def test_explain_writes_parameters_as_the_program_does(tmp_path):
    write_script(
        tmp_path / "model.py",
        """
        import torch
        from torch import nn
        model = nn.Sequential(nn.Linear(2, 2), nn.ModuleDict({"left-hand": nn.Linear(2, 1), "right": nn.Linear(2, 1)}))
        h = model[0](torch.ones(1, 2))
        loss = (model[1]["left-hand"](h) * model[1]["right"](h)).sum()
        loss.backward()
        """,
    )
    done = chainrule("explain", "model.py", "--json", "-", cwd=tmp_path)
    names = [one["wrt"] for one in json.loads(done.stdout[done.stdout.index("[\n {") :])]
    hands = [f"model[1]{hand}.{part}" for hand in ("['left-hand']", ".right") for part in ("weight", "bias")]
    assert names == ["model[0].weight", "model[0].bias", *hands]
    for asked, name in (
        ("model[0].weight", "model[0].weight"),
        ("model.0.weight", "model[0].weight"),
        ('model[1]["left-hand"].bias', "model[1]['left-hand'].bias"),
        ("model.1.left-hand.bias", "model[1]['left-hand'].bias"),
        ("model[-1].right.bias", "model[1].right.bias"),
    ):
        done = chainrule("explain", "model.py", "--wrt", asked, "--json", "e.json", "--latex", "e.tex", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (found,) = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
        assert found["wrt"] == name and f"∂loss/∂{name}" in found["text"]
        assert f"\\mathrm{{{name}}}" in (tmp_path / "e.tex").read_text(encoding="utf-8")
    done = chainrule("explain", "model.py", "--wrt", "model[7].weight", cwd=tmp_path)
    assert done.returncode == 2 and "model[7].weight is no tensor of the program when it ends" in done.stderr


def test_why_finds_a_parameter_under_both_its_names(tmp_path):
    write_script(
        tmp_path / "zero.py",
        """
        import torch
        from torch import nn
        model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        with torch.no_grad():
            model[0].weight.fill_(-1)
            model[0].bias.fill_(-1)
        model(torch.ones(1, 2)).sum().backward()
        print(model[0].weight.grad)
        """,
    )
    told = {
        chainrule("why", "zero.py", "--wrt", name, cwd=tmp_path).stdout
        for name in ("model.0.weight", "model[0].weight")
    }
    assert len(told) == 1 and "model[0].weight" in told.pop()


def test_explain_a_model_in_training(tmp_path):
    write_script(
        tmp_path / "train.py",
        """
        import torch
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        for step in range(3):
            loss = (w * w).sum()
            loss.backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
        """,
    )
    done = chainrule("explain", "train.py", "--json", "e.json", cwd=tmp_path)
    (found,) = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    assert found["gradient"] == pytest.approx([1.28, 2.56])  # of the last step, before its update
    assert done.returncode == 0


def test_why_gives_a_clean_bill(program, tmp_path):
    done = chainrule("why", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no finding: the gradients are in order\n"), done.stdout


def test_why_names_the_cut_and_its_line(tmp_path):
    write_script(
        tmp_path / "cut.py",
        """
        import torch
        x = torch.ones(2, requires_grad=True)
        y = (x * 2).detach()
        w = torch.ones(2, requires_grad=True)
        loss = (y * w).sum()
        loss.backward()
        """,
    )
    done = chainrule("why", "cut.py", "--json", "why.json", cwd=tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path / 'cut.py'}:3: x: " in done.stdout and "detach" in done.stdout
    (finding,) = json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))
    assert (finding["name"], finding["line"]) == ("x", 3)


@pytest.mark.parametrize(
    ("asked", "found"), [("model", True), ("model[0].weight", True), ("model.0.bias", True), ("model[1].weight", False)]
)
def test_why_is_asked_of_a_module_or_a_part_of_it(tmp_path, asked, found):
    write_script(
        tmp_path / "part.py",
        """
        import torch
        model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
        x = torch.randn(8, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            hidden = model[0](x).detach()
            (model[1](hidden) ** 2).mean().backward()
            optimizer.step()
        """,
    )
    done = chainrule("why", "--wrt", asked, "part.py", cwd=tmp_path)
    assert done.returncode == (1 if found else 0)
    assert ("part.py:7: model[0]" in done.stdout) == found


def test_why_a_program_failed(tmp_path):
    write_script(
        tmp_path / "twice.py",
        """
        import torch
        x = torch.ones(2, requires_grad=True)
        y = (x * x).sum()
        y.backward()
        y.backward()
        """,
    )
    done = chainrule("why", "twice.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "twice.py:4" in done.stdout and "retain_graph=True" in done.stdout
    write_script(tmp_path / "other.py", "import torch\ny = torch.ones(2).sum()\ny.backward()")
    done = chainrule("why", "other.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{tmp_path / 'other.py'}:2: RuntimeError: nothing that")
    assert "make the tensors that are to get gradients with requires_grad=True" in done.stdout


def test_why_looks_into_modules_of_a_healthy_program(tmp_path):
    write_script(
        tmp_path / "train.py",
        """
        import torch
        from torch import nn
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        X = torch.randn(8, 3)
        loss = (model(X) ** 2).mean()
        loss.backward()
        """,
    )
    done = chainrule("why", "train.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no finding: the gradients are in order\n"), done.stdout + done.stderr


def test_help():
    from chainrule.cli import main

    for command in ("draw", "explain", "why"):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0


def test_the_result_is_what_backward_was_called_on_though_no_variable_holds_it(tmp_path):
    write_script(
        tmp_path / "p.py",
        """
        import torch
        def gradients(x, labels):
            loss = (torch.cat((x, labels), 1) ** 2).sum()
            loss.backward()
            return x.grad
        x = torch.ones(2, 2, requires_grad=True)
        print(gradients(x, torch.ones(2, 1)))
        """,
    )
    done = chainrule("explain", "p.py", cwd=tmp_path)
    assert re.search(r"loss = .* = 6 +p\.py:3", done.stdout), done.stdout + done.stderr


def test_the_data_of_an_explanation_have_no_numbers_that_json_has_not(tmp_path):
    write_script(
        tmp_path / "p.py",
        """
        import torch
        x = torch.tensor([0.1, 0.0, -1.0], requires_grad=True)
        x.sqrt().sum().backward()
        """,
    )
    chainrule("explain", "p.py", "--json", "e.json", cwd=tmp_path)

    def refuse(name):
        raise AssertionError(f"{name} is no number of JSON's")

    (found,) = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert found["gradient"] == [1.5811388, "inf", "nan"]
