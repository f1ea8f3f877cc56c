"""The page of `chainrule.draw` in a real browser: mouse, keys, search, steps, folding, dark and print."""

from __future__ import annotations

import base64
import json
import random
import re
from itertools import pairwise

import pytest

import chainrule as torch
from chainrule.insight.layout import Group

from .browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the path")


@pytest.fixture(scope="module")
def browser():
    with Browser() as found:
        yield found


def network():
    w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    b = torch.zeros(2, requires_grad=True)
    x = torch.ones(3, 2)
    h = torch.tanh(x @ w + b)
    loss = (h * h).mean() + 0.1 * (w**2).sum()
    return loss


def large():
    w = torch.full((2,), 0.5, requires_grad=True)
    h = torch.ones(2)
    for _ in range(1700):
        a = h * w
        h = torch.tanh(a) + 0.1
    return h.sum()


def shown(browser, drawing, tmp_path):
    path = tmp_path / "graph.html"
    drawing.save(path)
    browser.open(path)
    return drawing


def node(label):
    """The element with this text in it, or else the frame whose heading has it."""
    buttons = "[...document.querySelectorAll('[role=button]')]"
    text, wanted = "e.querySelector('text').textContent", json.dumps(label)
    return f"({buttons}.find((e) => {text} === {wanted}) || {buttons}.find((e) => {text}.includes({wanted})))"


def count(browser, selector):
    return browser.run(f"document.querySelectorAll({json.dumps(selector)}).length")


def test_it_draws_without_complaints_and_requests(browser, tmp_path):
    drawing = shown(browser, torch.draw(network()), tmp_path)
    assert count(browser, "svg .node") == len(drawing.graph.items)
    assert browser.text("h1") == "Graph of loss"
    assert browser.problems() == []


def recurrent():
    w, u, b = (torch.tensor([[1.0, 0.5], [0.25, 1.0]], requires_grad=True) for _ in range(3))
    h = torch.ones(2, 2)
    for _ in range(8):
        a = torch.tanh(h @ w + b) * u.sum()
        h = a + h
    return h.sum()


def dense():
    layers = [torch.nn.Linear(2 * (n + 1), 2) for n in range(5)]
    found = [torch.ones(3, 2)]
    for layer in layers:
        found.append(torch.relu(layer(torch.cat(found, 1))))
    return found[-1].mean()


def same(one, other):
    return len(one) == len(other) and all(abs(a - b) < 0.21 for a, b in zip(one, other))


@pytest.mark.parametrize("share", [0, 0.2, 0.6])  # of the frames, folded
@pytest.mark.parametrize("program", [network, recurrent, dense, large])
def test_boxes_and_lines_are_those_of_the_picture(browser, tmp_path, program, share):
    drawing = shown(browser, torch.draw(program()), tmp_path)
    if program is not large:
        groups, chance = list(drawing.root.groups()), random.Random(3)
        drawing.folded = {id(group) for group in groups[1:] if chance.random() < share}
        flags = [int(id(group) in drawing.folded) for group in groups]
        browser.run(f"(() => {{ const f = {flags}; groups.forEach((group, n) => group.folded = f[n]); draw(); }})()")
    figure = drawing.figure()
    theirs = browser.run("[...boxes.values()].map((b) => [b.x, b.y, b.width, b.height])")
    assert len(theirs) == len(figure.boxes)
    assert all(any(same(box, other) for other in theirs) for box in figure.boxes.values())

    def numbers(path):
        return [float(n) for n in re.findall(r"-?[\d.]+(?:e-?\d+)?", path)]

    theirs = list(map(numbers, browser.run("[...document.querySelectorAll('.edge')].map((e) => e.getAttribute('d'))")))
    ours = [numbers(path) for path in re.findall(r'class="edge[^"]*" d="([^"]+)"', figure.svg())]
    assert len(ours) == len(theirs)
    assert all(any(same(line, other) for other in theirs) for line in ours)


