"""Widgets without a kernel: the pictures in the page are those that `draw` draws."""

import base64
import gzip
import json
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest

from tests.test_pictures import WIDGETS
from trpo_lite import plots, style
from trpo_lite.course.publish import frames
from trpo_lite.course.widgets import Choice, Frames, Renderer, Slider, Steps, Widget


@pytest.fixture(autouse=True)
def one_style():
    with matplotlib.rc_context():
        style.use()
        yield


class Fragment(HTMLParser):
    """What a browser gets: the controls, in their order, and the packed pictures."""

    def __init__(self, html):
        super().__init__()
        self.controls, self.buttons, self.open, self.packed = [], [], None, ""
        self.feed(html)
        self.data = json.loads(gzip.decompress(base64.b64decode(self.packed)))

    def handle_starttag(self, tag, attributes):
        attributes, self.open = dict(attributes), tag
        if tag == "input":
            texts = json.loads(attributes["data-texts"])
            assert attributes["max"] == str(len(texts) - 1)
            assert attributes["aria-valuetext"] == texts[int(attributes["value"])]
            self.controls.append((texts, int(attributes["value"])))
        if tag == "select":
            self.controls.append(([], 0))
        if tag == "option" and "selected" in attributes:
            self.controls[-1] = self.controls[-1][0], len(self.controls[-1][0])
        if tag == "button":
            self.buttons.append(attributes["aria-label"])

    def handle_data(self, text):
        if self.open == "script":
            self.packed += text
        if self.open == "option":
            self.controls[-1][0].append(text)

    def handle_endtag(self, tag):
        self.open = None

    def shown(self, places):
        """The picture with each control at its place, as the script finds it."""
        number = 0
        for (texts, _), place in zip(self.controls, places, strict=True):
            number = number * len(texts) + place
        look, between, alt = self.data["pictures"][number]
        below, above = self.data["looks"][look]
        return below + between + above, alt


def fewer(control):
    """The same control with its ends and its default alone, if it has a list."""
    if isinstance(control, Slider):
        return control
    if isinstance(control, Steps):
        ends = control.values[0], control.default, control.values[-1]
        return replace(control, values=tuple(dict.fromkeys(ends)))
    if isinstance(control, Frames):
        return replace(control, count=3)
    return replace(
        control, options=tuple(dict.fromkeys((control.options[-1], control.default)))
    )


@pytest.mark.parametrize("widget", WIDGETS)
def test_pictures_are_those_of_jupyter(widget):
    """At the defaults, and at four settings by chance of ends and defaults."""
    controls = {name: fewer(control) for name, control in widget.controls.items()}
    widget = replace(widget, controls=controls)
    html = frames.player(widget, most=1)
    page, rng = Fragment(html), np.random.default_rng(0)
    render = Renderer(widget.draw(**widget.defaults), widget.words(**widget.defaults))
    assert render.first in html
    trials = [[place for _, place in page.controls]]
    for _ in range(4):
        trials.append([rng.integers(len(texts)) for texts, _ in page.controls])
    for places in trials:
        settings = {
            name: {text: value for value, text in control.places}[texts[place]]
            for (name, control), (texts, _), place in zip(
                controls.items(), page.controls, places, strict=True
            )
        }
        svg, alt = page.shown(places)
        shown = f'<div role="img" aria-label="{escape(alt)}">{svg}</div>'
        assert shown == render(widget.draw(**settings), widget.words(**settings))


# --- a widget of our own: each setting can be told from the picture's words


def draw(level, kind, power):
    fig, axes = plots.figure(size=(2, 2))
    axes.plot([0, 1], [level, level])
    axes.set(ylim=(0, 5), xlabel=kind)
    return fig


def words(level, kind, power):
    return f"{level} {kind} <{power}>"


SMALL = Widget(
    draw,
    words,
    {
        "level": Slider("level & so on", 0.0, 0.3, 0.1, 0.2),
        "kind": Choice("kind", ("one", "two"), "two"),
        "power": Steps("power", (0.001, 1, 1000.0), 1),
    },
)


