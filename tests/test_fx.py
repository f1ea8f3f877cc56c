"""torch.fx: what tracing records, the code made of it, and graphs changed by hand. Texts are PyTorch's."""

import copy
import math
import operator
import pickle

import pytest

import chainrule as torch
import chainrule.nn.functional as F
from chainrule import fx, nn
from chainrule.fx import Graph, GraphModule, Interpreter, Proxy, Tracer, Transformer, replace_pattern, symbolic_trace
from chainrule.fx.node import map_arg
from chainrule.fx.proxy import GraphAppendingTracer, TraceError
from chainrule.nn.functional import softmax


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.param = nn.Parameter(torch.rand(3, 4))
        self.linear = nn.Linear(4, 5)

    def forward(self, x):
        return torch.topk(torch.sum(self.linear(x + self.param).relu(), dim=-1), k=3)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.seq = nn.Sequential(nn.Linear(2, 2), nn.ReLU())

    def forward(self, x):
        return self.seq(x) * 2


def body(module) -> list[str]:
    """The statements of a module's code."""
    return [line.strip() for line in module.code.strip().splitlines()[1:]]


def test_a_graph_and_its_code():
    module = Small()
    traced = symbolic_trace(module)
    assert str(traced.graph) == (
        "graph():\n"
        "    %x : [num_users=1] = placeholder[target=x]\n"
        "    %param : [num_users=1] = get_attr[target=param]\n"
        "    %add : [num_users=1] = call_function[target=operator.add](args = (%x, %param), kwargs = {})\n"
        "    %linear : [num_users=1] = call_module[target=linear](args = (%add,), kwargs = {})\n"
        "    %relu : [num_users=1] = call_method[target=relu](args = (%linear,), kwargs = {})\n"
        "    %sum_1 : [num_users=1] = call_function[target=torch.sum](args = (%relu,), kwargs = {dim: -1})\n"
        "    %topk : [num_users=1] = call_function[target=torch.topk](args = (%sum_1,), kwargs = {k: 3})\n"
        "    return topk"
    )
    assert traced.code == (
        "\n\n\n"
        "def forward(self, x):\n"
        "    param = self.param\n"
        "    add = x + param;  x = param = None\n"
        "    linear = self.linear(add);  add = None\n"
        "    relu = linear.relu();  linear = None\n"
        "    sum_1 = torch.sum(relu, dim = -1);  relu = None\n"
        "    topk = torch.topk(sum_1, k = 3);  sum_1 = None\n"
        "    return topk\n"
        "    "
    )
    x = torch.rand(3, 4)
    assert torch.equal(traced(x).values, module(x).values)
    assert traced.linear is module.linear
    assert type(traced).__name__ == "Small"
    assert list(traced.state_dict()) == ["param", "linear.weight", "linear.bias"]


def test_submodules_of_containers():
    traced = symbolic_trace(Net())
    assert body(traced) == [
        'seq_0 = getattr(self.seq, "0")(x);  x = None',
        'seq_1 = getattr(self.seq, "1")(seq_0);  seq_0 = None',
        "mul = seq_1 * 2;  seq_1 = None",
        "return mul",
    ]
    assert str(traced).startswith("Net(\n  (seq): Module(\n    (0): Linear(in_features=2")
    assert str(traced).endswith("# To see more debug info, please use `graph_module.print_readable()`")


def test_functions_operators_and_attributes():
    def f(x, y=2, *, z=None):
        a = F.softmax(x, dim=1) + softmax(x, 1)
        b = torch.cat([a, x], dim=-1)[:, ::2]
        c = (-b).size(0)
        return {"a": b.T, "b": (x > y, c)}

    assert body(symbolic_trace(f)) == [
        "softmax = torch.nn.functional.softmax(x, dim = 1, _stacklevel = 3, dtype = None)",
        "softmax_1 = torch.nn.functional.softmax(x, dim = 1, _stacklevel = 3, dtype = None)",
        "add = softmax + softmax_1;  softmax = softmax_1 = None",
        "cat = torch.cat([add, x], dim = -1);  add = None",
        "getitem = cat[(slice(None, None, None), slice(None, None, 2))];  cat = None",
        "neg = -getitem",
        "size = neg.size(0);  neg = None",
        "gt = x > y;  x = y = None",
        "getattr_1 = getitem.T;  getitem = None",
        "return {'a': getattr_1, 'b': (gt, size)}",
    ]


