"""`chainrule.draw`: what the picture holds, its layout, and that no name can get out of its place in the page."""

from __future__ import annotations

import functools
import html.parser
import itertools
import json
import re
import time
import xml.etree.ElementTree as ElementTree

import pytest

import chainrule as torch
from chainrule.insight import layout
from chainrule.insight.graph import graph_of
from chainrule.insight.layout import Bend, Group, arrange, place

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\x00"


def small():
    x = torch.ones(2, 2, requires_grad=True)
    z = 3 * (x + 2) ** 2
    o = z.mean()
    return o


def large(rounds):
    w = torch.full((2,), 0.5, requires_grad=True)
    h = torch.ones(2)
    for _ in range(rounds):
        a = h * w
        h = torch.tanh(a) + 0.1
    return h.sum()


def data_of(page):
    """What the page is told, as `Drawing.data` gives it: its nodes and groups are in columns, its texts are numbered."""
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    for kind in ("nodes", "groups"):
        columns = {key: [data["texts"][n] for n in column] for key, column in data[kind]["texts"].items()}
        columns |= data[kind]["others"]
        data[kind] = [dict(zip(columns, row)) for row in zip(*columns.values())]
    return data


def by_label(data):
    return {node["label"]: node for node in data["nodes"]}


def test_nodes_have_names_values_gradients_and_lines():
    nodes = by_label(data_of(torch.draw(small()).html()))
    assert set(nodes) == {"x", "add", "pow", "z = mul", "o = mean"}
    assert nodes["z = mul"]["value"] == "[[27, 27], [27, 27]]"
    assert nodes["z = mul"]["gradient"] == "[[0.25, 0.25], [0.25, 0.25]]"
    assert nodes["x"]["gradient"] == "[[4.5, 4.5], [4.5, 4.5]]"
    assert nodes["z = mul"]["shape"] == "(2, 2) float32"
    assert nodes["z = mul"]["text"] == "3 * (x + 2) ** 2"
    assert nodes["z = mul"]["place"].startswith("test_draw.py:")
    assert nodes["x"]["place"] == "" and nodes["x"]["operation"] == ""


def test_it_changes_nothing():
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    torch.draw(y)
    assert x.grad is None
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_a_graph_that_was_freed_is_drawn_with_its_numbers():
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    y.backward()
    nodes = by_label(data_of(torch.draw(y).html()))
    assert nodes["y = mul"]["value"] == "4"
    assert nodes["x"]["gradient"] == "4"


def test_steps_are_in_the_order_of_backward():
    o = small()
    ran = []
    node = o.grad_fn
    while node is not None and hasattr(node, "next_functions"):
        node.register_hook(functools.partial(lambda name, *_: ran.append(name), node.name()))
        node = node.next_functions[0][0] if node.next_functions else None
    data = data_of(torch.draw(o).html())
    o.backward()
    steps = sorted((node["step"], node["operation"]) for node in data["nodes"])
    assert [name for _, name in steps][:4] == ["mean", "mul", "pow", "add"]
    assert ran[:4] == ["MeanBackward0", "MulBackward0", "PowBackward0", "AddBackward0"]


def test_several_elements_get_the_gradient_of_their_sum():
    x = torch.ones(3, requires_grad=True)
    data = data_of(torch.draw(x * 2).html())
    assert not data["scalar"]
    assert by_label(data)["x"]["gradient"] == "[2, 2, 2]"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_marked(bad):
    x = torch.tensor([1.0, bad], requires_grad=True)
    nodes = by_label(data_of(torch.draw((x * 2).sum()).html()))
    assert nodes["x"]["bad"]
    assert not by_label(data_of(torch.draw(small()).html()))["x"]["bad"]


def test_edges_of_several_outputs_complex_half_and_empty():
    x = torch.zeros(0, 2, requires_grad=True)
    a, b = x.unbind(1)
    assert "empty" in torch.draw((a * b).sum()).html()
    c = torch.tensor([1 + 2j], requires_grad=True)
    assert by_label(data_of(torch.draw((c * c).sum()).html()))["c"]["value"] == "[1+2j]"
    h = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    assert by_label(data_of(torch.draw(h * 2).html()))["h"]["shape"] == "(2,) bfloat16"


