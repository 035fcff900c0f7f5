"""Printable pages: folded answers stand at the end, each with its number."""

import re
import warnings
from pathlib import Path

import nbformat
import pytest

from trpo_lite.course.handout import blank, main, sheet, targets, unfold

FOLDED = "<details><summary>{}</summary>\n\n{}\n\n</details>"
QUESTION = f"**1.** Why?\n\n{FOLDED.format('Answer 1', 'Because $x=1$.')}"


def test_unfold_moves_and_numbers_across_cells():
    derivation = FOLDED.format("Derivation", "a\n\nb")
    texts = [QUESTION, "no fold", f"Now:\n\n{derivation}\n"]
    pointed, answers = unfold(texts)
    assert "Because" not in pointed[0] and "[Answer 1: number 1" in pointed[0]
    assert pointed[1] == "no fold"
    assert "(#answer-2)" in pointed[2] and "details" not in pointed[2]
    first, second = answers.split('<a id="answer-2"></a>')
    assert "**1.**" in first and "Because $x=1$." in first
    assert "**2.**" in second and "a\n\nb" in second


@pytest.fixture
def notebook(tmp_path):
    from tests.execute import METADATA

    figure = nbformat.v4.new_output(
        "display_data",
        {"image/png": "iVBORw0KGgo=", "text/plain": "Figure"},
        metadata={"image/png": {"alt": "a line that rises"}},
    )
    cells = [
        nbformat.v4.new_markdown_cell("# 00 · Sample\n\n" + QUESTION),
        nbformat.v4.new_code_cell("lesson.rise.show()", outputs=[figure]),
        nbformat.v4.new_markdown_cell("## The last part"),
    ]
    page = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    path = tmp_path / "00_sample.ipynb"
    nbformat.write(page, path)
    return path


def printed(notebook, tmp_path, *options, body=True):
    """The handout of `notebook`: the body of its HTML, or all of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbconvert's dependencies have their own
        assert main([str(notebook), "-o", str(tmp_path / "print"), *options]) == 0
    html = (tmp_path / "print" / "00_sample.html").read_text("utf-8")
    return html[html.index("<body") :] if body else html


def test_handout_has_answers_and_solutions_at_the_end(notebook, tmp_path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbconvert's dependencies have their own
        assert main([str(notebook), "-o", str(tmp_path / "print")]) == 0
    target = tmp_path / "print" / "00_sample.html"
    assert capsys.readouterr().out.strip() == str(target)
    html = re.sub(
        r"<style.*?</style>|<script.*?</script>", "", target.read_text(), flags=re.S
    )
    assert "<details" not in html
    assert html.count("<img") == 1 and "No description" not in html
    assert 'alt="a line that rises"' in html
    order = [
        html.index(t) for t in ("The last part", "Answers", "Because", "Solutions")
    ]
    assert order == sorted(order)
    assert "discounted_return" in html[order[-1] :]
    assert 'href="#answer-1"' in html and 'id="answer-1"' in html


def test_handout_needs_no_network_and_sets_formulas_itself(notebook, tmp_path):
    html = printed(notebook, tmp_path, body=False)
    assert "<script" not in html
    assert not re.search(r'<(?:link|img|iframe|source)[^>]*="(?:https?:)?//', html)
    assert not re.search(r"url\(\s*(?![\"']?(?:data:|#))", html)
    body = html[html.index("<body") :]
    assert "<math" in body and "$" not in body
    assert "@font-face" in html


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("solutions", [True, False])
def test_handout_without_answers_or_solutions(notebook, tmp_path, answers, solutions):
    options = ["--no-answers"] * (not answers) + ["--no-solutions"] * (not solutions)
    html = printed(notebook, tmp_path, *options)
    assert ("Because" in html) == answers
    assert ("……" in html) == (not answers)
    assert ("discounted_return" in html) == solutions


def test_a_line_to_write_on_stands_in_place_of_an_answer():
    (text,) = blank([QUESTION])
    assert "Because" not in text and "details" not in text
    assert text.startswith("**1.** Why?\n\n*Answer 1:* …")


def test_two_pages_of_one_name_are_two_files(notebook, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    text = notebook.read_text("utf-8")
    (other / notebook.name).write_text(text.replace("Because", "Since"), "utf-8")
    folder = tmp_path / "print"
    pages = [str(notebook), str(other / notebook.name)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main([*pages, "-o", str(folder)]) == 0
    told = capsys.readouterr().out.split()
    assert told == [str(folder / f"00_sample{end}.html") for end in ("", "-2")]
    for path, word in zip(told, ("Because", "Since")):
        assert word in Path(path).read_text("utf-8")
    # beside their notebooks they don't meet
    beside = targets([notebook, other / notebook.name])
    assert [x.parent for x in beside] == [tmp_path, other]
    assert {x.name for x in beside} == {"00_sample.html"}


def test_a_real_page_without_its_answers(tmp_path):
    page = Path(__file__).parents[1] / "notebooks/04_mm_bound.ipynb"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main([str(page), "-o", str(tmp_path), "--no-answers"]) == 0
    html = (tmp_path / "04_mm_bound.html").read_text("utf-8")
    body = html[html.index("<body") :]
    assert "<details" not in body and "<script" not in body
    text = re.sub(r"<pre.*?</pre>|<code.*?</code>", "", body, flags=re.S)
    assert "$" not in text and "Exercise 1" in text
    assert text.count("……") > 5


def test_a_sheet_is_a_page_of_its_own():
    html = sheet("Answers", "### 1\n\nThe step is $\\sqrt{2\\delta}$.").decode()
    assert html.startswith("<!DOCTYPE html>") and "<title>Answers</title>" in html
    assert "<math" in html and "$" not in html[html.index("<body") :]


def test_missing_notebook_is_told(tmp_path, capsys):
    assert main([str(tmp_path / "no.ipynb")]) == 2
    assert "no such notebook" in capsys.readouterr().err
