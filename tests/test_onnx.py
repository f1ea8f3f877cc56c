"""torch.onnx.export: the files compute what the models compute, also on other sizes; what cannot be exported says why."""

import io
import warnings

import numpy as np
import pytest

import chainrule as torch
from chainrule import nn
from chainrule.nn import functional as F

onnx = pytest.importorskip("onnx")
R = torch.randn


def run(program, *args):
    """The outputs by onnxruntime where there is one, else by onnx's reference implementation."""
    try:
        import onnxruntime  # noqa: F401
    except ModuleNotFoundError:
        return program.call_reference(*args)
    return program(*args)


def check(model, *args, others=(), tolerance=2e-5, **settings):
    """Exports the model and compares its outputs on the example, and on `others`, with the file's."""
    if isinstance(model, nn.Module):
        model.eval()
    program = torch.onnx.export(model, args, **settings)
    onnx.checker.check_model(program.model_proto, full_check=True)
    for inputs in (args, *others):
        with torch.no_grad():
            wanted = model(*inputs)
        wanted = wanted if isinstance(wanted, (tuple, list)) else (wanted,)
        found = run(program, *inputs)
        assert len(found) == len(wanted)
        for w, f in zip(wanted, found, strict=True):
            assert (w.shape, w.dtype) == (f.shape, f.dtype)
            np.testing.assert_allclose(w.detach().numpy(), f.numpy(), rtol=tolerance, atol=tolerance)
    return program


def operators(program):
    return [node.op_type for node in program.model_proto.graph.node]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


# ---------------------------------------------------------------- operations

UNARY = [
    "abs",
    "acos",
    "asin",
    "atan",
    "ceil",
    "cos",
    "cosh",
    "exp",
    "floor",
    "log",
    "neg",
    "reciprocal",
    "relu",
    "round",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    "frac",
    "rsqrt",
    "log2",
    "log10",
    "log1p",
    "exp2",
    "expm1",
    "erf",
    "erfc",
    "deg2rad",
    "rad2deg",
    "isnan",
    "isinf",
    "isfinite",
    "square",
    "logit",
    "nan_to_num",
    "asinh",
    "atanh",
    "signbit",
    "sgn",
]


def test_functions_of_one_tensor():
    check(lambda x: [getattr(torch, name)(x) for name in UNARY], torch.rand(3, 4) * 0.8 + 0.1)
    check(torch.acosh, torch.rand(3) + 1.1)
    special = torch.tensor([float("nan"), float("inf"), float("-inf"), -0.5, 2.5])
    check(
        lambda x: (x.isnan(), x.isinf(), x.isfinite(), x.nan_to_num(1.0, 2.0, 3.0), x.trunc(), x.round()),
        special,
    )


BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "remainder",
    "fmod",
    "maximum",
    "minimum",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "logical_and",
    "logical_or",
    "logical_xor",
    "floor_divide",
]
INTEGERS = torch.tensor([-7, 7, 5, -5, 0]), torch.tensor([2, -2, 5, 3, 3])


@pytest.mark.parametrize(
    "dtypes", [(torch.int64, torch.int64), (torch.int64, torch.float32), (torch.float64, torch.float32)]
)
def test_functions_of_two_tensors(dtypes):
    x, y = (t.to(dtype) for t, dtype in zip(INTEGERS, dtypes, strict=True))
    check(lambda x, y: [getattr(torch, name)(x, y) for name in BINARY], x, y)
    if dtypes[1] is torch.float32:
        check(lambda x, y: (torch.atan2(x, y), torch.hypot(x, y), torch.pow(x.abs() + 1, y)), x.float(), y)


