"""The one way of making pictures and widgets: ordinary functions that draw, with words.

    def draw_gap(h, gap): ... return figure         # tested like any function
    gap = Picture(draw_gap, "what the picture shows")

    def draw_weights(gamma): ... return figure
    weights = Widget(draw_weights, "what the picture shows",
                     {"gamma": Slider("discount γ", 0.5, 0.99, 0.01, 0.9)})

A page shows `gap.show(h, gap)`, and `weights.show()`, the static figure at the default
settings, with `weights.explore()` beside it, the same picture under its sliders. Where
the words depend on what is drawn, they are a function of the same arguments. An error
of `draw` at the defaults stops the cell; one at another setting stands in red below the
picture until the next setting that works.
"""

import gc
import html
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trpo_lite.plots import show

VIEW = "application/vnd.jupyter.widget-view+json"
# what a widget is where it is not alive: on GitHub, in print, before the first run
ASLEEP = "Sliders: run this cell to move them."


@dataclass(frozen=True)
class Picture:
    """A picture without controls: `draw(...)` -> Figure, and its alt text.

    alt : a text, or a function of the arguments of `draw` that returns it.
    """

    draw: Callable
    alt: str | Callable

    def show(self, *args, **kwargs):
        """Draw with these arguments and display the figure with its alt text."""
        show(self.draw(*args, **kwargs), self.words(*args, **kwargs))

    def words(self, *args, **kwargs):
        """The alt text at these arguments."""
        return self.alt(*args, **kwargs) if callable(self.alt) else self.alt


@dataclass(frozen=True)
class Slider:
    """Numbers from `min` to `max` in steps; whole numbers if all of them are."""

    label: str
    min: float
    max: float
    step: float
    default: float

    def __post_init__(self):
        if not (self.min <= self.default <= self.max and self.step > 0):
            raise ValueError(
                f"slider {self.label!r} needs min <= default <= max and step > 0, "
                f"got {self.min}, {self.default}, {self.max}, step {self.step}"
            )

    @property
    def ends(self):
        return self.min, self.max

    @property
    def whole(self):
        numbers = self.min, self.max, self.step, self.default
        return all(isinstance(n, int) for n in numbers)

    @property
    def format(self):
        """How the readout shows a value."""
        decimals = f"{self.step:.6f}".rstrip("0").split(".")[1]
        return "d" if self.whole else f".{max(1, len(decimals))}f"

    @property
    def places(self):
        """All values with their texts: a tuple of pairs."""
        count = round((self.max - self.min) / self.step) + 1
        # rounded, or a tenth step of .1 would end at .9999999999999999
        values = (round(self.min + i * self.step, 10) for i in range(count))
        return tuple((value, format(value, self.format)) for value in values)

    def build(self, **options):
        import ipywidgets

        kind = ipywidgets.IntSlider if self.whole else ipywidgets.FloatSlider
        if not self.whole:
            options["readout_format"] = self.format
        keys = dict(min=self.min, max=self.max, step=self.step, value=self.default)
        return kind(**keys, **options)


@dataclass(frozen=True)
class Steps:
    """A slider over listed values, for instance powers of ten."""

    label: str
    values: tuple
    default: object

    def __post_init__(self):
        if self.default not in self.values:
            raise ValueError(f"{self.label!r}: {self.default!r} not in {self.values!r}")

    @property
    def ends(self):
        return self.values[0], self.values[-1]

    @property
    def places(self):
        """All values with their texts: a tuple of pairs."""
        return tuple((v, v if isinstance(v, str) else f"{v:g}") for v in self.values)

    def build(self, **options):
        import ipywidgets

        pairs = [(text, value) for value, text in self.places]
        options.update(options=pairs, value=self.default)
        slider = ipywidgets.SelectionSlider(**options)
        return slider.add_class("trpo-lite-listed")


@dataclass(frozen=True)
class Choice:
    """One of a few named options."""

    label: str
    options: tuple
    default: object

    def __post_init__(self):
        if self.default not in self.options:
            raise ValueError(
                f"{self.label!r}: {self.default!r} not in {self.options!r}"
            )

    @property
    def ends(self):
        return self.options

    @property
    def places(self):
        """All options with their texts: a tuple of pairs."""
        return tuple((option, str(option)) for option in self.options)

    def build(self, **options):
        import ipywidgets

        options.pop("continuous_update", None)
        return ipywidgets.Dropdown(options=self.options, value=self.default, **options)


