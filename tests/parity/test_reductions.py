"""Reductions, sorting, running sums and statistics against PyTorch: all dtypes, empty and 0-d inputs, ties, nans."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

import chainrule


def words(text: str) -> list[str]:
    return text.split()


CALLS = words("""
sum() sum(0) sum(-1,True) sum((0,1)) sum(()) sum(axis=0,keepdims=True) sum(dtype=torch.float64) mean() mean(1)
mean(()) prod() prod(0) prod(-1,True) nansum() nansum(0) nanmean() nanmean(-1,True) max() max(0) max(-1,True)
min() min(0) amax() amax(0) amax((0,-1),True) amin(-1) aminmax() aminmax(dim=0) argmax() argmax(0)
argmin(-1,True) argmax(keepdim=True) all() all(0) all(()) any() any(-1,keepdim=True) any(()) count_nonzero()
count_nonzero(0) count_nonzero((0,-1)) std() std(0) std(-1,keepdim=True) std(0,False) std(False)
std(correction=2) var() var(0) var((0,-1)) var(unbiased=False) logsumexp(0) logsumexp((0,-1),True) softmax(0)
softmax(-1) softmax(-1,dtype=torch.float64) log_softmax(0) log_softmax(-1) norm() norm(1) norm(math.inf)
norm(-math.inf) norm(0) norm(3,0) norm('fro',0,True) norm(1.5,-1) dist(x) cumsum(0)
cumsum(-1,dtype=torch.float64) cumprod(0) cumprod(-1) cummax(0) cummin(-1) logcumsumexp(0) diff() diff(n=2)
diff(dim=0) diff(n=0) sort() sort(0,True) sort(stable=True,descending=True) argsort() argsort(0,True) msort()
topk(1) topk(1,0,False) kthvalue(1) median() median(0) median(-1,keepdim=True) nanmedian() nanmedian(0) mode()
mode(0,True) unique() unique(return_inverse=True,return_counts=True) unique(dim=0,return_inverse=True)
unique_consecutive() unique_consecutive(True,True,0) quantile(0.3) quantile(0.6,0,True)
quantile(0.5,interpolation='nearest') nanquantile(0.4,-1) quantile(0.4,-1,interpolation='midpoint')
quantile(0.4,interpolation='lower') quantile(0.4,interpolation='higher') histc(3) histc(4,0,3) cov()
cov(correction=0) corrcoef() bincount() bincount(minlength=9) sum(5) max(2) amin(-4) softmax(3) cumsum(-3)
sort(4) topk(99) topk(-1) kthvalue(0) kthvalue(50) sum((0,0)) quantile(2.0) argmax(3) median(7) mode(3)
""")

INPUTS = {
    "float": "torch.tensor([[1.0, 5, 3], [4, 2, 6]])",
    "double": "torch.tensor([[1.0, -5, 3], [4, 2, -6.5]], dtype=torch.float64)",
    "vector": "torch.tensor([2.0, -1.5, 0.25, 3])",
    "ties": "torch.tensor([[2.0, 2, 1], [0, 0, 0]])",
    "nans": "torch.tensor([[math.nan, 2.0, 3], [1, math.nan, math.nan]])",
    "infinities": "torch.tensor([[math.inf, 1.0], [-math.inf, -math.inf]])",
    "long": "torch.tensor([3, 1, 2, 1])",
    "int": "torch.tensor([[3, 1, 2], [-1, 7, 5]], dtype=torch.int32)",
    "byte": "torch.tensor([[3, 0], [200, 100]], dtype=torch.uint8)",
    "bool": "torch.tensor([[True, False], [True, True]])",
    "half": "torch.tensor([[1.0, 5, 3], [4, 2, 6]]).half()",
    "bfloat16": "torch.tensor([[1.0, 5, 3], [4, 2, 6]]).bfloat16()",
    "complex": "torch.tensor([[1 + 2j, 5 - 1j], [4j, 2 + 0j]])",
    "scalar": "torch.tensor(2.5)",
    "integer scalar": "torch.tensor(2)",
    "empty": "torch.empty(0)",
    "empty rows": "torch.empty(2, 0)",
    "no rows": "torch.empty(0, 3)",
    "one": "torch.tensor([[4.0]])",
    "transposed": "torch.tensor([[1.0, 5, 3], [4, 2, 6]]).t()",
}

# (input, call): which of equal elements an index names is up to the algorithm, and where nans go that it cannot order
FREE = {
    ("ties", "kthvalue(1)"),
    ("nans", "mode()"),
    ("nans", "mode(0,True)"),
    ("nans", "unique(dim=0,return_inverse=True)"),
    ("nans", "torch.searchsorted(x.sort()[0],x)"),
    ("nans", "torch.searchsorted(x,x,sorter=x.argsort())"),
    # where PyTorch fails for reasons of its own
    ("transposed", "torch.isin(x,x)"),
    ("transposed", "torch.isin(2,x)"),
    ("transposed", "torch.isin(x,x,invert=True)"),
    ("scalar", "torch.searchsorted(x,x,sorter=x.argsort())"),
    ("integer scalar", "torch.searchsorted(x,x,sorter=x.argsort())"),
    ("empty rows", "torch.histogramdd(x,[2]*x.shape[-1])"),
}
# chainrule names the operation that cannot run, PyTorch one of its parts
OTHER_SENTENCES = (  # PyTorch lists its overloads, counts positions without self, or lacks a blank
    *("torch.gradient(x,spacing=x", "torch.max(x,", "torch.quantile(x,[", "torch.isin(2,2", "torch.topk(x,1.5)"),
    "torch.linalg.vector_norm(torch.empty(2,0),math.inf,1)",
)
OTHER_WORDS = ("dist(x)", "histc(3)", "histc(4,0,3)")

FUNCTIONS = words("""
torch.var_mean(x)
torch.std_mean(x,0,keepdim=True)
torch.trapezoid(x)
torch.trapezoid(x,dx=2)
torch.trapezoid(x,x)
torch.trapezoid(x,dim=0)
torch.cumulative_trapezoid(x)
torch.cumulative_trapezoid(x,x)
torch.gradient(x)
torch.gradient(x,spacing=0.5,dim=0)
torch.isin(x,x)
torch.isin(x,2)
torch.isin(2,x)
torch.isin(x,x,invert=True)
torch.bucketize(x,torch.tensor([1.0,2.0,4.0]))
torch.bucketize(x,torch.tensor([1.0,2.0,4.0]),right=True,out_int32=True)
torch.searchsorted(x.sort()[0],x)
torch.searchsorted(x,x,sorter=x.argsort())
torch.searchsorted(x,2)
torch.histogram(x,3)
torch.histogram(x,torch.tensor([0.0,2.0,9.0]),density=True)
torch.histogramdd(x,[2]*x.shape[-1])
torch.bincount(x,x)
torch.cov(x,fweights=torch.tensor([1,2,3]))
torch.cov(x,aweights=torch.tensor([1.0,2.0,0.5]))
torch.renorm(x,2,0,1.5)
torch.quantile(x,torch.tensor([0.2,0.7]),dim=0)
torch.diff(x,prepend=x,append=x)
torch.max(x,x)
torch.min(x,other=x)
torch.softmax(x,None)
""")

EXPRESSIONS = words("""
torch.gradient(x,spacing=(torch.tensor([0.0,1.5]),torch.tensor([1.0,2.0,5.0])))
torch.gradient(torch.rand(4,3)*0+torch.tensor([1.0,4.0,2.0]),spacing=[torch.tensor([1.0,2.0,4.0,9.0])],dim=0,edge_order=2)
torch.gradient(torch.tensor([1.0,4.0,2.0,8.0]),edge_order=2)
torch.gradient(x,spacing=[1.0])
torch.gradient(x,spacing=[1.0,2.0],dim=0)
torch.gradient(x,spacing=torch.tensor(2.0))
torch.gradient(x,edge_order=3)
torch.gradient(x,edge_order=2)
torch.gradient(x,dim=(0,0))
torch.gradient(x.byte())
torch.gradient(x,spacing=(x,x))
torch.trapezoid(x,x>2)
torch.trapezoid(x,torch.tensor([1.0,2.0]))
torch.trapezoid(x,torch.tensor([1.0,2.0]),dim=0)
torch.cumulative_trapezoid(x,torch.tensor([1.0]))
torch.diff(x,append=torch.ones(1))
torch.diff(x,append=torch.ones(1,1))
torch.diff(x,n=-1)
torch.norm(x,dtype=torch.float64)
torch.norm(x.double(),dtype=torch.float32)
torch.norm(x,p='nuc')
torch.norm(x,p='foo')
torch.linalg.vector_norm(x,dtype=torch.int64)
torch.linalg.vector_norm(x,dtype=torch.complex64)
torch.linalg.vector_norm(torch.empty(2,0),math.inf,1)
torch.linalg.vector_norm(torch.empty(2,0),-1)
torch.renorm(x,0,0,1.0)
torch.renorm(x,2,0,-1.0)
torch.renorm(x[0],2,0,1.0)
torch.dist(x.int(),x.int())
torch.topk(x,1.5)
torch.quantile(x,torch.tensor([[0.1]]))
torch.quantile(x,torch.tensor([0.1],dtype=torch.float64))
torch.quantile(x,torch.tensor([1.1]))
torch.quantile(x,[0.1])
torch.quantile(x,0.5,interpolation='cubic')
torch.unique(torch.empty(3,0),dim=0)
torch.isin(2,2)
torch.searchsorted(x,torch.ones(3,2))
torch.searchsorted(x[0],x[0],side='up')
torch.searchsorted(x[0],x[0],side='left',right=True)
torch.searchsorted(x[0],x[0],side='right')
torch.searchsorted(x[0],x[0],sorter=torch.tensor([0,1]))
torch.searchsorted(x[0],x[0],sorter=torch.tensor([0.0,1.0,2.0]))
torch.searchsorted(x[0],x[0],sorter=torch.tensor([0,1,7]))
torch.searchsorted(x[0],x[0],out=torch.empty(0,dtype=torch.int32))
torch.searchsorted(torch.tensor(1.0),x)
torch.bucketize(x,x)
torch.histc(x,0)
torch.histc(x,3,5,1)
torch.histc(x,min=0,max=math.inf)
torch.histogram(x,0)
torch.histogram(x,2,range=(3,1))
torch.histogram(x,2,range=(0,math.inf))
torch.histogram(x,2,weight=torch.ones(3))
torch.histogram(torch.ones(3),2)
torch.histogramdd(x[0],[2])
torch.histogramdd(x,[2,2])
torch.histogramdd(x,[2,1,1],range=[0.0,5,0,5,0,6])
torch.histogramdd(x,[torch.tensor([1.0,2,5]),torch.tensor([1.0,4]),torch.tensor([2.0,9])])
torch.bincount(torch.tensor([1,2]),torch.ones(3))
torch.bincount(torch.tensor([1,2]),minlength=-1)
torch.bincount(torch.tensor([1,2]),torch.tensor([1.0,0.5]))
torch.cov(torch.ones(2,2,2))
torch.corrcoef(torch.ones(2,2,2))
torch.corrcoef(torch.tensor([[1+1j,2,3],[1j,0,2]]))
torch.cov(x,fweights=torch.tensor([1,2]))
torch.cov(x,fweights=torch.tensor([1.0,2,3]))
torch.cov(x,fweights=torch.tensor([[1,2,3]]))
torch.cov(x,fweights=torch.tensor([0,0,0]))
torch.cov(x,fweights=torch.tensor([1,2,-3]))
torch.cov(x,aweights=torch.tensor([1,2,3]))
torch.cov(x,fweights=torch.tensor([1,2,3]),aweights=torch.tensor([1.0,2.0,0.5]))
torch.max(x,0,out=(torch.empty(0),torch.empty(0,dtype=torch.int64)))
torch.sum(x,0,out=torch.empty(0))
torch.mean(x,0,out=torch.empty(3))
torch.mean(x,dtype=torch.int32)
torch.msort(x,out=torch.empty(0))
torch.quantile(x,0.5,out=torch.empty(0))
torch.diff(x,out=torch.empty(0))
torch.diff(x,0,out=torch.empty(0))
torch.softmax(x,1,out=torch.empty(0))
torch.cumsum(x,0,out=torch.empty(0))
torch.aminmax(x,dim=0,out=(torch.empty(0),torch.empty(0,dtype=torch.float64)))
torch.aminmax(x,out=(torch.empty(0),torch.empty(0)))
torch.amax(x,0,out=torch.empty(0))
torch.max(x,x,0)
torch.max(x,0,x)
torch.sum(3.0)
torch.mean([1.0])
torch.argmax(2)
x.clone().cumsum_(0)
x.int().cumsum_(0)
x.clone().cumprod_(1)
x.clone().renorm_(2,0,1.0)
""")

GRADIENTS = words("""
sum() mean(0) max() max(0)[0] min(-1)[0] amax() amax(0) aminmax()[1] prod() prod(0) std() var(0)
std(0,unbiased=False) norm() norm(1) norm(3) norm(1.5) norm(0.5) norm(math.inf) norm(-math.inf) logsumexp(0)
softmax(0) log_softmax(0) cumsum(0) cumprod(0) cummax(0)[0] logcumsumexp(0) sort()[0] topk(1)[0] median()
median(0)[0] nanmedian() mode()[0] quantile(0.4) nanquantile(0.4) nansum() nanmean() dist(x.detach()*0) msort()
diff()
""")

POINTS = (
    "torch.tensor([1.0, 1.0, 0.0])",
    "torch.tensor([0.0, 0.0, 2.0])",
    "torch.zeros(2)",
    "torch.tensor([math.nan, 1.0, 1.0])",
    "torch.tensor([-math.inf, 1.0])",
    "torch.tensor([2.0, -2.0, 2.0])",
    "torch.tensor(0.0)",
    "torch.tensor([1 + 1j, 0j])",
)


def outcome(module, expression: str, source: str, gradient: bool = False):
    """What an expression of `x` gives: its results as (dtype, values), or the exception's type and first line."""
    names = {"torch": module, "math": math}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            x = eval(source, names)
            if gradient:
                x.requires_grad_()
            found = eval(expression, {**names, "x": x})
            if gradient:
                found = module.autograd.grad(found.abs().sum(), x)[0]
        except Exception as error:
            return type(error), str(error).split("\n")[0].split(", but expected")[0]
    return type(found).__name__.removesuffix("_out"), flat(found)