def test_numbers():
    def floats(x):
        return (
            x + 1, 2 - x, x * 2.5, x / 3, 3 / x, x**2, x**0.5, 2**x, x // 2, x % 3, x > 0, x == 1, -x,
            torch.add(x, x, alpha=2), torch.sub(x, x, alpha=3), torch.rsub(x, x, alpha=0.5),
            torch.div(x, 2, rounding_mode="trunc"),
        )  # fmt: skip

    def integers(x):
        return x + 1, 2 - x, x * 2.5, x / 3, x**2, x // 2, x % 3, x > 0, -x, x & 3, x | 4, x ^ 1, ~x, x.float().mean()

    check(floats, torch.rand(3, 4) + 0.5)
    check(integers, torch.arange(6) - 3)
    check(lambda x: (x & ~x, x | x, x ^ x, x + x, x * x), torch.tensor([True, False]))
    half = torch.tensor([0.001, 0.3], dtype=torch.float16)  # beside which a number may be larger than any of its kind
    check(lambda x: (x * 70000, x / 1e5, x * torch.tensor(70000), x + 1, x * x), half)


ACTIVATIONS = [
    "relu",
    "relu6",
    "elu",
    "selu",
    "celu",
    "leaky_relu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "softsign",
    "tanh",
    "sigmoid",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "logsigmoid",
    "softshrink",
    "hardshrink",
    "tanhshrink",
    "glu",
]


def test_activations():
    check(lambda x: [getattr(F, name)(x) for name in ACTIVATIONS], R(3, 4) * 3)
    x = R(2, 3, 4) * 30
    check(lambda x: (F.threshold(x, 0.1, 20.0), F.gelu(x, approximate="tanh"), F.softplus(x, 2, 10)), x)
    check(lambda x: (x.softmax(-1), x.log_softmax(1), x.softmax(0)), R(3, 4))
    check(nn.PReLU(3), x)


REDUCTIONS = [
    "sum",
    "mean",
    "prod",
    "amax",
    "amin",
    "std",
    "var",
    "norm",
    "all",
    "any",
    "argmax",
    "argmin",
    "max",
    "min",
]


@pytest.mark.parametrize("settings", [{}, {"dim": 1}, {"dim": -1, "keepdim": True}, {"dim": 0}])
def test_reductions(settings):
    def reduced(x):
        results = [getattr(x, name)(**settings) for name in REDUCTIONS]
        return [part for r in results for part in (r if isinstance(r, tuple) else (r,))]

    check(reduced, torch.rand(3, 4) + 0.1)


def test_more_reductions():
    x = R(3, 4)
    check(lambda x: (x.logsumexp(1), *torch.std_mean(x, dim=1), *torch.var_mean(x, dim=0), x.aminmax(dim=1)[0]), x)
    check(
        lambda x: (
            x.count_nonzero(),
            x.nansum(),
            torch.var(x, unbiased=False),
            x.norm(1),
            x.norm(3.0),
            x.norm(float("inf")),
        ),
        x,
    )
    check(
        lambda x: (x.sum(), x.bool().sum(), x.prod(), x.cumsum(0), x.sum(dtype=torch.float64)),
        torch.arange(5, dtype=torch.int32),
    )
    check(lambda x: (x.sum(), x.amax(()), x.mean()), torch.tensor(2.5))