def test_hover_shows_shape_value_gradient_and_line(browser, tmp_path):
    shown(browser, torch.draw(network()), tmp_path)
    browser.mouse(node("h = tanh"), click=False)
    about = browser.text("#about")
    assert "(3, 2) float32" in about and "torch.tanh(x @ w + b)" in about and "test_draw_browser.py:" in about
    browser.mouse(node("b"), click=False)
    assert "leaf: an input or a parameter" in browser.text("#about")


def test_a_click_keeps_a_node(browser, tmp_path):
    shown(browser, torch.draw(network()), tmp_path)
    browser.mouse(node("h = tanh"))
    assert browser.text("#about h2") == "h = tanh"
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=400)
    assert browser.text("#about h2") == "h = tanh"


def test_a_click_folds_and_unfolds_a_frame(browser, tmp_path):
    drawing = shown(browser, torch.draw(network()), tmp_path)
    everything = count(browser, "svg .node")
    frame = next(g for g in drawing.root.members if isinstance(g, Group))
    title = frame.label.partition("  ")[2][:18]
    browser.mouse(node(title))
    assert count(browser, "svg .folded") == 1
    assert count(browser, "svg .node") == everything - len(list(frame.nodes()))
    assert browser.run(f"{node(title)}.getAttribute('aria-expanded')") == "false"
    browser.mouse(node(title))
    assert count(browser, "svg .node") == everything
    assert browser.problems() == []


def test_by_keyboard_alone(browser, tmp_path):
    shown(browser, torch.draw(network()), tmp_path)
    for _ in range(20):
        browser.key("Tab")
        if browser.run("document.activeElement.dataset.one !== undefined"):
            break
    assert browser.text("#about h2") == "loss = add"
    browser.key("ArrowUp")
    above = browser.text("#about h2")
    assert above in ("mean", "mul")
    browser.key("ArrowDown")
    assert browser.text("#about h2") == "loss = add"
    browser.key("Escape")  # folds the frame around
    assert count(browser, "svg .folded") == 1
    assert browser.run("document.activeElement.getAttribute('aria-expanded')") == "false"
    browser.key("Enter")
    assert count(browser, "svg .folded") == 0


def test_the_slider_plays_backward(browser, tmp_path):
    drawing = shown(browser, torch.draw(network()), tmp_path)
    assert browser.run("document.getElementById('step').max") == str(drawing.graph.steps)
    browser.mouse("document.getElementById('next')")
    assert browser.text("#status").startswith(f"step 1 of {drawing.graph.steps}: loss = add")
    assert browser.run("document.querySelector('.now text').textContent") == "loss = add"
    assert count(browser, ".edge.now") == 2
    browser.screenshot(tmp_path / "step.png")
    browser.run("document.getElementById('step').focus()")
    for _ in range(drawing.graph.steps):
        browser.key("ArrowRight")
    assert browser.text("#status").startswith(f"step {drawing.graph.steps} of")
    assert count(browser, ".node.done") == len(drawing.graph.items)
    assert browser.run(f"{node('b')}.querySelector('.detail').textContent") == "‖∂‖ 0.00134"
    browser.mouse("document.getElementById('back')")
    assert browser.text("#status").startswith(f"step {drawing.graph.steps - 1} of")


def test_search_goes_into_folded_groups(browser, tmp_path):
    drawing = shown(browser, torch.draw(large()), tmp_path)
    assert count(browser, "svg .node") < 100
    browser.run("document.getElementById('search').focus()")
    top = browser.run("canvas.getBoundingClientRect().top")
    for letter in "tanh":
        browser.key(letter)
    assert browser.text("#found").startswith("3400 found")
    assert browser.run("canvas.getBoundingClientRect().top") == top
    browser.key("Enter")
    assert browser.text("#found").startswith("1 of 3400: tanh")
    assert browser.run("document.querySelectorAll('.found').length") > 0
    assert "torch.tanh(a)" in browser.text("#about")
    assert len(drawing.graph.items) > 5000
    assert browser.problems() == []


