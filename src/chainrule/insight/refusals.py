"""Why autograd or an optimizer refuses something: what is known where the error is raised, for its notes and for `why`."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from ..engine import is_own
from ..tensor import Tensor
from .dataflow import Place
from .holders import modules_of, parameters_known, unregistered
from .names import Scope, caller
from .places import Position, ancestors, attribute_line, backward_place, expression_at, lies, place_in, place_of
from .reasons import Reason, not_registered, not_scalar
from .source import Source
from .syntax import simple_name, syntax_of
from .used_graphs import met_again, overwritten
from .values import record_of

LONGEST_FILE = 4000  # lines: to read more would take longer than an error may

_UPDATE = (
    "update it under no_grad: with torch.no_grad(): w -= lr * w.grad; to compute with a changed copy, clone() it first"
)

# {words of an error: (cause, sentence about the line that raised it, remedy)}
_SENTENCES = {
    "a leaf Variable that requires grad": (
        "in-place",
        "a leaf that requires grad is overwritten {}, while recording is on.",
        _UPDATE,
    ),
    "Can't call numpy() on Tensor that requires grad": (
        "numpy",
        "what is done {} leaves torch for NumPy with a tensor that requires grad.",
        "use the torch function instead of NumPy's where the gradient matters; x.detach().numpy() to look or to plot",
    ),
    "dtype can require gradients": (
        "integer",
        "what is told to require grad {} holds integers: only floating-point tensors have gradients.",
        "write its numbers with a decimal point, or give dtype=torch.float32; indices and labels need no gradient",
    ),
    "change requires_grad flags of leaf": (
        "not a leaf",
        "requires_grad is set {} on a tensor that is computed: whether it requires grad follows from what it was computed from.",
        "leave the flag as it is; retain_grad() keeps its gradient, and detach() makes a leaf of its numbers",
    ),
    "Expected output to be a torch.Tensor": (
        "no tensor",
        "what is differentiated {} is None: a gradient is None where the result does not depend on the input.",
        "such a derivative is 0: stop there, or pass materialize_grads=True instead of allow_unused=True, which gives zeros",
    ),
    "This view was created inside a custom Function": (
        "in-place",
        "the result of a custom Function, which is its input itself, is overwritten {}: that would bypass its backward.",
        "write to a new tensor (y = y * s instead of y *= s), and let forward return a new one, or a clone()",
    ),
    "Inplace update to inference tensor": (
        "inference",
        "a tensor that was made in inference mode is overwritten {}, outside of it.",
        "use no_grad instead of inference_mode, or clone() the tensor outside",
    ),
}


def explain(error: BaseException, given: tuple) -> None:
    """Adds what is known of an error to it, as a note, and as its `_reason`; `given`: the tensors or the class it is about."""
    frame = caller(2)
    if is_own(frame.f_code.co_filename) or len(linecache.getlines(frame.f_code.co_filename)) > LONGEST_FILE:
        return
    reason = _reason_of(error, frame, given)
    if reason is not None:
        error._reason = reason
        told = getattr(error, "__notes__", None)  # the lines, where the engine itself knows them
        error.add_note(("" if told else reason.sentence.rstrip(".") + "\n") + f"remedy: {reason.remedy}")


def reason_carried(error: BaseException | None) -> Reason | None:
    """What was known of an error where it was raised."""
    return getattr(error, "_reason", None)


def _reason_of(error: BaseException, frame: FrameType, given: tuple) -> Reason | None:
    message = str(error)
    place = place_of(Source(frame.f_code, frame.f_lasti))
    for words, (cause, sentence, remedy) in _SENTENCES.items():
        if words in message:
            return Reason(cause, sentence.format(lies(place)), remedy, place)
    return next((tell(frame, place, *given) for words, tell in _TOLD.items() if words in message), None)


def receiver_name(position: Position) -> str:
    """What backward, or grad, was called on, as the program calls it."""
    _, syntax = expression_at(position)
    call = next((node for node in ancestors(position) if isinstance(node, ast.Call)), None)
    if call is None:
        return "the result"
    if isinstance(call.func, ast.Attribute) and call.func.attr == "backward":
        name = simple_name(call.func.value)
        if name is not None and name not in syntax.modules and not name.endswith("autograd"):
            return name
    return (simple_name(call.args[0]) if call.args else None) or "the result"


def _not_scalar(frame: FrameType, place: Place, output: Any) -> Reason | None:
    if not isinstance(output, Tensor):
        return None
    made = None if output._node is None else place_of(output._node)
    return not_scalar(receiver_name((frame.f_code, frame.f_lasti)), output._array.size, made, place)


def _unused(frame: FrameType, place: Place, output: Any, wanted: Any) -> Reason | None:
    """autograd.grad asks for the gradient of what the result was not computed from."""
    from .answers.missing import why_not_required, why_unreached
    from .answers.question import Question

    if not isinstance(output, Tensor) or not isinstance(wanted, Tensor):
        return None
    call, _ = expression_at((frame.f_code, frame.f_lasti))
    inputs = call.args[1] if isinstance(call, ast.Call) and len(call.args) > 1 else None
    asked = Question(wanted, output, frame, asked=False)
    asked.name = name = asked.scope.names.get(id(wanted)) or simple_name(inputs) or "an input"
    start = f"the gradient of {name}, asked for {lies(place)}, is missing, because"
    if wanted._node is not None and inputs is not None:
        made, _ = expression_at((wanted._node.code, wanted._node.lasti))
        if any(one is made for one in ast.walk(inputs)):
            return Reason(
                "never used",
                f"{start} {ast.unparse(made)} is computed anew in that call: the result does not come from it.",
                "give it a name first, and compute the result from that name: part = x[0]",
                place,
            )
    found = why_unreached(asked) if wanted.requires_grad else why_not_required(asked)
    asked.run.forget()
    return Reason(
        found.cause,
        found.sentence.replace(f"{name}.grad is None because", start, 1),
        f"{found.remedy}; or leave it out of the inputs, or pass allow_unused=True if that is meant",
        found.source or place,
    )


def _no_parameters(frame: FrameType, place: Place) -> Reason:
    """An optimizer is given nothing: what the modules of the program hold instead of parameters."""
    start = f"the optimizer made {lies(place)} gets no parameters:"
    modules = modules_of(frame)
    for module in modules:
        for _, hidden in unregistered(module, parameters_known(modules)):
            reason = not_registered("", hidden)
            if reason.source is not None:
                return Reason(reason.cause, f"{start}{reason.sentence.partition(':')[2]}", reason.remedy, reason.source)
    for module in modules:
        kind = type(module)
        for attribute, value in vars(module).items():
            where = attribute_line(kind, attribute) if isinstance(value, Tensor) else None
            if where is not None:
                return Reason(
                    "not registered",
                    f"{start} {kind.__name__} keeps a plain tensor {lies(where)}, which is no parameter.",
                    f"make it a parameter: self.{attribute} = torch.nn.Parameter(…)",
                    where,
                )
    for kind in dict.fromkeys(type(module) for module in modules if next(module.parameters(), None) is None):
        found = _without_layers(kind, start)
        if found is not None:
            return found
    return Reason(
        "optimizer",
        f"{start} what it is given is empty (a generator that was used up, or a module without parameters).",
        "give it model.parameters() anew, or a list of the tensors: a generator, such as filter(…), can be gone through once",
        place,
    )


def _without_layers(kind: type, start: str) -> Reason | None:
    """Why the class of a module has no parameters, as its text shows."""
    for file, method in _methods(kind):
        made = place_in(file, method.lineno)
        if method.name != "__init__" and method.name.strip("_") in ("init", "int") and "__init__" not in vars(kind):
            return Reason(
                "misspelt",
                f"{start} {kind.__name__} has no __init__, but {method.name} {lies(made)}, which nothing calls.",
                "write it with two underscores on both sides: def __init__(self), and super().__init__()",
                made,
            )
        for node in ast.walk(method):
            if method.name == "__init__" and isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                if _makes_a_layer(node.value):
                    name, made = node.targets[0].id, place_in(file, node.lineno)
                    return Reason(
                        "not registered",
                        f"{start} __init__ of {kind.__name__} keeps {name} in a local variable {lies(made)}, which is gone when "
                        "it ends.",
                        f"keep it in the module: self.{name.removeprefix('self_')} = …",
                        made,
                    )
            if method.name == "forward" and _makes_a_layer(node):
                made = place_in(file, node.lineno)
                return Reason(
                    "made in forward",
                    f"{start} {kind.__name__} makes its layers in forward, {lies(made)}, anew in each call.",
                    "make them once, in __init__: self.layer = …",
                    made,
                )
    return None


def _methods(kind: type) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions in the text of a class of the program, and their file."""
    codes = (getattr(one, "__code__", None) for one in vars(kind).values())
    file = next((code.co_filename for code in codes if code is not None and not is_own(code.co_filename)), None)
    syntax = None if file is None else syntax_of(file)
    for node in () if syntax is None else ast.walk(syntax.tree):
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
            yield from ((syntax.file, one) for one in node.body if isinstance(one, ast.FunctionDef))


