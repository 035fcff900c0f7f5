"""A film in JupyterLab: it plays by itself, pauses, and can be moved by its slider."""

import pytest

from tests.browser.test_widgets import Tab, write_page

pytestmark = pytest.mark.browser

FILM = """
from matplotlib.figure import Figure
from trpo_lite.course.widgets import Frames, Widget

def draw(frame):
    figure = Figure(figsize=(4, 2), layout="constrained")
    axes = figure.subplots()
    axes.plot(frame, 0, "o")
    axes.set(xlabel="x", ylabel="y", xlim=(0, 400), ylim=(-1, 1))
    return figure

lesson = Widget(draw, lambda frame: f"frame {frame}", {"frame": Frames("frame", 400)})
lesson.explore()
"""


@pytest.fixture
def tab(chromium, lab):
    write_page(lab, "film.ipynb", FILM)
    tab = Tab(chromium, lab, "film.ipynb")
    yield tab
    tab.close()


def test_a_film_plays_pauses_and_moves(tab):
    [output] = tab.outputs()
    picture = output.locator("[role=img]")
    picture.wait_for()

    def frame():
        return int(picture.get_attribute("aria-label").split()[1])

    play, stop = (
        tab.page.get_by_role("button", name=name, exact=True)
        for name in ("play or pause", "stop")
    )
    play.click()
    tab.page.wait_for_function(
        "e => parseInt(e.querySelector('[role=img]').ariaLabel.split(' ')[1]) >= 3",
        arg=output.element_handle(),
    )
    play.click()  # pause
    tab.page.wait_for_timeout(1500)
    paused = frame()
    tab.page.wait_for_timeout(1500)
    assert frame() == paused >= 3
    slider = tab.page.get_by_role("slider", name="frame")
    assert slider.get_attribute("aria-valuenow") == f"{paused}.0"
    slider.press("ArrowRight")
    tab.page.wait_for_function(
        f"e => e.querySelector('[role=img]').ariaLabel === 'frame {paused + 1}'",
        arg=output.element_handle(),
    )
    stop.click()
    tab.page.wait_for_function(
        "e => e.querySelector('[role=img]').ariaLabel === 'frame 0'",
        arg=output.element_handle(),
    )
    assert tab.errors() == []