def test_a_leaf_alone():
    x = torch.tensor(1.5, requires_grad=True)
    drawing = torch.draw(x)
    assert [node["label"] for node in data_of(drawing.html())["nodes"]] == ["x"]
    ElementTree.fromstring(drawing.svg())


def test_what_cannot_be_drawn():
    with pytest.raises(RuntimeError, match="nothing of how it was computed was recorded"):
        torch.draw(torch.ones(2))
    with pytest.raises(TypeError, match="expected a Tensor, but got float"):
        torch.draw(1.0)
    with pytest.raises(ValueError, match=r"saved as \.html, \.svg or \.tex"):
        torch.draw(small()).save("graph.png")


def test_a_custom_function_without_a_value_says_why():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = torch.ones(2, requires_grad=True)
    y = Double.apply(x).sum()
    node = next(n for n in data_of(torch.draw(y).html())["nodes"] if n["operation"] == "Double")
    assert node["value"] or "custom Function" in node["note"] or "cannot be run again" in node["note"]
    assert node["gradient"] == "[1, 1]"


# ---------------------------------------------------------------- escaping


class Elements(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def test_names_are_text_and_never_markup(tmp_path):
    class Holder:
        pass

    def drawn(name):
        holder = Holder()
        setattr(holder, name, torch.ones(2, requires_grad=True))
        namespace = {"holder": holder, "name": name}
        exec(compile("y = (getattr(holder, name) * 2).sum()", name.replace("\x00", ""), "exec"), namespace)
        namespace["torch"] = torch
        return eval("torch.draw(y, name=name)", namespace)

    drawing, usual = drawn(HOSTILE), drawn("usual")
    assert any(HOSTILE in item.name for item in drawing.graph.items)
    page = drawing.html()
    assert "onerror" in page  # it is there, as text
    assert "<img" not in page
    assert Elements(page).tags == Elements(usual.html()).tags
    assert data_of(page)["name"] == HOSTILE
    picture = ElementTree.fromstring(drawing.svg())
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} <= {
        "svg", "title", "desc", "style", "defs", "marker", "path", "g", "rect", "text",
    }  # fmt: skip
    frame = drawing._repr_html_()
    assert Elements(frame).tags == ["iframe"]


def test_the_page_loads_nothing_and_runs_only_its_own_script():
    page = torch.draw(small()).html()
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\';' in page
    assert not re.search(r"""(src|href)\s*=|@import|url\((?!#)|fetch\(|XMLHttp|innerHTML""", page)
    assert "unsafe" not in re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert set(re.findall(r"https?://[^\"'\s]+", page)) == {"http://www.w3.org/2000/svg"}


# ---------------------------------------------------------------- the picture and the layout


def test_svg_holds_every_node_and_line():
    picture = ElementTree.fromstring(torch.draw(small()).svg())
    labels = {text.text for text in picture.iter(SVG + "text") if text.get("class") == "label"}
    assert labels == {"x", "add", "pow", "z = mul", "o = mean"}
    assert sum(path.get("class") == "edge" for path in picture.iter(SVG + "path")) == 4
    assert "gradient: [[4.5, 4.5], [4.5, 4.5]]" in "".join(t.text for t in picture.iter(SVG + "title"))


def checked_layout(y):
    graph = graph_of(y)
    root = graph.groups()
    arrange(root, graph.edges)
    assert sorted(root.nodes()) == list(range(len(graph.items)))
    boxes, _ = place(root, [70.0] * len(graph.items), lambda group: False)
    for group in root.groups():
        assert sorted(str(m) for row in group.rows for m in row if not isinstance(m, Bend)) == sorted(
            map(str, group.members)
        )
        outer = boxes[group]
        members = [boxes[m] for m in group.members]
        for box in members:  # inside, and apart from each other
            assert box.x >= outer.x - 0.01 and box.x + box.width <= outer.x + outer.width + 0.01
            assert box.y >= outer.y and box.y + box.height <= outer.y + outer.height + 0.01
        for row in group.rows:
            inside = [boxes[m] for m in row if not isinstance(m, Bend)]
            for left, right in itertools.pairwise(inside):
                assert left.x + left.width < right.x
    for a, b in graph.edges:
        assert boxes[a].y < boxes[b].y
    return graph, root


