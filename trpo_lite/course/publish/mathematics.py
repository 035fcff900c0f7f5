"""Markdown with TeX to HTML that needs no network and no script.

    html("The step is $\\sqrt{2\\delta}$.")    # '<p>The step is <math>...</math>.</p>'
    stylesheet()                             # CSS, once a page, with the font in it

Formulas become MathML, which today's browsers set themselves. They need a font made for
it: STIX Two Math (SIL Open Font License), cut down to the signs that formulas use.
"""

import base64
import io
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

SIGNS = (
    (0x20, 0x17F),  # Latin
    (0x2B0, 0x3FF),  # accents, Greek
    (0x2000, 0x206F),  # spaces, primes, dots
    (0x20D0, 0x22FF),  # accents, double-struck letters, arrows, operators
    (0x2308, 0x230B),  # floor and ceiling
    (0x23B0, 0x23E1),  # braces below and above
    (0x27E6, 0x27EF),  # brackets
    (0x27F5, 0x27FF),  # long arrows
    (0x1D400, 0x1D467),  # bold and italic
    (0x1D49C, 0x1D4CF),  # script
    (0x1D538, 0x1D56B),  # double-struck
    (0x1D6A8, 0x1D71B),  # Greek, bold and italic
    (0x1D7CE, 0x1D7D7),  # bold digits
)


def check_installed():
    """ValueError with what to install, unless the extra `publish` is there."""
    missing = [name for name in ("math_core", "ziamath") if not find_spec(name)]
    if missing:
        raise ValueError(
            f"formulas need {' and '.join(missing)}; in the course's folder: "
            'python -m pip install -e ".[publish]"'
        )


@lru_cache
def _converter():
    check_installed()
    from math_core import LatexToMathML

    return LatexToMathML()


def formula(tex, block=False):
    """One formula as a MathML element; `block` sets it on a line of its own.

    Raises ValueError with the formula if it is not understood.
    """
    convert = _converter().convert_with_local_state
    try:
        return convert(tex, displaystyle=block)
    except Exception as problem:
        raise ValueError(f"no formula: {tex!r}: {problem}") from None


@lru_cache
def _markdown():
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def inline_math(self, body):
            return formula(body)

        def block_math(self, body):
            return f'<span class="formula">{formula(body, block=True)}</span>'

    # the pages' own HTML, such as <details>, stays
    return MarkdownWithMath(Renderer(escape=False, exclude_anchor_links=True))


def html(markdown):
    """Markdown as a page of the course writes it -> HTML with MathML.

    Raises ValueError at a formula that is not understood.
    """
    return _markdown().render(markdown)


@lru_cache
def stylesheet():
    """CSS for formulas, with the font in it: about a quarter of a megabyte."""
    return f"""@font-face {{ font-family: "STIX Two Math";
  src: url("data:font/woff;base64,{_font()}") format("woff"); }}
math {{ font-family: "STIX Two Math", math; font-size: 1.12em; }}
/* Chromium paints a stretched brace only near the place of the unstretched one */
munder > mo, mover > mo {{ box-shadow: 0 0 0 40em transparent; }}
menclose[notation~="box"] {{ border: 1px solid; padding: .4em .5em; }}
.formula {{ display: block; overflow-x: auto; overflow-y: hidden; padding: .2em 0; }}
"""


def _font():
    """STIX Two Math with the `SIGNS` alone, as WOFF in base64."""
    check_installed()
    from fontTools import subset

    options = subset.Options(flavor="woff", layout_features=["ssty"], hinting=False)
    # the package that brings the font need not be imported
    package = Path(find_spec("ziamath").origin).parent
    cut, target = subset.Subsetter(options), io.BytesIO()
    cut.populate(unicodes=[c for first, last in SIGNS for c in range(first, last + 1)])
    path = package / "fonts/STIXTwoMath-Regular.ttf"
    with subset.load_font(path, options) as font:
        cut.subset(font)
        subset.save_font(font, target, options)
    return base64.b64encode(target.getvalue()).decode()