SHAPES = {
    "view": lambda x: (x.view(2, -1), x.flatten(1, 2), x.reshape(-1), x.unflatten(1, (3, 1))),
    "permute": lambda x: (x.permute(0, 2, 3, 1), x.transpose(1, 2), x.mT, x.movedim(1, -1), x[0, 0].t()),
    "squeeze": lambda x: (x.unsqueeze(1), x[:1].squeeze(), x[:1].squeeze(0), x.squeeze()),
    "join": lambda x: (torch.cat([x, x], 1), torch.stack([x, x], -1), torch.hstack([x, x])),
    "split": lambda x: (*x.split(3, 2), *x.chunk(3, -1), *x.unbind(1), *x.split([1, 2], 1)),
    "slice": lambda x: (x[1], x[:, 1:], x[..., ::2], x[:, -1], x[0, 1, 2, 3], x[:, None], x.narrow(2, 1, 3)),
    "index": lambda x: (
        x[:, [0, 2]], x[:, :, [0, 1], [2, 3]], x[[0, 1], :, [1, 2]], x[torch.tensor([[0, 1], [1, 0]])], x[:, [[0], [-1]], [0, 1]],
        x.index_select(1, torch.tensor([2, 0])), x.gather(1, torch.zeros(2, 2, 3, 3, dtype=torch.long)), x.take(torch.tensor([5])),
    ),
    "expand": lambda x: (x[:, :1].expand(2, 5, 8, 8), x.repeat(1, 2, 1, 1), x.repeat(2, 1, 1, 1, 1), x.repeat_interleave(2, 1)),
    "flip": lambda x: (x.flip([1, 3]), x.roll(1, 2), x.roll((1, -2), (0, 3)), x.roll(5)),
    "triangle": lambda x: (x.tril(), x.triu(1), (x > 0).tril(), x.diagonal(0, 2, 3), x[0, 0].diag(), x[0].diag_embed()),
    "windows": lambda x: (x.unfold(2, 3, 2), F.unfold(x, 2, padding=1), F.pad(x, (1, 2, 3, 0)), F.pad(x, (-1, 2), value=1.5)),
    "where": lambda x: (torch.where(x > 0, x, 0.0), torch.where(x > 0, 1, 0), x.masked_fill(x < 0, -1e9)),
    "clamp": lambda x: (x.clamp(-0.5, 0.5), x.clamp(min=0), x.clamp(max=torch.tensor(0.3))),
    "sort": lambda x: (*x.sort(-1), *x.topk(3, -1), x.argsort(1, descending=True)),
    "einsum": lambda x: (torch.einsum("bchw,bdhw->bcd", x, x), torch.einsum("bchw->bhc", x), torch.einsum("bchw,hk->bckw", x, torch.ones(8, 2))),
    "like": lambda x: (torch.zeros_like(x), torch.full_like(x, 2), x.new_ones(2), torch.ones_like(x, dtype=torch.int64)),
    "cast": lambda x: (x.double(), x.half(), x.long(), x.bool(), x.to(torch.int32), x.clone(), x.detach(), x.data),
    "constants": lambda x: (x + torch.arange(8)[:, None], torch.linspace(0, 1, 8) * x, torch.ones(2)),
    "products": lambda x: (
        x @ x, x @ x[0, 0], x[0, 0] @ x, x[0, 0] @ x[0, 0, 0], x[0, 0, 0] @ x[0, 0, 0], torch.bmm(x[0], x[1]),
        torch.addmm(x[0, 0], x[0, 1], x[0, 2], alpha=2, beta=0.5), torch.baddbmm(x[0], x[0], x[1], beta=0.5),
        torch.outer(x[0, 0, 0], x[0, 0, 1]), torch.addmv(x[0, 0, 0], x[0, 0], x[0, 0, 1]),
    ),
    "scatter": lambda x: (
        x.scatter(1, torch.zeros(2, 1, 8, 8, dtype=torch.long), x), x.scatter(1, torch.ones(2, 1, 8, 8, dtype=torch.long), 3.0),
        x.scatter_add(1, torch.zeros(2, 3, 8, 8, dtype=torch.long), x), x.index_add(1, torch.tensor([1, 1]), x[:, :2], alpha=2),
        x.index_copy(1, torch.tensor([2, 1]), x[:, :2]), x.index_fill(3, torch.tensor([2, 1]), 7.0),
    ),
    "blends": lambda x: (torch.lerp(x, x * 2, 0.3), torch.addcmul(x, x, x, value=2), torch.addcdiv(x, x, x.abs() + 1)),
    "attention": lambda x: (F.scaled_dot_product_attention(x, x, x), F.scaled_dot_product_attention(x, x, x, is_causal=True)),
    "same": lambda x: (x, x, F.normalize(x, dim=1)),
    "grid": lambda x: F.grid_sample(x, x[:, :2].permute(0, 2, 3, 1), align_corners=False),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    check(SHAPES[name], R(2, 3, 8, 8))


IMAGES, SERIES, ROWS = (2, 3, 8, 8), (2, 3, 9), (3, 4)
MODULES = [
    (nn.Linear(4, 5), ROWS), (nn.Linear(4, 5, bias=False), ROWS), (nn.Linear(4, 5), (2, 3, 4)), (nn.Conv1d(3, 4, 3), SERIES),
    (nn.Conv2d(3, 4, 3, stride=2, padding=1), IMAGES), (nn.Conv2d(3, 4, 3), (3, 8, 8)), (nn.Conv3d(2, 3, 2), (1, 2, 4, 5, 6)),
    (nn.Conv2d(3, 6, 3, padding="same", groups=3, dilation=2, bias=False), IMAGES),
    (nn.Conv2d(3, 6, 3, padding=1, padding_mode="reflect"), IMAGES), (nn.Conv2d(3, 6, 3, padding=1, padding_mode="circular"), IMAGES),
    (nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), IMAGES), (nn.ConvTranspose1d(3, 4, 4, stride=2), SERIES),
    (nn.BatchNorm2d(3), IMAGES), (nn.BatchNorm1d(4), ROWS), (nn.BatchNorm2d(3, affine=False), IMAGES),
    (nn.BatchNorm2d(3, track_running_stats=False), IMAGES), (nn.LayerNorm(4), ROWS), (nn.LayerNorm([8, 8]), IMAGES),
    (nn.LayerNorm(4, elementwise_affine=False), ROWS), (nn.GroupNorm(3, 6), (2, 6, 5, 5)), (nn.InstanceNorm2d(3, affine=True), IMAGES),
    (nn.RMSNorm(4), ROWS), (nn.LocalResponseNorm(2), IMAGES), (nn.MaxPool2d(2), IMAGES), (nn.MaxPool2d(3, 2, 1), IMAGES),
    (nn.MaxPool2d(3, 2, ceil_mode=True), IMAGES), (nn.MaxPool1d(2), SERIES), (nn.MaxPool3d(2), (1, 2, 4, 4, 4)),
    (nn.AvgPool2d(2), IMAGES), (nn.AvgPool2d(3, 2, 1), IMAGES), (nn.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGES),
    (nn.AvgPool2d(3, 2, ceil_mode=True), IMAGES), (nn.AvgPool2d(2, divisor_override=3), IMAGES), (nn.AvgPool1d(3), SERIES),
    (nn.AdaptiveAvgPool2d(1), IMAGES), (nn.AdaptiveAvgPool2d(4), IMAGES), (nn.AdaptiveAvgPool2d((3, 5)), IMAGES),
    (nn.AdaptiveAvgPool1d(1), SERIES), (nn.AdaptiveMaxPool2d(2), IMAGES), (nn.AdaptiveMaxPool2d(1), IMAGES),
    (nn.LPPool2d(2, 2), IMAGES), (nn.Flatten(), IMAGES), (nn.Dropout(), ROWS), (nn.Upsample(scale_factor=2), IMAGES),
    (nn.Upsample(scale_factor=2, mode="bilinear"), IMAGES), (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), IMAGES),
    (nn.Upsample(size=5, mode="bilinear"), IMAGES), (nn.Upsample(size=11, mode="bicubic"), IMAGES),
    (nn.Upsample(scale_factor=1.7, mode="bilinear"), IMAGES), (nn.Upsample(size=5), IMAGES), (nn.PixelShuffle(2), (2, 12, 3, 3)),
    (nn.PixelUnshuffle(2), IMAGES), (nn.ChannelShuffle(3), (2, 6, 3, 3)), (nn.ConstantPad2d((1, -1, 2, 0), 3.5), IMAGES),
    (nn.ReflectionPad2d(2), IMAGES), (nn.ReplicationPad2d((1, 2, 0, 1)), IMAGES), (nn.CircularPad2d((1, 2, 0, 1)), IMAGES),
]  # fmt: skip