@dataclass(frozen=True)
class Frames:
    """The frames 0 to count - 1 of a film: a slider with play, pause and stop."""

    label: str
    count: int
    milliseconds: int = 100  #: from one frame to the next while it plays
    default: int = 0

    @property
    def ends(self):
        return 0, self.count - 1

    @property
    def places(self):
        """All frames with their texts: a tuple of pairs."""
        return tuple((i, str(i)) for i in range(self.count))

    def build(self, **options):
        import ipywidgets
        import traitlets

        class Player(ipywidgets.HBox):
            value = traitlets.Int()

        span = dict(min=0, max=self.count - 1, value=self.default)
        slider = ipywidgets.IntSlider(**span, **options)
        play = ipywidgets.Play(**span, interval=self.milliseconds)
        ipywidgets.jslink((play, "value"), (slider, "value"))
        player = Player([slider, play])
        traitlets.link((slider, "value"), (player, "value"))
        return player


@dataclass(frozen=True)
class Widget(Picture):
    """A picture with controls: `draw(**settings)` -> Figure, alt text, controls.

    `continuous=False` waits until a slider is let go; for a `draw` beyond 100 ms.
    """

    controls: Mapping[str, Slider | Steps | Choice | Frames]
    continuous: bool = True

    @property
    def defaults(self):
        return {name: control.default for name, control in self.controls.items()}

    def settings(self):
        """The defaults, then each control at its ends: what a test should draw."""
        yield self.defaults
        for name, control in self.controls.items():
            for value in control.ends:
                yield {**self.defaults, name: value}

    def show(self, **settings):
        """The static figure, at the defaults unless told otherwise."""
        super().show(**{**self.defaults, **settings})

    def explore(self):
        """Display the controls with the picture under them."""
        from IPython.display import Javascript, display

        view = self.build()._repr_mimebundle_()[VIEW]
        display({VIEW: view, "text/plain": ASLEEP}, raw=True)
        display(Javascript(NAME_SLIDERS))

    def build(self):
        """The box of controls, picture and error line; errors at the defaults raise."""
        import ipywidgets

        picture, error = ipywidgets.HTML(), ipywidgets.HTML()
        render = Renderer(self.draw(**self.defaults), self.words(**self.defaults))
        picture.value = render.first
        style = {"description_width": "11em"}
        layout = {"width": "32em", "max_width": "100%"}
        controls = {
            name: control.build(
                description=control.label,
                style=style,
                layout=layout,
                continuous_update=self.continuous,
            )
            for name, control in self.controls.items()
        }

        def update(_):
            settings = {name: control.value for name, control in controls.items()}
            try:
                picture.value = render(self.draw(**settings), self.words(**settings))
                message = ""
            except Exception as reason:
                text = html.escape(f"{type(reason).__name__}: {reason}")
                # on white, to be read in a dark theme too
                look = "color: #b00020; background: white"
                message = f'<pre role="alert" style="{look}">{text}</pre>'
            if error.value != message:
                error.value = message

        for control in controls.values():
            control.observe(update, "value")
        # figures are cyclic garbage: collecting it would scan all that is loaded, and a
        # slider would stutter. So all that is alive now is set aside, and what was set
        # aside before and has died since is collected first
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        return ipywidgets.VBox([*controls.values(), error, picture])


class Renderer:
    """Figures to SVG text, fast: the layout is solved once, for the first figure.

    Every later figure with as many axes gets the same positions: solving takes half the
    time of a picture, and axes that stay in place are easier to compare. Most of the
    rest goes into ticks, grids, labels and legends: figures whose axes look alike share
    them. They are the ground and the frame, and all other artists are drawn between.
    """

    def __init__(self, figure, alt):
        self.shared = {}
        figure.draw_without_rendering()
        self.positions = [axes.get_position() for axes in figure.axes]
        self.first = self(figure, alt)

    def __call__(self, figure, alt):
        label = html.escape(alt)
        svg = "".join(self.layers(figure))
        return f'<div role="img" aria-label="{label}">{svg}</div>'

    def layers(self, figure):
        """The <svg> in three parts: its ground, what is between, and its frame."""
        if len(figure.axes) == len(self.positions):
            figure.set_layout_engine("none")
            for axes, position in zip(figure.axes, self.positions, strict=True):
                if axes.get_position() != position:
                    axes.set_position(position)
        ground, between, frame = _split(figure)
        look = tuple(_look(axes) for axes in figure.axes)
        if look not in self.shared:
            below = _svg_without(figure, between + frame).removesuffix("</svg>")
            above = _svg_without(figure, ground + between)
            self.shared[look] = below, above[above.index(">") + 1 :]
        below, above = self.shared[look]
        own = _svg_without(figure, ground + frame).removesuffix("</svg>")
        return below, own[own.index(">") + 1 :], above


