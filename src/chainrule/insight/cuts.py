"""The ways to cut a history: what each does, and what to do about it."""

from __future__ import annotations

from .dataflow import Place

# {kind of cut: (what happens there, what to do)}
CUTS = {
    "detach": ("takes it out of the graph", "remove the detach(), or detach only what is to get no gradient"),
    "data": ("goes through .data, which hides it from autograd", "use the tensor itself instead of its .data"),
    "item": (
        "turns it into a Python number",
        "keep the tensor in the computation, and call .item() only to print or log",
    ),
    "number": (
        "turns it into a Python number",
        "use the torch function on the tensor, and float() only to print or log",
    ),
    "numpy": ("leaves torch for NumPy, where nothing is recorded", "use the torch function instead of NumPy's"),
    "remade": (
        "copies the numbers into a new tensor without history",
        "use the tensor itself; for a list of tensors torch.stack or torch.cat",
    ),
    "integer": ("casts it to an integer or bool type, which has no gradient", "keep it in floating point"),
    "argmax": ("takes positions, which have no gradient", "use the values: softmax as a smooth argmax, or gather"),
    "comparison": (
        "compares, and a comparison has no gradient",
        "use a smooth stand-in such as torch.sigmoid(x - threshold)",
    ),
    "index": (
        "uses it as an index, which has no gradient",
        "weight the choices, for instance with softmax, instead of choosing",
    ),
    "sample": (
        "draws at random, which has no gradient",
        "use the reparameterization: mean + std * noise, or rsample()",
    ),
    "no_grad": ("is computed where recording is switched off", "move it out of the block"),
    "requires_grad_false": ("switches its gradient off", "remove requires_grad_(False), or do it to a detached copy"),
    "late": (
        "makes it require grad only after it was used",
        "set requires_grad before the computation, or compute the loss again",
    ),
    "gradient": (
        "is a gradient, whose own computation was not recorded",
        "pass create_graph=True to grad() or backward()",
    ),
    "undifferentiable": ("has no gradient", "use an operation that has one"),
    "inference": (
        "is computed in inference mode, where nothing is recorded",
        "move it out of inference_mode",
    ),
    "update": (
        "gives its name to a new tensor, computed where nothing is recorded, that does not require grad",
        "update it in place under no_grad: w -= lr * w.grad, or w.copy_(…); or make it a leaf again, with requires_grad_()",
    ),
    "checkpoint": (
        "computes it in a reentrant checkpoint, none of whose inputs requires grad",
        "pass use_reentrant=False to checkpoint, or give it an input that requires grad",
    ),
    "contained": (
        "hands it to a custom Function inside a list, where autograd does not look for tensors",
        "give apply each tensor as an argument of its own: Function.apply(*tensors)",
    ),
    "constant": (
        "puts a constant in its place",
        "keep the tensor in the computation: torch.where, clamp and nan_to_num change numbers and keep the history",
    ),
    "slope": (
        "is the derivative of something linear in it: a constant, on which nothing depends",
        "take 0 for the derivative of that, or check that the function is meant to be linear",
    ),
    "copied": ("makes a copy that is another tensor", "use the tensor itself, not the copy"),
    "parameter": ("makes a new leaf of it", "use the tensor itself; a Parameter starts a history of its own"),
}


# the ways by which nobody makes a constant: detach() and no_grad are how it is done on purpose
BY_ACCIDENT = ("gradient", "item", "number", "numpy", "remade", "data")


def is_backward(block: Place) -> bool:
    """Whether what switches recording off is the backward of a custom Function."""
    return block.text.startswith("def backward(")


# those by which constants are made on purpose, too
ON_PURPOSE = ("detach", "data", "no_grad", "inference", "sample")


def remedy_of_block(block: Place, remedy: str) -> str:
    """What to do about what switches recording off, a with block if nothing better is known."""
    if is_backward(block):
        return "compute it in a block with torch.enable_grad(), from detached copies of what was saved; or write the derivative out"
    if "checkpoint(" in block.text:
        return CUTS["checkpoint"][1]
    if "inference_mode" in block.text and not block.text.startswith("@"):
        return CUTS["inference"][1]
    if block.text.startswith("@"):
        return "take the decorator away, or call the function inside torch.enable_grad()"
    if "set_grad_enabled" in block.text and not block.text.startswith("with"):
        return "switch recording on again before it, with torch.set_grad_enabled(True), or use a with block, which does so itself"
    return remedy


def remedy_of_update(name: str) -> str:
    """What to write instead of `w = w - lr * w.grad`."""
    return (
        f"update it in place under no_grad: with torch.no_grad(): {name} -= lr * {name}.grad; or make a new leaf of the result: "
        f"{name} = (…).detach().requires_grad_()"
    )