@pytest.mark.parametrize(
    ("module", "shape"), MODULES, ids=lambda v: v.__class__.__name__ if isinstance(v, nn.Module) else ""
)
def test_modules(module, shape):
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand(buffer.shape) + 0.5)
    check(module, R(shape))


def test_modules_of_indices_and_of_pairs():
    check(nn.Embedding(10, 4), torch.tensor([[1, 2], [9, 0]]))
    check(nn.EmbeddingBag(10, 4), torch.tensor([[1, 2], [9, 0]]))
    check(nn.CosineSimilarity(), R(3, 4), R(3, 4))
    check(nn.Bilinear(4, 4, 3), R(3, 4), R(3, 4))


def test_operators_are_those_one_expects():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(36, 2)
    )
    program = check(model, R(1, 1, 8, 8))
    assert operators(program) == ["Conv", "BatchNormalization", "Relu", "MaxPool", "Reshape", "Gemm"]
    names = {constant.name for constant in program.model_proto.graph.initializer}
    assert {name for name, _ in model.named_parameters()} <= names and "1.running_mean" in names
    assert operators(check(nn.LayerNorm(4), R(2, 4))) == ["LayerNormalization"]
    assert operators(check(nn.Upsample(scale_factor=2, mode="bilinear"), R(1, 2, 4, 4))) == ["Resize"]