def _makes_a_layer(node: ast.AST) -> bool:
    """Whether an expression makes a module of torch.nn, such as nn.Linear(2, 3), or a Parameter."""
    from .. import nn

    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    kind = getattr(nn, name, None) if name[:1].isupper() else None
    return isinstance(kind, type) and (kind is nn.Parameter or issubclass(kind, nn.Module))


def _not_a_leaf(frame: FrameType, place: Place, tensor: Any) -> Reason:
    """An optimizer is given what is computed."""
    node = tensor._node
    made = place if node is None else place_of(node)
    start = f"the optimizer made {lies(place)} is given a tensor that is not a leaf:"
    record = None if node is None else record_of(node)
    whole = node.edges[0] if record is not None and record.name == "unbind" else None
    if isinstance(whole, Tensor):
        name = Scope(frame).names.get(id(whole)) or "a tensor"
        return Reason(
            "not a leaf",
            f"{start} going through {name} gives its rows, which are computed from it.",
            f"give it the tensor itself, in a list: [{name}]",
            made,
        )
    return Reason(
        "not a leaf",
        f"{start} it is computed {lies(made)}.",
        "make the leaf last: w = (…).detach().requires_grad_(), or give requires_grad=True to the final tensor",
        made,
    )


def _wrong_gradients(frame: FrameType, place: Place, function: type) -> Reason | None:
    """A custom Function's backward gives gradients of the wrong number or shape."""
    where = backward_place(function)
    if where is None:
        return None
    return Reason(
        "backward",
        f"the backward of {function.__name__} gives the wrong gradients {lies(where)}.",
        "return one gradient for each input of forward, of that input's shape; None for what has no gradient",
        where,
    )


