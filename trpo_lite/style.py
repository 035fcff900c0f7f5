"""The one style of all figures: `style.use()` once, at the top of a page.

The colours are Petroff's six (arXiv:2107.02270), which readers with any kind of colour
vision can tell apart. Orange and grey are too light for lines on white (contrast below
3:1) and serve as fills only; the other four come with a line style each, so that a
figure can be read without its colours.
"""

COLORS = ("#5790fc", "#f89c20", "#e42536", "#964a8b", "#9c9ca1", "#7a21dd")
BLUE, ORANGE, RED, PURPLE, GREY, VIOLET = COLORS
INK = "#333333"  # text, axes and reference lines
# words in the colour of a curve need 4.5:1 on white; the other three colours have it
TEXT = {BLUE: "#2b66dc", ORANGE: "#9a5b00", GREY: "#6c6c72"}

LINES = (
    {"color": BLUE, "linestyle": "-"},
    {"color": RED, "linestyle": "--"},
    {"color": VIOLET, "linestyle": "-."},
    {"color": PURPLE, "linestyle": ":"},
    {"color": INK, "linestyle": (0, (6, 1.5, 1, 1.5, 1, 1.5))},
)

SETTINGS = {
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "figure.figsize": (6.8, 3.8),
    "figure.titlesize": 14,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same everywhere
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 12.5,
    "xtick.labelsize": 11.5,
    "ytick.labelsize": 11.5,
    "legend.fontsize": 11.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "lines.linewidth": 2.2,
    "lines.markersize": 6.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 6),
    "axes.unicode_minus": True,
    "grid.color": "#e3e3e6",
    "grid.linewidth": 0.8,
    "image.cmap": "viridis",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def use():
    """Make this the style of every figure from here on, whatever was set before."""
    import matplotlib
    from cycler import cycler

    cycle = cycler(**{key: [line[key] for line in LINES] for key in LINES[0]})
    matplotlib.rcdefaults()  # not the reader's matplotlibrc, nor an earlier style
    matplotlib.rcParams.update(SETTINGS | {"axes.prop_cycle": cycle})


def line(i):
    """The i-th colour and line style of the cycle, as keywords of `plot`."""
    return dict(LINES[i % len(LINES)])


def ink(color):
    """The colour for words about a curve of `color`: the same, or darker if too light.

    At least 4.5:1 on white for the six colours, as WCAG 2.2 (1.4.3) asks of text.
    """
    return TEXT.get(color, color)


def contrast(one, other="white"):
    """The contrast ratio of two colours, 1 to 21, by WCAG 2.2's formula."""
    from matplotlib.colors import to_rgb

    luminances = []
    for color in (one, other):
        linear = [
            x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4
            for x in to_rgb(color)
        ]
        weighted = zip((0.2126, 0.7152, 0.0722), linear)
        luminances.append(sum(w * x for w, x in weighted))
    return (max(luminances) + 0.05) / (min(luminances) + 0.05)
