"""`chainrule.why`: programs with the mistakes that people make, and the line and remedy that each is answered with."""

from __future__ import annotations

import textwrap

import pytest

import chainrule as torch

START = "import numpy as np\nimport chainrule as torch\ntorch.manual_seed(0)\n"


def run(program: str, path) -> dict:
    """Runs a program from a file of its own and returns its variables."""
    file = path / "prog.py"
    text = START + textwrap.dedent(program)
    file.write_text(text, encoding="utf-8")
    namespace = {"__name__": "__main__"}
    exec(compile(text, str(file), "exec"), namespace)
    return namespace


def marked_line(program: str) -> int:
    """The number of the line that ends in ``# here``."""
    lines = (START + textwrap.dedent(program)).splitlines()
    (line,) = (number for number, text in enumerate(lines, start=1) if text.endswith("# here"))
    return line


def test_only_what_has_run_counts(tmp_path):
    names = run(
        """
        w = torch.ones(3, requires_grad=True)
        loss = (w**2).sum()
        before = torch.why(w, loss)
        loss.backward()
        w.grad = None
        after = torch.why(w, loss)
        """,
        tmp_path,
    )
    assert (names["before"].cause, names["after"].cause) == ("no backward", "cleared")


def test_each_call_of_a_function_has_its_own_answer(tmp_path):
    names = run(
        """
        def ask(x, loss):
            return torch.why(x, loss)

        w = torch.ones(3, requires_grad=True)
        b = torch.ones(3, requires_grad=True)
        loss = (w * b).sum()
        loss.backward()
        first = ask(w, loss)
        loss = (w.detach() * b).sum()
        w.grad = b.grad = None
        loss.backward()
        second = ask(w, loss)
        """,
        tmp_path,
    )
    assert names["first"].ok, str(names["first"])
    assert (names["second"].cause, names["second"].source.line) == ("detach", 13)


