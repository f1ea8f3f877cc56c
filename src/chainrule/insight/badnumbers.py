"""Where numbers went bad in a graph: the first operation whose output, or whose gradient, is nan, infinite or zero."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..engine import Node
from ..tensor import Tensor
from .values import Edge, Unknown, Values, edges_of, expression_of, leading_to, record_of


@dataclass
class Culprit:
    """The operation that made good numbers bad."""

    node: Node | None  # None: a leaf held them from the start
    leaf: Tensor | None
    is_forward: bool
    inputs: list  # its input arrays and numbers; None where not known
    constant: int | None = None  # the input that was bad from the start, and has no history
    masked: bool = False  # the gradient that came in was 0 where it went bad: the result is not even used there
    likely: bool = False  # its inputs are not known any more: it is the one that can have done it


def is_bad(array: Any) -> bool:
    """Whether there is a nan or an infinity among the numbers."""
    if not isinstance(array, np.ndarray):
        array = np.asarray(array)
    if array.dtype.kind == "V":  # half-precision types that NumPy does not know
        array = array.astype(np.float32)
    return array.dtype.kind in "fc" and not np.isfinite(array).all()


def _inputs(values: Values, node: Node) -> list:
    found = []
    for place, edge in enumerate(edges_of(node)):
        try:
            found.append(values.constant(node, place) if edge is None else values.value(edge))
        except (Unknown, AttributeError):
            found.append(None)
    return found


def first_bad(values: Values, root: Edge, target: Edge, seed: np.ndarray) -> Culprit | None:
    """The first operation, in the order in which they ran, whose output is bad while its inputs are not; if there is
    none, the first in backward whose gradient towards `target` is bad while the one that came in is not."""
    for node in reversed(values.order):
        for place, (edge, array) in enumerate(zip(edges_of(node), _inputs(values, node))):
            if edge is None and isinstance(array, np.ndarray) and np.any(np.isnan(array)) and array.dtype.kind in "fc":
                return Culprit(node, None, True, [array], place)
    for node in reversed(values.order):
        inputs = _inputs(values, node)
        for edge, array in zip(edges_of(node), inputs):
            if edge is not None and isinstance(edge[0], Tensor) and is_bad(array):
                return Culprit(None, edge[0], True, [array])
        try:
            output = values.value((node, 0))
        except Unknown:
            continue
        record = record_of(node)
        if record is not None and record.name in ("masked_fill", "masked_fill_tensor", "fill"):
            continue  # -inf is put there on purpose
        if is_bad(output) and not any(is_bad(i) for i in inputs if i is not None):
            behind = _unknown_behind(values, node)
            return Culprit(behind, None, True, [], likely=True) if behind else Culprit(node, None, True, inputs)
    found: list[Culprit] = []

    def look(node: Node, arrived: list, results: list) -> bool:
        for edge, result in zip(edges_of(node), results):
            if edge is None or result is None or not is_bad(result):
                continue
            if any(g is not None and is_bad(g) for g in arrived):
                continue
            bad = ~np.isfinite(np.asarray(result))
            came = next(np.asarray(g) for g in arrived if g is not None)
            masked = came.shape == bad.shape and bool(np.all(came[bad] == 0))
            found.append(Culprit(node, None, False, _inputs(values, node), None, masked))
            return True
        return False

    walk(values, root, seed, look, {target}, partly=True)
    return found[0] if found else None


_RISKY = ("log", "log2", "log10", "log1p", "exp", "expm1", "sqrt", "rsqrt", "div", "reciprocal", "pow", "pow_number", "var", "std")  # fmt: skip
_RISKY_WITH_INFINITIES = ("softmax", "log_softmax")
MASKED_ROW = "a row in which everything is masked with -inf has no softmax: leave one value, or mask with a large negative number"


# whose slope, or whose result, is not finite somewhere, those first that go wrong most often
_RISKIEST = ("sqrt", "rsqrt", "log", "log2", "log10", "acos", "asin", "linalg_vector_norm", "std", "var", "div", "reciprocal", "pow_number", "pow", "exp", "expm1", "softmax")  # fmt: skip


def first_risky(values: Values) -> Node | None:
    """The operation that is most likely to have made bad numbers in an earlier graph like this one."""
    risky = [
        (record.name, node)
        for node in values.order
        if (record := record_of(node)) is not None and record.name in _RISKIEST and not _is_whole_power(values, node)
    ]
    return min(risky, key=lambda one: _RISKIEST.index(one[0]), default=(None, None))[1]


def _is_whole_power(values: Values, node: Node) -> bool:
    """Whether a node is a power of 1 or above, which is finite where its base is."""
    try:
        return float(values.setting(node, "exponent")) >= 1
    except (Unknown, TypeError, ValueError):
        return False


def _unknown_behind(values: Values, node: Node) -> Node | None:
    """The first operation that can have made bad numbers among those behind `node` whose results are not known any more."""
    found: list[Node] = []
    seen: set[Node] = set()
    stack = [node]
    while stack:
        for edge in edges_of(stack.pop()):
            if edge is None or isinstance(edge[0], Tensor) or edge[0] in seen or edge in values.known:
                continue
            seen.add(edge[0])
            stack.append(edge[0])
            record = record_of(edge[0])
            if record is not None and record.name in (*_RISKY, *_RISKY_WITH_INFINITIES):
                found.append(edge[0])
    return min(found, key=lambda one: (_unlikely(values, one), one.sequence), default=None)


def _unlikely(values: Values, node: Node) -> int:
    """How unlikely it is that a node, whose inputs are not known any more, has made bad numbers of good ones."""
    record: Any = record_of(node)
    if record.name in _RISKY_WITH_INFINITIES:
        return 1
    if record.name != "div" or edges_of(node)[1] is not None:
        return 0
    try:
        divisor = values.constant(node, 1)
    except (Unknown, AttributeError):
        return 2
    return 0 if is_bad(divisor) or np.any(np.equal(divisor, 0)) else 3


def walk(
    values: Values,
    root: Edge,
    seed: np.ndarray,
    look: Callable[[Node, list, list], bool],
    ends: set[Edge],
    partly: bool = False,
) -> dict[Edge, Any]:
    """Carries a gradient back without hooks; `look` sees each node's gradients and may stop it. What arrived where.

    `partly`: past what is not known any more, as if it gave nothing."""
    gradients: dict[Edge, Any] = {root: seed}
    with np.errstate(all="ignore"):
        for node in values.order:
            arrived = [gradients.get((node, i)) for i in range(node.n_outputs)]
            if all(g is None or (node, i) in ends for i, g in enumerate(arrived)):
                continue
            try:
                results = values.pull(node, arrived)
            except Unknown:
                if not partly:
                    raise
                continue
            if look(node, arrived, results):
                break
            for edge, result in zip(edges_of(node), results):
                if edge is not None and result is not None:
                    have = gradients.get(edge)
                    gradients[edge] = result if have is None else have + result
    return gradients


def first_zero(
    values: Values,
    root: Edge,
    target: Edge,
    seed: np.ndarray,
    near: bool = False,
) -> Culprit | None:
    """The last operation before `target` that got a gradient and passed none of it on; None where parts cancel.

    `near`: nor more than the rounding error of a softmax whose outputs all got the same gradient."""
    found: list[Culprit] = []
    leads = leading_to(target, values.order)

    def vanishes(node: Node, result: Any, arrived: list) -> bool:
        if not np.any(result):
            return True
        record = record_of(node)
        if not near or record is None or record.name not in ("softmax", "log_softmax"):
            return False
        return float(np.max(np.abs(result))) < 1e-5 * max(float(np.max(np.abs(g))) for g in arrived if g is not None)

    def look(node: Node, arrived: list, results: list) -> bool:
        if any(g is not None and np.any(g) for g in arrived):
            for edge, result in zip(edges_of(node), results):
                if edge is not None and result is not None and leads(edge) and vanishes(node, result, arrived):
                    found.append(Culprit(node, None, False, _inputs(values, node)))
        return False

    try:
        walk(values, root, seed, look, {target})
    except Unknown:  # behind the operation that we look for, perhaps
        if not found:
            raise
    return found[-1] if found else None


# random draws, and operations that are constant between jumps
DRAWS = ("bernoulli", "normal_mean", "normal_std", "normal_mean_std", "poisson")
STEPS = ("round", "floor", "ceil", "trunc", "sign", "sgn", "heaviside", *DRAWS)
_OFTEN = ("relu", "threshold", "clamp", "clamp_min", "clamp_max", "hardtanh", "mul", "where", "masked_fill")
_WHEN_SATURATED = ("sigmoid", "tanh", "softmax", "log_softmax", "exp")


def may_stop(values: Values, target: Edge) -> tuple[list[Node], str]:
    """Where the numbers are gone: the operations between `target` and what has provably got a gradient that may have
    passed nothing on, the first in backward first; and, if it is certain that the first one has, its key in ZEROS."""
    users: dict[Any, list[Node]] = {}
    for node in values.order:
        for edge in edges_of(node):
            if edge is not None:
                users.setdefault(edge[0], []).append(node)
    # a leaf with a gradient proves that what it was used in got one, and so what that was used in
    alive: set[Node] = set()
    for leaf, used in users.items():
        if isinstance(leaf, Tensor) and leaf is not target[0] and leaf._grad is not None and np.any(leaf._grad._array):
            while len(used) == 1 and used[0] not in alive:
                alive.add(used[0])
                used = users.get(used[0], [])
    leads = leading_to(target, values.order)
    way = [node for node in values.order if leads((node, 0))]
    last = max((i for i, node in enumerate(way) if node in alive), default=0)
    way = way[last:]
    for node in way:
        kind = _surely_stops(values, node, users)
        if kind:
            return [node], kind
    kinds = [(node, "" if (record := record_of(node)) is None else record.name) for node in way]
    often = [(node, name) for node, name in kinds if name in _OFTEN or hasattr(type(node), "_forward_cls")]
    if len(often) == 1:
        return [often[0][0]], often[0][1] or "Function"
    return [node for node, _ in often] or [node for node, name in kinds if name in _WHEN_SATURATED], ""


def _surely_stops(values: Values, node: Node, users: dict[Any, list[Node]]) -> str:
    record = record_of(node)
    if record is None:
        return ""
    if is_dropped(node):
        # a dropout multiplies by a single number only where it drops everything
        targets = () if node.meta is None else node.meta.targets or ()
        return "dropout" if any(t is not None and t[0] == () for t in targets) else ""
    if record.name in ("softmax", "log_softmax"):
        return "softmax of one" if is_of_one(values, node, users) else ""
    return record.name if record.name in STEPS else ""


def is_dropped(node: Node) -> bool:
    """Whether a product is that of a dropout, as the call that recorded it is named."""
    record = record_of(node)
    call = expression_of(node) if record is not None and record.name == "mul" else None
    called = "" if not isinstance(call, ast.Call) else getattr(call.func, "attr", getattr(call.func, "id", ""))
    return "drop" in called.lower()


def is_of_one(values: Values, node: Node, users: dict[Any, list[Node]]) -> bool:
    """Whether a softmax is taken along a dimension of size 1, as far as shapes are known."""
    try:
        dim = values.setting(node, "dim")
    except Unknown:
        return False
    shape = None
    for user in users.get(node, ()):
        targets = None if user.meta is None else user.meta.targets
        for edge, kept in zip(edges_of(user), targets or ()):
            if edge is not None and edge[0] is node and kept is not None:
                shape = kept[0]
    if shape is None:
        try:
            shape = values.shape((node, 0))
        except Unknown:
            return dim == -1 and _last_size(node) == 1
    return bool(shape) and -len(shape) <= dim < len(shape) and shape[dim] == 1


def _last_size(node: Node) -> int | None:
    """The size of the last dimension of what went into a node, if a leaf was added there, as a layer's bias is."""
    while True:
        edge = next((e for e in edges_of(node) if e is not None), None)
        if edge is None:
            return None
        if isinstance(edge[0], Tensor):
            record = record_of(node)
            shape = edge[0]._array.shape
            return shape[-1] if record is not None and record.name == "addmm" and shape else None
        node = edge[0]
        record = record_of(node)
        if record is None or record.name not in ("view", "addmm"):
            return None