def _split(figure):
    """The artists of the ground, those between, and those of the frame: three lists."""
    from matplotlib.text import Text

    ground, between, frame = [figure.patch], [], []
    for artist in figure.get_children():
        if artist not in (figure.patch, *figure.axes):
            between.append(artist)
    for axes in figure.axes:
        below = axes.patch, axes.xaxis, axes.yaxis, axes.title
        above = axes.get_legend(), *axes.spines.values()
        for artist in axes.get_children():
            # empty titles show nothing; hidden, they would push the title away
            if type(artist) is Text and not artist.get_text():
                continue
            part = ground if artist in below else frame if artist in above else between
            part.append(artist)
    return ground, between, frame


def _look(axes):
    """What ground and frame show of `axes`, as a key: limits, ticks, labels and place.

    Colours and sizes are not in it: no setting may change them.
    """
    shown = [axes.get_xlim(), axes.get_ylim(), axes.get_position().bounds, axes.axison]
    shown.append(axes.get_title())
    if axes.get_legend():
        shown.append(tuple(text.get_text() for text in axes.get_legend().texts))
    for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
        shown.append((axis.get_scale(), axis.get_visible(), axis.get_label_text()))
        for ticks in (axis.major, axis.minor):
            places, texts = ticks.locator, ticks.formatter
            shown.append((type(places), *getattr(places, "locs", ())))
            shown.append((type(texts), *getattr(texts, "seq", ())))
    return tuple(shown)


STYLE_ELEMENT = re.compile(r"<style.*?</style>", re.DOTALL)
# what that element says; tick labels wider than the first figure's may reach beyond its
# edge; and zoomed, or on a small screen, the picture is as wide as its page
STYLE = (
    "stroke-linejoin: round; stroke-linecap: butt; overflow: visible; margin: 0 1em; "
    "max-width: calc(100% - 2em); height: auto"
)
# text as text is half the size, and each would name every font of a long list; one salt
# gives equal marks equal ids, in this picture and in its neighbours
OPTIONS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "trpo_lite",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # half a kilobyte


def _svg_without(figure, hidden):
    """The figure's <svg> element, drawn while the artists `hidden` are invisible."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    text, hidden = io.StringIO(), [artist for artist in hidden if artist.get_visible()]
    for artist in hidden:
        artist.set_visible(False)
    try:
        with matplotlib.rc_context(OPTIONS):
            FigureCanvasSVG(figure).print_svg(text, metadata=NO_METADATA)
    finally:
        for artist in hidden:
            artist.set_visible(True)
    svg = text.getvalue()
    # matplotlib's rule for `*` would reach, and restyle, the whole page at each move
    svg = STYLE_ELEMENT.sub("", svg[svg.index("<svg") :].rstrip())
    return svg.replace("<svg", f'<svg style="{STYLE}"', 1)


# ipywidgets gives a slider's handle no accessible name and, for listed values, only
# their index: copy the visible label and readout. Nor have a film's buttons names.
# Jupyter takes arrow keys for its own, to go to the next cell or to fold a section. A
# readout of listed values that can be typed into would say what the picture doesn't
# show. And on a page that was saved and reopened there is a message of an error where
# the sliders were.
NAME_SLIDERS = """
if (!window.trpoLiteSliders) {
  const set = (element, attribute, text) => {
    if (text && element.getAttribute(attribute) !== text)
      element.setAttribute(attribute, text);
  };
  const name = () => {
    for (const slider of document.querySelectorAll('.widget-slider')) {
      const handle = slider.querySelector('.noUi-handle');
      if (!handle) continue;
      const readout = slider.querySelector('.widget-readout');
      set(handle, 'aria-label', slider.querySelector('.widget-label')?.textContent);
      set(handle, 'aria-valuetext', readout?.textContent);
      set(handle, 'data-lm-suppress-shortcuts', 'true');
      if (readout && slider.classList.contains('trpo-lite-listed'))
        set(readout, 'contenteditable', 'false');
    }
    for (const list of document.querySelectorAll('.widget-dropdown select'))
      set(list, 'data-lm-suppress-shortcuts', 'true');
    for (const player of document.querySelectorAll('.widget-play'))
      player.querySelectorAll('button').forEach((button, i) =>
        set(button, 'aria-label', ['play or pause', 'stop', 'repeat'][i]));
    for (const output of document.querySelectorAll('.jupyter-widgets:not(:has(*))'))
      if (output.textContent.startsWith('Error displaying'))
        output.textContent = 'ASLEEP';
  };
  window.trpoLiteSliders = new MutationObserver(name);
  window.trpoLiteSliders.observe(document.body, {childList: true, subtree: true});
  name();
}
""".replace("ASLEEP", ASLEEP)
