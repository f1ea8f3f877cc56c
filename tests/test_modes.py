"""Switches: grad mode, inference mode, anomaly mode, and what decorators and exceptions make of them."""

import warnings

import pytest

import chainrule as torch


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


# ---------------------------------------------------------------- grad mode


def test_grad_mode_blocks():
    x = leaf()
    with torch.no_grad():
        assert not (x * 2).requires_grad and not torch.is_grad_enabled()
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
    assert (x * 2).requires_grad


def test_set_grad_enabled_acts_at_once_and_restores_as_a_block():
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_blocks_restore_after_an_exception(mode):
    with pytest.raises(KeyError), mode():
        raise KeyError
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_decorated_functions_with_and_without_parentheses():
    @torch.no_grad()
    def one():
        return torch.is_grad_enabled()

    @torch.no_grad
    def two():
        return torch.is_grad_enabled()

    @torch.set_grad_enabled(False)
    def three():
        return torch.is_grad_enabled()

    @torch.inference_mode
    def four():
        return torch.is_grad_enabled()

    assert torch.is_grad_enabled()
    assert [f() for f in (one, two, three, four)] == [False] * 4
    assert one.__name__ == "one" and torch.is_grad_enabled()


def test_decorated_functions_call_themselves():
    @torch.no_grad()
    def down(n):
        return n if not n else down(n - 1)

    assert down(5) == 0 and torch.is_grad_enabled()


def test_decorated_generators_have_the_mode_only_while_they_run():
    @torch.no_grad()
    def steps():
        received = []
        try:
            while True:
                assert not torch.is_grad_enabled()
                try:
                    received.append((yield len(received)))
                except KeyError:
                    assert not torch.is_grad_enabled()
                    received.append("thrown")
        finally:
            assert not torch.is_grad_enabled()
            seen.extend(received)

    seen = []
    generator = steps()
    assert next(generator) == 0 and torch.is_grad_enabled()
    assert generator.send("a") == 1 and torch.is_grad_enabled()
    assert generator.throw(KeyError()) == 2 and torch.is_grad_enabled()
    generator.close()
    assert seen == ["a", "thrown"]


def test_a_generators_return_value_passes_through():
    @torch.no_grad()
    def function():
        yield 1
        return 2

    def outer():
        return (yield from function())

    generator = outer()
    next(generator)
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == 2


def test_decorating_a_class_warns():
    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):

        @torch.no_grad()
        class Model:
            def __init__(self):
                self.recorded = torch.is_grad_enabled()

            def forward(self):
                return torch.is_grad_enabled()

    model = Model()
    assert not model.recorded and model.forward()


def test_bad_arguments():
    with pytest.raises(TypeError):
        torch.set_grad_enabled("yes")


# ---------------------------------------------------------------- inference mode

INFERENCE_WRITE = "Inplace update to inference tensor outside InferenceMode is not allowed"
SAVED = "Inference tensors cannot be saved for backward"


def test_inference_tensors():
    x = leaf()
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
        made, computed, view = torch.ones(2), x * 2, x.view(-1)
        assert made.is_inference() and computed.is_inference() and torch.is_inference(computed)
        assert not view.is_inference() and view._is_view() and view.requires_grad
        assert not computed.requires_grad
        assert made.view(1, 2).is_inference() and not made.view(1, 2)._is_view()
        made.add_(1)
        with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
            made._version
        with torch.inference_mode(False):
            assert not torch.ones(2).is_inference() and torch.is_grad_enabled()
        assert (x * 2).is_inference() and not torch.is_grad_enabled()
    assert made.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match=INFERENCE_WRITE):
        made.add_(1)
    with pytest.raises(RuntimeError, match=INFERENCE_WRITE):
        made[0].add_(1)
    with pytest.raises(RuntimeError, match=SAVED):
        made * x
    assert (made + x).requires_grad
    assert (made.clone() * x).requires_grad and not made.clone().is_inference()
    assert made.detach().is_inference() and not (made * 2).is_inference()
    assert made.view(-1).is_inference()
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode"):
        made.requires_grad_()
    assert torch.zeros(2).copy_(made).tolist() == [2.0, 2.0]