def test_five_thousand_nodes_open_at_once(browser, tmp_path):
    drawing = shown(browser, torch.draw(large()), tmp_path)
    took = browser.run(
        "(() => { const start = performance.now(); document.getElementById('open').click(); return performance.now() - start; })()"
    )
    assert count(browser, "svg .node") == len(drawing.graph.items)
    assert took < 10_000
    browser.mouse("document.getElementById('fold')")
    assert count(browser, "svg .node") < 100


def test_roles_names_and_the_table(browser, tmp_path):
    drawing = shown(browser, torch.draw(network()), tmp_path)
    buttons = "[...document.querySelectorAll('svg [role=button]')]"
    assert browser.run(f"{buttons}.every((e) => e.getAttribute('aria-label'))")
    assert browser.run(f"{buttons}.filter((e) => e.getAttribute('tabindex') === '0').length") == 1
    label = browser.run(f"{node('h = tanh')}.getAttribute('aria-label')")
    assert label.startswith("h = tanh, shape (3, 2) float32, value") and "gradient" in label and "line" in label
    browser.mouse("document.querySelector('summary')")
    browser.run("new Promise((done) => setTimeout(done, 100))")
    assert count(browser, "tr") == len(drawing.graph.items) + 1


def test_light_dark_and_print(browser, tmp_path):
    shown(browser, torch.draw(network()), tmp_path)
    colors = {}
    for scheme in ("light", "dark"):
        browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        colors[scheme] = browser.run("getComputedStyle(document.body).backgroundColor")
    assert colors["light"] != colors["dark"]
    browser.send("Emulation.setEmulatedMedia", media="print", features=[])
    assert browser.run("getComputedStyle(document.getElementById('step').parentElement).display") == "none"
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.send("Emulation.setEmulatedMedia", media="", features=[])


def test_hostile_names_run_nothing(browser, tmp_path):
    hostile = "</script><img src=x onerror=\"window.hit=1\"><svg onload='window.hit=1'>"
    x = torch.ones(2, requires_grad=True)
    namespace = {"x": x}
    exec(compile("y = x.sum()", hostile, "exec"), namespace)
    shown(browser, torch.draw(namespace["y"], name=hostile), tmp_path)
    assert browser.text("h1") == f"Graph of {hostile}"
    assert browser.run("window.hit") is None
    assert count(browser, "img") == 0
    assert browser.problems() == []


def test_the_picture_is_there_without_the_script(browser, tmp_path):
    drawing = torch.draw(network())
    path = tmp_path / "graph.html"
    drawing.save(path)
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(path)
        assert count(browser, "main > svg .node") == len(drawing.graph.items)
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def background(browser, drawing, tmp_path):
    """The colours behind and of the text of a picture that is opened by itself, in light and in dark."""
    path = tmp_path / "graph.svg"
    drawing.save(path)
    browser.open(path)
    found = []
    for scheme in ("light", "dark"):
        browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        colors = [
            browser.run(f"getComputedStyle(document.querySelector('{one}')).fill.match(/\\d+/g).map(Number)")
            for one in (".page", ".node .label", ".node rect", ".node .detail", ".frame .title")
        ]
        found.append(colors)
    browser.send("Emulation.setEmulatedMedia", media="", features=[])
    return found


def contrast(a, b):
    """The contrast ratio of two colours, as the Web Content Accessibility Guidelines define it."""

    def luminance(color):
        parts = [c / 255 for c in color]
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_picture_alone_is_readable_in_light_and_dark(browser, tmp_path):
    light, dark = background(browser, torch.draw(network()), tmp_path)
    assert light[0] != dark[0]
    for page, label, node_fill, detail, title in (light, dark):
        assert contrast(label, node_fill) > 7 and contrast(detail, node_fill) > 4.5 and contrast(title, page) > 4.5