def flat(found):
    if isinstance(found, (tuple, list)):
        return [part for each in found for part in flat(each)]
    if not hasattr(found, "dtype"):
        return [found]
    values = found.double() if str(found.dtype) == "torch.bfloat16" else found
    return [(str(found.dtype), tuple(found.shape)), *values.reshape(-1).tolist()]


def check(expression: str, source: str, gradient: bool = False, words: bool = True) -> None:
    ours, theirs = (outcome(module, expression, source, gradient) for module in (chainrule, torch))
    if isinstance(theirs[0], type):
        assert ours[0] is theirs[0], f"{ours}, expected {theirs}"
        if words and not theirs[1].startswith(tuple(f"{n}() received an invalid" for n in ("sum", "max", "prod"))):
            assert ours[1] == theirs[1]
        return
    assert ours[0] == theirs[0], f"{ours}, expected {theirs}"
    assert len(ours[1]) == len(theirs[1])
    half = any("16" in str(part) for part in theirs[1] if isinstance(part, tuple))
    for a, b in zip(ours[1], theirs[1], strict=True):
        if isinstance(b, (float, complex)):
            assert a == pytest.approx(b, rel=3e-2 if half else 1e-5, abs=1e-3 if half else 1e-6, nan_ok=True), (
                ours,
                theirs,
            )
        else:
            assert a == b, f"{ours}, expected {theirs}"


