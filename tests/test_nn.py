"""torch.nn: modules, their state and hooks, initializers, functions that are made of others."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import weakref

import numpy as np
import pytest

import chainrule as torch
from chainrule.autograd.gradcheck import gradcheck, gradgradcheck

nn, F = torch.nn, torch.nn.functional


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))


def test_nn_and_optim_are_imported_on_first_use():
    code = "import sys, chainrule; assert not {m for m in sys.modules if m.startswith(('chainrule.nn', 'chainrule.optim'))}"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- the tree


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = nn.Linear(2, 2)
        self.second.weight = self.first.weight
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)
        self.nothing = None
        self.register_parameter("absent", None)

    def forward(self, x):
        return self.second(self.first(x)) + self.count


def test_members_come_once_and_in_order():
    model = Tied()
    assert [n for n, _ in model.named_parameters()] == ["first.weight", "first.bias", "second.bias"]
    assert [n for n, _ in model.named_parameters(remove_duplicate=False)] == [
        "first.weight", "first.bias", "second.weight", "second.bias",
    ]  # fmt: skip
    assert [n for n, _ in model.named_buffers()] == ["count", "scratch"]
    assert [n for n, _ in model.named_modules()] == ["", "first", "second"]
    assert list(model.children()) == [model.first, model.second]
    assert model.get_submodule("first") is model.first
    assert model.get_parameter("first.bias") is model.first.bias
    assert model.get_buffer("count") is model.count
    assert {"first", "count", "absent"} <= set(dir(model))


def test_assignment_registers_and_replaces():
    module = nn.Module()
    module.p = nn.Parameter(torch.ones(2))
    assert "p" in module._parameters
    module.p = None
    assert module.p is None
    module.p = nn.Parameter(torch.ones(3))
    with pytest.raises(TypeError, match=r"cannot assign 'torch\.FloatTensor' as parameter 'p'"):
        module.p = torch.ones(2)
    module.q = nn.Linear(1, 1)
    module.q = nn.Parameter(torch.ones(1))  # from one table to another
    assert "q" in module._parameters and "q" not in module._modules
    module.b = nn.Buffer(torch.ones(1), persistent=False)
    assert "b" in module._buffers and "b" not in module.state_dict()
    del module.q
    with pytest.raises(AttributeError, match="'Module' object has no attribute 'q'"):
        module.q


@pytest.mark.parametrize(
    ("register", "error", "message"),
    [
        (lambda m: m.register_parameter("a.b", None), KeyError, "name can.*t contain"),
        (lambda m: m.register_parameter("", None), KeyError, "name can.*t be empty"),
        (lambda m: m.register_parameter("forward", None), KeyError, "attribute 'forward' already exists"),
        (lambda m: m.register_parameter(1, None), TypeError, "parameter name should be a string. Got int"),
        (lambda m: m.register_parameter("x", torch.ones(1)), TypeError, "torch.nn.Parameter or None required"),
        (lambda m: m.register_buffer("x", 1), TypeError, "cannot assign 'int' object to buffer 'x'"),
        (lambda m: m.add_module("x", 1), TypeError, "int is not a Module subclass"),
        (lambda m: m(1), NotImplementedError, r'Module \[Module\] is missing the required "forward" function'),
        (lambda m: m.train(1), ValueError, "training mode is expected to be boolean"),
        (lambda m: m.to(torch.int64), TypeError, "only accepts floating point or complex dtypes"),
        (lambda m: m.get_submodule("x.y"), AttributeError, "has no attribute `x`"),
        (lambda m: nn.Module(1), TypeError, "takes 1 positional argument but 2 were given"),
    ],
)
def test_what_a_module_refuses(register, error, message):
    with pytest.raises(error, match=message):
        register(nn.Module())


def test_attributes_before_init():
    class Early(nn.Module):
        def __init__(self, value):
            self.value = value

    with pytest.raises(AttributeError, match=r"cannot assign module before Module.__init__\(\) call"):
        Early(nn.ReLU())
    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__\(\) call"):
        Early(nn.Parameter(torch.ones(1)))
    assert Early(3).value == 3


def test_train_eval_requires_grad_apply():
    model = network()
    assert model.eval() is model and not any(m.training for m in model.modules())
    assert model.train().training
    model.requires_grad_(False)
    assert not any(p.requires_grad for p in model.parameters())
    seen = []
    model.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "Tanh", "Linear", "Sequential"]


def test_dtype_changes_keep_parameters():
    model = Tied()
    weight = model.first.weight
    model(torch.ones(1, 2)).sum().backward()
    assert model.double() is model
    assert model.first.weight is weight and weight.dtype is torch.float64 and weight.grad.dtype is torch.float64
    assert model.count.dtype is torch.float64
    assert model.half().first.weight.dtype is torch.float16
    assert model.to(torch.float32).first.weight.dtype is torch.float32
    assert model.to("cpu") is model


def test_zero_grad():
    model = network()
    model(torch.ones(1, 2)).sum().backward()
    model.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


# ---------------------------------------------------------------- state


def test_state_dict_there_and_back():
    model, other = Tied(), Tied()
    state = model.state_dict()
    assert list(state) == ["count", "first.weight", "first.bias", "second.weight", "second.bias"]
    assert not state["first.weight"].requires_grad
    assert state._metadata["first"] == {"version": 1}
    result = other.load_state_dict(state)
    assert repr(result) == "<All keys matched successfully>"
    assert torch.equal(other.first.weight, model.first.weight) and other.first.weight is not model.first.weight


def test_load_state_dict_says_what_is_wrong():
    model = nn.Linear(2, 3)
    with pytest.raises(RuntimeError) as caught:
        model.load_state_dict({"weight": torch.ones(3, 3), "foo": torch.ones(1)})
    assert str(caught.value) == (
        'Error(s) in loading state_dict for Linear:\n\tMissing key(s) in state_dict: "bias". \n\tUnexpected key(s) in '
        'state_dict: "foo". \n\tsize mismatch for weight: copying a param with shape torch.Size([3, 3]) from checkpoint, the '
        "shape in current model is torch.Size([3, 2])."
    )
    result = model.load_state_dict({"bias": torch.ones(3), "foo": 1}, strict=False)
    assert repr(result) == "_IncompatibleKeys(missing_keys=['weight'], unexpected_keys=['foo'])"
    assert model.bias.tolist() == [1, 1, 1]
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'list'>"):
        model.load_state_dict([])
    with pytest.raises(
        RuntimeError, match=r"expected torch\.Tensor or Tensor-like object from checkpoint but received"
    ):
        model.load_state_dict({"weight": 1.0, "bias": torch.ones(3)})


def test_load_state_dict_assign():
    model = nn.Linear(2, 3)
    given = {"weight": torch.ones(3, 2), "bias": torch.ones(3)}
    model.load_state_dict(given, assign=True)
    given["weight"][0, 0] = 5
    assert model.weight[0, 0] == 5 and isinstance(model.weight, nn.Parameter) and model.weight.requires_grad


def test_extra_state_and_state_hooks():
    class Counting(nn.Linear):
        def get_extra_state(self):
            return {"n": 7}

        def set_extra_state(self, state):
            self.n = state["n"]

    model, calls = Counting(1, 1), []
    model.register_state_dict_pre_hook(lambda m, prefix, keep: calls.append("pre"))
    model.register_state_dict_post_hook(lambda m, state, prefix, meta: calls.append("post"))
    model.register_load_state_dict_pre_hook(lambda m, state, *rest: calls.append("load"))
    model.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    state = model.state_dict()
    assert state["_extra_state"] == {"n": 7}
    del state["bias"]
    model.load_state_dict(state)
    assert model.n == 7 and calls == ["pre", "post", "load"]


def test_pickle_and_deepcopy():
    model = network()
    x = torch.randn(3, 2)
    model(x).sum().backward()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(x), model(x))
        assert other[0].weight is not model[0].weight and isinstance(other[0].weight, nn.Parameter)
    assert copy.deepcopy(model)[0].weight.grad is not None


# ---------------------------------------------------------------- hooks


def test_forward_hooks():
    model, calls = nn.Linear(2, 2), []
    with model.register_forward_pre_hook(lambda m, args: (args[0] * 0,)):
        assert torch.equal(model(torch.ones(1, 2)), model.bias[None])
    model.register_forward_hook(lambda m, args, out: calls.append(1))
    model.register_forward_hook(lambda m, args, kwargs, out: out + kwargs["extra"], with_kwargs=True)
    model.register_forward_pre_hook(lambda m, args, kwargs: (args, {}), with_kwargs=True)
    model.register_forward_hook(lambda m, args, out: calls.append(0), prepend=True)
    with pytest.raises(KeyError):
        model(torch.ones(1, 2))
    assert calls == [0, 1]


def test_always_called_hook():
    class Failing(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    calls = []
    model = Failing()
    model.register_forward_hook(lambda m, args, out: calls.append(out), always_call=True)
    model.register_forward_hook(lambda m, args, out: calls.append("never"))
    with pytest.raises(ValueError, match="no"):
        model(1)
    assert calls == [None]


def test_full_backward_hooks():
    model, calls = nn.Linear(2, 2), []
    model.register_full_backward_pre_hook(lambda m, grad: calls.append("pre") or (grad[0] * 2,))

    def hook(m, grad_input, grad_output):
        calls.append("post")
        assert grad_output[0].tolist() == [[2, 2]]
        return (grad_input[0] * 10,)

    model.register_full_backward_hook(hook)
    x = torch.ones(1, 2, requires_grad=True)
    model(x).sum().backward()
    assert calls == ["pre", "post"]
    assert torch.allclose(x.grad[0], 20 * model.weight.sum(0))
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        model.register_backward_hook(hook)
    with pytest.warns(UserWarning, match="since no inputs require gradients"):
        model.register_full_backward_hook(lambda m, gi, go: None)
        calls.clear()
        nn_hooked = nn.Linear(2, 2)
        nn_hooked.register_full_backward_hook(lambda m, gi, go: calls.append(gi))
        nn_hooked(torch.ones(1, 2)).sum().backward()
    assert calls == [(None,)]


def test_legacy_backward_hook():
    model, calls = nn.Linear(2, 2), []
    model.register_backward_hook(lambda m, gi, go: calls.append((m, len(gi), go[0].tolist())))
    with pytest.warns(FutureWarning, match="forward contains multiple autograd Nodes"):
        model(torch.ones(1, 2)).sum().backward()
    assert calls == [(model, 3, [[1, 1]])]


def test_global_hooks():
    calls = []
    with nn.modules.module.register_module_forward_hook(lambda m, args, out: calls.append(type(m).__name__)):
        network()(torch.ones(1, 2))
    network()(torch.ones(1, 2))
    assert calls == ["Linear", "Tanh", "Linear", "Sequential"]


def test_hooks_with_module_do_not_keep_it():
    model = nn.Linear(1, 1)
    model.register_load_state_dict_pre_hook(lambda m, *rest: None)
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


# ---------------------------------------------------------------- printing


def test_repr():
    model = nn.Sequential(
        nn.Linear(2, 3), nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Dropout(0.1)]), nn.ReLU(inplace=True)
    )
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): ModuleList(\n"
        "    (0-1): 2 x ReLU()\n"
        "    (2): Dropout(p=0.1, inplace=False)\n"
        "  )\n"
        "  (2): ReLU(inplace=True)\n"
        ")"
    )
    assert repr(nn.Sequential()) == "Sequential()"
    assert repr(nn.Parameter(torch.ones(2))) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert repr(nn.ParameterList([torch.ones(2), 3])) == (
        "ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2]\n    (1): Object of type: int\n)"
    )
    assert repr(nn.ParameterDict({"a": torch.ones(2)})) == (
        "ParameterDict(  (a): Parameter containing: [torch.FloatTensor of size 2])"
    )
    assert str(type(model[0])) == "<class 'torch.nn.modules.linear.Linear'>"


# ---------------------------------------------------------------- parameters and containers


def test_parameter():
    data = torch.ones(2)
    parameter = nn.Parameter(data)
    assert parameter.is_leaf and parameter.requires_grad and type(parameter) is nn.Parameter
    assert type(parameter * 2) is torch.Tensor
    data[0] = 5
    assert parameter[0] == 5
    assert not nn.Parameter(torch.ones(1), requires_grad=False).requires_grad
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex dtype can require gradients"):
        nn.Parameter(torch.ones(1, dtype=torch.int64))

    class Own(torch.Tensor):
        pass

    own = nn.Parameter(torch.ones(2).as_subclass(Own)) if hasattr(torch.Tensor, "as_subclass") else None
    assert own is None or (isinstance(own, nn.Parameter) and isinstance(own, Own))
    assert not isinstance(torch.ones(1), nn.Parameter)


def test_sequential():
    model = network()
    assert len(model) == 3 and model[-1] is model[2] and isinstance(model[:2], nn.Sequential)
    model[1] = nn.ReLU()
    model.append(nn.Sigmoid()).insert(0, nn.Identity())
    assert [type(m).__name__ for m in model] == ["Identity", "Linear", "ReLU", "Linear", "Sigmoid"]
    assert isinstance(model.pop(0), nn.Identity)
    del model[-1]
    assert list(model._modules) == ["0", "1", "2"]
    assert len(model + model) == 6 and len(model * 2) == 6
    with pytest.raises(IndexError, match="index 9 is out of range"):
        model[9]
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.Sequential(1)


def test_module_list_and_dict():
    modules = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    modules.insert(1, nn.Sigmoid())
    modules += [nn.Identity()]
    assert [type(m).__name__ for m in modules] == ["ReLU", "Sigmoid", "Tanh", "Identity"]
    assert len(modules[1:3]) == 2 and len(modules + nn.ModuleList([nn.ReLU()])) == 5
    named = nn.ModuleDict({"a": nn.ReLU()})
    named["b"] = nn.Linear(1, 1)
    named.update([("c", nn.Tanh())])
    assert list(named) == ["a", "b", "c"] and "b" in named and isinstance(named.pop("a"), nn.ReLU)
    assert [n for n, _ in named.named_parameters()] == ["b.weight", "b.bias"]


def test_parameter_list_and_dict():
    values = nn.ParameterList([torch.ones(1), nn.Parameter(torch.zeros(2)), "text"])
    assert len(values) == 3 and isinstance(values[0], nn.Parameter) and values[2] == "text"
    values[0] = torch.zeros(3)
    values.append(torch.ones(1))
    assert [p.numel() for p in values.parameters()] == [3, 2, 1]
    assert len(values[1:]) == 3
    named = nn.ParameterDict({"a": torch.ones(1)})
    named["b"] = torch.ones(2)
    assert [n for n, _ in named.named_parameters()] == ["a", "b"]
    assert (named | {"c": torch.ones(3)})["c"].numel() == 3 and named.get("z", 1) == 1
    assert named.popitem()[0] == "b" and list(named.keys()) == ["a"]


def test_lazy_linear():
    layer = nn.LazyLinear(3)
    assert repr(layer) == "LazyLinear(in_features=0, out_features=3, bias=True)"
    assert layer(torch.ones(2, 5)).shape == (2, 3)
    assert type(layer) is nn.Linear and layer.weight.shape == (3, 5) and type(layer.weight) is nn.Parameter


# ---------------------------------------------------------------- initializers


def test_initializers():
    w = torch.empty(40, 50)
    for fill, bound in (
        (nn.init.kaiming_uniform_, (6 / 50) ** 0.5),
        (nn.init.xavier_uniform_, (6 / 90) ** 0.5),
    ):
        assert fill(w) is w and 0.9 * bound < w.abs().max() <= bound
    for fill, std in ((nn.init.kaiming_normal_, (2 / 50) ** 0.5), (nn.init.xavier_normal_, (2 / 90) ** 0.5)):
        assert abs(fill(w).std() - std) < 0.1 * std
    assert torch.allclose(nn.init.orthogonal_(w) @ w.T, torch.eye(40), atol=1e-5)
    assert torch.equal(nn.init.eye_(torch.empty(2, 3)), torch.eye(2, 3))
    assert nn.init.constant_(torch.empty(2), 3).tolist() == [3, 3]
    assert nn.init.trunc_normal_(w, std=2.0, a=-1, b=1).abs().max() <= 1
    assert (nn.init.sparse_(w, 0.5) == 0).sum() == 20 * 50
    identity = nn.init.dirac_(torch.empty(3, 3, 3))
    x = torch.randn(1, 3, 5)
    assert torch.equal(F.conv1d(x, identity, padding=1), x)
    with pytest.raises(ValueError, match="Fan in and fan out can not be computed"):
        nn.init.xavier_normal_(torch.empty(3))
    with pytest.raises(ValueError, match="Unsupported nonlinearity"):
        nn.init.calculate_gain("foo")
    with pytest.warns(FutureWarning, match="nn.init.uniform"):
        nn.init.uniform(w)
    parameter = nn.Parameter(torch.empty(2, 2))
    assert nn.init.ones_(parameter).requires_grad and parameter.grad_fn is None


# ---------------------------------------------------------------- functions


def test_subgradients_at_kinks():
    cases = {
        F.relu6: ([0.0, 6.0], [0, 0]),
        F.hardtanh: ([-1.0, 1.0], [0, 0]),
        F.leaky_relu: ([0.0], [0.01]),
        F.elu: ([0.0], [1]),
        F.hardswish: ([-3.0, 3.0], [0, 1]),
        F.hardsigmoid: ([-3.0, 3.0], [0, 0]),
        F.softshrink: ([-0.5, 0.5], [0, 0]),
        F.hardshrink: ([-0.5, 0.5], [0, 0]),
    }
    for function, (values, expected) in cases.items():
        x = torch.tensor(values, requires_grad=True)
        function(x).sum().backward()
        assert x.grad.tolist() == pytest.approx(expected), function.__name__


def test_large_inputs_do_not_overflow():
    x = torch.tensor([-1000.0, 1000.0], requires_grad=True)
    for function in (F.softplus, F.logsigmoid, F.mish, F.silu, F.elu, F.selu, F.gelu):
        y = function(x)
        assert y.isfinite().all(), function.__name__
        (grad,) = torch.autograd.grad(y.sum(), x)
        assert grad.isfinite().all(), function.__name__
    loss = F.binary_cross_entropy_with_logits(x, torch.tensor([0.0, 1.0]))
    assert loss == 0
    assert F.cross_entropy(torch.tensor([[1000.0, -1000.0]]), torch.tensor([0])) == 0


def test_in_place_activations():
    for name in ("relu", "leaky_relu", "elu", "selu", "celu", "hardtanh", "silu", "mish", "hardswish"):
        x = torch.randn(5, dtype=torch.float64, requires_grad=True)
        y = x.clone()
        assert getattr(F, name)(y, inplace=True) is y
        y.sum().backward()
        expected = torch.autograd.grad(getattr(F, name)(x).sum(), x)[0]
        assert torch.allclose(x.grad, expected), name


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_cross_entropy_of_classes_is_that_of_their_probabilities(reduction):
    x = torch.randn(4, 3, 2, dtype=torch.float64)
    target = torch.randint(3, (4, 2))
    weight = torch.rand(3, dtype=torch.float64)
    soft = F.one_hot(target, 3).movedim(-1, 1).to(torch.float64)
    for smoothing in (0.0, 0.3):
        found = F.cross_entropy(x, target, label_smoothing=smoothing, reduction=reduction)
        assert torch.allclose(found, F.cross_entropy(x, soft, label_smoothing=smoothing, reduction=reduction))
    if reduction != "mean":  # whose divisors differ
        found = F.cross_entropy(x, target, weight, reduction=reduction)
        assert torch.allclose(found, F.cross_entropy(x, soft, weight, reduction=reduction))


def test_ignored_targets():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(x, torch.tensor([1, -100, 2]))
    assert torch.allclose(loss, F.cross_entropy(x[[0, 2]], torch.tensor([1, 2])))
    loss.backward()
    assert (x.grad[1] == 0).all()
    assert F.cross_entropy(x, torch.tensor([-100] * 3)).isnan()
    with pytest.raises(IndexError, match="Target 4 is out of bounds"):
        F.cross_entropy(x, torch.tensor([0, 1, 4]))


@pytest.mark.parametrize(
    "loss",
    [
        lambda x, y: F.kl_div(x.log_softmax(1), y.softmax(1), reduction="batchmean"),
        lambda x, y: F.cosine_embedding_loss(x, y, torch.tensor([1, -1, 1]), margin=0.1),
        lambda x, y: F.triplet_margin_loss(x, y, x * y, swap=True),
        lambda x, y: F.gaussian_nll_loss(x, y, y.square() + 0.1, full=True),
        lambda x, y: F.poisson_nll_loss(x, y.abs() + 2, full=True),
        lambda x, y: F.margin_ranking_loss(x, y, torch.ones(3, 4), margin=0.3),
        lambda x, y: F.hinge_embedding_loss(x, torch.ones(3, 4) * torch.tensor([1, -1, 1, -1]), margin=0.3),
        lambda x, y: F.multilabel_soft_margin_loss(x, y.sigmoid()),
        lambda x, y: F.multilabel_margin_loss(x, torch.tensor([[1, 0, -1, 2], [3, -1, 0, 0], [0, 1, 2, -1]])),
        lambda x, y: F.cross_entropy(x, y.softmax(1), label_smoothing=0.1),
        lambda x, y: F.cosine_similarity(x, y),
        lambda x, y: F.pairwise_distance(x, y, p=3),
        lambda x, y: F.normalize(x, p=3.0),
        lambda x, y: F.bilinear(x, y, (x.T @ y)[None]),
        lambda x, y: F.rms_norm(x, (4,), y[0]),
        lambda x, y: F.scaled_dot_product_attention(x[None], y[None], x[None], is_causal=True),
        lambda x, y: F.local_response_norm(x[None], 3),
        lambda x, y: F.embedding_bag(torch.tensor([[0, 1], [2, 0]]), x, mode="max"),
        lambda x, y: F.lp_pool1d(x.abs()[None], 3, 2),
        lambda x, y: F.instance_norm(x[None], weight=y[0, :3], bias=y[1, :3]),
    ],
)
def test_composites_have_derivatives(loss):
    rng = np.random.default_rng(1)
    x, y = (torch.from_numpy(rng.uniform(-1.5, 1.5, (3, 4))).requires_grad_() for _ in range(2))
    gradcheck(loss, (x, y))
    gradgradcheck(loss, (x, y))


def test_dropout():
    x = torch.ones(1000)
    y = F.dropout(x, 0.25)
    assert set(y.tolist()) == {0.0, float(np.float32(1 / 0.75))} and 650 < (y > 0).sum() < 850
    assert F.dropout(x, 0.25, training=False) is x and F.dropout(x, 0.0) is x
    assert (F.dropout(x, 1.0) == 0).all()
    channels = F.dropout2d(torch.ones(10, 10, 3, 3), 0.5).flatten(2)
    assert (channels.amax(2) == channels.amin(2)).all()
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1"):
        F.dropout(x, 1.5)
    module = nn.Dropout(0.9)
    assert module.eval()(x) is x
    z = torch.randn(100_000)
    assert abs(F.alpha_dropout(z, 0.2, training=True).std() - 1) < 0.02


def test_batch_norm_moves_its_statistics():
    layer = nn.BatchNorm1d(2, momentum=0.5)
    x = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert torch.allclose(layer(x), torch.tensor([[-1.0, -1.0], [1.0, 1.0]]), atol=1e-4)
    assert layer.running_mean.tolist() == [1, 2] and torch.allclose(layer.running_var, torch.tensor([1.5, 4.5]))
    assert layer.num_batches_tracked == 1
    layer.eval()
    expected = (x - layer.running_mean) / (layer.running_var + 1e-5).sqrt()
    assert torch.allclose(layer(x), expected)
    average = nn.BatchNorm1d(2, momentum=None)
    average(x)
    average(x + 2)
    assert average.running_mean.tolist() == [3, 5]
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        layer.train()(x[:1])
    with pytest.raises(ValueError, match=r"expected 2D or 3D input \(got 4D input\)"):
        layer(torch.ones(1, 2, 3, 4))


def test_embedding_options():
    weight = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    index = torch.tensor([[1, 2], [1, 0]])
    F.embedding(index, weight, padding_idx=2).sum().backward()
    assert weight.grad[:, 0].tolist() == [1, 2, 0, 0]
    weight.grad = None
    F.embedding(index, weight, scale_grad_by_freq=True).sum().backward()
    assert weight.grad[:, 0].tolist() == [1, 1, 1, 0]
    layer = nn.Embedding(4, 3, padding_idx=-1, max_norm=1.0)
    assert layer.padding_idx == 3 and (layer.weight[3] == 0).all()
    layer.weight.data.fill_(2.0)
    assert torch.allclose(layer(index).norm(dim=-1), torch.ones(2, 2)) and (layer.weight[3] == 2).all()
    with pytest.raises(IndexError, match="index out of range in self"):
        layer(torch.tensor([4]))


def test_embedding_bag():
    table = torch.arange(8.0).reshape(4, 2)
    flat = torch.tensor([0, 1, 2, 3, 1])
    offsets = torch.tensor([0, 2, 2])
    assert F.embedding_bag(flat, table, offsets, mode="sum").tolist() == [[2, 4], [0, 0], [12, 15]]
    assert F.embedding_bag(flat, table, offsets).tolist() == [[1, 2], [0, 0], [4, 5]]
    assert F.embedding_bag(flat, table, offsets, mode="max").tolist() == [[2, 3], [0, 0], [6, 7]]
    assert F.embedding_bag(flat[None], table, mode="sum", padding_idx=1).tolist() == [[10, 13]]
    scaled = F.embedding_bag(flat[:2][None], table, mode="sum", per_sample_weights=torch.tensor([[1.0, 2.0]]))
    assert scaled.tolist() == [[4, 7]]


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("settings", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 2}])
def test_conv_transpose_is_the_transpose(n, settings):
    """<conv(x), y> = <x, conv_transpose(y)>, with one set of weights."""
    torch.manual_seed(1)
    groups = settings.get("groups", 1)
    x = torch.randn(2, 4, *[5] * n, dtype=torch.float64)
    w = torch.randn(6, 4 // groups, *[3] * n, dtype=torch.float64)
    y = getattr(F, f"conv{n}d")(x, w, **settings)
    z = torch.randn(y.shape, dtype=torch.float64)
    back = getattr(F, f"conv_transpose{n}d")(z, w, **settings)
    assert back.shape == x.shape
    assert torch.allclose((y * z).sum(), (x * back).sum())


def test_conv_padding_names():
    x, w = torch.randn(1, 2, 7, 8), torch.randn(3, 2, 3, 4)
    same = F.conv2d(x, w, padding="same")
    assert same.shape == (1, 3, 7, 8)
    assert torch.allclose(same, F.conv2d(F.pad(x, (1, 2, 1, 1)), w))
    assert torch.equal(F.conv2d(x, w, padding="valid"), F.conv2d(x, w))
    layer = nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect")
    expected = F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), layer.weight, layer.bias)
    assert torch.equal(layer(x), expected)
    assert torch.allclose(F.conv2d(x[0], w), F.conv2d(x, w)[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.conv2d(x, torch.ones(2, 2, 3, 3)), "to have 2 channels, but got 3 channels instead"),
        (lambda x: F.conv2d(x, torch.ones(2, 3, 5, 5)), "Kernel size can't be greater than actual input size"),
        (
            lambda x: F.conv2d(x, torch.ones(2, 3, 3, 3), torch.ones(3)),
            "expected bias to be 1-dimensional with 2 elements",
        ),
        (lambda x: F.conv2d(x, torch.ones(2, 3, 3, 3), stride=0), "non-positive stride is not supported"),
        (lambda x: F.conv2d(x, torch.ones(2, 3, 3, 3), padding=-1), "negative padding is not supported"),
        (lambda x: F.conv2d(x, torch.ones(2, 3, 3, 3).double()), "expected scalar type Float but found Double"),
        (lambda x: F.max_pool2d(x, 5), "Output size is too small"),
        (lambda x: F.max_pool2d(x, 2, padding=2), "pad should be at most half of effective kernel size"),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=0), "divisor must be not zero"),
        (lambda x: F.pad(x, (1,)), "Padding length must be divisible by 2"),
        (lambda x: F.layer_norm(x, (3,)), r"expected input with shape \[\*, 3\]"),
        (lambda x: F.linear(x[0, 0], torch.ones(2, 3)), r"mat1 and mat2 shapes cannot be multiplied \(4x4 and 3x2\)"),
        (lambda x: x[0] @ torch.ones(3, 2).double(), r"mat1 and mat2 shapes cannot be multiplied \(12x4 and 3x2\)"),
        (
            lambda x: F.linear(x[0, 0].byte(), torch.ones(2, 3), torch.ones(2)),
            "mat1 and mat2 must have the same dtype, but got Byte and Float",
        ),
        (lambda x: F.pixel_shuffle(x, 2), "is not divisible by 4"),
    ],
)
def test_shapes_that_do_not_fit(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(torch.ones(1, 3, 4, 4))


def test_pooling_indices_and_back():
    x = torch.randn(1, 2, 4, 6)
    values, indices = F.max_pool2d(x, 2, return_indices=True)
    assert torch.equal(x.flatten(2).gather(2, indices.flatten(2)).view_as(values), values)
    back = F.max_unpool2d(values, indices, 2)
    assert torch.equal(F.max_pool2d(back.abs(), 2), values.abs()) and (back != 0).sum() == values.numel()
    nan = torch.tensor([[[1.0, float("nan"), 3.0]]])
    assert F.max_pool1d(nan, 3).isnan().all()
    assert F.adaptive_max_pool1d(torch.arange(5.0)[None], 2).tolist() == [[2, 4]]
    assert F.adaptive_avg_pool1d(torch.arange(5.0)[None], 2).tolist() == [[1, 3]]
    assert F.adaptive_avg_pool2d(x, (None, 1)).shape == (1, 2, 4, 1)


def test_unfold_and_fold():
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    columns = F.unfold(x, (2, 3), padding=1, stride=2)
    w = torch.randn(4, 3, 2, 3, dtype=torch.float64)
    product = (w.flatten(1) @ columns).view(2, 4, 3, 3)
    assert torch.allclose(product, F.conv2d(x, w, padding=1, stride=2))
    counts = F.fold(F.unfold(torch.ones_like(x), 2), (5, 6), 2)
    assert torch.allclose(F.fold(F.unfold(x, 2), (5, 6), 2), counts * x)


def test_attention():
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 4, 3, 5, dtype=torch.float64) for _ in range(3))
    expected = ((q @ k.mT) / 5**0.5).softmax(-1) @ v
    assert torch.allclose(F.scaled_dot_product_attention(q, k, v), expected)
    mask = torch.ones(3, 3, dtype=torch.bool).tril()
    causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.allclose(causal, F.scaled_dot_product_attention(q, k, v, mask))
    assert torch.allclose(causal[..., 0, :], v[..., 0, :])
    assert (F.scaled_dot_product_attention(q, k, v, torch.zeros(3, 3, dtype=torch.bool)) == 0).all()


def test_half_types_compute_in_float32():
    x = torch.randn(2, 3, 8, 8)
    w = torch.randn(4, 3, 3, 3)
    for function in (
        lambda x, w: F.conv2d(x, w),
        lambda x, w: F.layer_norm(x, (8,)),
        lambda x, w: F.avg_pool2d(x, 2),
        lambda x, w: F.gelu(x),
    ):
        expected = function(x, w)
        for dtype, tolerance in ((torch.float16, 2e-2), (torch.bfloat16, 2e-1)):
            found = function(x.to(dtype), w.to(dtype))
            assert found.dtype is dtype
            assert torch.allclose(found.float(), expected, atol=tolerance, rtol=tolerance)


# ---------------------------------------------------------------- utils


def test_clip_gradients():
    parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    assert nn.utils.clip_grad_norm_(parameters, 1.0) == 5
    assert torch.allclose(parameters[0].grad, torch.tensor([0.6, 0.0]), atol=1e-5)
    nn.utils.clip_grad_value_(parameters, 0.5)
    assert parameters[1].grad.tolist() == [0.5]
    parameters[0].grad[0] = float("inf")
    with pytest.raises(RuntimeError, match="is non-finite, so it cannot be clipped"):
        nn.utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)


def test_parameters_to_vector():
    model = network()
    vector = nn.utils.parameters_to_vector(model.parameters())
    assert vector.shape == (13,)
    nn.utils.vector_to_parameters(torch.arange(13.0), model.parameters())
    assert model[0].weight.flatten().tolist() == [0, 1, 2, 3, 4, 5] and model[2].bias.tolist() == [12]


def test_functional_call_replaces_parameters():
    from chainrule.func import functional_call

    model = network()
    given = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    assert functional_call(model, given, torch.ones(1, 2)).tolist() == [[0]]
    assert model(torch.ones(1, 2)) != 0
