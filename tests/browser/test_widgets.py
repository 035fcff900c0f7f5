"""Every widget of every page, moved by keyboard in a real Chromium.

In JupyterLab, and again in Notebook 7, which is one click away from it.
"""

import json
import re

import nbformat
import numpy as np
import pytest

from tests.browser.conftest import NOTEBOOKS
from tests.browser.moves import WATCH
from tests.execute import METADATA

pytestmark = pytest.mark.browser

EXPLORE = re.compile(r"\.explore\(\)")
MOVES = {"lab": 6, "notebook": 2}  # presses of each control
ADDRESS = {"lab": "doc/tree", "notebook": "notebooks"}
# milliseconds between presses, as a reader makes them; sooner than 200 after the last,
# Jupyter's server holds an answer back for up to 40 (Nagle's algorithm on its socket)
PACE = 250
SECONDS = 120

READY = """() => {
  const page = window.jupyterapp?.shell?.currentWidget;
  return page?.context?.isReady && page.context.sessionContext?.session?.kernel
    && page.context.sessionContext.kernelDisplayStatus === 'idle';
}"""

ERRORS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .flatMap(cell => cell.model.outputs?.toJSON() ?? [])
  .filter(output => output.output_type === 'error')
  .map(output => `${output.ename}: ${output.evalue}`)"""


def pages_with_widgets():
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if widget_cells(path):
            yield path.name


def widget_cells(path):
    """Indices of the cells of a page that show a widget."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        i
        for i, cell in enumerate(cells)
        if cell["cell_type"] == "code" and EXPLORE.search("".join(cell["source"]))
    ]


def write_page(lab, name, *sources):
    """A page of these code cells among those that JupyterLab shows."""
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
    page = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    nbformat.write(page, lab[2] / name)


class Tab:
    """A page open in JupyterLab or in Notebook 7 with all its cells run."""

    def __init__(
        self, browser, lab, name, app="lab", width=1200, height=900, **options
    ):
        self.app = app
        address, token, self.folder = lab
        self.path = self.folder / name
        viewport = {"width": width, "height": height}
        self.page = browser.new_page(viewport=viewport, **options)
        self.page.set_default_timeout(SECONDS * 1000)
        self.page.goto(f"{address}/{ADDRESS[app]}/{name}?token={token}&reset")
        self.page.wait_for_function(READY)
        run = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
        self.page.evaluate(run)

    def close(self):
        # the kernel goes too: pages are tested one after the other on few cores
        current = "window.jupyterapp.shell.currentWidget"
        self.page.evaluate(f"() => {current}.context.sessionContext.shutdown()")
        self.page.close()

    def errors(self):
        """What failed cells say."""
        return self.page.evaluate(ERRORS)

    def outputs(self):
        cells = self.page.locator(".jp-Notebook .jp-Cell")
        for i in widget_cells(self.path):
            yield cells.nth(i).locator(".jp-OutputArea").first

    def press(self, control, picture, key):
        """Press `key` on a control; the milliseconds until there is a new picture."""
        control.focus()
        self.page.wait_for_timeout(PACE)
        self.page.evaluate(WATCH, picture.element_handle())
        self.page.keyboard.press(key)
        return self.page.evaluate("() => window.moved")


