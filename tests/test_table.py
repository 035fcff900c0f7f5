"""Tables: what they say, in both forms, the same each time."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from trpo_lite.course.table import table

HEADER = ("method", "p", "mean of A\nexact", "estimate")
ROWS = [
    ("exact", 0.1, -1e-17, (-0.014, 0.02)),
    ("a < b", np.float64(0.25), 12.345, (np.float64(-0.001), np.float64(0.3))),
    ("none", 1, np.nan, None),
]
FORMATS = ("", "", ".2f", ".2f")


@pytest.fixture
def shown(monkeypatch):
    """table(...) returning the bundle that it displays."""
    bundles = []

    def display(data, **options):
        assert options == {"raw": True}
        bundles.append(data)

    monkeypatch.setattr("IPython.display.display", display)

    def call(*args, **kwargs):
        assert table(*args, **kwargs) is None
        return bundles.pop()

    return call


def test_the_text_lines_up_rounds_and_has_no_negative_zero(shown):
    assert shown(HEADER, ROWS, FORMATS, "Two means")["text/plain"] == (
        "Two means\n"
        "              mean of A\n"
        "method     p      exact      estimate\n"
        "exact    0.1       0.00  -0.01 ± 0.02\n"
        "a < b   0.25      12.35   0.00 ± 0.30\n"
        "none       1          –             –"
    )


def test_the_html_says_the_same_and_names_rows_and_columns(shown):
    bundle = shown(HEADER, ROWS, FORMATS, "Two <means>")
    tree = ET.fromstring(bundle["text/html"].replace("<br>", "\n"))
    assert tree.find("caption").text == "Two <means>"
    head, *body = tree.iter("tr")
    assert [(e.tag, e.get("scope")) for e in head] == [("th", "col")] * 4
    assert [e.text for e in head] == list(HEADER)
    for row in body:
        assert [(e.tag, e.get("scope")) for e in row] == [("th", "row")] + [
            ("td", None)
        ] * 3
    sides = [e.get("style").split()[-1] for e in body[1]]
    assert sides == ["left", "right", "right", "right"]
    assert [e.text for e in body[1]] == ["a < b", "0.25", "12.35", "0.00 ± 0.30"]
    plain = bundle["text/plain"]
    assert all(e.text in plain for row in body for e in row)


def test_numbers_in_the_first_column_name_no_row(shown):
    assert 'scope="row"' not in shown(("n",), [(1,)])["text/html"]


@pytest.mark.parametrize(
    "value, spec, text",
    [
        (0.1 + 0.2, "", "0.3"),
        (1000, "", "1000"),
        (np.int64(3), "d", "3"),
        (-0.004, ".2f", "0.00"),
        (-0.006, ".2f", "-0.01"),
        (-1e-9, "+.1f", "+0.0"),
        (-0.001, ".0%", "0%"),
        (-0.0, ".1e", "0.0e+00"),
        (-3e-9, ".0e", "-3e-09"),
        (1234.5, ",.1f", "1,234.5"),
        (np.inf, ".2f", "inf"),
        (True, ".2f", "True"),
        (np.True_, ".2f", "True"),
        ("never", ".2f", "never"),
        ((0.5, np.nan), ".1f", "0.5 ± –"),
    ],
)
def test_entries(shown, value, spec, text):
    assert shown(("x",), [(value,)], (spec,))["text/plain"].split("\n")[-1] == text


def test_a_column_of_words_and_numbers_stands_to_the_left(shown):
    lines = shown(("steps",), [(7,), ("never",)])["text/plain"].split("\n")
    assert lines == ["steps", "7", "never"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((("a", "b"), [(1, 2), (3,)]), "row 1 has 1 entries, expected 2"),
        ((("a", "b"), [(1, 2)], (".2f",)), "formats has 1 entries, expected 2"),
        ((("a",), []), "rows is empty"),
        ((("a", "b"), [(1, 2), (3, 0.5)], ("", "d")), "row 1, column 'b': 0.5 with"),
    ],
)
def test_mistakes_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        table(*arguments)


def test_rows_may_be_a_generator(shown):
    assert shown(("x",), ((i,) for i in range(2)))["text/plain"] == "x\n0\n1"


def test_the_module_needs_no_ipython():
    code = "import sys, trpo_lite.course.table; print('IPython' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "False", out.stderr