# {name: (program with the guilty line marked, cause, a part of the remedy)}
MISTAKES = {
    # ---- the history is cut
    "detach": (
        """
        w = torch.ones(3, requires_grad=True)
        b = torch.zeros(3, requires_grad=True)
        h = (w * 2).detach()  # here
        loss = (h + b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "detach",
        "remove the detach()",
    ),
    "detach in a function": (
        """
        def features(v):
            v = v * 2
            return v.detach()  # here

        w = torch.ones(3, requires_grad=True)
        b = torch.zeros(3, requires_grad=True)
        loss = (features(w) + b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "detach",
        "remove the detach()",
    ),
    "detach in a method": (
        """
        class Net:
            def __init__(self):
                self.w = torch.ones(3, requires_grad=True)
                self.b = torch.ones(3, requires_grad=True)

            def __call__(self, x):
                hidden = (x * self.w).detach()  # here
                return hidden + self.b

        net = Net()
        loss = net(torch.ones(3)).sum()
        loss.backward()
        reason = torch.why(net.w, loss)
        """,
        "detach",
        "remove the detach()",
    ),
    "detach in a module": (
        """
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.first = torch.nn.Linear(3, 4)
                self.second = torch.nn.Linear(4, 1)

            def forward(self, x):
                hidden = torch.relu(self.first(x))
                return self.second(hidden.detach())  # here

        net = Net()
        loss = (net(torch.ones(2, 3)) ** 2).mean()
        loss.backward()
        reason = torch.why(net.first.weight, loss)
        """,
        "detach",
        "remove the detach()",
    ),
    "data": (
        """
        w = torch.ones(3, requires_grad=True)
        b = torch.ones(3, requires_grad=True)
        y = w.data * 3 + b  # here
        loss = y.sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "data",
        "instead of its .data",
    ),
    "item": (
        """
        w = torch.tensor(2.0, requires_grad=True)
        b = torch.tensor(1.0, requires_grad=True)
        scale = w.item()  # here
        loss = b * scale
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "item",
        "call .item() only to print",
    ),
    "float of a tensor": (
        """
        w = torch.tensor(2.0, requires_grad=True)
        b = torch.tensor(1.0, requires_grad=True)
        loss = b * float(w)  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "number",
        "float() only to print",
    ),
    "math.exp": (
        """
        import math
        w = torch.tensor(2.0, requires_grad=True)
        b = torch.tensor(1.0, requires_grad=True)
        loss = b * math.exp(w)  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "number",
        "torch function",
    ),
    "numpy": (
        """
        w = torch.ones(3, requires_grad=True)
        b = torch.ones(3, requires_grad=True)
        spread = np.std(w.tolist())
        h = torch.tensor(w.detach().numpy() * 2)  # here
        loss = (h + b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "numpy",
        "use the torch function instead of NumPy's",
    ),
    "numpy function": (
        """
        w = torch.ones(3)
        w.requires_grad_()
        b = torch.ones(3, requires_grad=True)
        loss = (torch.tensor(np.exp([float(v) for v in w])) * b).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "number",
        "torch function",
    ),
    "torch.tensor of a tensor": (
        """
        import warnings
        warnings.simplefilter("ignore")
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        b = torch.ones(2, requires_grad=True)
        copy = torch.tensor(w * 2)  # here
        loss = (copy * b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "remade",
        "use the tensor itself",
    ),
    "torch.tensor of a list of losses": (
        """
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        losses = []
        for i in range(2):
            losses.append(w[i] ** 2)
        loss = torch.tensor(losses, requires_grad=True).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "remade",
        "torch.stack",
    ),
    "requires_grad forced on the loss": (
        """
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        with torch.no_grad():
            y = (w * 2).sum()  # here
        loss = y.requires_grad_()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "no_grad",
        "move it out of the block",
    ),
    "no_grad block": (
        """
        w = torch.ones(3, requires_grad=True)
        b = torch.ones(3, requires_grad=True)
        with torch.no_grad():
            h = w * 2  # here
        loss = (h * b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "no_grad",
        "move it out of the block",
    ),
    "no_grad decorator": (
        """
        @torch.no_grad()
        def forward(v):
            return v * 2  # here

        w = torch.ones(3, requires_grad=True)
        b = torch.ones(3, requires_grad=True)
        loss = (forward(w) * b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "no_grad",
        "take the decorator away",
    ),
    "set_grad_enabled left off": (
        """
        w = torch.ones(3, requires_grad=True)
        b = torch.ones(3, requires_grad=True)
        torch.set_grad_enabled(False)
        h = w * 2  # here
        torch.set_grad_enabled(True)
        loss = (h * b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "no_grad",
        "switch recording on again",
    ),
    "argmax": (
        """
        w = torch.tensor([1.0, 3.0, 2.0], requires_grad=True)
        b = torch.tensor(1.0, requires_grad=True)
        best = w.argmax()  # here
        loss = best * b
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "argmax",
        "softmax as a smooth argmax",
    ),
    "indices of max": (
        """
        w = torch.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
        b = torch.tensor(1.0, requires_grad=True)
        prediction = w.max(1)[1]  # here
        loss = (prediction * b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "argmax",
        "gather",
    ),
    "a cast to integers": (
        """
        w = torch.tensor([1.5, 3.2], requires_grad=True)
        b = torch.tensor(1.0, requires_grad=True)
        loss = (w.long() * b).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "integer",
        "floating point",
    ),
    "to an integer dtype": (
        """
        w = torch.tensor([1.5, 3.2], requires_grad=True)
        b = torch.tensor(1.0, requires_grad=True)
        loss = (w.to(torch.int64) * b).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "integer",
        "floating point",
    ),
    "a comparison": (
        """
        w = torch.tensor([0.2, 0.8], requires_grad=True)
        b = torch.tensor(1.0, requires_grad=True)
        hits = (w > 0.5).float()  # here
        loss = (hits * b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "comparison",
        "torch.sigmoid",
    ),
    "nothing left": (
        """
        w = torch.tensor([0.2, 0.8], requires_grad=True)
        accuracy = (w > 0.5).float().mean()  # here
        try:
            accuracy.backward()
        except RuntimeError:
            pass
        reason = torch.why(w, accuracy)
        """,
        "comparison",
        "torch.sigmoid",
    ),
    "a gradient without create_graph": (
        """
        x = torch.tensor(2.0, requires_grad=True)
        (slope,) = torch.autograd.grad(x**3, x)  # here
        loss = slope**2
        reason = torch.why(x, loss)
        """,
        "gradient",
        "create_graph=True",
    ),
    "deepcopy": (
        """
        import copy
        w = torch.ones(3, requires_grad=True)
        other = copy.deepcopy(w)  # here
        loss = (other * 2).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "copied",
        "not the copy",
    ),
    "a frozen parameter": (
        """
        w = torch.ones(3, requires_grad=True)
        b = torch.ones(3, requires_grad=True)
        w.requires_grad_(False)
        h = w * 2
        loss = (h * b).sum()
        loss.backward()
        w = w.requires_grad_(False)  # here
        reason = torch.why(w, loss)
        """,
        "requires_grad_false",
        "remove requires_grad_(False)",
    ),
    # ---- the wrong tensor
    "requires_grad set late": (
        """
        w = torch.ones(3)
        b = torch.ones(3, requires_grad=True)
        loss = (w * b).sum()
        w.requires_grad_()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "late",
        "before the computation",
    ),
    "requires_grad assigned late": (
        """
        w = torch.ones(3)
        b = torch.ones(3, requires_grad=True)
        loss = (w * b).sum()
        w.requires_grad = True  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "late",
        "before the computation",
    ),
    "never asked": (
        """
        w = torch.ones(3)  # here
        b = torch.ones(3, requires_grad=True)
        loss = (w * b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "no requires_grad",
        "requires_grad=True",
    ),
    "nothing requires grad": (
        """
        w = torch.ones(3)  # here
        loss = (w * 2).sum()
        try:
            loss.backward()
        except RuntimeError:
            pass
        reason = torch.why(w, loss)
        """,
        "no requires_grad",
        "requires_grad=True",
    ),
    "integers": (
        """
        w = torch.tensor([1, 2, 3])  # here
        b = torch.ones(3, requires_grad=True)
        loss = (w * b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "integer",
        "decimal point",
    ),
    "never used": (
        """
        w = torch.ones(3, requires_grad=True)  # here
        b = torch.ones(3, requires_grad=True)
        loss = (b * 2).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "never used",
        "compute loss from w",
    ),
    "a new tensor under the old name": (
        """
        w = torch.ones(3, requires_grad=True)
        loss = (w * 2).sum()
        w = torch.zeros(3, requires_grad=True)  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "rebound",
        "copy_(",
    ),
    "an update that makes a new tensor": (
        """
        w = torch.ones(3, requires_grad=True)
        loss = (w * 2).sum()
        loss.backward()
        with torch.no_grad():
            w = w - 0.1 * w.grad  # here
        reason = torch.why(w, loss)
        """,
        "update",
        "update it in place under no_grad",
    ),
    # ---- not a leaf
    "the middle": (
        """
        x = torch.ones(3, requires_grad=True)
        z = x * 2  # here
        loss = (z**2).sum()
        loss.backward()
        reason = torch.why(z, loss)
        """,
        "not a leaf",
        "retain_grad()",
    ),
    "a scaled leaf": (
        """
        w = torch.randn(3, requires_grad=True) * 0.01  # here
        loss = (w**2).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "not a leaf",
        "make the leaf last",
    ),
    "a leaf moved by to()": (
        """
        w = torch.randn(3, requires_grad=True).to(torch.float64)  # here
        loss = (w**2).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "not a leaf",
        "make the leaf last",
    ),
    "a leaf that was reshaped": (
        """
        w = torch.randn(6, requires_grad=True).view(2, 3)  # here
        loss = (w**2).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "not a leaf",
        "make the leaf last",
    ),
    "retain_grad after backward": (
        """
        x = torch.ones(3, requires_grad=True)
        z = x * 2
        loss = (z**2).sum()
        loss.backward()
        z.retain_grad()  # here
        reason = torch.why(z, loss)
        """,
        "late retain_grad",
        "before backward()",
    ),
    # ---- backward was not called, or its result is gone
    "no backward": (
        """
        w = torch.ones(3, requires_grad=True)
        loss = (w**2).sum()  # here
        reason = torch.why(w, loss)
        """,
        "no backward",
        "call loss.backward()",
    ),
    "autograd.grad stores nothing": (
        """
        w = torch.ones(3, requires_grad=True)
        loss = (w**2).sum()
        gradients = torch.autograd.grad(loss, w)  # here
        reason = torch.why(w, loss)
        """,
        "autograd.grad",
        "use what grad() returns",
    ),
    "cleared too late": (
        """
        w = torch.ones(3, requires_grad=True)
        loss = (w**2).sum()
        loss.backward()
        w.grad = None  # here
        reason = torch.why(w, loss)
        """,
        "cleared",
        "before backward",
    ),
    "zeroed too late": (
        """
        w = torch.ones(3, requires_grad=True)
        loss = (w**2).sum()
        loss.backward()
        w.grad.zero_()  # here
        reason = torch.why(w, loss)
        """,
        "cleared",
        "before backward",
    ),
    # ---- backward fails
    "a second backward": (
        """
        w = torch.ones(3, requires_grad=True)
        loss = (w**2).sum()
        loss.backward()
        try:
            loss.backward()  # here
        except RuntimeError:
            pass
        reason = torch.why(w, loss)
        """,
        "second backward",
        "retain_graph=True",
    ),
    "a shared part": (
        """
        w = torch.ones(3, requires_grad=True)
        shared = w**2
        first = shared.sum()
        second = (shared * 3).exp().sum()
        first.backward()  # here
        try:
            second.backward()
        except RuntimeError:
            pass
        reason = torch.why(w, second)
        """,
        "second backward",
        "retain_graph=True",
    ),
    "overwritten in place": (
        """
        w = torch.ones(3, requires_grad=True)
        h = w.exp()
        loss = (h * 2).sum()
        h += 1  # here
        try:
            loss.backward()
        except RuntimeError:
            pass
        reason = torch.why(w, loss)
        """,
        "in-place",
        "clone()",
    ),
    "an error while it is handled": (
        """
        w = torch.ones(3, requires_grad=True)
        h = w.exp()
        loss = (h * 2).sum()
        h.mul_(2)  # here
        try:
            loss.backward()
        except RuntimeError:
            reason = torch.why(w)
        """,
        "in-place",
        "clone()",
    ),
    "not a scalar": (
        """
        w = torch.ones(3, requires_grad=True)
        loss = w**2  # here
        try:
            loss.backward()
        except RuntimeError:
            pass
        reason = torch.why(w, loss)
        """,
        "not a scalar",
        "sum() or mean()",
    ),
    # ---- accumulated and stale
    "accumulated": (
        """
        w = torch.ones(3, requires_grad=True)
        for step in range(3):
            loss = (w**2).sum()
            loss.backward()  # here
        reason = torch.why(w, loss)
        """,
        "accumulated",
        "w.grad = None",
    ),
    "accumulated over batches": (
        """
        w = torch.ones(3, requires_grad=True)
        for x in (1.0, 2.0, 5.0):
            loss = (w**2 * x).sum()
            loss.backward()  # here
        reason = torch.why(w, loss)
        """,
        "accumulated",
        "w.grad = None",
    ),
    "stale": (
        """
        w = torch.ones(3, requires_grad=True)
        loss = (w**2).sum()
        loss.backward()
        loss = (w**3 * 5).sum()  # here
        reason = torch.why(w, loss)
        """,
        "stale",
        "call loss.backward()",
    ),
    "an optimizer that does not know it": (
        """
        class Optimizer:
            def __init__(self, parameters):
                self.param_groups = [{"params": list(parameters)}]

        w = torch.ones(3, requires_grad=True)
        b = torch.ones(3, requires_grad=True)
        optimizer = Optimizer([b])  # here
        loss = (w**2 * b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "optimizer",
        "pass it to the optimizer",
    ),
    # ---- zero
    "dead relu": (
        """
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        loss = torch.relu(-w).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "zero",
        "leaky_relu",
    ),
    "round": (
        """
        w = torch.tensor([1.2, 2.7], requires_grad=True)
        loss = (w.round() ** 2).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "zero",
        "straight through",
    ),
    "sign": (
        """
        w = torch.tensor([1.2, -2.7], requires_grad=True)
        loss = w.sign().sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "zero",
        "tanh",
    ),
    "clamped away": (
        """
        w = torch.tensor([5.0, 7.0], requires_grad=True)
        y = w.clamp(0, 1)  # here
        loss = y.sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "zero",
        "widen the bounds",
    ),
    "zeros as weights": (
        """
        w = torch.ones(2, 2, requires_grad=True)
        v = torch.zeros(1, 2, requires_grad=True)
        h = torch.tanh(w @ torch.ones(2, 1))
        loss = (v @ h).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "zero",
        "random numbers",
    ),
    "saturated": (
        """
        w = torch.tensor([200.0], requires_grad=True)
        p = torch.sigmoid(w)  # here
        loss = ((1 - p) ** 2 + p).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "zero",
        "logits",
    ),
    # ---- nan and infinite
    "log of zero": (
        """
        w = torch.tensor([0.0, 1.0], requires_grad=True)
        loss = (w * torch.log(w)).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "nan",
        "clamp(min=1e-8)",
    ),
    "log of a softmax": (
        """
        w = torch.tensor([0.0, 200.0], requires_grad=True)
        p = torch.softmax(w, 0)
        loss = -(torch.log(p)).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "nan",
        "log_softmax",
    ),
    "root at zero": (
        """
        w = torch.tensor([0.0, 4.0], requires_grad=True)
        loss = w.sqrt().sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "inf",
        "torch.sqrt(x + eps)",
    ),
    "a where that masks a root": (
        """
        w = torch.tensor([0.0, 4.0], requires_grad=True)
        y = torch.where(w > 0, w.sqrt(), torch.zeros(2))  # here
        loss = y.sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "nan",
        "second `where`",
    ),
    "a where that masks a division": (
        """
        x = torch.tensor([0.0, 1.0], requires_grad=True)
        q = 1 / x  # here
        loss = torch.where(x > 0, q, torch.zeros(2)).sum()
        loss.backward()
        reason = torch.why(x, loss)
        """,
        "nan",
        "second `where`",
    ),
    "overflow in a sum of exponentials": (
        """
        w = torch.tensor([1000.0, 0.0], requires_grad=True)
        total = torch.exp(w).sum()  # here
        loss = torch.log(total)
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "nan",
        "logsumexp",
    ),
    "log of one plus something": (
        """
        w = torch.tensor([-1.0, 2.0], requires_grad=True)
        loss = torch.log(1 + w).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "inf",
        "log1p",
    ),
    "acos at one": (
        """
        w = torch.tensor([1.0, 0.5], requires_grad=True)
        loss = torch.acos(w).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "inf",
        "x.clamp(-1 + 1e-6, 1 - 1e-6)",
    ),
    "a std of one value": (
        """
        w = torch.tensor([1.0], requires_grad=True)
        loss = w.var()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "nan",
        "correction=0",
    ),
    "a row that is all masked": (
        """
        w = torch.zeros(3, requires_grad=True)
        mask = torch.tensor([True, True, True])
        scores = w.masked_fill(mask, float("-inf"))
        loss = torch.softmax(scores, 0).sum()  # here
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "nan",
        "leave one value",
    ),
    # ---- asked where the graph has been used up, and of calls that something else makes
    "detach in a chain over several lines": (
        """
        w = torch.ones(3, requires_grad=True)
        b = torch.ones(3, requires_grad=True)
        h = (
            w.exp()
            .mul(2)
            .detach()  # here
            .add(1)
        )
        loss = (h * b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "detach",
        "remove the detach()",
    ),
    "detach in a thread": (
        """
        from concurrent.futures import ThreadPoolExecutor

        def part(v):
            return v.detach() * 2  # here

        w = torch.ones(3, requires_grad=True)
        b = torch.ones(3, requires_grad=True)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(part, w)
        loss = (future.result() * b).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "detach",
        "remove the detach()",
    ),
    "a reentrant checkpoint of a method": (
        """
        from chainrule.utils.checkpoint import checkpoint

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = torch.nn.Linear(3, 3), torch.nn.Linear(3, 1)

            def block(self, x):
                return torch.tanh(self.a(x))

            def forward(self, x):
                return self.b(checkpoint(self.block, x, use_reentrant=True))  # here

        net = Net()
        loss = net(torch.randn(2, 3)).sum()
        loss.backward()
        reason = torch.why(net.a.weight, loss)
        """,
        "checkpoint",
        "use_reentrant=False",
    ),
    "the data of one parameter of a layer": (
        """
        def normalized(m):
            return m.weight.data / 2  # here

        layer = torch.nn.Linear(3, 3)
        loss = (torch.ones(2, 3) @ normalized(layer).T + layer.bias).sum()
        loss.backward()
        reason = torch.why(layer.weight, loss)
        """,
        "data",
        "instead of its .data",
    ),
    "softmax of one, inside a module": (
        """
        class Attention(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.score, self.value = torch.nn.Linear(4, 1), torch.nn.Linear(4, 2)

            def forward(self, x):
                weights = torch.softmax(self.score(x), dim=-1)  # here
                return (weights * self.value(x)).sum(1)

        net = Attention()
        loss = net(torch.randn(6, 5, 4)).pow(2).mean()
        loss.backward()
        reason = torch.why(net.score.weight, loss)
        """,
        "zero",
        "over the dimension of the classes",
    ),
    "a dropout of everything, inside a function": (
        """
        first, last = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)

        def forward(x):
            h = torch.relu(first(x))
            h = torch.nn.functional.dropout(h, p=1.0)  # here
            return last(h)

        loss = forward(torch.randn(4, 2)).sum()
        loss.backward()
        reason = torch.why(first.weight, loss)
        """,
        "zero",
        "probability below 1",
    ),
    "a hook on a parameter": (
        """
        def stop(gradient):
            return torch.zeros_like(gradient)  # here

        layer = torch.nn.Linear(3, 1)
        layer.weight.register_hook(stop)
        loss = layer(torch.randn(4, 3)).pow(2).mean()
        loss.backward()
        reason = torch.why(layer.weight, loss)
        """,
        "hook",
        "return the gradient",
    ),
    "a root at zero beside what is gone": (
        """
        def distance(a, b):
            return torch.sqrt(((a - b) ** 2).sum(-1))  # here

        w = torch.zeros(3, 2, requires_grad=True)
        loss = distance(w[0], w[1]) + distance(w[0], torch.ones(2))
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "nan",
        "torch.sqrt(x + eps)",
    ),
    "a logarithm whose input is gone": (
        """
        w = torch.zeros(3, requires_grad=True)

        def forward(x):
            product = w * x
            return torch.log(product)  # here

        loss = forward(torch.ones(3)).sum()
        loss.backward()
        reason = torch.why(w, loss)
        """,
        "inf",
        "torch.log(x + eps)",
    ),
    "used up in the round before": (
        """
        w = torch.ones(3, requires_grad=True)
        scaled = w.exp()  # here
        for i in range(2):
            loss = (scaled * i).sum()
            try:
                loss.backward()
            except RuntimeError:
                pass
        w.grad.zero_()
        reason = torch.why(w, loss)
        """,
        "second backward",
        "compute it again in each round",
    ),
    "an overwritten value of a loss without a name": (
        """
        def total(v):
            h = v.exp()
            s = h.sum()
            h += 1  # here
            return s

        w = torch.ones(3, requires_grad=True)
        try:
            total(w).backward()
        except RuntimeError:
            pass
        reason = torch.why(w)
        """,
        "in-place",
        "clone()",
    ),
    "a stale gradient of a function's result": (
        """
        def f(v):
            return (v**2).sum()

        w = torch.ones(3, requires_grad=True)
        loss = f(w)
        loss.backward()
        loss = f(w * 3)  # here
        reason = torch.why(w, loss)
        """,
        "stale",
        "call loss.backward()",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.filterwarnings("ignore")
def test_a_mistake_is_named_with_its_line_and_remedy(name, tmp_path):
    program, cause, remedy = MISTAKES[name]
    reason = run(program, tmp_path)["reason"]
    line = marked_line(program)
    assert (reason.cause, reason.source.line if reason.source else None) == (cause, line), str(reason)
    assert f"prog.py:{line}" in str(reason)
    assert remedy in reason.remedy
    assert not reason.ok


HEALTHY = {
    "one step": """
        w = torch.ones(3, requires_grad=True)
        loss = (w**2).sum()
        loss.backward()
        reason = torch.why(w, loss)
    """,
    "without the loss": """
        w = torch.ones(3, requires_grad=True)
        loss = (w**2).sum()
        loss.backward()
        reason = torch.why(w)
    """,
    "a training loop": """
        w = torch.ones(3, requires_grad=True)
        for step in range(5):
            loss = ((w - 3) ** 2).sum()
            w.grad = None
            loss.backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
        reason = torch.why(w, loss)
    """,
    "a detach that is meant": """
        w = torch.ones(3, requires_grad=True)
        h = w * 2
        loss = (h * h.detach()).sum()
        loss.backward()
        print(loss.item(), h.detach().numpy())
        reason = torch.why(w, loss)
    """,
    "a retained middle": """
        x = torch.ones(3, requires_grad=True)
        z = x * 2
        z.retain_grad()
        loss = (z**2).sum()
        loss.backward()
        reason = torch.why(z, loss)
    """,
    "a retained graph": """
        w = torch.ones(3, requires_grad=True)
        loss = (w**2).sum()
        loss.backward(retain_graph=True)
        w.grad = None
        loss.backward()
        reason = torch.why(w, loss)
    """,
    "a vector with weights": """
        w = torch.ones(3, requires_grad=True)
        y = w**2
        y.backward(torch.ones(3))
        reason = torch.why(w, y)
    """,
    "a hook that doubles": """
        w = torch.ones(3, requires_grad=True)
        w.register_hook(lambda g: g * 2)
        loss = (w**2).sum()
        loss.backward()
        reason = torch.why(w, loss)
    """,
    "a module and its optimizer": """
        net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for step in range(3):
            optimizer.zero_grad()
            loss = (net(torch.ones(2, 3)) ** 2).mean()
            loss.backward()
            optimizer.step()
        reason = torch.why(net[0].weight, loss)
    """,
    "a loss that went backward before the step, with its graph retained": """
        encoder, a, b = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD([*encoder.parameters(), *a.parameters(), *b.parameters()], lr=0.1)
        for step in range(2):
            optimizer.zero_grad()
            h = torch.tanh(encoder(torch.ones(2, 2)))
            first, second = a(h).mean(), (b(h) ** 2).mean()
            first.backward(retain_graph=True)
            second.backward()
            optimizer.step()
        reason = torch.why(a.weight)
    """,
    "cleared after the update": """
        w = torch.ones(3, requires_grad=True)
        for step in range(2):
            loss = (w**2).sum()
            loss.backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
                w.grad.zero_()
        reason = torch.why(w, loss)
    """,
    "a reentrant checkpoint with an input that requires grad": """
        from chainrule.utils.checkpoint import checkpoint

        a, b = torch.nn.Linear(3, 3), torch.nn.Linear(3, 1)
        x = torch.ones(2, 3, requires_grad=True)
        loss = b(checkpoint(a, x, use_reentrant=True)).sum()
        loss.backward()
        reason = torch.why(a.weight, loss)
    """,
    "in a function": """
        def train():
            w = torch.ones(3, requires_grad=True)
            loss = (w**2).sum()
            loss.backward()
            return torch.why(w, loss)

        reason = train()
    """,
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_gets_a_clean_bill(name, tmp_path):
    reason = run(HEALTHY[name], tmp_path)["reason"]
    assert reason.ok, str(reason)
    assert str(reason).startswith("Nothing is wrong")


def test_there_are_enough_mistakes():
    assert len(MISTAKES) >= 30


def test_what_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="x must be a Tensor"):
        torch.why(3.0)
    with pytest.raises(TypeError, match="loss must be a Tensor"):
        torch.why(torch.ones(1), 3.0)


def test_why_changes_nothing():
    seen = []
    w = torch.ones(3, requires_grad=True)
    h = w * 2
    h.register_hook(seen.append)
    loss = (h**2).sum()
    loss.backward(retain_graph=True)
    count, gradient = len(seen), w.grad.clone()
    torch.why(w, loss)
    assert (len(seen), torch.equal(w.grad, gradient)) == (count, True)
    loss.backward()
