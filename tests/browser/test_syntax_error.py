"""Run All with a missing colon in an exercise: the cells below run all the same."""

import nbformat
import pytest

from tests.browser.test_widgets import READY, Tab
from tests.execute import METADATA

pytestmark = pytest.mark.browser

COUNTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .map(cell => cell.model.outputs.toJSON().map(o => o.ename ?? o.text).join(''))"""


@pytest.mark.parametrize(
    "tags, runs", [(["exercise"], False), (["raises-exception"], True)]
)
def test_cells_below_a_syntax_error(chromium, lab, tags, runs):
    cells = [
        nbformat.v4.new_code_cell("print('first')"),
        nbformat.v4.new_code_cell("def surrogate(pi)\n    return 1"),
        nbformat.v4.new_code_cell("print('last')"),
    ]
    cells[1].metadata["tags"] = tags
    page = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    nbformat.write(page, lab[2] / "colon.ipynb")
    tab = Tab(chromium, lab, "colon.ipynb")
    try:
        tab.page.wait_for_function(READY)
        tab.page.wait_for_function(f"() => ({COUNTS})()[1]")  # what it says may be late
        first, broken, last = tab.page.evaluate(COUNTS)
        assert first == "first\n" and broken == "SyntaxError"
        assert last == ("last\n" if runs else "")
    finally:
        tab.close()
