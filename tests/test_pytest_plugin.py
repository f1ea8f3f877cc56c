"""`pytest --gradcheck`: suites with right and wrong Functions and modules, run in processes of their own."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tomllib
from importlib.util import find_spec

import pytest

from .running import python, write_script

RIGHT = """
    import chainrule as torch

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x ** 3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x ** 2 * g

    def test_cube():
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        Cube.apply(x).sum().backward()
        assert x.grad is not None
"""


def run(tmp_path, text, *options, apart=False):
    """Runs a suite: in this process, which is faster, or `apart` from it."""
    write_script(tmp_path / "test_suite.py", text)
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "_chainrule_pytest", *options]
    if apart:
        return python("-m", "pytest", *arguments, cwd=tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(shown):
        patch.chdir(tmp_path)
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setattr(sys, "dont_write_bytecode", True)  # a suite may be written anew within a second
        patch.delitem(sys.modules, "test_suite", raising=False)  # the one of another test
        status = pytest.main([*arguments, "--import-mode=importlib", "--capture=sys", "--color=no"])
    return subprocess.CompletedProcess(arguments, int(status), shown.getvalue(), "")


def modules(text, test):
    """A suite with a module class and a test of it."""
    head = "import chainrule as torch\nfrom chainrule import nn\n\n"
    return head + text + "\n\ndef test_it():\n" + "".join(f"    {line}\n" for line in test.splitlines())


# ---------------------------------------------------------------- Functions


def test_right_functions_pass(tmp_path):
    done = run(tmp_path, RIGHT, "--gradcheck")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 checked, 0 wrong" in done.stdout


def test_nothing_is_said_and_nothing_imported_without_the_option(tmp_path):
    done = run(
        tmp_path, "import sys\ndef test_it():\n    assert not {'chainrule', 'numpy'} & set(sys.modules)\n", apart=True
    )
    assert done.returncode == 0, done.stdout
    assert "gradients of custom" not in done.stdout


def test_a_wrong_backward_fails_the_test_and_names_its_line(tmp_path):
    wrong = RIGHT.replace("return 3 * x ** 2 * g", "return 3 * x * g")
    done = run(tmp_path, wrong)
    assert done.returncode == 0, "the suite itself is content"
    done = run(tmp_path, wrong, "--gradcheck")
    assert done.returncode == 1
    assert "1 failed" in done.stdout and "1 checked, 1 wrong" in done.stdout
    place = "test_suite.py:9: "
    (line,) = [t for t in done.stdout.splitlines() if t.startswith(place) and t.endswith("[test_suite.py::test_cube]")]
    assert "the backward of Cube is wrong: for a random gradient of its output the gradient of x[1] is " in line
    assert "and differences of its forward give " in line
    assert "Traceback" not in done.stdout and "verification.py" not in done.stdout


def test_it_is_wrong_only_at_the_inputs_that_were_seen(tmp_path):
    text = RIGHT.replace("return 3 * x ** 2 * g", "return 3 * x ** 2 * g * (x < 1.5)")
    assert run(tmp_path, text, "--gradcheck").returncode == 1
    assert run(tmp_path, text.replace("[1.0, 2.0]", "[1.0, 0.5]"), "--gradcheck").returncode == 0


def test_other_numbers_of_the_same_shape_are_checked_too(tmp_path):
    text = RIGHT.replace("return 3 * x ** 2 * g", "return 3 * x ** 2 * g * (x < 1.5)")
    text = text.replace("[1.0, 2.0]", "[1.0, 0.5]") + (
        "\n    def test_more():\n        Cube.apply(torch.tensor([1.0, 2.0], requires_grad=True)).sum().backward()\n"
    )
    done = run(tmp_path, text, "--gradcheck")
    assert done.returncode == 1 and "test_suite.py::test_more]" in done.stdout


def test_a_wrong_one_is_reported_once(tmp_path):
    wrong = RIGHT.replace("return 3 * x ** 2 * g", "return 3 * x * g") + (
        "\n    def test_again():\n        Cube.apply(torch.tensor([1.0, 3.0], requires_grad=True)).sum().backward()\n"
    )
    done = run(tmp_path, wrong, "--gradcheck")
    assert "1 failed, 1 passed" in done.stdout and "1 checked, 1 wrong" in done.stdout


def test_large_inputs_are_checked_along_directions(tmp_path):
    text = RIGHT.replace("torch.tensor([1.0, 2.0], requires_grad=True)", "torch.rand(50, 50, requires_grad=True)")
    assert run(tmp_path, text, "--gradcheck").returncode == 0
    done = run(tmp_path, text.replace("return 3 * x ** 2 * g", "return 3 * x ** 2 * g * (x > 0.1)"), "--gradcheck")
    assert done.returncode == 1 and "the gradient of x along a random direction is" in done.stdout


def test_settings_random_numbers_and_writes(tmp_path):
    done = run(
        tmp_path,
        """
        import random
        import numpy as np
        import chainrule as torch

        class Noisy(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, scale, index=None):
                ctx.mask = torch.rand(x.shape) * scale * random.random() * float(np.random.rand())
                ctx.shape, ctx.index = x.shape, index
                return (x * ctx.mask)[index]

            @staticmethod
            def backward(ctx, g):
                full = torch.zeros(ctx.shape, dtype=g.dtype)
                full[ctx.index] = g
                return full * ctx.mask, None, None

        class Write(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                x.mul_(2)
                ctx.mark_dirty(x)
                return x

            @staticmethod
            def backward(ctx, g):
                return g * 2

        def test_both():
            torch.manual_seed(0)
            x = torch.ones(3, requires_grad=True)
            y = Noisy.apply(x, 2.0, torch.tensor([0, 2]))
            after = torch.rand(1).item()
            Write.apply(x * 1).sum().backward()
            torch.manual_seed(0)
            torch.rand(3)
            assert after == torch.rand(1).item()

        def test_without_gradients():
            with torch.no_grad():
                Noisy.apply(torch.ones(3, requires_grad=True), 2.0, 1)
            Noisy.apply(torch.ones(3), 2.0, 1)
        """,
        "--gradcheck",
    )
    assert done.returncode == 0, done.stdout
    assert "2 checked, 0 wrong" in done.stdout


def test_complex_several_outputs_and_setup_context(tmp_path):
    text = """
        import chainrule as torch

        class Parts(torch.autograd.Function):
            @staticmethod
            def forward(z, w):
                return z * w, z.abs().detach().round(), (z * z.conj()).real

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)
                ctx.mark_non_differentiable(output[1])

            @staticmethod
            def backward(ctx, g, _, h):
                z, w = ctx.saved_tensors
                return g * w.conj() + 2 * h * z, g * z.conj()

        def test_it():
            z = torch.tensor([1 + 2j, 0.3 - 1j], requires_grad=True)
            w = torch.tensor([2 - 1j, 1j], requires_grad=True)
            Parts.apply(z, w)[0].abs().sum().backward()
    """
    assert run(tmp_path, text, "--gradcheck").returncode == 0
    done = run(tmp_path, text.replace("g * z.conj()", "g * z"), "--gradcheck")
    assert done.returncode == 1 and "the gradient of w[0] is" in done.stdout


SECOND = """
    import chainrule as torch

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.constant = x.detach()
            return x ** 3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x ** 2 * g

    def test_cube():
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
"""


def test_second_derivatives_are_checked_where_a_test_asks_for_them(tmp_path):
    done = run(tmp_path, SECOND, "--gradcheck")
    assert done.returncode == 0 and "1 checked, 0 wrong" in done.stdout, done.stdout
    for wrong, arrives in (("3 * ctx.constant ** 2 * g", False), ("3 * x * ctx.constant * g", True)):
        text = SECOND.replace("3 * x ** 2 * g", wrong)
        done = run(tmp_path, text, "--gradcheck")
        assert done.returncode == 1 and "1 checked, 1 wrong" in done.stdout, done.stdout
        said = "test_suite.py:10: the backward of Cube has no right derivative, which create_graph=True asks for: "
        assert said in done.stdout
        assert f"the gradient of x[0] {'is' if arrives else 'does not arrive'}" in done.stdout
        assert "differences of its backward give" in done.stdout
        done = run(tmp_path, text.replace("create_graph=True", "retain_graph=True"), "--gradcheck")
        assert done.returncode == 0, "nobody asks for a second derivative"
    detached = SECOND.replace("3 * x ** 2 * g", "3 * x ** 2 * g.detach()")
    done = run(tmp_path, detached, "--gradcheck")
    assert "the gradient of the gradient of the output[0] does not arrive" in done.stdout


def test_a_backward_that_refuses_a_second_derivative_is_not_wrong(tmp_path):
    once = SECOND.replace("def backward", "@torch.autograd.function.once_differentiable\n        def backward")
    done = run(tmp_path, once, "--gradcheck")
    assert done.returncode == 0 and "1 checked, 0 wrong" in done.stdout, done.stdout


def test_what_rounds_to_single_precision_inside(tmp_path):
    rounding = RIGHT.replace("return x ** 3", "return (x.float() ** 3).to(x.dtype)")
    rounding = rounding.replace("[1.0, 2.0]", "[0.1234567, -1.7654321, 23.456789]")
    done = run(tmp_path, rounding, "--gradcheck")
    assert done.returncode == 0 and "1 checked, 0 wrong" in done.stdout, done.stdout
    done = run(tmp_path, rounding.replace("3 * x ** 2 * g", "3.3 * x ** 2 * g"), "--gradcheck")
    assert done.returncode == 1 and "1 checked, 1 wrong" in done.stdout, done.stdout


def test_what_cannot_be_checked_is_told(tmp_path):
    done = run(
        tmp_path,
        """
        import chainrule as torch

        class Single(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                assert x.dtype == torch.float32, "single precision only"
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return g * 3

        class Changing(torch.autograd.Function):
            count = 0

            @staticmethod
            def forward(ctx, x):
                Changing.count += 1
                return x * Changing.count

            @staticmethod
            def backward(ctx, g):
                return g * Changing.count

        def test_single():
            Single.apply(torch.ones(3, requires_grad=True))

        def test_changing():
            Changing.apply(torch.ones(3, requires_grad=True))
        """,
        "--gradcheck",
    )
    assert done.returncode == 0
    assert "0 checked, 0 wrong" in done.stdout
    assert "Single could not be checked: in double precision it raises AssertionError: single" in done.stdout
    assert "Changing could not be checked: it gives other results when it is run again" in done.stdout


def test_inputs_without_derivative_are_told_apart(tmp_path):
    text = (
        RIGHT.replace("x ** 3", "x.relu()").replace("3 * x ** 2 * g", "g * (x > 0)").replace("[1.0, 2.0]", "[0.0, 2.0]")
    )
    done = run(tmp_path, text, "--gradcheck")
    assert done.returncode == 0, done.stdout
    assert "Cube is not differentiable at the inputs; beside them its gradients are right" in done.stdout
    done = run(
        tmp_path, text.replace("g * (x > 0)", "g * (x > 0) * 2").replace("[0.0, 2.0]", "[0.0, 0.0]"), "--gradcheck"
    )
    assert done.returncode == 1 and "(at inputs moved by 0.001: at those that were seen it is not" in done.stdout


def test_a_failing_test_stays_the_failure(tmp_path):
    wrong = RIGHT.replace("return 3 * x ** 2 * g", "return 3 * x * g") + "        assert False, 'mine'\n"
    done = run(tmp_path, wrong, "--gradcheck")
    assert done.returncode == 1 and "mine" in done.stdout and "0 checked, 0 wrong" in done.stdout


def test_what_is_meant_to_be_other_than_the_derivative_can_be_left_out(tmp_path):
    wrong = RIGHT.replace("return 3 * x ** 2 * g", "return g")
    assert run(tmp_path, wrong, "--gradcheck", "--gradcheck-ignore", "Cu*").returncode == 0
    (tmp_path / "pytest.ini").write_text("[pytest]\ngradcheck_ignore =\n    test_suite.Cube\n", encoding="utf-8")
    assert run(tmp_path, wrong, "--gradcheck").returncode == 0
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", encoding="utf-8")
    marked = "import pytest\n" + wrong.replace("    def test_cube", "    @pytest.mark.no_gradcheck\n    def test_cube")
    marked = marked.replace("import pytest\n\n    import", "\n    import pytest\n    import")
    assert run(tmp_path, marked, "--gradcheck").returncode == 0
    assert run(tmp_path, marked).returncode == 0
    assert run(tmp_path, wrong, "--gradcheck").returncode == 1


def test_what_the_check_runs_is_not_seen_by_the_suite(tmp_path):
    text = RIGHT.replace("return x ** 3", "print('forward')\n            return x ** 3") + (
        "\n    def test_output(capsys):\n        test_cube()\n        assert capsys.readouterr().out == 'forward\\n'\n"
        "\n    def test_default():\n        test_cube()\n        assert torch.get_default_dtype() == torch.float32\n"
    )
    done = run(tmp_path, text, "--gradcheck", "-rP")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("forward\n") <= 2


# ---------------------------------------------------------------- modules

LINE = """
class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)
        self.drop = nn.Dropout(0.5)
        self.calls = []
        self.register_buffer("seen", torch.zeros(1))
        self.scale = torch.tensor(2.0)

    def forward(self, x, *, power=1):
        self.calls.append(1)
        self.seen += x.detach().sum()
        y = self.drop(self.norm(self.fc(x))) * self.scale ** power + torch.zeros(2)
        return {"out": (y, self.seen.clone())}