# ---------------------------------------------------------------- writes


def test_writes_in_place():
    def whole(x):
        y = x * 2
        y.add_(1)
        y.relu_()
        y *= 3
        return y

    def views(x):
        out = torch.zeros(2, 5)
        out[:, 1] = x[:, 0]
        out[0] = 7.0
        out[:, 2:4] = x[:, :2]
        out[1, ::2] += x[0]
        return out

    def other_views_follow(x):
        y = x.clone()
        v = y[0]
        y.mul_(2)
        v.add_(1)
        w = y.t()
        w[1] = 0
        y.view(-1)[2:4].neg_()
        a, b = y.split(1)
        b.mul_(a.detach())
        y.diagonal().fill_(9)
        return y, v, w

    def shared_memory(x):
        y = x.clone()
        d = y.detach()
        d.add_(1)
        y.data.mul_(2)
        torch.mul(y, 2, out=d)
        return y, d

    def indexed(x):
        y = x.clone()
        y[[0, 1], [1, 2]] = 5.0
        y[:, [0, 2]] = x[:, :2]
        y[torch.tensor([0, 1])] += 1
        y.clamp_(0, 1).masked_fill_(y > 0.5, 2)
        return y

    def masked(x):
        y = x.clone()
        y[y > 0.5] = 0
        y[:, y[0] < 0] = x.max()
        y[y[:, 0] < 0] = 7.0
        return y

    for function in (whole, views, other_views_follow, shared_memory, indexed, masked):
        check(function, R(2, 3))
    check(masked, R(2, 3), others=[(R(4, 3),)], dynamic_shapes={"x": {0: "n"}})


def test_the_model_is_as_it_was():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout())
    state = {name: x.clone() for name, x in model.state_dict().items()}
    generator = torch.get_rng_state()
    torch.onnx.export(model, R(2, 3), io.BytesIO(), dynamo=False)
    torch.set_rng_state(generator)
    assert model.training and model[1].training
    with (
        pytest.warns(UserWarning, match="in training mode"),
        pytest.raises(torch.onnx.OnnxExporterError, match="random numbers"),
    ):
        torch.onnx.export(model, R(2, 3))
    assert all(torch.equal(x, state[name]) for name, x in model.state_dict().items())
    assert not torch.onnx.is_in_onnx_export()


# ---------------------------------------------------------------- dynamic axes


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3)
        self.b, self.f = nn.BatchNorm2d(16), nn.Linear(16 * 6 * 6, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c1(x)), 2)
        x = F.relu(self.b(self.c2(x)))
        return F.log_softmax(self.f(x.view(x.size(0), -1)), dim=1)