@pytest.mark.parametrize("name", INPUTS)
def test_methods(name):
    for call in CALLS:
        if (name, call) not in FREE:
            check(f"x.{call}", INPUTS[name], words=call not in OTHER_WORDS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions(function):
    for name, source in INPUTS.items():
        if (name, function) not in FREE and (name != "complex" or "cov" in function):
            check(function, source, words=False)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_arguments(expression):
    check(expression, INPUTS["float"], words=not expression.startswith(OTHER_SENTENCES))


@pytest.mark.parametrize("shape", [(70, 300), (40000, 3), (5, 9000), (5, 4 * 2048), (3, 40, 500), (30000,)])
def test_large(shape):
    """Sums in blocks, sorts that keep equal elements in order, the largest few."""
    rng = np.random.default_rng(0)
    for values in (rng.standard_normal(shape, dtype=np.float32), rng.integers(-9, 9, shape).astype(np.float32)):
        ours, theirs = chainrule.from_numpy(values), torch.from_numpy(values)
        for x, y in ((ours, theirs), (ours.transpose(0, -1), theirs.transpose(0, -1))):
            for call in (
                *("x.sum()", "x.mean(0)", "x.sum(-1)", "x.sum((0, -1), keepdim=True)", "x.sum(0)", "x.std(0)"),
                *(
                    "x.softmax(0)",
                    "x.norm()",
                    "x.sort(dim=0, stable=True)",
                    "x.sort(dim=-1, descending=True, stable=True)",
                    "x.topk(3, 0)[0]",
                    "x.topk(3, -1, False)[0]",
                ),
            ):
                if len(shape) == 1 and "(0, -1)" in call:
                    continue
                a, b = (eval(call, {"x": z}) for z in (x, y))
                for part, expected in zip(*((v if isinstance(v, tuple) else (v,)) for v in (a, b)), strict=True):
                    np.testing.assert_allclose(part.numpy(), expected.numpy(), rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize("call", GRADIENTS)
def test_gradients_at_ties_zeros_and_infinities(call):
    for source in POINTS:
        check(f"x.{call}", source, gradient=True, words=False)