SECOND_WHERE = (
    "the result is masked out there, but 0 times an infinite slope is nan: put a second `where` inside, so that the "
    "operation never sees those inputs, as in torch.where(mask, f(torch.where(mask, x, 1)), 0)"
)


def _chooses(node: Node) -> bool:
    record = record_of(node)
    return record is not None and record.name.startswith(("where", "masked", "index", "select"))


def _makers_of_makers(node: Node) -> list[str]:
    behind = [e[0] for e in edges_of(node) if e is not None and not isinstance(e[0], Tensor)]
    further = [e[0] for one in behind for e in edges_of(one) if e is not None and not isinstance(e[0], Tensor)]
    names = [record.name for one in further if (record := record_of(one)) is not None]
    return [name for name in names if name in ("sigmoid", "softmax")]


def remedy_for(culprit: Culprit, values: Values | None = None, operation: str = "") -> str:
    """What to write instead, for the operations that are known to go bad; `operation`: its name, if no node has it."""
    node = culprit.node
    if node is None and not operation:
        return "look at how it was filled: data with nan in it, or an update that overflowed (a smaller step size)"
    record = record_of(node)
    name = operation if record is None else record.name
    if culprit.masked and not culprit.is_forward:
        chosen = values is not None and any(_chooses(one) for one in values.order)
        own = remedy_for(replace(culprit, masked=False), values, operation)
        return (
            SECOND_WHERE if chosen else f"{own}; or, where the result is masked out: {SECOND_WHERE.partition(': ')[2]}"
        )
    makers = [] if node is None else [record_of(e[0]).name for e in edges_of(node) if e is not None and not isinstance(e[0], Tensor) and record_of(e[0])]  # fmt: skip
    if name in ("log", "log2", "log10"):
        makers += [] if node is None else _makers_of_makers(node)
        if "softmax" in makers:
            return "use torch.log_softmax, which never takes the logarithm of 0"
        if "sigmoid" in makers:
            return "use torch.nn.functional.logsigmoid or binary_cross_entropy_with_logits"
        if {"sum", "sum_dim"} & set(makers):
            return "use torch.logsumexp if this is the logarithm of a sum of exponentials, or add a small eps inside"
        if {"add", "sub", "rsub"} & set(makers):
            return "use torch.log1p for log(1 + x), or x.clamp(min=1e-8) to keep the argument positive"
        return "keep the argument positive: torch.log(x + eps), or x.clamp(min=1e-8)"
    if name == "exp":
        return "subtract the maximum first, or use torch.logsumexp or softmax, which do so; elsewhere clamp the argument first"
    if name in ("exp2", "expm1", "cosh", "sinh"):
        return "clamp the argument before the exponential"
    if name in ("sqrt", "rsqrt"):
        return "the slope of a root is infinite at 0: torch.sqrt(x + eps), or x.clamp(min=1e-12)"
    if name in ("pow_number", "pow", "pow_of_number"):
        return (
            "keep the base away from 0 (and positive, for a fractional exponent): (x + eps) ** p, or x.clamp(min=eps)"
        )
    if name in ("div", "reciprocal"):
        return "keep the divisor from 0: x / (y + eps), or y.clamp(min=eps)"
    if name in ("acos", "asin", "atanh"):
        return "stay inside (-1, 1): x.clamp(-1 + 1e-6, 1 - 1e-6)"
    if name == "acosh":
        return "stay above 1: x.clamp(min=1 + 1e-6)"
    if name == "var" or (name.startswith(("std", "var")) and culprit.is_forward):
        return "the variance of a single value divides by 0: pass correction=0, or give it more values"
    if name in ("linalg_vector_norm", "dist", "std", "hypot"):
        return "its slope does not exist at 0: add eps under the root, (x.pow(2).sum() + eps).sqrt()"
    if name in ("softmax", "log_softmax"):
        return MASKED_ROW
    if name == "mul":
        return "0 times infinity is nan: bound the factor, or choose with torch.where before the infinite value arises"
    if name in ("mean", "mean_dim"):
        return "the mean of nothing is nan: check that the selection is not empty"
    return "bound its inputs with clamp, or scale them"


