"""Errors of recording and backward: PyTorch's words first, then notes that name the user's lines."""

from __future__ import annotations

from .tensor import DetachedCounter, Tensor

latest: RuntimeError | None = (
    None  # the last backward that failed, for `why`: without its traceback, which holds tensors
)


def remember(error: RuntimeError) -> RuntimeError:
    """Keeps the words of an error; returns the error itself."""
    global latest
    latest = RuntimeError(*error.args)
    latest.__dict__.update(error.__dict__)
    return error


def note(error: RuntimeError, text: str) -> RuntimeError:
    error.add_note(text)
    return error


def explained(error, *given):
    """The error with what is known of it as notes: the user's line, and the remedy; `given`: what it is about."""
    try:
        from .insight.refusals import explain

        explain(error, given)
    except Exception as failure:  # the error itself must reach the user, whatever their program's text looks like
        error.add_note(f"(what led to it could not be found out: {failure!r})")
    return error


def describe(code, lasti) -> str:
    """file:line and the expression there, from a recorded position."""
    from .insight.source import Source

    return str(Source(code, lasti))


def short_name(node) -> str:
    """A node's name as PyTorch's in-place message gives it: without the suffix."""
    name = node.name()
    stem = name.rstrip("0123456789")
    if not stem.endswith("Backward"):
        return name
    return stem.removesuffix("Backward") + name[len(stem) :].removeprefix("0")


_OLD_TYPES = {"Double", "Float", "Half", "Long", "Int", "Short", "Char", "Byte"}


def type_name(tensor: Tensor) -> str:
    from .dtypes import scalar_name

    name = scalar_name(tensor.dtype)
    return f"torch.{name}Tensor" if name in _OLD_TYPES else f"CPU{name}Type"


def _maker(tensor):
    """The tensor's node, also where the memory of a view was written in a way its history cannot follow."""
    try:
        return tensor.grad_fn
    except RuntimeError:
        return tensor._node


def modified_in_place(node, tensor, counter, expected: int, is_output: bool) -> RuntimeError:
    """A saved value was overwritten before backward needed it."""
    maker = node if is_output else _maker(tensor)
    if maker is None and isinstance(counter, DetachedCounter) and expected < counter.since:
        error = RuntimeError(
            "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not "
            "supported, please use out-of-place `.detach()` instead"
        )
        note(error, f"the value was saved for backward here:\n  {describe(node.code, node.lasti)}")
        return remember(explained(error, node))
    made_by = "" if maker is None else f", which is output {tensor.output_nr} of {short_name(maker)},"
    from .modes import local

    if local.anomaly is not None:
        hint = (
            "Hint: the backtrace further above shows the operation that failed to compute its gradient. The variable "
            "in question was changed in there or anywhere later. Good luck!"
        )
    else:
        hint = (
            "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
            "torch.autograd.set_detect_anomaly(True, check_nan=False)."
        )
    error = RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{type_name(tensor)} {list(tensor.shape)}]{made_by} is at version {counter.counted(counter.version)}; expected "
        f"version {counter.counted(expected)} instead. {hint}"
    )
    note(error, f"the value was saved for backward here:\n  {describe(node.code, node.lasti)}")
    write = counter.write_after(expected)
    if write:
        note(error, f"and it was overwritten here:\n  {describe(*write)}")
    return remember(explained(error, node, write))


def freed(node) -> RuntimeError:
    """A second backward through a node whose saved values are gone."""
    error = RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors after they have "
        "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
        "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if "
        "you need to access saved tensors after calling backward."
    )
    note(
        error,
        f"the graph was freed by the backward called here:\n  {describe(node.saved.code, node.saved.lasti)}",
    )
    note(error, f"and it was needed again for the operation recorded here:\n  {describe(node.code, node.lasti)}")
    return remember(explained(error, node))


def no_tensor() -> AssertionError:
    """backward or grad was given something else, such as a gradient that is None."""
    return explained(AssertionError("Expected output to be a torch.Tensor"))


def unused(number: int, output, wanted) -> RuntimeError:
    """autograd.grad was asked for the gradient of what the output was not computed from."""
    return explained(
        RuntimeError(
            f"The differentiated Tensor at index {number} appears to not have been used in the graph. Set "
            "allow_unused=True if this is the desired behavior."
        ),
        output,
        wanted,
    )


def of_function(node, words: str, start: str = "function") -> RuntimeError:
    """The backward of a custom Function did not return what it should."""
    return explained(RuntimeError(f"{start} {type(node).__name__} {words}"), node._forward_cls)


def returned_nan(node, number: int, is_masked: bool) -> RuntimeError:
    """Anomaly mode has found nan in the gradient of an input; `is_masked`: where the gradient that came in was 0."""
    error = RuntimeError(f"Function '{node.name()}' returned nan values in its {number}th output.")
    note(error, f"the operation was recorded here:\n  {describe(node.code, node.lasti)}")
    return remember(explained(error, node, is_masked))


def leaf_moved() -> RuntimeError:
    """The error for a gradient that arrives at what was a leaf when the graph was recorded and has a history now."""
    return RuntimeError("leaf variable has been moved into the graph interior")


def wrong_gradient_shape(have, new) -> RuntimeError:
    """The error for a gradient that does not fit the `.grad` it is to be added to, which a program has reshaped."""
    from .general import broadcast_error
    from .ops.shape import broadcast_shapes

    broadcast_error(have, new)
    return RuntimeError(
        f"output with shape {list(have)} doesn't match the broadcast shape {list(broadcast_shapes(have, new))}"
    )


def no_history(number: int) -> RuntimeError:
    """Backward was called on what no recorded history leads to."""
    return remember(
        explained(RuntimeError(f"element {number} of tensors does not require grad and does not have a grad_fn"))
    )


def hook_name(hook) -> str:
    return getattr(hook, "__name__", type(hook).__name__)


def check_hook_result(hook, gradient, result) -> None:
    """A hook may change a gradient's values, not its kind."""
    if gradient is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    if not isinstance(result, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
    if result._array.dtype is not gradient._array.dtype:
        raise RuntimeError(
            f"hook '{hook_name(hook)}' has changed the type of value (was {type_name(gradient)} got "
            f"{type_name(result)})"
        )
    if result._array.shape != gradient._array.shape:
        raise RuntimeError(f"hook '{hook_name(hook)}' has changed the size of value")


def check_hook_results(hook, gradients, results) -> None:
    """The same for the hooks of nodes, which take and give tuples."""
    if not isinstance(results, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(results).__name__}'")
    if len(results) != len(gradients):
        raise RuntimeError(
            f"hook '{hook_name(hook)}' has returned an incorrect number of values (got {len(results)}, but expected "
            f"{len(gradients)})"
        )
    for gradient, result in zip(gradients, results, strict=True):
        if result is not None:
            check_hook_result(hook, gradient, result)


def check_post_accumulate(leaf, result) -> None:
    """A hook that runs after a gradient was accumulated has nothing to return."""
    if result is None or result is leaf:
        return
    if not isinstance(result, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
    raise RuntimeError("Tensor post accumulate grad hooks should return None.")


def inference_update() -> RuntimeError:
    """The error for a write to an inference tensor in normal mode."""
    return explained(
        RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
            "normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
        )
    )
