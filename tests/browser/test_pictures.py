"""Pictures and sleeping widgets in JupyterLab: their words reach the reader."""

import nbformat
import pytest

from tests.browser.test_widgets import SAMPLE, Tab, write_page
from trpo_lite.course.widgets import ASLEEP

pytestmark = pytest.mark.browser


@pytest.fixture
def tab(chromium, lab):
    """The widget of the other tests and its static figure, run."""
    write_page(lab, "pictures.ipynb", SAMPLE, "lesson.show()")
    tab = Tab(chromium, lab, "pictures.ipynb")
    yield tab
    tab.close()


def test_a_picture_has_its_alt_text_and_is_fine_enough_for_a_projector(tab):
    picture = tab.page.locator(".jp-OutputArea img")
    picture.wait_for()
    assert picture.get_attribute("alt") == "a line"
    widths = picture.evaluate("e => [e.width, e.naturalWidth]")
    assert widths == [400, 800]


def test_a_listed_value_cannot_be_typed_over(tab):
    [output] = tab.outputs()
    output.locator("[role=img]").wait_for()
    listed = output.locator(".trpo-lite-listed .widget-readout")
    assert listed.get_attribute("contenteditable") == "false"
    others = output.locator(".widget-readout")
    assert others.count() == 2  # the other is a number: its slider follows


def test_a_saved_page_asks_to_be_run(tab, chromium, lab):
    [output] = tab.outputs()
    output.locator("[role=img]").wait_for()
    tab.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    stored = nbformat.read(tab.path, as_version=4)
    assert ASLEEP in [o.data.get("text/plain") for o in stored.cells[0].outputs]
    current = "window.jupyterapp.shell.currentWidget"
    tab.page.evaluate(f"() => {current}.context.sessionContext.shutdown()")
    again = chromium.new_page()
    try:
        address, token, _ = lab
        again.goto(f"{address}/doc/tree/pictures.ipynb?token={token}&reset")
        again.get_by_text(ASLEEP).wait_for(timeout=60_000)
        assert again.get_by_text("Error displaying widget").count() == 0
    finally:
        again.close()