@pytest.mark.parametrize("rounds", [1, 3, 40, 400])
def test_layout(rounds):
    checked_layout(large(rounds))


def test_layout_of_skips_and_shared_inputs():
    x = torch.ones(3, requires_grad=True)
    parts = [x]
    for n in range(30):
        parts.append(sum(parts[-3:]) * (n + 1))
    checked_layout((parts[-1] * x + parts[2]).sum())


def test_calls_between_functions_are_grouped_without_cycles():
    w = torch.ones(2, requires_grad=True)

    def inner(h):
        h = h * w
        return h + 1

    def outer(h):
        for _ in range(40):
            h = inner(h) * 2
            h = inner(h) - 1
        return h

    _, root = checked_layout(outer(torch.ones(2)).sum())
    labels = [group.label for group in root.groups()]
    assert any(label.startswith("inner(), test_draw.py:") for label in labels)
    assert any(re.match(r"rounds? 1(–\d+)? of \d+: ", label) for label in labels)


def test_groups_are_lines_of_the_program():
    x = torch.ones(2, requires_grad=True)
    y = (x + 1) * (x + 2)
    z = y.sum()
    _, root = checked_layout(z)
    assert [group.label.partition("  ")[2] for group in root.groups()][1:] == ["y = (x + 1) * (x + 2)"]


def test_five_thousand_nodes_are_folded_and_fast():
    y = large(1700)
    start = time.perf_counter()
    drawing = torch.draw(y)
    picture = ElementTree.fromstring(drawing.svg())
    page = drawing.html()
    took = time.perf_counter() - start
    assert len(drawing.graph.items) > 5000
    shown = [g for g in picture.iter(SVG + "g") if g.get("class").split()[0] in ("node", "folded", "frame")]
    assert 5 <= len(shown) <= 120
    assert len(page) < 4_000_000
    assert took < 20
    assert drawing.svg(folded=False).count('<g class="node') == len(drawing.graph.items)


def test_small_graphs_are_open():
    assert all(not group["folded"] for group in data_of(torch.draw(small()).html())["groups"])
    o = small()
    assert repr(torch.draw(o)) == "<Drawing of o: 5 nodes>"


def crossings(root):
    """Pairs of lines between neighbouring rows that cross, in all groups."""
    count = 0
    for group in root.groups():
        for above in group.above:
            ends = [(place, n) for n, places in enumerate(above) for place in places]
            count += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in itertools.combinations(ends, 2))
    return count


def test_a_graph_that_can_be_drawn_without_crossings_is():
    x = torch.tensor(2.0, requires_grad=True)
    y = 2 * x**4 + x**3 + 3 * x**2 + 5 * x + 1
    assert crossings(checked_layout(y)[1]) == 0


def test_lines_from_one_value_run_together():
    w = torch.ones(2, requires_grad=True)
    h = torch.ones(2)
    for _ in range(20):
        a = h * w
        h = a + 1
    _, root = checked_layout(h.sum())
    bends = [one for group in root.groups() for row in group.rows for one in row if isinstance(one, Bend)]
    assert len(bends) <= 25  # and not 20 lines that pass up to 20 rows each


def test_lines_that_lead_to_the_same_run_together():
    weights = [torch.ones(2, requires_grad=True) for _ in range(4)]
    h = torch.ones(2)
    for _ in range(30):
        h = torch.tanh(h * weights[0] + weights[1]) * weights[2] + weights[3]
    _, root = checked_layout(h.sum())
    around = [group for group in root.groups() if group.kind != "round"]
    assert max(sum(isinstance(one, Bend) for one in row) for group in around for row in group.rows) == 1
    assert max(len(group.along) for group in around) == 3


def test_a_layer_of_which_each_leads_to_each_is_no_tangle():
    xs = [torch.tensor(float(n), requires_grad=True) for n in range(6)]
    for _ in range(3):
        xs = [torch.tanh(sum(xs) * n) for n in range(6)]
    _, root = checked_layout(torch.stack(xs).sum())
    assert crossings(root) < 12  # each with each would be 225 for every layer
    drawing = torch.draw(torch.stack(xs).sum())
    assert drawing.svg().count('class="edge') < 80