"""
USE = """
line = Line()
x = torch.randn(4, 3)
y = line(x, power=2)["out"][0]
before = line.norm.running_mean.clone()
y.sum().backward()
assert line.fc.weight.grad is not None
assert line.calls == [1]
import gc
"""


def test_a_right_module_passes_and_is_left_as_it_was(tmp_path):
    check = modules(LINE + "\nkept = []\n", USE + "kept.append((line, before))")
    check += (
        "\ndef test_after():\n    line, before = kept[0]\n    assert line.calls == [1]\n"
        "    assert (line.norm.running_mean == before).all() and line.fc.weight.dtype == torch.float32\n"
    )
    done = run(tmp_path, check, "--gradcheck")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 checked, 0 wrong" in done.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("self.norm(self.fc(x))", "self.norm(self.fc(x)).detach()"), "parameter fc.weight"),
        (("self.fc(x)", "torch.nn.functional.linear(x, self.fc.weight.data, self.fc.bias)"), "parameter fc.weight"),
        (("y = self.drop", "x = self.fc(x); x.register_hook(lambda g: g * 2); y = self.drop"), "parameter fc."),
    ],
)
def test_modules_with_wrong_gradients_are_reported(tmp_path, change, message):
    text = LINE.replace(*change).replace("self.norm(self.fc(x)) *", "self.norm(x) *")
    if "register_hook" in change[1]:
        text = text.replace("self.norm(self.fc(x))", "self.norm(x)")
    use = USE.replace("assert line.fc.weight.grad is not None\n", "").replace(
        "y.sum().backward()\n", "(y.sum() + line.fc.weight.sum()).backward()\n"
    )
    done = run(tmp_path, modules(text, use), "--gradcheck")
    assert done.returncode == 1, done.stdout
    line = next(t for t in done.stdout.splitlines() if "the gradients of Line are wrong" in t)
    assert message in line and line.startswith("test_suite.py:")


def test_a_module_with_a_wrong_function_names_it(tmp_path):
    text = RIGHT.replace("return 3 * x ** 2 * g", "return 3 * x * g") + (
        """
    class Cubed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = torch.nn.Linear(2, 2)

        def forward(self, x):
            return Cube.apply(self.fc(x))

    def test_cubed():
        Cubed()(torch.rand(3, 2)).sum().backward()