def test_numbers_and_math_functions_of_numbers_are_computed():
    def f(x):
        return math.sqrt(4) * x + float("inf")

    assert body(symbolic_trace(f)) == ["mul = 2.0 * x;  x = None", "add = mul + inf;  mul = None", "return add"]


def test_tensors_become_attributes():
    weight = torch.ones(2)
    traced = symbolic_trace(lambda x: x * weight + weight)
    assert "mul = x * _tensor_constant0" in traced.code
    assert traced(torch.ones(2)).tolist() == [2, 2]
    assert list(traced.state_dict()) == ["_tensor_constant0"]


def test_annotations_and_starred_arguments():
    def f(x: torch.Tensor, n: int = 3, *rest, **more) -> torch.Tensor:
        return x + n + rest[0] + more["a"]

    traced = symbolic_trace(f)
    assert "def forward(self, x : torch.Tensor, n : int = 3, *rest, **more) -> torch.Tensor:" in traced.code
    assert traced(torch.ones(1), 1, 2, a=3).item() == 7


def test_known_arguments():
    def f(x, double):
        return x * 2 if double else x

    assert body(symbolic_trace(f, concrete_args={"double": True})) == ["mul = x * 2;  x = None", "return mul"]


@fx.wrap
def positive(x, n=3):
    return x if x.sum() > 0 else n * x


fx.wrap("len")


def test_wrapped_functions_are_not_traced_into():
    traced = symbolic_trace(lambda x: positive(x, n=2) + len(x))
    assert any("positive(x, n = 2)" in line for line in body(traced))
    assert traced(-torch.ones(3)).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: x if x.sum() > 0 else -x, TraceError, "cannot be used as inputs to control flow"),
        (lambda x: list(iter(x)), TraceError, "Proxy object cannot be iterated"),
        (lambda x: int(x), TypeError, "int() argument must be"),
    ],
)
def test_what_cannot_be_traced(function, error, message):
    with pytest.raises(error) as info:
        symbolic_trace(function)
    assert message in str(info.value)


def test_tracing_leaves_everything_as_it_was():
    before = torch.relu, nn.Module.__call__, nn.Module.__getattr__, F.softmax
    symbolic_trace(Net())
    with pytest.raises(TraceError):
        symbolic_trace(lambda x: bool(torch.relu(x)))
    assert (torch.relu, nn.Module.__call__, nn.Module.__getattr__, F.softmax) == before
    assert type(torch.relu(torch.ones(1))) is torch.Tensor