def test_long_lines_and_chains_stand_upright():
    w = torch.ones(2, requires_grad=True)
    x = torch.ones(2, requires_grad=True)
    h = x.sin().cos().exp().tanh().sigmoid()
    for _ in range(12):
        h = torch.tanh(h * w)
    graph = graph_of(h.sum())
    root = graph.groups()
    arrange(root, graph.edges)
    boxes, bends = place(
        root, [60.0 + 9 * (n % 5) for n in range(len(graph.items))], lambda group: group.kind == "round"
    )
    chain = ["sin", "cos", "exp", "tanh", "h = sigmoid"]
    middles = [boxes[n].x + boxes[n].width / 2 for n, item in enumerate(graph.items) if item.label in chain]
    assert len(middles) == 5 and max(middles) - min(middles) < 1e-6
    long = [[x for _, x, _, _ in line] for line in bends.values() if len(line) > 5]
    assert long and all(max(xs) - min(xs) < 1e-6 for xs in long)


def test_rounds_of_a_loop_in_one_line_are_groups():
    w = torch.ones(2, requires_grad=True)
    h = torch.ones(2)
    for _ in range(20):
        h = torch.tanh(h * w + 1)
    _, root = checked_layout(h.sum())
    rounds = [group.label for group in root.groups() if group.kind == "round"]
    assert rounds == [f"round {n} of 20" for n in range(1, 21)]


def test_a_loop_around_a_loop():
    weights = [[torch.tensor(1.0, requires_grad=True) for _ in range(3)] for _ in range(4)]
    outs = []
    for row in weights:
        total = torch.tensor(0.0)
        for w in row:
            part = w * 2.0
            total = total + part
        outs.append(total.tanh())
    _, root = checked_layout(torch.stack(outs).sum())
    outer = [one for group in root.groups() for one in group.members if isinstance(one, Group) and one.kind == "round"]
    labels = [one.label.partition(":")[0] for one in outer]
    assert labels.count("round 1 of 4") == 1 and labels.count("round 1 of 3") == 4


def test_two_loops_and_what_is_between_them():
    w = torch.ones(2, requires_grad=True)
    h = w + 0
    for _ in range(3):
        a = torch.sin(h) * w
        h = a + 1
    h = h.exp()
    for _ in range(2):
        b = torch.cos(h) * w
        h = b - 1
    _, root = checked_layout(h.sum())
    labels = [group.label.partition(":")[0] for group in root.groups() if group.kind == "round"]
    assert labels == ["round 1 of 3", "round 2 of 3", "round 3 of 3", "round 1 of 2", "round 2 of 2"]


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(3, 3)
        self.outer = torch.nn.Linear(3, 3)

    def forward(self, x):
        h = torch.relu(self.inner(x))
        return x + self.outer(h)


def test_modules_are_frames_and_take_their_name_off_their_parameters():
    model = torch.nn.Sequential(Block(), Block())
    y = model(torch.ones(2, 3)).sum()
    drawing = torch.draw(y)
    labels = [group.label for group in drawing.root.groups()]
    assert any(label.startswith("model: Block.forward(), test_draw.py:") for label in labels)
    assert "round 1 of 2: model[0]" in labels and "round 2 of 2: model[1]" in labels
    leaves = [(node["label"], node["name"]) for node in data_of(drawing.html())["nodes"] if not node["operation"]]
    assert ("inner.weight", "model[0].inner.weight") in leaves and ("outer.bias", "model[1].outer.bias") in leaves


