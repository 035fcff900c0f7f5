"""Widgets without a kernel: every picture of a widget, drawn beforehand and played.

    html = player(lesson.clipped)    # a fragment for a page or a slide
    css, js = assets()               # once a page, the script at its end

`record` runs the widget's own `draw` over its settings, through the `Renderer` that
shows it in Jupyter, and keeps what that returns. `player.js` puts one of these pictures
in place for each position of the controls; it draws nothing itself. Where a grid has
more than `most` settings, its sliders keep fewer values, and the fragment says which.
"""

import base64
import gzip
import html
import itertools
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

from trpo_lite import style
from trpo_lite.course.widgets import Choice, Renderer, Steps

MOST = 2500  # settings of one widget
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Track:
    """One control and the values that have pictures.

    places : pairs (what `draw` gets, how the control shows it).
    default : the index of the control's default among them.
    of : how many values the control has in Jupyter, at least len(places).
    kind : the control's class.
    milliseconds : from one value to the next while it plays.
    """

    name: str
    label: str
    places: tuple
    default: int
    of: int
    kind: type
    milliseconds: int


@dataclass(frozen=True)
class Recording:
    """The pictures of a widget over its settings, the last control changing fastest.

    looks : pairs (SVG before, SVG after), the ground and the frame of many pictures.
    pictures : (index of the look, SVG between, alt text) for each setting.
    """

    tracks: tuple
    looks: tuple
    pictures: tuple

    @property
    def default(self):
        """The index of the picture at the widget's defaults."""
        index = 0
        for track in self.tracks:
            index = index * len(track.places) + track.default
        return index

    def html(self, index):
        """The picture as the `Renderer` gives it."""
        look, between, alt = self.pictures[index]
        below, above = self.looks[look]
        svg, label = below + between + above, html.escape(alt)
        return f'<div role="img" aria-label="{label}">{svg}</div>'


def settings(tracks):
    """The arguments of `draw` at every setting, the last control changing fastest."""
    names = [track.name for track in tracks]
    for places in itertools.product(*(track.places for track in tracks)):
        yield {name: value for name, (value, _) in zip(names, places)}


def record(widget, most=MOST):
    """The `Recording` of a widget; raises what its `draw` raises, at any setting."""
    import matplotlib

    tracks = thin([track(*item) for item in widget.controls.items()], most)
    looks, pictures = {}, []
    with matplotlib.rc_context():
        style.use()
        render = Renderer(widget.draw(**widget.defaults), "")
        for chosen in settings(tracks):
            below, between, above = render.layers(widget.draw(**chosen))
            look = looks.setdefault((below, above), len(looks))
            pictures.append((look, between, widget.words(**chosen)))
    return Recording(tracks, tuple(looks), tuple(pictures))


def track(name, control):
    """The `Track` of all values of one control; a film has its own `milliseconds`."""
    return Track(
        name=name,
        label=control.label,
        places=control.places,
        default=[value for value, _ in control.places].index(control.default),
        of=len(control.places),
        kind=type(control),
        milliseconds=getattr(control, "milliseconds", 300),
    )


def thin(tracks, most=MOST):
    """The tracks with at most `most` settings, as far as thinning sliders can do it.

    A slider or a film keeps its default, its ends, and every second, third ... value
    from the default on: always the one that has most values loses more.
    """
    strides, tracks = [1] * len(tracks), list(tracks)
    full = list(tracks)
    while math.prod(len(track.places) for track in tracks) > most:
        lengths = [
            0 if track.kind in (Choice, Steps) else len(track.places)
            for track in tracks
        ]
        longest = lengths.index(max(lengths))
        if lengths[longest] <= 3:
            break
        strides[longest] += 1
        tracks[longest] = _every(full[longest], strides[longest])
    return tuple(tracks)


def _every(track, stride):
    last = len(track.places) - 1
    kept = {0, *range(track.default % stride, last, stride), last}
    places = tuple(track.places[i] for i in sorted(kept))
    return replace(track, places=places, default=sorted(kept).index(track.default))


def player(widget, most=MOST):
    """An HTML fragment: the widget's controls over its picture, and all its pictures.

    It stands still without `assets`, at the defaults. About a second of drawing for
    twenty settings.
    """
    return fragment(record(widget, most))


def fragment(recording):
    """The `player` of pictures that are recorded already."""
    controls = "\n".join(_control(track) for track in recording.tracks)
    return f"""<figure class="player">
<div class="player-controls">
{controls}
</div>
<div class="player-picture">{recording.html(recording.default)}</div>
{_left_out(recording.tracks)}<script type="text/plain">{_pack(recording)}</script>
</figure>
"""


def _control(track):
    label, first = html.escape(track.label), track.default
    texts = [text for _, text in track.places]
    if track.kind is Choice:
        options = "".join(
            f"<option{' selected' * (i == first)}>{html.escape(text)}</option>"
            for i, text in enumerate(texts)
        )
        return f"""<label class="player-control"><span>{label}</span>
<select>{options}</select></label>"""
    return f"""<label class="player-control"><span>{label}</span>
<input type="range" min="0" max="{len(texts) - 1}" value="{first}"
 aria-label="{label}" aria-valuetext="{html.escape(texts[first])}"
 data-texts="{html.escape(json.dumps(texts, ensure_ascii=False))}">
<output>{html.escape(texts[first])}</output>
<button type="button" aria-label="Play: {label}" aria-pressed="false"
 data-milliseconds="{track.milliseconds}"></button></label>"""


def _left_out(tracks):
    """The sentence about sliders that have fewer values than in Jupyter."""
    thinned = [
        f"{html.escape(track.label)} has {len(track.places)} of {track.of} values"
        for track in tracks
        if len(track.places) < track.of
    ]
    if not thinned:
        return ""
    words = "; ".join(thinned)
    return f'<p class="player-note">Kept here: {words}. The notebook has all.</p>\n'


def _pack(recording):
    """The pictures as text: JSON, gzip, base64."""
    data = {"looks": recording.looks, "pictures": recording.pictures}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def assets():
    """(style sheet, script) of all players of a page, as texts."""
    return tuple((HERE / f"player.{kind}").read_text("utf-8") for kind in ("css", "js"))