def keys_for(control, moves):
    """`moves` arrow keys, first towards the side with room, so that each one moves."""
    if control.evaluate("e => e.tagName") == "SELECT":
        last = control.evaluate("e => e.selectedIndex + 1 === e.options.length")
        pair = ("ArrowUp", "ArrowDown") if last else ("ArrowDown", "ArrowUp")
    else:
        now, top = (
            float(control.get_attribute(a)) for a in ("aria-valuenow", "aria-valuemax")
        )
        pair = (
            ("ArrowLeft", "ArrowRight") if now >= top else ("ArrowRight", "ArrowLeft")
        )
    return pair * (moves // 2)


def move_all(tab, report):
    """Move every control of every widget of the page; nothing may fail silently."""
    assert tab.errors() == []
    for number, output in enumerate(tab.outputs(), 1):
        picture = output.locator(".widget-html-content:has([role=img])")
        picture.wait_for()
        controls = output.locator(".noUi-handle, select")
        assert controls.count() > 0
        times = []
        for i in range(controls.count()):
            control = controls.nth(i)
            control.scroll_into_view_if_needed()
            control.focus()
            tab.page.wait_for_function(
                "e => e.tagName === 'SELECT' || e.getAttribute('aria-label')",
                arg=control.element_handle(),
            )
            for key in keys_for(control, MOVES[tab.app]):
                took = tab.press(control, picture, key)
                where = f"{tab.path.name}, widget {number}, control {i + 1}"
                assert took is not None, f"{where}: {key} showed nothing new"
                assert output.locator("[role=alert]").count() == 0, where
                times.append(took)
        median, late = np.percentile(times, (50, 90))
        line = f"median {median:4.0f}   90th percentile {late:4.0f}"
        report(f"{tab.path.name:32} {tab.app:8} widget {number}:  {line}")
    assert tab.errors() == []


@pytest.mark.parametrize("app", MOVES)
@pytest.mark.parametrize("name", [*pages_with_widgets()])
def test_every_widget_of_the_page_moves(chromium, lab, report, name, app):
    tab = Tab(chromium, lab, name, app)
    try:
        move_all(tab, report)
    finally:
        tab.close()


SAMPLE = """
from matplotlib.figure import Figure
from trpo_lite.course.widgets import Choice, Slider, Steps, Widget

def draw(height, count, kind):
    if count == 3:
        raise ValueError("three is <not> allowed")
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(range(count), [height] * count, label=kind)
    axes.set(xlabel="x", ylabel="y", title=f"{height:.1f} {count} {kind}", ylim=(0, 9))
    axes.legend(loc="upper left")
    return figure

lesson = Widget(draw, "a line", {
    "height": Slider("height h", 0.0, 8.0, 0.5, 8.0),
    "count": Steps("count", (1, 2, 3, 10), 1),
    "kind": Choice("kind", ("one", "two"), "one"),
})
lesson.explore()
"""


@pytest.fixture
def sample(chromium, lab):
    write_page(lab, "sample.ipynb", SAMPLE)
    tab = Tab(chromium, lab, "sample.ipynb")
    yield tab
    tab.close()


def test_sliders_have_names_and_errors_show_and_clear(sample):
    [output] = sample.outputs()
    picture = output.locator(".widget-html-content:has([role=img])")
    picture.wait_for()
    assert sample.page.get_by_role("slider", name="height h").count() == 1
    assert sample.page.get_by_role("combobox", name="kind").count() == 1
    count = sample.page.get_by_role("slider", name="count")
    height = sample.page.get_by_role("slider", name="height h")
    assert sample.press(height, picture, "ArrowLeft") is not None
    assert "7.5" in height.get_attribute("aria-valuetext")
    assert sample.press(count, picture, "ArrowRight") is not None
    count.press("ArrowRight")
    alert = output.locator("[role=alert]")
    alert.wait_for()
    assert alert.inner_text() == "ValueError: three is <not> allowed"
    red, green, blue = (
        int(n)
        for n in re.findall(r"\d+", alert.evaluate("e => getComputedStyle(e).color"))[
            :3
        ]
    )
    assert red > 150 > 60 > max(green, blue)
    assert sample.press(count, picture, "ArrowRight") is not None
    assert alert.count() == 0
    assert sample.errors() == []


def test_reaching_a_control_needs_the_keyboard_alone(sample):
    [output] = sample.outputs()
    output.locator("[role=img]").wait_for()
    first = output.locator(".noUi-handle").first
    first.focus()
    sample.page.keyboard.press("Tab")
    sample.page.keyboard.press("Tab")
    focused = "() => document.activeElement.getAttribute('aria-label') || ''"
    names = {sample.page.evaluate(focused)}
    for _ in range(4):
        sample.page.keyboard.press("Tab")
        names.add(sample.page.evaluate(focused))
    assert "count" in names