def test_a_tracer_of_ones_own():
    class Deep(Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            return False

    module = Net()
    graph = Deep().trace(module)
    assert [n.target for n in graph.find_nodes(op="get_attr")] == ["seq.0.weight", "seq.0.bias"]
    assert not graph.find_nodes(op="call_module")
    x = torch.rand(3, 2)
    assert torch.equal(GraphModule(module, graph)(x), module(x))


# ---------------------------------------------------------------- changing graphs


def test_replacing_a_function():
    traced = symbolic_trace(lambda x, y: torch.add(x, y) + torch.sin(x))
    for node in traced.graph.nodes:
        if node.op == "call_function" and node.target == torch.add:
            with traced.graph.inserting_after(node):
                new = traced.graph.call_function(torch.mul, node.args, node.kwargs)
            node.replace_all_uses_with(new)
            traced.graph.erase_node(node)
    traced.graph.lint()
    traced.recompile()
    assert body(traced)[0] == "mul = torch.mul(x, y);  y = None"
    assert traced(torch.zeros(1), torch.ones(1)).item() == 0


def test_a_graph_by_hand():
    graph = Graph()
    x = graph.placeholder("x")
    sin = graph.call_function(torch.sin, (x,))
    add = graph.call_method("add", (sin, 1))
    output = graph.output((add, sin))
    module = GraphModule(nn.Module(), graph, "Mine")
    assert (type(module).__name__, [v.item() for v in module(torch.zeros(1))]) == ("Mine", [1, 0])
    with graph.inserting_before(output):
        value = torch.exp(Proxy(sin, GraphAppendingTracer(graph))) + 1
        output.args = ((add, value.node),)
    module.recompile()
    assert [v.item() for v in module(torch.zeros(1))] == [1, 2]
    assert map_arg((sin, [add, {"k": x}]), lambda n: n.name) == ("sin", ["add", {"k": "x"}])
    with pytest.raises(RuntimeError, match="Tried to erase Node sin but it still had 2 users in the graph"):
        graph.erase_node(sin)
    assert (sin.next, sin.prev, list(sin.users)) == (add, x, [add, value.node.args[0]])
    assert [n.name for n in reversed(graph.nodes)] == ["output", "add_1", "exp", "add", "sin", "x"]


def test_dead_code_and_lint():
    graph = Graph()
    x = graph.placeholder("x")
    graph.call_function(torch.sin, (graph.call_function(torch.cos, (x,)),))
    graph.output(x)
    assert graph.eliminate_dead_code()
    assert not graph.eliminate_dead_code()
    assert [n.op for n in graph.nodes] == ["placeholder", "output"]
    other = Graph().placeholder("y")
    graph.output_node().args = (other,)
    with pytest.raises(RuntimeError, match="does not belong to this Graph"):
        graph.lint()
    with pytest.raises(AssertionError):
        graph.create_node("bad", "target")
    with pytest.raises(ValueError, match="a Callable is expected"):
        graph.create_node("call_function", "target")


def test_names_do_not_clash():
    graph = Graph()
    assert [graph.placeholder(name).name for name in ("x", "x", "sum", "class", "2a", "x_1")] == [
        "x", "x_1", "sum_1", "class_1", "_2a", "x_2",
    ]  # fmt: skip


def test_a_table(capsys):
    symbolic_trace(lambda x: x + 1).graph.print_tabular()
    assert capsys.readouterr().out == (
        "opcode         name    target                   args    kwargs\n"
        "-------------  ------  -----------------------  ------  ------\n"
        "placeholder    x       x                        ()      {}\n"
        "call_function  add     <built-in function add>  (x, 1)  {}\n"
        "output         output  output                   (add,)  {}\n"
    )


def test_replacing_a_pattern():
    traced = symbolic_trace(lambda x: (torch.sin(x) + 1) * (torch.sin(x * 2) + 1))
    matches = replace_pattern(traced, lambda a: torch.sin(a) + 1, lambda a: torch.cos(a) * 2)
    assert len(matches) == 2
    assert traced(torch.zeros(1)).item() == 4
    assert not any(n.target is torch.sin for n in traced.graph.nodes)


# ---------------------------------------------------------------- running and copying


def test_interpreters():
    traced = symbolic_trace(Net())
    seen = []

    class Watching(Interpreter):
        def run_node(self, n):
            seen.append(n.name)
            return super().run_node(n)

        def call_function(self, target, args, kwargs):
            return super().call_function(operator.add if target is operator.mul else target, args, kwargs)

    x = torch.rand(1, 2)
    assert torch.equal(Watching(traced).run(x), traced.seq.get_submodule("1")(traced.seq.get_submodule("0")(x)) + 2)
    assert seen == ["x", "seq_0", "seq_1", "mul", "output"]


def test_transformers():
    class Negating(Transformer):
        def call_function(self, target, args, kwargs):
            return torch.neg(*args, **kwargs) if target == torch.sin else super().call_function(target, args, kwargs)

    assert body(Negating(symbolic_trace(lambda x: torch.sin(x) + 1)).transform()) == [
        "neg = torch.neg(x);  x = None", "add = neg + 1;  neg = None", "return add",
    ]  # fmt: skip


def test_copies():
    traced = symbolic_trace(Net())
    x = torch.rand(1, 2)
    for copied in (copy.deepcopy(traced), pickle.loads(pickle.dumps(traced))):
        assert copied.code == traced.code
        assert torch.equal(copied(x), traced(x))
        assert copied.seq is not traced.seq


def test_submodules_come_and_go():
    traced = symbolic_trace(Net())
    assert traced.add_submodule("new.inner", nn.Tanh())
    assert isinstance(traced.new.inner, nn.Tanh)
    traced.delete_all_unused_submodules()
    assert [name for name, _ in traced.named_modules()] == ["", "seq", "seq.0", "seq.1"]
    assert not traced.delete_submodule("nothing")


def test_gradients_go_through():
    traced = symbolic_trace(lambda x: torch.sin(x) * 2)
    x = torch.zeros(1, requires_grad=True)
    traced(x).backward()
    assert x.grad.item() == 2


def test_something_with_a_torch_function_is_asked():
    class Diagonal:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__, types, len(args)

    assert torch.exp(Diagonal()) == ("exp", (Diagonal,), 1)
    assert torch.atan2(torch.ones(1), Diagonal()) == ("atan2", (Diagonal,), 2)
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        torch.exp(3)