CONTRASTS = """(() => {
    const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number), page = rgb(getComputedStyle(document.body).backgroundColor);
    const found = [];
    for (const one of document.querySelectorAll("svg .node, svg .folded")) {
        const fill = rgb(getComputedStyle(one.querySelector("rect")).fill);
        found.push(["text", rgb(getComputedStyle(one.querySelector(".label")).fill), fill], ["text", rgb(getComputedStyle(one.querySelector(".detail")).fill), fill]);
        found.push(["line", rgb(getComputedStyle(one.querySelector("rect")).stroke), page]);
        if (one.querySelector(".badge")) found.push(["text", rgb(getComputedStyle(one.querySelector(".badge")).fill), rgb(getComputedStyle(one.querySelector(".behind-badge")).fill)]);
    }
    for (const one of document.querySelectorAll(".title")) found.push(["text", rgb(getComputedStyle(one).fill), page]);
    for (const one of document.querySelectorAll(".edge, .ring")) found.push(["line", rgb(getComputedStyle(one).stroke), page]);
    const panel = rgb(getComputedStyle(document.querySelector("aside")).backgroundColor);
    for (const one of document.querySelectorAll("dt, dd, h2, #status, .help p, .legend li, #count")) found.push(["text", rgb(getComputedStyle(one).color), panel]);
    return found;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_and_line_has_the_contrast_that_accessibility_asks_for(browser, tmp_path, scheme):
    features = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")]
    browser.send("Emulation.setEmulatedMedia", features=[{"name": a, "value": b} for a, b in features])
    try:
        shown(browser, troubled(), tmp_path)
        browser.run("document.getElementById('search').value = 'mul'")
        browser.run("document.getElementById('search').dispatchEvent(new Event('input'))")
        browser.run("goTo(4)")
        found = browser.run(CONTRASTS)
        browser.run("foldAll()")
        found += browser.run(CONTRASTS)
    finally:
        browser.send("Emulation.setEmulatedMedia", media="", features=[])
    assert {"text", "line"} == {kind for kind, _, _ in found} and len(found) > 60
    for kind, color, behind in found:
        assert contrast(color, behind) >= {"text": 4.5, "line": 3}[kind], (kind, color, behind)


def troubled():
    """A graph with nan, inf and a leaf that no gradient reaches."""

    class Stop(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a * b

        @staticmethod
        def backward(ctx, g):
            return None, g

    x = torch.tensor([0.0, 1.0], requires_grad=True)
    stopped = torch.ones(2, requires_grad=True)
    w = torch.ones(2, requires_grad=True)
    ratio = torch.sqrt(x) / x
    kept = torch.where(x > 0, ratio, torch.zeros(2)) * 2
    product = Stop.apply(stopped, w)
    huge = torch.full((2,), 3e38)
    loss = kept.sum() + (product + huge + huge).sum()
    return torch.draw(loss)


def test_what_is_wrong_shows_at_once_also_where_it_is_folded(browser, tmp_path):
    shown(browser, troubled(), tmp_path)

    def badge(label):
        return browser.run(f"{node(label)}.querySelector('.badge')?.textContent")

    assert badge("x") == "∂ nan" and badge("ratio = div") == "nan" and badge("loss = add") == "inf"
    assert badge("stopped") == "no ∂" and badge("w") is None and badge("kept = mul") is None
    assert "no gradient arrives" in browser.run(f"{node('stopped')}.getAttribute('aria-label')")
    assert browser.run(f"getComputedStyle({node('stopped')}.querySelector('rect')).strokeDasharray") != "none"
    browser.mouse(node("stopped"), click=False)
    assert "none arrives" in browser.text("#about")
    browser.mouse("document.getElementById('fold')")
    badges = browser.run("[...document.querySelectorAll('svg .folded .badge')].map((e) => e.textContent)")
    assert any(re.fullmatch(r"\d+ not finite", one) for one in badges)
    names = "[...document.querySelectorAll('svg .folded')].map((e) => e.getAttribute('aria-label'))"
    assert any("not finite" in one for one in browser.run(names))
    browser.run("tell(Number(document.querySelector('svg .folded.bad').dataset.one))")
    assert "ratio = div" in browser.text("#about") or "loss = add" in browser.text("#about")


def test_a_ring_marks_what_has_the_focus_and_what_is_kept(browser, tmp_path):
    shown(browser, torch.draw(network()), tmp_path)
    ring = "(() => { const r = document.querySelector('.ring').getBoundingClientRect(), b = elementOf(told).getBoundingClientRect(); return r.left < b.left && r.right > b.right && r.top < b.top && r.bottom > b.bottom; })()"
    browser.mouse(node("h = tanh"))
    assert browser.run(ring) and browser.run("document.querySelector('.ring').classList.contains('kept')")
    browser.key("ArrowUp")
    assert browser.text("#about h2") != "h = tanh"
    assert browser.run(ring) and browser.run("document.querySelector('.ring').classList.contains('focused')")
    assert browser.run("parseFloat(getComputedStyle(document.querySelector('.ring')).strokeWidth)") > 3


def test_gradients_go_up(browser, tmp_path):
    shown(browser, torch.draw(network()), tmp_path)
    markers = "(() => { const s = getComputedStyle(document.querySelector('.edge.now') || document.querySelector('.edge')); return [s.markerStart, s.markerEnd]; })()"
    start, end = browser.run(markers)
    assert start == "none" and "#tip" in end
    browser.mouse("document.getElementById('next')")
    start, end = browser.run(markers)
    assert "#tip-now" in start and end == "none"
    assert count(browser, "#tip-now") == 1


def test_no_step_moves_the_graph_and_no_button_loses_the_focus(browser, tmp_path):
    drawing = shown(browser, torch.draw(network()), tmp_path)
    tops = set()
    browser.run("document.getElementById('next').focus()")
    for _ in range(drawing.graph.steps + 1):
        tops.add(browser.run("document.getElementById('canvas').getBoundingClientRect().top"))
        browser.key("Enter")
    assert len(tops) == 1
    assert browser.run("document.activeElement.id") == "next"
    assert browser.run("document.activeElement.getAttribute('aria-disabled')") == "true"
    assert browser.text("#count") == f"{drawing.graph.steps} of {drawing.graph.steps}"


def test_playing_tells_a_screen_reader_the_end_and_not_every_step(browser, tmp_path):
    drawing = shown(browser, torch.draw(network()), tmp_path)
    assert browser.run("document.getElementById('status').getAttribute('role')") == "status"
    browser.mouse("document.getElementById('play')")
    assert browser.run("document.getElementById('status').getAttribute('aria-live')") == "off"
    browser.run(
        "new Promise((done) => { const wait = setInterval(() => { if (timer === null) { clearInterval(wait); done(); } }, 50); })"
    )
    assert browser.run("document.getElementById('status').getAttribute('aria-live')") == "polite"
    assert browser.text("#status").startswith(f"step {drawing.graph.steps} of")
    spoken = browser.run("document.getElementById('step').getAttribute('aria-valuetext')")
    assert spoken.startswith(f"{drawing.graph.steps} of {drawing.graph.steps}, ")


def test_a_small_window_and_large_letters(browser, tmp_path):
    # 1200 by 756 at 200 %
    browser.send("Emulation.setDeviceMetricsOverride", width=600, height=378, deviceScaleFactor=2, mobile=False)
    try:
        shown(browser, torch.draw(network()), tmp_path)
        assert browser.run("document.getElementById('canvas').clientHeight") >= 240
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        assert browser.run("document.documentElement.scrollHeight > innerHeight")  # the page scrolls
    finally:
        browser.send("Emulation.clearDeviceMetricsOverride")


def test_a_long_name_leaves_the_tools_in_their_place(browser, tmp_path):
    shown(browser, torch.draw(network(), name="a_long_name" * 40), tmp_path)
    assert browser.run("document.querySelector('header').offsetHeight") < 100
    assert browser.run("document.getElementById('heading').title").endswith("a_long_name")


def test_colors_of_the_readers_own(browser, tmp_path):
    browser.send("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])
    try:
        shown(browser, torch.draw(network()), tmp_path)
        fills = browser.run(
            "[...new Set([...document.querySelectorAll('svg .node rect, svg .folded rect')].map((e) => getComputedStyle(e).fill))]"
        )
        assert fills == [browser.run("getComputedStyle(document.body).backgroundColor")]
        text = browser.run("getComputedStyle(document.querySelector('svg .node .label')).fill")
        assert text == browser.run("getComputedStyle(document.body).color")
    finally:
        browser.send("Emulation.setEmulatedMedia", media="", features=[])


def test_unfolding_stops_before_the_browser_does(browser, tmp_path):
    shown(browser, torch.draw(large()), tmp_path)
    browser.run("unfoldAll(500)")
    assert 100 < browser.run("elements.size") <= 500
    assert "stay folded" in browser.text("#status")
    browser.run("unfoldAll(MOST_OPEN)")
    assert "stay folded" not in browser.text("#status") and count(browser, "svg .folded") == 0


def test_the_table_comes_in_parts_and_leads_to_the_graph(browser, tmp_path):
    drawing = shown(browser, torch.draw(large()), tmp_path)
    browser.run("document.querySelector('#list details').open = true")
    browser.run("new Promise((done) => setTimeout(done, 100))")
    assert count(browser, "tbody tr") == 500
    browser.run("document.getElementById('more').click()")
    assert count(browser, "tbody tr") == 1000
    assert browser.text("caption").endswith("in the order in which they were computed")
    browser.run("document.querySelectorAll('tbody tr button')[700].click()")
    assert browser.text("#about h2") == drawing.graph.items[700].label
    assert browser.run("Number(document.activeElement.dataset.one)") == 700


def test_search_finds_frames_and_counts_in_what_is_folded(browser, tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))
    y = model(torch.ones(3, 2)).sum()
    shown(browser, torch.draw(y), tmp_path)
    browser.run("foldAll()")
    browser.run("document.getElementById('search').focus()")
    for letter in "tanh":
        browser.key(letter)
    details = browser.run("[...document.querySelectorAll('.folded.found .detail')].map((e) => e.textContent)")
    assert len(details) == 1 and details[0].endswith("nodes, 1 found")
    browser.run("document.getElementById('search').value = 'model[2]'")
    browser.run("document.getElementById('search').dispatchEvent(new Event('input'))")
    assert browser.run("hits.some(isGroup)")


def test_paper_is_cut_between_boxes(browser, tmp_path):
    w = torch.ones(2, requires_grad=True)
    h = torch.ones(2)
    for _ in range(12):
        a = h * w
        h = torch.tanh(a) + 0.1
    drawing = shown(browser, torch.draw(h.sum()), tmp_path)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    sheets = browser.run(
        "[...document.querySelectorAll('#paper svg')].map((s) => [s.viewBox.baseVal.y, s.viewBox.baseVal.y + s.viewBox.baseVal.height])"
    )
    assert len(sheets) > 1 and all(abs(one[1] - two[0]) < 0.01 for one, two in pairwise(sheets))
    spans = browser.run(
        "[...elements.keys()].filter((n) => !isGroup(n)).map((n) => [boxes.get(n).y, boxes.get(n).y + boxes.get(n).height])"
    )
    assert len(spans) == len(drawing.graph.items)
    for top, bottom in spans:
        assert sum(a <= top and bottom <= b for a, b in sheets) == 1  # whole, on one sheet
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert count(browser, "#paper svg") == 0
    printed = base64.b64decode(browser.send("Page.printToPDF")["data"])
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert len(sheets) - 1 <= pages <= len(sheets) + 1  # a short one may join another, the legend may need its own


def test_by_touch(browser, tmp_path):
    browser.send("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        shown(browser, torch.draw(network()), tmp_path)
        x, y = browser.run(
            f"(() => {{ const b = {node('h = tanh')}.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
        )
        browser.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        browser.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        browser.run("new Promise((done) => setTimeout(done, 400))")
        assert browser.text("#about h2") == "h = tanh" and browser.run("kept !== null")
    finally:
        browser.send("Emulation.setTouchEmulationEnabled", enabled=False)


def test_names_cannot_turn_around_what_stands_beside_them(browser, tmp_path):
    shown(browser, torch.draw(network(), name="abc\u202edef"), tmp_path)
    names = {"w\u202egnp": torch.ones(2, requires_grad=True)}
    drawing = torch.draw((names["w\u202egnp"] * 2).sum())
    shown(browser, drawing, tmp_path)
    assert "\u202e" not in browser.run("document.getElementById('canvas').textContent")
    assert "\u202e" not in drawing.svg()


def test_two_drawings_in_one_notebook(browser, tmp_path):
    path = tmp_path / "both.html"
    frames = torch.draw(network())._repr_html_() + troubled()._repr_html_()
    path.write_text(f"<!DOCTYPE html><meta charset=utf-8>{frames}", encoding="utf-8")
    browser.open(path)
    browser.run("document.querySelectorAll('iframe')[1].contentDocument.getElementById('next').click()")
    statuses = (
        "[...document.querySelectorAll('iframe')].map((f) => f.contentDocument.getElementById('count').textContent)"
    )
    first, second = browser.run(statuses)
    assert first.startswith("0 of") and second.startswith("1 of")
    heights = browser.run("[...document.querySelectorAll('iframe')].map((f) => f.clientHeight)")
    assert all(450 <= height <= 680 for height in heights)
    assert browser.problems() == []


def test_drag_moves_and_the_wheel_zooms(browser, tmp_path):
    shown(browser, torch.draw(large()), tmp_path)
    browser.run("document.getElementById('open').click()")
    canvas = "document.getElementById('canvas')"
    folded = count(browser, "svg .folded")
    before = browser.run(f"{canvas}.scrollTop")
    for kind, x, y in (
        ("mousePressed", 300, 600),
        ("mouseMoved", 300, 500),
        ("mouseMoved", 290, 400),
        ("mouseReleased", 290, 400),
    ):
        browser.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
    assert browser.run(f"{canvas}.scrollTop") == before + 200
    assert count(browser, "svg .folded") == folded  # a drag is no click
    zoom = browser.run("zoom")
    browser.send("Input.dispatchMouseEvent", type="mouseWheel", x=300, y=400, deltaX=0, deltaY=-200, modifiers=2)
    browser.run("new Promise((done) => setTimeout(done, 200))")
    assert browser.run("zoom") > zoom
    browser.run("elementOf(current).focus()")
    browser.key("0")
    assert browser.run("zoom") == 1
    assert browser.problems() == []


def test_small_graphs_are_seen_whole_and_no_text_leaves_its_box(browser, tmp_path):
    shown(browser, torch.draw(network()), tmp_path)
    assert browser.run("canvas.scrollHeight <= canvas.clientHeight && canvas.scrollWidth <= canvas.clientWidth")
    fits = """[...document.querySelectorAll('svg .node, svg .folded')].every((one) => {
        const box = one.querySelector('rect').getBoundingClientRect();
        return [...one.querySelectorAll('text')].every((text) => { const t = text.getBoundingClientRect(); return t.left >= box.left && t.right <= box.right; });
    })"""
    assert browser.run(fits)
    browser.run("goTo(data.steps)")
    assert browser.run(fits)


@pytest.mark.parametrize("width", [400, 1600])
def test_narrow_and_wide_windows(browser, tmp_path, width):
    browser.send("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
    try:
        shown(browser, torch.draw(network()), tmp_path)
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("document.getElementById('canvas').clientHeight") > 200
    finally:
        browser.send("Emulation.clearDeviceMetricsOverride")


def test_inside_a_notebook_frame(browser, tmp_path):
    path = tmp_path / "frame.html"
    path.write_text(f"<!DOCTYPE html><meta charset=utf-8>{torch.draw(network())._repr_html_()}", encoding="utf-8")
    browser.open(path)
    assert browser.run("document.querySelector('iframe').contentDocument.querySelectorAll('svg .node').length") > 5