def _no_history(frame: FrameType, place: Place) -> Reason | None:
    from .no_history import why_no_history

    return why_no_history(frame)


def _second_backward(frame: FrameType, place: Place, node: Any) -> Reason:
    return met_again(receiver_name((frame.f_code, frame.f_lasti)), node, place)


def _overwritten(frame: FrameType, place: Place, node: Any, write: Any) -> Reason | None:
    return overwritten(place_of(node), place_of(Source(*write))) if write else None


def _detached(frame: FrameType, place: Place, node: Any) -> Reason:
    saved = place_of(node)
    return Reason(
        "in-place",
        f"backward fails {lies(place)} because a value that it needs, saved {lies(saved)}, was cut off in place by detach_().",
        "make a new tensor: x = x.detach() instead of x.detach_()",
        saved,
    )


def _returned_nan(frame: FrameType, place: Place, node: Any, is_masked: bool) -> Reason:
    """Anomaly mode has found nan in what a node computes."""
    from .badnumbers import Culprit, remedy_for

    made, record = place_of(node), record_of(node)
    operation = node.name() if record is None else record.name
    remedy = remedy_for(Culprit(node, None, False, [], masked=is_masked)) if record is not None else (
        "divide by what cannot be 0 in that backward, and bound what it raises or takes the logarithm of"
    )  # fmt: skip
    return Reason("nan", f"the derivative of {operation} is not finite {lies(made)}.", remedy, made)


# {words of an error: what tells of it, from the frame, the line, and what the error is about}
_TOLD: dict[str, Callable[..., Reason | None]] = {
    "implicitly created only for scalar outputs": _not_scalar,
    "appears to not have been used in the graph": _unused,
    "One of the differentiated Tensors does not require grad": _unused,
    "optimizer got an empty parameter list": _no_parameters,
    "can't optimize a non-leaf Tensor": _not_a_leaf,
    "returned an incorrect number of gradients": _wrong_gradients,
    "returned an invalid gradient at index": _wrong_gradients,
    "does not require grad and does not have a grad_fn": _no_history,
    "backward through the graph a second time": _second_backward,
    "modified by an inplace operation": _overwritten,
    "detached in-place, i.e. with .detach_()": _detached,
    "returned nan values in its": _returned_nan,
}