# {operation: (what its inputs were like, what to do)} of gradients that vanish
ZEROS = {
    "relu": ("all its inputs are negative or 0, where the slope of relu is 0", "use leaky_relu, a smaller step size or another initialization"),
    "threshold": ("all its inputs are below the threshold", "use a smooth activation"),
    "round": ("round is constant between its jumps", "round only for output, or pass the gradient straight through: x + (x.round() - x).detach()"),
    "floor": ("floor is constant between its jumps", "pass the gradient straight through: x + (x.floor() - x).detach()"),
    "ceil": ("ceil is constant between its jumps", "pass the gradient straight through: x + (x.ceil() - x).detach()"),
    "trunc": ("trunc is constant between its jumps", "pass the gradient straight through: x + (x.trunc() - x).detach()"),
    "sign": ("sign is constant on either side of 0", "pass the gradient straight through: x + (x.sign() - x).detach(), or use tanh(k * x) for a smooth sign"),
    "bernoulli": ("a random draw has no slope", "use a relaxation such as sigmoid((logit + noise) / temperature)"),
    **dict.fromkeys(
        ("normal_mean", "normal_std", "normal_mean_std"),
        ("a random draw has no slope", "compute it from noise that depends on nothing: mean + std * torch.randn_like(mean), or rsample()"),
    ),
    "poisson": ("a random draw has no slope", "use its mean in place of the draw, or the log-probability of what was drawn"),
    "clamp": ("all its inputs are outside the bounds", "clamp only for output, or widen the bounds"),
    "clamp_min": ("all its inputs are below the bound", "clamp only for output, or lower the bound"),
    "clamp_max": ("all its inputs are above the bound", "clamp only for output, or raise the bound"),
    "hardtanh": ("all its inputs are outside the bounds", "use tanh"),
    "sigmoid": ("it is saturated: its output is 0 or 1 to the last digit", "compute the loss from the logits (binary_cross_entropy_with_logits), or scale the inputs down"),
    "tanh": ("it is saturated: its output is -1 or 1 to the last digit", "scale the inputs down"),
    "softmax": ("it is saturated: one output is 1 to the last digit", "compute the loss from log_softmax, or scale the inputs down"),
    "softmax of one": ("along a dimension of size 1 its output is always 1", "take the softmax over the dimension of the classes, or sigmoid for a single output"),
    "softmax of all": ("its outputs add up to 1 whatever its inputs are, and all of them got the same gradient", "weight or choose its outputs before they are added up, as a loss such as cross_entropy does"),
    "some softmax": ("its outputs always add up to 1", "check its dim: along a dimension of size 1 its output is always 1; and that it is not saturated: compute the loss from log_softmax"),
    "mul": ("it is multiplied by 0", "look at where that 0 comes from: a mask, a weight, an initialization with zeros"),
    "dropout": ("it drops everything", "give it a probability below 1"),
    "where": ("the mask chooses the other side everywhere", "check the condition"),
    "masked_fill": ("the mask covers everything", "check the mask"),
    "exp": ("its output is 0: it has underflowed", "compute with logarithms, logsumexp or log_softmax"),
    "mm": ("the other factor is all 0", "initialize the other factor with random numbers"),
    "mv": ("the other factor is all 0", "initialize the other factor with random numbers"),
    "dot": ("the other factor is all 0", "initialize the other factor with random numbers"),
    "matmul": ("the other factor is all 0", "initialize the other factor with random numbers"),
    "addmm": ("the other factor is all 0", "initialize the other factor with random numbers"),
    "pow_number": ("the slope of a power is 0 at 0", "start away from 0"),
    "atan2": ("both its arguments are 0, where it has no slope", "start away from (0, 0), or choose with torch.where where both are 0"),
    "abs": ("the slope of abs at 0 is taken to be 0", "start away from 0"),
    "select": ("the element that is used is not this one", "use the elements that are to learn"),
    "index": ("the elements that are used are not these", "use the elements that are to learn"),
}  # fmt: skip
