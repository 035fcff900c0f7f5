"""The execute tool: byte-stable pages, loud failures, untouched files."""

import nbformat
import pytest

from tests import execute

LIVE = """\
import ipywidgets
from IPython.display import display
from tqdm import tqdm

display(ipywidgets.IntSlider())
print("one")
for _ in tqdm(range(3)):
    pass
print("two", flush=True)"""
EXPLORE = """\
from trpo_lite.course import n00

n00.weights.explore()"""
FIGURE = """\
from matplotlib.figure import Figure
from trpo_lite.plots import show

figure = Figure(figsize=(1, 1))
figure.subplots()
show(figure, "an empty pair of axes")"""


def write(path, *sources):
    cells = [nbformat.v4.new_markdown_cell("# Title", id="title")]
    for i, source in enumerate(sources):
        cell = nbformat.v4.new_code_cell(source, id=f"cell-{i}")
        cell.metadata = {"tags": ["kept"], "collapsed": True}
        cells.append(cell)
    page = nbformat.v4.new_notebook(cells=cells)
    page.metadata = {
        "widgets": {"state": {}},
        "kernelspec": {"name": "other", "display_name": ""},
    }
    with open(path, "w", encoding="utf-8") as file:
        nbformat.write(page, file)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    here = "import os\nos.getcwd().split('/')[-1]"
    write(folder / "01_live.ipynb", LIVE, FIGURE, here, EXPLORE)
    assert execute.main([], folder) == 0
    return folder


def test_only_what_lasts_is_stored(folder):
    page = nbformat.read(folder / "01_live.ipynb", as_version=4)
    assert [cell.id for cell in page.cells] == [
        "title",
        *(f"cell-{i}" for i in range(4)),
    ]
    assert page.metadata == execute.METADATA
    live, figure, here, explore = page.cells[1:]
    assert dict(live.metadata) == {"tags": ["kept"]}
    assert [(o.name, o.text) for o in live.outputs] == [("stdout", "one\ntwo\n")]
    [output] = figure.outputs
    assert output.metadata["image/png"]["alt"] == "an empty pair of axes"
    assert here.outputs[0].data["text/plain"] == repr(folder.name)
    [output] = explore.outputs
    assert output.data == {"text/plain": "Sliders: run this cell to move them."}
    assert [cell.execution_count for cell in page.cells[1:]] == [1, 2, 3, 4]
    text = (folder / "01_live.ipynb").read_text()
    assert "widget" not in text.replace("ipywidgets", "")
    assert "iopub" not in text and "%|" not in text


def test_twice_is_once(folder, capsys):
    path = folder / "01_live.ipynb"
    before = path.read_bytes()
    assert execute.main(["01", "--force"], folder) == 0
    assert path.read_bytes() == before
    assert "01_live.ipynb: unchanged" in capsys.readouterr().out


def test_other_pictures_alone_do_not_rewrite_but_force_does(tmp_path):
    path = write(tmp_path / "01_a.ipynb", FIGURE)
    assert execute.execute(path)
    page = nbformat.read(path, as_version=4)
    other = page.cells[1].outputs[0].data["image/png"][:-8] + "AAAAAAA="
    page.cells[1].outputs[0].data["image/png"] = other
    path.write_text(execute.dumps(page))
    before = path.read_bytes()
    assert not execute.execute(path)
    assert path.read_bytes() == before
    assert execute.execute(path, force=True)
    assert other not in path.read_text()


def test_other_text_or_code_rewrites(tmp_path):
    path = write(tmp_path / "01_a.ipynb", "print(1 + 1)")
    execute.execute(path)
    for old, new in (("2\\n", "3\\n"), ("1 + 1", "1 + 2")):
        path.write_text(path.read_text().replace(old, new))
        assert execute.execute(path)
    assert '"3\\n"' in path.read_text()


def test_a_failing_cell_is_named_and_nothing_is_written(tmp_path, capsys):
    bad = write(tmp_path / "01_bad.ipynb", "print(1)", "1 / 0")
    write(tmp_path / "02_good.ipynb", "print(1)")
    before = bad.read_bytes()
    assert execute.main([], tmp_path) == 1
    out, err = capsys.readouterr()
    assert "01_bad.ipynb, cell cell-1: ZeroDivisionError: division by zero" in err
    assert "\x1b" not in err
    assert "02_good.ipynb: written" in out
    assert bad.read_bytes() == before


def test_unknown_names_are_told(tmp_path, capsys):
    write(tmp_path / "01_a.ipynb", "1")
    assert execute.main(["07"], tmp_path) == 2
    assert "no page in" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, left",
    [
        ("plain\n", "plain\n"),
        ("100%|###| 3/3 [00:00<00:00, 9.1it/s]\n", ""),
        ("\r  0%|   | 0/3\rTRPO: 100%|###| 3/3 [00:00<00:00]\nafter\n", "after\n"),
        ("\r3it [00:00, 9.1it/s]\nafter", "after"),
        ("50 % of |x|\r\n", "50 % of |x|\r\n"),
    ],
)
def test_bars_are_stripped(text, left):
    assert execute.without_bars(text) == left


def test_strict_nbval_agrees(folder):
    """What the tool stores passes nbval under the course's own (empty) rules."""
    import subprocess
    import sys

    write(folder / "02_plain.ipynb", "print(1)", FIGURE)
    assert execute.main(["02"], folder) == 0
    rules = execute.NOTEBOOKS.parent / "tests" / "nbval.cfg"
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(rules)]
    command = [sys.executable, "-m", "pytest", "-q", *options, "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, "02_plain.ipynb"], cwd=folder, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout
    assert "2 passed" in run.stdout
