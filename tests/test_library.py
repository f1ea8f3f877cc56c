"""torch.library: operators with derivatives, mutation, rules under vmap; schemas and errors. Messages are PyTorch's."""

from collections.abc import Sequence
from typing import List, Optional, Tuple, Union  # noqa: UP035 (what programs write)

import numpy as np
import pytest

import chainrule as torch
from chainrule import Tensor
from chainrule.library import custom_op, infer_schema, register_autograd, register_fake


@custom_op("tests::sin", mutates_args=())
def numpy_sin(x: Tensor) -> Tensor:
    return torch.from_numpy(np.sin(x.numpy(force=True)))


numpy_sin.register_autograd(
    lambda ctx, g: g * ctx.saved_tensors[0].cos(),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[0]),
)


def test_an_operator_with_a_derivative():
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    y = numpy_sin(x)
    assert y.grad_fn.name() == "GeneratedBackwardFor_tests_sin_defaultBackward"
    y.sum().backward()
    assert torch.allclose(x.grad, x.detach().cos())
    assert repr(numpy_sin) == "<CustomOpDef(tests::sin)>"
    assert torch.autograd.gradcheck(numpy_sin, (torch.ones(2, dtype=torch.float64, requires_grad=True),))
    with torch.no_grad():
        assert not numpy_sin(x).requires_grad


def test_by_name():
    assert torch.allclose(torch.ops.tests.sin(torch.ones(2)), torch.ones(2).sin())
    assert torch.ops.tests.sin.default(torch.ones(1)).item() == pytest.approx(np.sin(1))
    assert (repr(torch.ops.tests.sin), repr(torch.ops.tests.sin.default)) == ("tests.sin", "tests.sin.default")
    with pytest.raises(AttributeError, match="'_OpNamespace' 'tests' object has no attribute 'nothing'"):
        torch.ops.tests.nothing


def test_without_a_derivative():
    @custom_op("tests::plain", mutates_args=())
    def plain(x: Tensor) -> Tensor:
        return x + 1

    y = plain(torch.ones(1, requires_grad=True))
    assert y.requires_grad
    with pytest.raises(
        RuntimeError, match=r"Trying to backward through tests.plain.default but no autograd formula was"
    ):
        y.backward()


def test_several_outputs_defaults_and_lists():
    @custom_op("tests::two", mutates_args=())
    def two(x: Tensor, ys: Sequence[Tensor], k: int = 2) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        return x * ys[0] * k, x + ys[1]

    def setup(ctx, inputs, output):
        x, ys, ctx.k = inputs
        ctx.save_for_backward(x, *ys)

    def backward(ctx, g, h):
        x, y, _ = ctx.saved_tensors
        return g * y * ctx.k + h, [g * x * ctx.k, h], None

    register_autograd("tests::two", backward, setup_context=setup)
    register_fake("tests::two", lambda x, ys, k=2: (torch.empty_like(x), torch.empty_like(x)))
    x, y, z = (torch.tensor(v, requires_grad=True) for v in (2.0, 3.0, 4.0))
    a, b = two(x, [y, z], k=5)
    (a * 10 + b).backward()
    assert (a.item(), b.item()) == (30, 6)
    assert (x.grad.item(), y.grad.item(), z.grad.item()) == (151, 100, 1)


