"""JupyterLab as a class sees it: in the dark theme, and zoomed for a projector."""

import nbformat
import pytest

from tests.browser.conftest import NOTEBOOKS
from tests.browser.test_site import EXPLORE
from tests.browser.test_widgets import Tab, write_page

pytestmark = pytest.mark.browser

THEME = "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})"
WHITE = """() => getComputedStyle(document.querySelector('.jp-MarkdownOutput')).color
  === 'rgb(255, 255, 255)'"""
# every kind of message that the page's exercises have
MESSAGES = """
for exercise in lesson.exercises:
    exercise.check(exercise.reference)
    exercise.check(lambda *given: None)
    exercise.hint()
    exercise.solution()
lesson.progress()
"""
# [contrast, text, its element] of all texts, the least readable first; not of pictures,
# which have a ground of their own, nor of code, which has JupyterLab's colours: its
# comments have 4.15 in the dark, here as in every cell
CONTRASTS = r"""() => {
  const rgba = color => {
    const [r, g, b, a] = color.match(/[\d.]+/g).map(Number);
    return [r, g, b, a ?? 1];
  };
  const over = (top, ground) => ground
    .map((x, i) => top[i] * top[3] + x * (1 - top[3]));
  const light = color => color.map(x => x / 255)
    .map(x => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + [.2126, .7152, .0722][i] * x, 0);
  const found = [];
  for (const place of document.querySelectorAll(
      '.jp-Notebook .jp-OutputArea-output, .jp-Notebook .jp-MarkdownOutput')) {
    const texts = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode.data.trim(), e = texts.currentNode.parentElement;
      if (!text || !e.getClientRects().length) continue;
      if (e.closest('script, style, svg, pre code')) continue;
      const layers = [];
      for (let up = e; up; up = up.parentElement)
        layers.unshift(rgba(getComputedStyle(up).backgroundColor));
      const ground = layers.reduce((below, top) => over(top, below), [255, 255, 255]);
      const ink = over(rgba(getComputedStyle(e).color), ground);
      const [low, high] = [light(ink), light(ground)].sort((x, y) => x - y);
      found.push([(high + .05) / (low + .05), text, e.tagName]);
    }
  }
  return found.sort((x, y) => x[0] - y[0]);
}"""


@pytest.mark.parametrize("name", ["01_the_rl_problem", "14_ppo_clip"])
def test_dark(chromium, lab, report, name):
    page = nbformat.read(lab[2] / f"{name}.ipynb", as_version=4)
    page.cells.append(nbformat.v4.new_code_cell(MESSAGES))
    nbformat.write(page, lab[2] / "dark.ipynb")
    tab = Tab(chromium, lab, "dark.ipynb")
    try:
        assert tab.errors() == []
        tab.page.evaluate(THEME, "JupyterLab Dark")
        tab.page.wait_for_function(WHITE)
        tab.page.evaluate(
            "() => document.querySelectorAll('.jp-Notebook details')"
            ".forEach(fold => fold.open = true)"
        )
        fills = tab.page.locator(".jp-Notebook [role=img] > svg").evaluate_all(
            "all => all.map(e => getComputedStyle(e.querySelector('path')).fill)"
        )
        found = tab.page.evaluate(CONTRASTS)
    finally:
        tab.page.evaluate(THEME, "JupyterLab Light")
        tab.close()
    assert fills
    assert {*fills} == {"rgb(255, 255, 255)"}
    said = " ".join(text for _, text, _ in found)
    for kind in ("[ok]", "[retry]", "hint 1", "exercises done"):
        assert kind in said
    assert {"TD", "SUMMARY", "LABEL", "PRE"} <= {tag for *_, tag in found}
    assert [one for one in found if one[0] < 4.5] == []
    report(f"dark {name}: {len(found)} texts, lowest contrast {found[0][0]:.1f}")


# what is wrong with a widget on a page too narrow for it, as lines
CUT = """output => {
  const wrong = [], boxes = [];
  const area = output.getBoundingClientRect();
  if (output.scrollWidth > output.clientWidth) wrong.push('wider than the page');
  for (const e of output.querySelectorAll(
      '.widget-label, .noUi-base, .widget-readout, select, button, [role=img] > svg')) {
    const box = e.getBoundingClientRect(), name = e.className.baseVal ?? e.className;
    if (!box.width) continue;
    const says = `${e.tagName} ${name} ${e.textContent.slice(0, 20)}`;
    if (box.left < area.left || box.right > area.right) wrong.push(`cut off: ${says}`);
    if (e.matches('.widget-label, .widget-readout') && e.scrollWidth > e.clientWidth)
      wrong.push(`shortened: ${says}`);
    for (const [other, words] of boxes)
      if (box.left < other.right && other.left < box.right
          && box.top < other.bottom && other.top < box.bottom)
        wrong.push(`${says} over ${words}`);
    boxes.push([box, says]);
  }
  return wrong;
}"""


def test_zoomed(chromium, lab):
    """At 200 % a window of 1200 pixels has room for 600: all widgets, one by one."""
    setup = """
from trpo_lite import style
from trpo_lite.course.publish.page import lesson_of
style.use()
"""
    every = [
        (path.stem, widget)
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))
        for widget in EXPLORE.findall(path.read_text(encoding="utf-8"))
    ]
    explore = [f"lesson_of({page!r}).{widget}.explore()" for page, widget in every]
    write_page(lab, "zoomed.ipynb", setup, *explore)
    narrow = dict(width=600, height=450, device_scale_factor=2)
    tab = Tab(chromium, lab, "zoomed.ipynb", **narrow)
    try:
        assert tab.errors() == []
        wrong = {}
        for which, output in zip(every, tab.outputs(), strict=True):
            output.locator("[role=img]").wait_for()
            output.scroll_into_view_if_needed()
            wrong[which] = output.evaluate(CUT)
    finally:
        tab.close()
    assert {which: lines for which, lines in wrong.items() if lines} == {}
