"""The page of `chainrule.draw` in a real browser: mouse, keys, search, steps, folding, dark and print."""

from __future__ import annotations

import json
import re

import pytest

import chainrule as torch
from chainrule.insight.layout import Group, place

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


def test_positions_are_those_of_the_picture(browser, tmp_path):
    for drawing in (torch.draw(network()), torch.draw(large())):
        shown(browser, drawing, tmp_path)
        folded = drawing.folded
        boxes, _ = place(drawing.root, drawing.widths, lambda group, folded=folded: id(group) in folded)
        ours = sorted((round(b.x, 1), round(b.y, 1), round(b.width, 1)) for b in boxes.values())
        theirs = browser.run("[...boxes.values()].map((b) => [b.x, b.y, b.width])")
        theirs = sorted(tuple(round(v, 1) for v in box) for box in theirs)
        assert len(ours) == len(theirs)
        assert all(abs(a - b) < 0.21 for one, two in zip(ours, theirs) for a, b in zip(one, two))


def test_lines_are_those_of_the_picture(browser, tmp_path):
    w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    h = torch.ones(3, 2)
    for _ in range(4):
        a = torch.tanh(h @ w) * w.sum()
        h = a + h
    drawing = shown(browser, torch.draw(h.sum()), tmp_path)

    def numbers(path):
        return [float(n) for n in re.findall(r"-?[\d.]+(?:e-?\d+)?", path)]

    theirs = sorted(
        map(numbers, browser.run("[...document.querySelectorAll('.edge')].map((e) => e.getAttribute('d'))"))
    )
    ours = sorted(map(numbers, re.findall(r'class="edge" d="([^"]+)"', drawing.svg())))
    assert len(ours) == len(theirs) > 20
    for one, other in zip(ours, theirs):
        assert len(one) == len(other) and all(abs(a - b) < 0.21 for a, b in zip(one, other))


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
    for letter in "tanh":
        browser.key(letter)
    assert browser.text("#found").startswith("3400 found")
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
