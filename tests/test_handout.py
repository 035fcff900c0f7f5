"""Printable pages: folded answers stand at the end, each with its number."""

import re
import warnings

import nbformat
import pytest

from trpo_lite.course.handout import main, unfold

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


def test_missing_notebook_is_told(tmp_path, capsys):
    assert main([str(tmp_path / "no.ipynb")]) == 2
    assert "no such notebook" in capsys.readouterr().err