"""
    )
    done = run(tmp_path, text, "--gradcheck")
    assert done.returncode == 1
    assert "the gradients of Cubed are wrong: " in done.stdout
    assert "; it uses Cube, whose own are wrong" in done.stdout
    assert "2 checked, 2 wrong" in done.stdout


def test_hooks_that_change_gradients_make_a_module_wrong(tmp_path):
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 1)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))
"""
    use = "net = Net()\n{}net(torch.rand(3, 2)).sum().backward()"
    assert run(tmp_path, modules(text, use.format("")), "--gradcheck").returncode == 0
    hook = "net.b.register_full_backward_hook(lambda m, before, after: tuple(2 * g for g in before))\n"
    done = run(tmp_path, modules(text, use.format(hook)), "--gradcheck")
    assert done.returncode == 1 and "; it has backward hooks" in done.stdout
    assert "parameter a." in done.stdout


def test_state_is_what_it_was_when_the_module_ran(tmp_path):
    text = """
class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(2))
        self.cut = False

    def forward(self, x):
        return x * (self.w.detach() if self.cut else self.w) + self.w * 0
"""
    use = "gate = Gate()\ngate(torch.rand(2)).sum().backward()\ngate.cut = True\nwith torch.no_grad():\n    gate.w.fill_(float('nan'))"
    assert run(tmp_path, modules(text, use), "--gradcheck").returncode == 0
    use = "gate = Gate()\ngate.cut = True\ngate(torch.rand(2)).sum().backward()\ngate.cut = False"
    assert run(tmp_path, modules(text, use), "--gradcheck").returncode == 1