def test_mutation():
    @custom_op("tests::scale_", mutates_args={"x"})
    def scale_(x: Tensor, s: float) -> None:
        x.numpy()[...] *= s

    x = torch.ones(2)
    version = x._version
    assert scale_(x, 3.0) is None
    assert x.tolist() == [3, 3] and x._version > version
    with pytest.raises(RuntimeError, match="Cannot register autograd formula for non-functional operator"):
        scale_.register_autograd(lambda ctx, g: g)
    leaf = torch.ones(2, requires_grad=True)
    product = leaf * x
    scale_(x, 2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.sum().backward()


def test_outputs_are_no_inputs():
    same = custom_op("tests::same", eval("lambda x: x"), mutates_args=(), schema="(Tensor x) -> Tensor")
    with pytest.raises(RuntimeError, match="must not also be an input to this custom operator"):
        same(torch.ones(1))


def test_kernels_and_vmap():
    @custom_op("tests::dev", mutates_args=(), device_types="cpu")
    def dev(x: Tensor) -> Tensor:
        return x + 1

    @dev.register_kernel("cpu")
    def _(x):
        return x + 2

    assert dev(torch.ones(1)).item() == 3

    @dev.register_vmap
    def _(info, in_dims, x):
        return dev(x), in_dims[0]

    assert torch.vmap(dev)(torch.ones(2)).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: numpy_sin(), "tests::sin() is missing value for argument 'x'. Declaration: tests::sin(Tensor x) -> Tensor"),
        (
            lambda: numpy_sin(1, 2),
            "tests::sin() expected at most 1 argument(s) but received 2 argument(s). Declaration: tests::sin(Tensor x) -> "
            "Tensor",
        ),
        (
            lambda: numpy_sin(3),
            "tests::sin() Expected a value of type 'Tensor' for argument 'x' but instead found type 'int'.\nPosition: 0\n"
            "Value: 3\nDeclaration: tests::sin(Tensor x) -> Tensor\nCast error details: Unable to cast 3 to Tensor",
        ),
    ],
)  # fmt: skip
def test_wrong_arguments(call, message):
    with pytest.raises(RuntimeError) as info:
        call()
    assert str(info.value) == message


def many(x: Tensor, n: int, s: str = "a", f: float = 1.0, b: bool = False) -> Tensor: ...
def optional(x: Tensor, *, o: Optional[Tensor] = None, ns: List[int], t: Sequence[Tensor]) -> Tuple[Tensor, int]: ...  # noqa: UP006, UP045
def modern(x: "Tensor", y: list[int], z: int | None = None) -> tuple[Tensor, Tensor]: ...
def kinds(x: Tensor, d: torch.dtype, n: Union[int, float, bool]) -> List[Tensor]: ...  # noqa: UP006, UP007
def nothing(x: Tensor) -> None: ...
def bare(x) -> Tensor: ...
def endless(*args: Tensor) -> Tensor: ...
def untold(x: Tensor): ...
def strange(x: Tensor, y: dict) -> Tensor: ...


@pytest.mark.parametrize(
    ("function", "schema"),
    [
        (many, '(Tensor x, SymInt n, str s="a", float f=1.0, bool b=False) -> Tensor'),
        (optional, "(Tensor x, *, Tensor? o=None, SymInt[] ns, Tensor[] t) -> (Tensor, SymInt)"),
        (modern, "(Tensor x, SymInt[] y, SymInt? z=None) -> (Tensor, Tensor)"),
        (kinds, "(Tensor x, ScalarType d, Scalar n) -> Tensor[]"),
        (nothing, "(Tensor x) -> ()"),
    ],
)
def test_schemas(function, schema):
    assert infer_schema(function, mutates_args=()) == schema
    assert infer_schema(function, mutates_args={"x"}) == schema.replace("(Tensor x", "(Tensor(a0!) x")


@pytest.mark.parametrize(
    ("function", "mutates", "message"),
    [
        (bare, (), "Parameter x must have a type annotation."),
        (endless, (), "We do not support positional-only args, varargs, or varkwargs."),
        (untold, (), "No return type annotation was provided. Please add one."),
        (strange, (), "Parameter y has unsupported type <class 'dict'>."),
        (many, {"n"}, "Parameter n is in mutable_args but only Tensors or collections of Tensors can be mutated"),
        (many, {"zz"}, "{'zz'} in mutates_args were not found in the custom op's signature."),
    ],
)
def test_no_schema(function, mutates, message):
    with pytest.raises(ValueError) as info:
        infer_schema(function, mutates_args=mutates)
    assert str(info.value).startswith(f"infer_schema(func): {message}")