def test_operations_have_their_names():
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    y = torch.log1p(torch.nn.functional.max_pool2d(x, 2)).sum()
    labels = [item.operation for item in graph_of(y).items]
    assert labels == ["", "max_pool2d_with_indices", "log1p", "sum"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_badges_of_every_dtype(dtype):
    x = torch.tensor([1.0, float("nan")], dtype=dtype, requires_grad=True)
    assert graph_of((x * 2).abs().sum()).items[0].badge.startswith("nan")


def test_a_badge_tells_the_sign_of_infinity():
    x = torch.ones(2, requires_grad=True)
    masked = x.masked_fill(torch.tensor([True, False]), float("-inf"))
    badges = [item.badge for item in graph_of(torch.softmax(masked, 0)[1]).items]
    assert badges == ["", "-inf", "", ""]


def test_a_module_is_a_frame_also_where_it_flattens_its_input():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.GELU(), torch.nn.Linear(3, 1))
    labels = {group.label for group in torch.draw(model(torch.ones(2, 4, 3)).sum()).root.groups()}
    assert {"model[0]", "model[2]"} <= labels


def test_a_cut_title_is_told_in_full():
    alpha = torch.ones(2, requires_grad=True)
    beta = (alpha + 1) * (alpha + 2) * (alpha + 3) * (alpha + 4) * (alpha + 5) * (alpha + 6) * (alpha + 7)
    group = data_of(torch.draw(beta.sum()).html())["groups"][1]
    assert group["label"].endswith("…") and group["told"].endswith("(alpha + 7)")


class Mixer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(3, 3)

    def forward(self, x):
        a = torch.tanh(x)
        return self.inner(a) + x


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.LayerNorm(3)
        self.mixer = Mixer()
        self.out = torch.nn.Linear(3, 3)

    def forward(self, x):
        h = x + self.mixer(self.norm(x))
        h = h + 1
        return self.out(h)


def test_blocks_that_call_others_are_frames_of_their_own():
    model = torch.nn.Sequential(*[Layer() for _ in range(3)])
    y = model(torch.ones(2, 3)).sum()
    checked_layout(y)
    groups = {group.label: group for group in torch.draw(y).root.groups()}
    for n in range(3):
        block = groups[f"round {n + 1} of 3: model[{n}]"]
        items = graph_of(y).items
        assert {items[i].name.split(".")[0] for i in block.nodes() if items[i].name} <= {f"model[{n}]", "h", "a"}


def test_the_last_round_is_as_the_others():
    theta = torch.ones(2, requires_grad=True)

    def slope(y):
        y = y * theta
        return torch.sin(y)

    y = torch.ones(2)
    for _ in range(5):
        middle = y + 0.05 * slope(y)
        y = y + 0.1 * slope(middle)
    loss = y.square().sum()
    _, root = checked_layout(loss)
    rounds = [group.label.partition(":")[0] for group in root.groups() if group.kind == "round"]
    assert {f"round {n} of 5" for n in range(1, 6)} <= set(rounds)
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    a, b, c = net(torch.ones(1, 2)), net(torch.zeros(1, 2)), net(torch.ones(1, 2) * 2)
    _, root = checked_layout((a + b + c).sum())
    rounds = [group for group in root.groups() if group.kind == "round"]
    inner = [{m.label for m in group.members if isinstance(m, Group)} for group in rounds]
    assert [group.label for group in rounds] == [f"round {n} of 3" for n in (1, 2, 3)]
    assert inner == [{"net[0]", "net[2]"}] * 3


def test_layers_of_a_sequential_are_frames_also_for_an_input_that_needs_a_gradient():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    x = torch.ones(2, 3, requires_grad=True)
    labels = {group.label for group in torch.draw(model(x).sum()).root.groups()}
    assert {"model[0]", "model[2]"} <= labels


def test_layers_of_a_sequential_are_frames():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    y = model(torch.ones(2, 3)).sum()
    checked_layout(y)
    drawing = torch.draw(y)
    assert {"model[0]", "model[2]"} <= {group.label for group in drawing.root.groups()}


def test_a_batch_norm_is_in_the_frame_of_its_parameters():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
    drawing = torch.draw(model(torch.rand(4, 3)).sum())
    (frame,) = [group for group in drawing.root.groups() if group.label == "model[1]"]
    assert "native_batch_norm" in {drawing.graph.items[n].operation for n in frame.nodes()}