def test_shared_parameters_lists_and_integer_inputs(tmp_path):
    text = """
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 3)
        self.out = nn.Linear(3, 5, bias=False)
        self.out.weight = self.table.weight
        self.extra = nn.ParameterList([nn.Parameter(torch.ones(3)) for _ in range(2)])

    def forward(self, words, parts):
        h = self.table(words).sum(0)
        for one, part in zip(self.extra, parts):
            h = torch.tanh(h * one + part)
        return self.out(h)
"""
    use = "Tied()(torch.tensor([1, 3, 3]), [torch.rand(3, requires_grad=True), torch.rand(3)]).sum().backward()"
    done = run(tmp_path, modules(text, use), "--gradcheck")
    assert done.returncode == 0, done.stdout
    assert "1 checked, 0 wrong" in done.stdout


def test_a_module_that_runs_its_parts_again_in_backward(tmp_path):
    text = modules(
        """
from chainrule.utils.checkpoint import checkpoint

class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x):
        return checkpoint(lambda t: self.last(self.first(t).tanh()), x, use_reentrant=False)
""",
        "layers = Layers()\nlayers(torch.randn(3, 2)).sum().backward()\nassert layers.last.weight.grad is not None",
    )
    done = run(tmp_path, text, "--gradcheck")
    assert done.returncode == 0 and "1 checked, 0 wrong" in done.stdout, done.stdout
    done = run(tmp_path, text.replace("self.first(t).tanh()", "self.first(t).tanh().detach()"), "--gradcheck")
    assert done.returncode == 1 and "the gradients of Layers are wrong" in done.stdout, done.stdout


