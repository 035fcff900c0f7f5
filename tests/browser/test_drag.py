"""A slider dragged fast by mouse in JupyterLab: the latest value wins, nothing queues.

The picture may change three times after the mouse has stopped: what was on its way to
the screen then, what was being drawn, and the last value. With a queue it would be a
dozen. The milliseconds are in the report.
"""

import time

import matplotlib
import pytest

from tests.browser.moves import FOLLOW, LATER, SAME
from tests.browser.test_widgets import READY, Tab, write_page
from trpo_lite import style
from trpo_lite.course.publish.page import lesson_of
from trpo_lite.course.widgets import Renderer

pytestmark = pytest.mark.browser

MOVES = 60  # as fast as the browser takes them: across the track and back
QUIET = 1000  # milliseconds without a change: nothing more will come
ENDS = f"([picture, last]) => ({SAME})(picture, last)"
# where the slider stands, or null while the page is still being laid out around it
STANDS = """slider => new Promise(done => {
  const place = () => JSON.stringify(slider.getBoundingClientRect());
  const before = place();
  setTimeout(() => done(place() === before || null), 300);
})"""
# page, widget and its slider: the clipped objective, and two that draw slowly
DRAGGED = [
    ("14_ppo_clip", "clipped", "ratio"),
    ("01_the_rl_problem", "lake", "gamma"),
    ("09_natural_gradient", "fields", "gamma"),
]


def drag(tab, output, label, last):
    """Drag this slider to the right end and to the left one, until it shows `last`.

    Returns the picture, the seconds that it took, how often the picture changed, and
    the milliseconds of LATER.
    """
    page, picture = tab.page, output.locator(".widget-html-content:has([role=img])")
    picture.wait_for()
    page.wait_for_function(READY)
    name = page.get_by_role("slider", name=label, exact=True)
    slider = output.locator(".widget-slider", has=name)
    slider.scroll_into_view_if_needed()
    page.wait_for_function(STANDS, arg=slider.element_handle())
    track, handle = (
        slider.locator(part).bounding_box() for part in (".noUi-base", ".noUi-handle")
    )
    y = handle["y"] + handle["height"] / 2
    left, right = track["x"], track["x"] + track["width"]
    page.mouse.move(handle["x"] + handle["width"] / 2, y)
    page.mouse.down()
    page.evaluate(FOLLOW, picture.element_handle())
    half, start = MOVES // 2, time.monotonic()
    for i in range(1, MOVES + 1):
        share = i / half if i <= half else 2 - i / half
        page.mouse.move(left + share * (right - left), y)
    page.mouse.up()
    seconds = time.monotonic() - start
    page.wait_for_function(ENDS, arg=[picture.element_handle(), last])
    page.wait_for_function(
        f"() => performance.now() - Math.max(...drag.painted, drag.last) > {QUIET}"
    )
    changes = page.evaluate("() => drag.painted.length")
    return picture, seconds, changes, page.evaluate(LATER)


@pytest.mark.parametrize(("name", "widget", "control"), DRAGGED)
def test_a_fast_drag_ends_at_the_last_value(
    chromium, lab, report, name, widget, control
):
    shown = getattr(lesson_of(name), widget)
    setup = f"""
from trpo_lite import style
from trpo_lite.course.publish.page import lesson_of
style.use()
lesson = lesson_of({name!r})
lesson.{widget}.explore()
"""
    write_page(lab, "drag.ipynb", setup)
    settings = {**shown.defaults, control: shown.controls[control].ends[0]}
    with matplotlib.rc_context():
        style.use()
        render = Renderer(shown.draw(**shown.defaults), "")
        last = render(shown.draw(**settings), shown.words(**settings))
    tab = Tab(chromium, lab, "drag.ipynb")
    try:
        assert tab.errors() == []
        [output] = tab.outputs()
        label = shown.controls[control].label
        picture, seconds, changes, later = drag(tab, output, label, last)
        assert changes > 2  # it has followed the mouse
        assert picture.evaluate(SAME, last)
        assert len(later) <= 3
        assert output.locator("[role=alert]").count() == 0
    finally:
        tab.close()
    ends = f"the last change {max(later, default=0):.0f} after the mouse"
    report(f"drag {name}, {widget}: {changes} changes in {seconds:.1f} s, {ends}")