def test_views_of_normal_tensors_made_in_inference_mode():
    x = leaf()
    y = x * 1
    with torch.inference_mode():
        view = y.view(-1)
        view.add_(1)
    assert y.tolist() == [2.0, 3.0] and y._version == 1
    with pytest.raises(
        RuntimeError, match="A view was created in inference mode and is being modified inplace in normal mode"
    ):
        view.mul_(2)
    with pytest.raises(RuntimeError, match="A view was created in inference mode and its base or another view"):
        view * 2


def test_a_write_in_inference_mode_is_noticed_by_an_earlier_graph():
    x = leaf()
    y = x * 2
    out = y * y
    with torch.inference_mode():
        y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


# ---------------------------------------------------------------- anomaly mode


class Spoil(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return g * float("nan")


class Fail(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        raise RuntimeError("boo")


def anomaly(**settings):
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        return torch.autograd.detect_anomaly(**settings)


def test_nan_in_backward_names_the_function_and_its_line():
    x = leaf()
    with anomaly():
        y = Spoil.apply(x)  # the line to be shown
        with (
            pytest.raises(RuntimeError, match=r"Function 'SpoilBackward' returned nan values in its 0th output."),
            pytest.warns(UserWarning, match=r"Error detected in SpoilBackward. Traceback of forward call") as caught,
        ):
            y.sum().backward()
    assert "the line to be shown" in str(caught[0].message)
    assert not torch.is_anomaly_enabled()


def test_nan_of_an_operation():
    with anomaly():
        y = torch.zeros(2, requires_grad=True).sqrt() * 0.0
        with (
            pytest.raises(RuntimeError, match=r"Function 'SqrtBackward0' returned nan values in its 0th output."),
            pytest.warns(UserWarning, match="Error detected in SqrtBackward0"),
        ):
            y.sum().backward()


def test_nan_is_not_looked_for_unless_asked():
    x = leaf()
    with anomaly(check_nan=False):
        assert torch.is_anomaly_enabled() and not torch.is_anomaly_check_nan_enabled()
        Spoil.apply(x).sum().backward()
    assert x.grad.isnan().all()


def test_an_error_outside_the_recorded_part():
    y = Fail.apply(leaf())
    with (
        anomaly(),
        pytest.raises(RuntimeError, match="boo"),
        pytest.warns(UserWarning, match=r"Error detected in FailBackward. No forward pass information available"),
    ):
        y.sum().backward()


def test_an_error_in_a_second_derivative_shows_both_calls():
    class FailLater(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return Fail.apply(g)

    x = leaf()
    with anomaly():
        y = FailLater.apply(x)  # made here
        (g,) = torch.autograd.grad(y.sum() * x.sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match="boo"), pytest.warns(UserWarning) as caught:
            g.sum().backward()
    first, second = (str(w.message) for w in caught)
    assert first.startswith("Error detected in FailBackward. Traceback of forward call that caused the error:\n")
    assert "Previous calculation was induced by FailLaterBackward" in second and "made here" in second


def test_set_detect_anomaly():
    torch.autograd.set_detect_anomaly(True)
    assert torch.is_anomaly_enabled()
    with torch.autograd.set_detect_anomaly(False):
        assert not torch.is_anomaly_enabled()
    assert torch.is_anomaly_enabled()
    torch.autograd.set_detect_anomaly(False)
    assert not torch.is_anomaly_enabled()


def test_where_warnings_are_errors_the_error_itself_comes_through(capsys):
    y = Fail.apply(leaf())
    with anomaly():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeError, match="boo"):
            y.sum().backward()
    assert "Error detected in FailBackward" in capsys.readouterr().err


def test_switches_without_effect():
    with torch.autograd.set_multithreading_enabled(False):
        assert not torch.autograd.is_multithreading_enabled()
    assert torch.autograd.is_multithreading_enabled()
    torch.autograd.set_multithreading_enabled(False)
    assert not torch.autograd.is_multithreading_enabled()
    torch.autograd.set_multithreading_enabled(True)


def test_switches_of_other_libraries_are_modules():
    import chainrule.backends.cudnn as cudnn

    assert cudnn is torch.backends.cudnn and not cudnn.is_available() and cudnn.version() is None
    with cudnn.flags(enabled=False):
        assert not cudnn.enabled
    assert cudnn.enabled
