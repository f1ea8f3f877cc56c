"""The pytest plugin: a test suite with right and wrong Functions, run in a process of its own."""

from __future__ import annotations

import tomllib

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


def run(tmp_path, text, *options):
    write_script(tmp_path / "test_suite.py", text)
    return python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "chainrule.pytest_plugin", *options,
        cwd=tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )  # fmt: skip


def test_right_functions_pass(tmp_path):
    done = run(tmp_path, RIGHT, "--gradcheck")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 checked, 0 wrong" in done.stdout


def test_a_wrong_backward_fails_the_test_and_names_its_line(tmp_path):
    wrong = RIGHT.replace("return 3 * x ** 2 * g", "return 3 * x * g")
    done = run(tmp_path, wrong)
    assert done.returncode == 0, "the suite itself is content"
    done = run(tmp_path, wrong, "--gradcheck")
    assert done.returncode == 1
    assert "1 failed" in done.stdout and "1 checked, 1 wrong" in done.stdout
    assert f"{tmp_path / 'test_suite.py'}:9: the backward of Cube is wrong: " in done.stdout


def test_it_is_wrong_only_at_the_inputs_that_were_seen(tmp_path):
    text = RIGHT.replace("return 3 * x ** 2 * g", "return 3 * x ** 2 * g * (x < 1.5)")
    assert run(tmp_path, text, "--gradcheck").returncode == 1
    assert run(tmp_path, text.replace("[1.0, 2.0]", "[1.0, 0.5]"), "--gradcheck").returncode == 0


def test_settings_random_numbers_and_writes(tmp_path):
    done = run(
        tmp_path,
        """
        import chainrule as torch

        class Noisy(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, scale):
                ctx.mask = torch.rand(x.shape) * scale
                return x * ctx.mask

            @staticmethod
            def backward(ctx, g):
                return g * ctx.mask, None

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
            y = Noisy.apply(x, 2.0)
            after = torch.rand(1).item()
            Write.apply(x * 1).sum().backward()
            torch.manual_seed(0)
            torch.rand(3)
            assert after == torch.rand(1).item()

        def test_without_gradients():
            with torch.no_grad():
                Noisy.apply(torch.ones(3, requires_grad=True), 2.0)
            Noisy.apply(torch.ones(3), 2.0)
        """,
        "--gradcheck",
    )
    assert done.returncode == 0, done.stdout
    assert "2 checked, 0 wrong" in done.stdout


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

        def test_single():
            Single.apply(torch.ones(3, requires_grad=True))
        """,
        "--gradcheck",
    )
    assert done.returncode == 0
    assert "0 checked, 0 wrong" in done.stdout
    assert "Single" in done.stdout and "could not be checked: AssertionError" in done.stdout


def test_a_failing_test_stays_the_failure(tmp_path):
    done = run(tmp_path, RIGHT + "        assert False, 'mine'\n", "--gradcheck")
    assert done.returncode == 1 and "mine" in done.stdout


def test_it_is_installed_with_the_package(root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"chainrule": "chainrule.pytest_plugin"}