class Pyramid(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.up, self.g = (
            nn.Conv2d(3, 8, 3, padding=1, stride=2),
            nn.Upsample(scale_factor=2),
            nn.GroupNorm(2, 8),
        )
        self.o, self.p, self.l = nn.Conv2d(8, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Linear(8, 4)

    def forward(self, x):
        y = self.up(F.gelu(self.g(self.c(x))))
        return self.o(y), self.l(torch.flatten(self.p(y), 1)), y.mean((2, 3))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.p, self.n = nn.Embedding(20, 16), nn.Parameter(R(1, 32, 16)), nn.LayerNorm(16)
        self.qkv, self.o, self.h = nn.Linear(16, 48), nn.Linear(16, 16), nn.Linear(16, 20)

    def forward(self, tokens):
        b, t = tokens.size()
        x = self.e(tokens) + self.p[:, :t]
        q, k, v = [part.view(b, t, 4, 4).transpose(1, 2) for part in self.qkv(self.n(x)).chunk(3, -1)]
        scores = q @ k.transpose(-2, -1) / 4**0.5
        mask = torch.tril(torch.ones(t, t)).view(1, 1, t, t)
        weights = scores.masked_fill(mask == 0, float("-inf")).softmax(-1)
        x = x + self.o((weights @ v).transpose(1, 2).contiguous().view(b, t, 16))
        places = torch.arange(t - 1, -1, -1) * 2
        return (
            self.h(x)[:, -1],
            x + places[:, None],
            x.mean(1),
            t * x,
            x.sum() / t,
            torch.cat([x, torch.zeros(b, 1, 16)], 1),
            x.flatten(0, 1),
        )


def test_dynamic_batches():
    check(Classifier(), R(1, 1, 16, 16), others=[(R(5, 1, 16, 16),)], dynamic_shapes={"x": {0: "batch"}})


def test_dynamic_images():
    others = [(R(2, 3, 16, 24),), (R(3, 3, 32, 16),)]
    program = check(Pyramid(), R(1, 3, 16, 20), others=others, dynamic_shapes={"x": {0: "batch", 2: "h", 3: "w"}})
    shape = program.model_proto.graph.input[0].type.tensor_type.shape
    assert [d.dim_param or d.dim_value for d in shape.dim] == ["batch", 3, "h", "w"]


def test_dynamic_sequences():
    tokens = torch.randint(0, 20, (4, 9))
    others = [(tokens[:1],), (tokens[:, :2],), (tokens[:3, :3],)]
    axes = {"tokens": {0: torch.export.Dim("batch"), 1: torch.export.Dim("time")}}
    check(Transformer(), tokens[:2, :5], others=others, dynamic_shapes=axes)


def test_axes_of_one_name_have_one_size():
    n = torch.export.Dim("n")
    both = {"x": {0: n}, "y": {0: n}}
    check(lambda x, y: x + y, R(2, 4), R(2, 4), others=[(R(5, 4), R(5, 4))], dynamic_shapes=both)
    check(lambda x, y: x @ y.t(), R(2, 4), R(2, 4), others=[(R(5, 4), R(7, 4))], dynamic_shapes=({0: "n"}, {0: "m"}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # without names the sizes turn out to be one
        check(lambda x, y: x + y, R(2, 4), R(2, 4), others=[(R(5, 4), R(5, 4))], dynamic_axes={"x": [0], "y": [0]})


class Hourglass(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 8, 3, padding=1), nn.ConvTranspose2d(8, 8, 2, stride=2)

    def forward(self, x):
        a = F.relu(self.down(x))
        b = self.up(F.max_pool2d(a, 2))
        missing = a.size(2) - b.size(2)
        return torch.cat([a, F.pad(b, [0, 0, missing // 2, missing - missing // 2])], 1)


def test_sizes_that_must_be_multiples():
    """Where an odd size would need other numbers than a size can give, even ones still do; and there is a warning."""
    with pytest.warns(UserWarning, match=r"are multiples of the example's. .*constant_pad_nd.*\n.*: F.pad"):
        check(Hourglass(), R(1, 3, 16, 8), others=[(R(2, 3, 48, 8),)], dynamic_shapes={"x": {0: "batch", 2: "h"}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the model itself refuses others
        halves = {"x": {0: "n"}}
        check(lambda x: x.view(2, -1).sum(0) * 2, R(4), others=[(R(8),)], dynamic_shapes=halves)


def test_axes_that_are_not_dynamic():
    with pytest.raises(torch.onnx.OnnxExporterError, match=r"sizes.*\n.*test_onnx.py:\d+: h \+ x\[t\]"):
        torch.onnx.export(unrolled, R(3, 2), dynamic_shapes={"x": {0: "time"}})
    with pytest.raises(
        torch.onnx.OnnxExporterError, match=r"does not run.*shape '\[2, 3\]' is invalid for input of size"
    ):
        torch.onnx.export(lambda x: x.view(2, 3) * 1, R(6), dynamic_shapes={"x": {0: "n"}})
    with pytest.raises(torch.onnx.OnnxExporterError, match=r"shape.*depends on the size of a dynamic axis"):
        torch.onnx.export(lambda x: F.unfold(x, 2), R(1, 1, 4, 4), dynamic_shapes={"x": {2: "h"}})
    with pytest.raises(ValueError, match="x has no axis 5"):
        torch.onnx.export(lambda x: x * 1, R(2), dynamic_axes={"x": [5]})


def unrolled(x):
    h = torch.zeros(2)
    for t in range(x.shape[0]):
        h = h + x[t]
    return h


# ---------------------------------------------------------------- what is refused


def test_unknown_operations_name_the_line():
    with pytest.raises(
        torch.onnx.OnnxExporterError,
        match=r"linalg_inv_ex has no translation.*\n.*test_onnx.py:\d+: torch.linalg.inv\(x\)",
    ):
        torch.onnx.export(lambda x: torch.linalg.inv(x), R(3, 3))
    program = check(lambda x: (torch.linalg.inv(x), x * 2)[1], R(3, 3))  # what no output needs does not matter
    assert operators(program) == ["Mul"]


def test_functions_and_transforms_are_seen_through():
    class Clamped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clamp(min=0)

    check(lambda x: Clamped.apply(x) * 2, R(3))
    check(torch.vmap(lambda row: (row * 2).sum()), R(3, 4))
    check(torch.func.grad(lambda x: (x**3).sum()), R(3))
    check(lambda x: torch.utils.checkpoint.checkpoint(torch.sin, x, use_reentrant=False), R(3))
    check(lambda x: F.mse_loss(x, x * 2) + F.mse_loss(x, x * 2, reduction="sum"), R(3))


def test_autocast_is_refused():
    with torch.autocast("cpu"), pytest.raises(torch.onnx.OnnxExporterError, match=r"torch.autocast"):
        torch.onnx.export(nn.Linear(2, 2).eval(), R(1, 2))


def test_what_depends_on_values_is_refused():
    def branch(x):
        return x * 2 if x.sum() > 0 else x + 1

    with pytest.raises(torch.onnx.OnnxExporterError, match=r"what the model does depends.*\n.*: x \* 2"):
        torch.onnx.export(branch, torch.tensor([1.0, -3.0, 2.5]))
    for function in (
        lambda x: x * x.max().item(),
        lambda x: x + torch.randn(3),
        lambda x: torch.from_numpy(x.numpy() * 2) + x,
        lambda x: x[x > 0],
    ):
        with pytest.raises(torch.onnx.OnnxExporterError, match=r"depends on the (sizes or the )?values of its inputs"):
            torch.onnx.export(function, torch.tensor([1.0, -3.0, 2.5]))
    with pytest.raises(torch.onnx.OnnxExporterError, match=r"bernoulli_float.*random numbers"):
        torch.onnx.export(lambda x: F.dropout(x), R(3))


def test_a_model_that_refuses_other_values_is_exported_with_a_warning():
    def picky(x):
        if x[0] != 1:
            raise ValueError("no")
        return x * 2

    with pytest.warns(UserWarning, match=r"refuses other values than the example's \(ValueError: no\)"):
        torch.onnx.export(picky, torch.tensor([1.0, 2.0]))


# ---------------------------------------------------------------- the call, the file


def test_names_and_arguments(tmp_path):
    class Model(nn.Module):
        def forward(self, x, pair, *, scale=None, flag=True):
            return {"a": x * scale if flag else x, "b": pair[0] + pair[1]["z"]}

    x = R(2)
    args, kwargs = (x, (x, {"z": x * 2})), {"scale": x * 3}
    program = torch.onnx.export(Model().eval(), args, kwargs=kwargs, output_names=["product", "sum"])
    assert [given.name for given in program.model_proto.graph.input] == ["x", "pair_0", "pair_1", "scale"]
    assert [given.name for given in program.model_proto.graph.output] == ["product", "sum"]
    found = program.call_reference(*args, **kwargs)
    assert torch.allclose(found[0], x * x * 3) and torch.equal(found[1], x * 3)
    path = tmp_path / "model.onnx"
    last_is_keywords = torch.onnx.export(
        Model().eval(), (*args, kwargs), path, input_names=["one", "two"], dynamo=False
    )
    assert last_is_keywords is None
    assert [given.name for given in onnx.load(path).graph.input] == ["one", "two", "pair_1", "scale"]


def test_files(tmp_path):
    model = nn.Linear(3, 2)
    path = tmp_path / "model.onnx"
    axes = {"input": {0: "batch"}, "output": {0: "batch"}}
    settings = {"export_params": True, "do_constant_folding": True, "dynamic_axes": axes}
    torch.onnx.export(
        model, R(1, 3), str(path), input_names=["input"], output_names=["output"], dynamo=False, **settings
    )
    loaded = onnx.load(path)
    onnx.checker.check_model(loaded, full_check=True)
    assert loaded.opset_import[0].version == 20 and loaded.producer_name == "chainrule"
    weight = next(c for c in loaded.graph.initializer if c.name == "weight")
    assert np.array_equal(onnx.numpy_helper.to_array(weight), model.weight.detach().numpy())
    assert [d.dim_param for d in loaded.graph.output[0].type.tensor_type.shape.dim] == ["batch", ""]
    program = torch.onnx.export(model.eval(), (R(1, 3),))
    buffer = io.BytesIO()
    program.save(buffer)
    assert buffer.getvalue() == program.model_proto.SerializeToString()
    program.save(path, external_data=True)
    assert (tmp_path / "model.onnx.data").exists()
    assert np.array_equal(
        onnx.numpy_helper.to_array(onnx.load(path).graph.initializer[0]), model.weight.detach().numpy()
    )
    program.save(path, include_initializers=False)
    bare = onnx.load(path)
    assert not bare.graph.initializer and [i.name for i in bare.graph.input] == ["input", "weight", "bias"]
    torch.onnx.export(nn.Sequential(model, nn.Flatten(0)).eval(), R(1, 3), path, keep_initializers_as_inputs=True)
    both = onnx.load(path).graph
    assert [i.name for i in both.input] == ["input", "0.weight", "0.bias"] and len(both.initializer) == 3
    assert "Gemm" in repr(program)


def test_opsets():
    model = nn.Sequential(nn.Linear(3, 2), nn.Softmax(-1)).eval()
    for opset in (15, 17, 18, 21):
        assert check(model, R(2, 3), opset_version=opset).model_proto.opset_import[0].version == opset
    with pytest.warns(UserWarning, match="stays in opset 18"):
        program = torch.onnx.export(nn.LayerNorm(3).eval(), R(2, 3), opset_version=11)
    assert program.model_proto.opset_import[0].version == 18


def test_exported_programs():
    exported = torch.export.export(nn.Linear(3, 2), (R(2, 3),))
    assert operators(torch.onnx.export(exported)) == ["Gemm"]


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match="pip install onnx"):
        torch.onnx.export(nn.Linear(2, 2), R(2))
    with pytest.raises(torch.onnx.OnnxExporterError, match="Module onnx is not installed!"):
        torch.onnx.export(nn.Linear(2, 2), R(2), dynamo=False)
