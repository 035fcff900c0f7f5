"""Formulas without a network: every formula of the course, and the font it needs."""

import base64
import io
import re
import sys
from html import unescape
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from trpo_lite.course import bank, handout, page, publish
from trpo_lite.course.publish import deck, mathematics, site

PAGES = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
TAGS = re.compile(r"<[^>]*>")


def texts(path):
    cells = page.read(path)["cells"]
    return [cell["source"] for cell in cells if cell["cell_type"] == "markdown"]


def without_code(html):
    return re.sub(r"<(code|pre).*?</\1>", "", html, flags=re.S)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem[:2])
def test_every_formula_is_understood(path):
    for text in texts(path):
        html = mathematics.html(text)
        rest = without_code(html)
        assert "$" not in rest and "\\" not in rest and "<merror" not in rest
        code_free = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)
        signs = code_free.replace("$$", "$").count("$")
        assert html.count("<math") == signs / 2


@pytest.mark.parametrize(
    ("tex", "mathml"),
    [
        (r"\frac{a}{2}", "<mfrac><mi>a</mi><mn>2</mn></mfrac>"),
        (r"\gamma^t", "<msup><mi>γ</mi><mi>t</mi></msup>"),
        (r"x < y", "<mi>x</mi><mo>&lt;</mo><mi>y</mi>"),
        (r"\sqrt{x}", "<msqrt><mi>x</mi></msqrt>"),
    ],
)
def test_formulas(tex, mathml):
    assert mathematics.formula(tex) == f"<math>{mathml}</math>"
    block = mathematics.formula(tex, block=True)
    assert block == f'<math display="block">{mathml}</math>'


def test_markdown():
    html = mathematics.html("# A *b*\n\nIf $x_1|y$, then `$z$`:\n\n$$x$$")
    assert "<h1>A <em>b</em></h1>" in html
    assert "<code>$z$</code>" in html
    assert html.count("<math>") == 1 and html.count('<math display="block">') == 1


def test_a_formula_that_is_none_is_named():
    with pytest.raises(ValueError, match=r"no formula: '\\\\nosuch"):
        mathematics.html(r"Take $\nosuch{x}$.")


@pytest.fixture
def without(request, monkeypatch):
    """One of the two packages is not there, and nothing is kept from before."""
    for kept in (mathematics._converter, mathematics.stylesheet):
        kept.cache_clear()
    monkeypatch.setitem(sys.modules, request.param, None)
    return request.param


@pytest.mark.parametrize("without", ["math_core", "ziamath"], indirect=True)
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (publish, []),
        (deck, []),
        (deck, ["04"]),
        (handout, [str(PAGES[3]), "-o"]),
        (bank, ["-o"]),
    ],
    ids=["publish", "deck", "deck 04", "handout", "bank"],
)
def test_what_is_missing_is_named_before_anything_is_drawn(
    without, command, words, tmp_path, monkeypatch
):
    monkeypatch.setattr(site, "draw_all", None)
    monkeypatch.setattr(deck, "section", None)
    new = str(tmp_path / "new")
    into = [new, *words] if command is deck else [*words, new]
    with pytest.raises(ValueError, match=f"^formulas need {without};") as told:
        command.main(into)
    assert str(told.value).endswith(': python -m pip install -e ".[publish]"')
    assert not any(tmp_path.iterdir())  # nor a folder with nothing in it


def test_both_are_named(monkeypatch):
    for name in ("math_core", "ziamath"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match="need math_core and ziamath;"):
        mathematics.check_installed()


def italic(letter):
    """What browsers show for a letter alone in <mi>."""
    if letter == "h":
        return "\u210e"
    for first, last, start in (("A", "Z", 0x1D434), ("a", "z", 0x1D44E)):
        if first <= letter <= last:
            return chr(start + ord(letter) - ord(first))
    for first, last, start in (("Α", "Ω", 0x1D6E2), ("α", "ω", 0x1D6FC)):
        if first <= letter <= last:
            return chr(start + ord(letter) - ord(first))
    return letter


def test_the_font_has_every_sign_of_every_formula():
    packed = re.search(r"base64,([^\"]+)", mathematics.stylesheet())[1]
    font = TTFont(io.BytesIO(base64.b64decode(packed)))
    assert "MATH" in font
    needed = set()
    for path in PAGES:
        html = "".join(mathematics.html(text) for text in texts(path))
        for formula in re.findall(r"<math.*?</math>", html, re.S):
            needed |= {*unescape(TAGS.sub("", formula))}
            single = re.findall(r"<mi>(.)</mi>", formula)
            needed |= {italic(letter) for letter in single}
    assert len(needed) > 100
    # the last asks for one of two forms of a script letter; there is one here
    needed -= {"\n", "\ufe00"}
    assert not {sign for sign in needed if ord(sign) not in font.getBestCmap()}