def test_a_module_whose_output_is_cut_altogether(tmp_path):
    text = """
class Cut(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return (x * self.w).data
"""
    done = run(tmp_path, modules(text, "Cut()(torch.rand(2))"), "--gradcheck")
    assert done.returncode == 1
    assert "the gradient of parameter w[0] does not arrive, and differences of its forward give" in done.stdout


def test_the_librarys_own_modules_are_not_checked(tmp_path):
    use = "nn.Sequential(nn.Linear(2, 2), nn.ReLU())(torch.rand(3, 2)).sum().backward()"
    done = run(tmp_path, modules("", use), "--gradcheck")
    assert done.returncode == 0 and "0 checked, 0 wrong" in done.stdout


def test_a_training_loop_takes_bounded_time(tmp_path):
    use = """
line = Line()
step = torch.optim.SGD(line.parameters(), 0.1)
for _ in range(200):
    step.zero_grad()
    line(torch.randn(4, 3))["out"][0].square().mean().backward()
    step.step()
"""
    done = run(tmp_path, modules(LINE, use), "--gradcheck", "--durations=1")
    assert done.returncode == 0 and "1 checked" in done.stdout


def test_what_is_too_large_to_copy_is_told(tmp_path):
    text = RIGHT.replace("torch.tensor([1.0, 2.0], requires_grad=True)", "torch.ones(3000, 2000, requires_grad=True)")
    done = run(tmp_path, text, "--gradcheck")
    assert done.returncode == 0 and "0 checked, 0 wrong" in done.stdout
    assert "Cube could not be checked: its tensors have 6000000 elements, more than 5000000" in done.stdout


# ---------------------------------------------------------------- the plugin


@pytest.mark.skipif(find_spec("xdist") is None, reason="needs pytest-xdist")
def test_with_several_processes(tmp_path):
    wrong = RIGHT.replace("return 3 * x ** 2 * g", "return 3 * x * g")
    done = run(tmp_path, wrong, "--gradcheck", "-p", "xdist", "-n", "2", apart=True)
    assert done.returncode == 1
    assert "1 checked, 1 wrong" in done.stdout and "the backward of Cube is wrong" in done.stdout


def test_it_is_installed_with_the_package(root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"chainrule": "_chainrule_pytest"}
    assert "src/_chainrule_pytest" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_it_can_be_turned_off(tmp_path):
    done = run(tmp_path, RIGHT, "-p", "no:_chainrule_pytest")
    assert done.returncode == 0