def test_each_setting_has_its_words():
    page = Fragment(frames.player(SMALL))
    levels, kinds, powers = (texts for texts, _ in page.controls)
    assert levels == ["0.0", "0.1", "0.2", "0.3"]
    assert kinds == ["one", "two"]
    assert powers == ["0.001", "1", "1000"]
    assert [place for _, place in page.controls] == [2, 1, 1]
    assert page.buttons == ["Play: level & so on", "Play: power"]
    for i, level in enumerate((0.0, 0.1, 0.2, 0.3)):
        for j, kind in enumerate(kinds):
            for k, power in enumerate((0.001, 1, 1000.0)):
                assert page.shown((i, j, k))[1] == f"{level} {kind} <{power}>"
    assert len(page.data["pictures"]) == 4 * 2 * 3
    # ground and frame are stored once for each label of the axis
    assert len(page.data["looks"]) == 2


def test_an_error_of_draw_is_not_hidden():
    def fails(level):
        if level == 2:
            raise ValueError("level 2")
        return draw(level, "", 0)

    with pytest.raises(ValueError, match="level 2"):
        frames.record(Widget(fails, "", {"level": Slider("level", 0, 3, 1, 0)}))


def test_a_film_is_a_slider_over_its_frames():
    film = Widget(lambda frame: draw(frame, "", 0), "", {"frame": Frames("f", 3, 40)})
    html = frames.player(film)
    assert Fragment(html).controls == [(["0", "1", "2"], 0)]
    assert 'data-milliseconds="40"' in html


# --- thinning


def track(count, default, kind=Slider):
    places = tuple((i, str(i)) for i in range(count))
    return frames.Track("x", "the label", places, default, count, kind, 300)


def kept(track):
    return [value for value, _ in track.places]


def test_a_grid_that_fits_stays_whole():
    tracks = track(50, 3), track(50, 10)
    assert frames.thin(tracks, 2500) == tracks


@pytest.mark.parametrize("most", [1000, 100, 30])
def test_thinned_sliders_keep_ends_and_default(most):
    tracks = track(51, 17), track(7, 2, Steps), track(20, 19)
    thinned = frames.thin(tracks, most)
    assert np.prod([len(kept(t)) for t in thinned]) <= max(most, 3 * 7 * 3)
    assert kept(thinned[1]) == [*range(7)]
    for before, after in zip(tracks, thinned, strict=True):
        values = kept(after)
        assert values == sorted(set(values))
        assert values[0] == 0 and values[-1] == before.of - 1
        assert values[after.default] == before.default
        assert after.of == before.of
        # evenly: between the ends all gaps are equal
        assert len(set(np.diff(values)[1:-1])) <= 1
    # nothing is given away: one value more of each would not fit, or is there already
    assert np.prod([len(kept(t)) for t in thinned]) > most / 4


def test_what_cannot_be_thinned_stays():
    tracks = track(3, 1), track(9, 1, Choice)
    assert frames.thin(tracks, 5) == tracks


def test_what_is_left_out_is_said():
    slider = Slider("level", 0, 9, 1, 4)
    widget = Widget(lambda level: draw(level, "", 0), "", {"level": slider})
    note = "Kept here: level has 4 of 10 values. The notebook has all."
    html = frames.player(widget, most=4)
    assert note in html
    assert Fragment(html).controls == [(["0", "4", "8", "9"], 1)]
    assert "player-note" not in frames.player(widget, most=10)


@pytest.mark.parametrize("widget", WIDGETS)
def test_places_are_all_of_a_control(widget):
    for control in widget.controls.values():
        values = [value for value, _ in control.places]
        assert control.default in values
        assert values[0] == control.ends[0] and values[-1] == control.ends[-1]
        assert len(set(text for _, text in control.places)) == len(values)