def test_what_lists_and_dictionaries_hold_has_a_name():
    layers = [torch.nn.Linear(2, 2) for _ in range(2)]
    weights = {"first": torch.ones(2, requires_grad=True)}
    h = torch.ones(3, 2)
    for layer in layers:
        h = torch.tanh(layer(h))
    graph = graph_of((h * weights["first"]).sum())
    leaves = {item.name for item in graph.items if item.source is None}
    assert leaves == {"weights['first']", "layers[0].weight", "layers[0].bias", "layer.weight", "layer.bias"}


def test_names_are_the_programs_own():
    x = torch.ones(2, requires_grad=True)
    h = x
    for _ in range(3):
        h = torch.tanh(h)
    assert [item.label for item in graph_of(h).items] == ["x", "h = tanh", "h = tanh", "h = tanh"]
    assert graph_of(h).name == "h"
    drawing = torch.draw(h.sum())
    assert drawing.graph.name == "h.sum()"


def test_very_many_leaves_and_a_wide_graph():
    leaves = [torch.tensor(float(n), requires_grad=True) for n in range(300)]
    _, root = checked_layout(torch.stack(leaves).sum())
    assert "300 leaves" in [group.label for group in root.groups()]
    x = torch.ones(2, requires_grad=True)
    _, root = checked_layout(torch.stack([(x * n).sum() for n in range(300)]).sum())
    assert max(sum(not isinstance(one, Bend) for one in row) for g in root.groups() for row in g.rows) <= 8
    assert max(len(group.members) for group in root.groups()) <= 25


def test_between_two_tensors():
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    z = a * 2
    y = (z * b + z).sum()
    drawing = torch.draw(y, z)
    assert [item.label for item in drawing.graph.items] == ["z = mul", "mul", "add", "y = sum"]
    assert drawing.graph.items[0].gradient == "[2, 2]" and drawing.graph.items[0].inputs == []
    assert sorted(item.step for item in drawing.graph.items) == [0, 1, 2, 3]
    ElementTree.fromstring(drawing.svg())
    assert [item.label for item in torch.draw(y, b).graph.items] == ["b", "mul", "add", "y = sum"]
    with pytest.raises(RuntimeError, match="y was not computed from that tensor"):
        torch.draw(y, torch.ones(1, requires_grad=True))
    with pytest.raises(TypeError, match="expected a Tensor, but got int"):
        torch.draw(y, 3)


def test_views_have_values_though_they_keep_no_shape():
    layer = torch.nn.Linear(2, 2)
    y = layer(torch.ones(2, 3, 2)).sum()
    y.backward(retain_graph=True)
    assert all(node["value"] for node in data_of(torch.draw(y).html())["nodes"])


def test_wide_letters_have_room():
    重み = torch.ones(2, requires_grad=True)
    x = torch.ones(2, requires_grad=True)
    drawing = torch.draw((重み * 2 + x).sum(), name="日本語")
    assert {"重み", "x"} <= {item.label for item in drawing.graph.items}
    assert layout.letters_in("重み") == 4 and layout.letters_in("x") == 1
    assert "<title>Graph of 日本語</title>" in drawing.svg()


def test_pictures_in_one_notebook_do_not_meet():
    first, second = torch.draw(small())._repr_svg_(), torch.draw(large(2))._repr_svg_()
    ids = [re.findall(r'id="([^"]+)"', picture) for picture in (first, second)]
    assert len(ids[0]) == len(ids[1]) == 1 and ids[0] != ids[1]
    for picture in (first, second):
        style = ElementTree.fromstring(picture).find(SVG + "style").text
        rules = re.sub(r"@media[^{]*\{", "", style)
        selectors = [one for found in re.findall(r"([^{}]+)\{", rules) for one in found.split(",")]
        assert selectors and all(one.startswith(".chainrule ") for one in selectors)


def test_a_picture_is_told_to_those_who_cannot_see_it():
    picture = ElementTree.fromstring(torch.draw(small()).svg())
    assert picture.get("role") == "img" and picture.get("aria-label") == "Graph of o"
    assert picture.find(SVG + "desc").text == (
        "5 nodes, inputs above. x. add from x. pow from add. z = mul from pow. o = mean from z = mul."
    )


def test_import_does_not_bring_the_pictures():
    import subprocess
    import sys

    code = "import chainrule, sys; print([m for m in sys.modules if m.startswith('chainrule.insight.dr')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
