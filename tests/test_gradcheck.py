"""gradcheck and gradgradcheck: what they accept, what they refuse, and in which words."""

from __future__ import annotations

import warnings

import pytest

import chainrule as torch
from chainrule.autograd import Function, gradcheck, gradgradcheck
from chainrule.autograd.gradcheck import GradcheckError

MODES = pytest.mark.parametrize("fast_mode", [False, True])


def double(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


class Scaled(Function):
    """``2 * x`` whose derivatives are off by chosen factors."""

    backward_factor = forward_factor = 1.0

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g * Scaled.backward_factor

    @staticmethod
    def jvp(ctx, t):
        return 2 * t * Scaled.forward_factor


@pytest.fixture
def factors(monkeypatch):
    def choose(backward=1.0, forward=1.0):
        monkeypatch.setattr(Scaled, "backward_factor", backward)
        monkeypatch.setattr(Scaled, "forward_factor", forward)

    return choose


@MODES
def test_right_derivatives_pass(fast_mode):
    x, y = double(0.5, -1.5), double(2.0, 0.3)
    assert gradcheck(lambda x, y: x.sin() * y, (x, y), fast_mode=fast_mode, check_forward_ad=True)
    assert gradgradcheck(lambda x, y: x.sin() * y.exp(), (x, y), fast_mode=fast_mode, check_fwd_over_rev=True)
    assert gradcheck(lambda x: (x.sin(), x * 2), x, fast_mode=fast_mode, check_batched_grad=True)


@MODES
def test_wrong_gradient(fast_mode, factors):
    factors(backward=1.01)
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(Scaled.apply, double(0.5, 1.5), fast_mode=fast_mode)
    assert gradcheck(Scaled.apply, double(0.5), fast_mode=fast_mode, raise_exception=False) is False
    assert issubclass(GradcheckError, RuntimeError)


@MODES
def test_wrong_tangent(fast_mode, factors):
    factors(forward=1.01)
    x = double(0.5, 1.5)
    assert gradcheck(Scaled.apply, x, fast_mode=fast_mode)
    with pytest.raises(GradcheckError, match="Jacobian computed with forward mode mismatch for output 0"):
        gradcheck(Scaled.apply, x, fast_mode=fast_mode, check_forward_ad=True)
    with pytest.raises(GradcheckError, match="computed with forward mode"):
        gradcheck(Scaled.apply, x, fast_mode=fast_mode, check_forward_ad=True, check_backward_ad=False)


def test_message_shows_both_jacobians():
    def wrong(x):
        y = x.clone()
        y.register_hook(lambda g: g + 0.5)
        return y

    with pytest.raises(GradcheckError) as caught:
        gradcheck(wrong, double(1.0, 2.0))
    text = str(caught.value)
    assert "numerical:tensor([[1.0000, 0.0000]," in text
    assert "analytical:tensor([[1.5000, 0.5000]," in text


def test_complex_numbers():
    z = torch.tensor([0.5 + 1j, -1.5 + 0.3j], dtype=torch.complex128, requires_grad=True)
    assert gradcheck(lambda z: z * z, z, check_forward_ad=True)
    assert gradcheck(lambda z: z.real * z.imag, z, check_forward_ad=True)
    assert gradcheck(lambda z: z * z, z, fast_mode=True, check_forward_ad=True)
    assert gradgradcheck(lambda z: z.exp() * z, z)

    def wrong(z):
        w = z * 1
        w.register_hook(lambda g: g + 0.01)
        return w

    with pytest.raises(GradcheckError, match="While considering the imaginary part of complex outputs only, Jacobian"):
        gradcheck(wrong, z)


def test_tolerances_and_step(factors):
    factors(backward=1.0005)
    x = double(0.5)
    assert gradcheck(Scaled.apply, x, rtol=1e-3)
    with pytest.raises(GradcheckError):
        gradcheck(Scaled.apply, x, rtol=1e-4, atol=1e-6)
    assert gradcheck(Scaled.apply, x, rtol=0, atol=2e-3)
    assert gradcheck(lambda x: x * x, x, eps=1e-3)


def test_inputs_that_do_not_suit():
    with pytest.raises(ValueError, match="gradcheck expects at least one input tensor to require gradient"):
        gradcheck(lambda x: x, torch.ones(2, dtype=torch.float64))
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double precision"):
        gradcheck(lambda x: x * 2, torch.ones(2, requires_grad=True), atol=1e-1, rtol=1e-1)
    spread = torch.ones(1, dtype=torch.float64).expand(3).requires_grad_()
    with pytest.raises(RuntimeError, match="The 0th input has a dimension with stride 0"):
        gradcheck(lambda x: x * 2, spread)


def test_integer_inputs_and_outputs_are_left_alone():
    index = torch.tensor([1, 0])
    assert gradcheck(lambda x, i: (x[i] * 2, x > 0, i + 1), (double(1.0, 2.0), index))


@MODES
def test_nothing_differentiable(fast_mode):
    x = double(1.0)
    assert gradcheck(lambda x: (), (x,), fast_mode=fast_mode)
    assert gradcheck(lambda x: torch.ones(2), (x,), fast_mode=fast_mode)
    with pytest.raises(GradcheckError, match="Numerical gradient for function expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, x, fast_mode=fast_mode)


def test_errors_of_the_function_are_passed_on():
    def fails(x):
        raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        gradcheck(fails, double(1.0), raise_exception=False)


def test_options_that_contradict():
    x = double(1.0)
    with pytest.raises(AssertionError, match="Expected at least one of check_forward_ad or check_backward_ad"):
        gradcheck(lambda x: x, x, check_backward_ad=False)
    with pytest.raises(AssertionError, match="Setting check_batched_grad=True requires check_backward_ad"):
        gradcheck(lambda x: x, x, check_backward_ad=False, check_forward_ad=True, check_batched_grad=True)
    with pytest.raises(AssertionError, match="Expected at least one of check_fwd_over_rev or check_rev_over_rev"):
        gradgradcheck(lambda x: x, x, check_rev_over_rev=False)


@MODES
def test_backward_that_is_not_reentrant(fast_mode):
    calls = []

    def restless(x):
        y = x * 2

        def hook(g):
            calls.append(g)
            return g * (1 + 1e-7 * len(calls))

        y.register_hook(hook)
        return y

    with pytest.raises(GradcheckError, match="Backward is not reentrant"):
        gradcheck(restless, double(1.0, 2.0), fast_mode=fast_mode)
    calls.clear()
    assert gradcheck(restless, double(1.0), nondet_tol=1e-3, fast_mode=fast_mode, check_undefined_grad=False)


def test_undefined_gradients():
    def needs_gradient(x):
        y = x.clone()

        def hook(g):
            if g is None:
                raise RuntimeError("no gradient")

        y.register_hook(hook)
        return y

    with (
        pytest.warns(UserWarning, match="New undefined gradient support checking"),
        pytest.raises(GradcheckError, match="Expected backward function to handle undefined output grads"),
    ):
        gradcheck(needs_gradient, double(1.0))
    assert gradcheck(needs_gradient, double(1.0), check_undefined_grad=False)


def test_gradient_must_be_multiplied_by_what_comes_in():
    class Constant(Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return torch.ones_like(g)

    with pytest.raises(GradcheckError, match=r"Jacobian mismatch|backward not multiplied by grad_output"):
        gradcheck(Constant.apply, double(1.0))


def test_gradient_dtypes():
    class Narrow(Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g

    assert gradcheck(Narrow.apply, double(1.0), check_grad_dtypes=True)


def test_second_order_only_wrong():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * g * x.detach()

    x = double(1.5, -0.5)
    assert gradcheck(Square.apply, x)
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradgradcheck(Square.apply, x)


def test_given_grad_outputs():
    x = double(1.5, -0.5)
    assert gradgradcheck(lambda x: x * x, x, double(0.3, 0.7))
    assert gradgradcheck(lambda x: x * x, x, gen_non_contig_grad_outputs=True)


def test_inputs_are_left_as_they_were():
    x = double(1.5, -0.5)
    before, version = x.tolist(), x._version
    gradcheck(lambda x: x.sin(), x)
    assert x.tolist() == before
    assert x._version == version
    assert x.grad is None


def test_closures_over_inputs_are_seen():
    x = double(1.5)
    assert gradcheck(lambda _: x * x, x)


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradcheck(lambda x: x * x, double(1.0), check_forward_ad=True, check_batched_grad=True)


def test_fast_mode_shows_the_jacobians():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

        @staticmethod
        def jvp(ctx, t):
            return t * 4

    x = torch.rand(2, dtype=torch.float64, requires_grad=True)
    with pytest.raises(RuntimeError) as caught:
        torch.autograd.gradcheck(Wrong.apply, x, fast_mode=True)
    text = str(caught.value)
    assert "we recompute numerical and analytical jacobians in slow mode" in text
    assert "Analytical:\ntensor([[3., 0.],\n        [0., 3.]], dtype=torch.float64)" in text
    found = text.split("The max per-element difference (slow mode) is: ")[1].split("\n")[0].rstrip(".")
    assert float(found) == pytest.approx(1)
    with pytest.raises(RuntimeError, match=r"(?s)computed with forward mode.*Analytical:\ntensor\(\[\[4., 0.\]"):
        torch.autograd.gradcheck(Wrong.apply, x, fast_mode=True, check_forward_ad=True, check_backward_ad=False)


def test_single_precision_is_shown_as_such():
    x = torch.rand(2, requires_grad=True)
    with pytest.warns(UserWarning, match="not a double precision"), pytest.raises(RuntimeError) as caught:
        torch.autograd.gradcheck(lambda x: x.exp(), x, rtol=0, atol=0)
    assert "float64" not in str(caught.value)


def test_outputs_must_be_tensors():
    with pytest.raises(AttributeError, match="'int' object has no attribute 'requires_grad'"):
        torch.autograd.gradcheck(lambda x: 3, torch.rand(2, dtype=torch.float64, requires_grad=True))
