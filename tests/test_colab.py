"""Pages for Colab: one cell in front, which is silent where no Colab is."""

import fnmatch
import json
import sys
import types

import nbformat
import pytest

from trpo_lite.course import colab
from trpo_lite.course.working_copy import COURSE

ROOT = COURSE.parent


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "colab"
    assert colab.main(["someone/course", "-o", str(folder), "--branch", "exam"]) == 0
    return {path.name: nbformat.read(path, 4) for path in sorted(folder.iterdir())}


def run(cell, on_colab, monkeypatch):
    """What the cell asks of IPython: [(magic, line)]."""
    from IPython.core.inputtransformer2 import TransformerManager

    asked = []
    shell = types.SimpleNamespace(run_line_magic=lambda *args: asked.append(args))
    if on_colab:
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("colab"))
    code = TransformerManager().transform_cell(cell["source"])
    exec(code, {"get_ipython": lambda: shell})
    return asked


def test_every_page_is_written_and_is_valid(pages):
    assert set(pages) == {path.name for path in COURSE.glob("*.ipynb")}
    for name, page in pages.items():
        nbformat.validate(page)
        first, *rest = page.cells
        stored = json.loads((COURSE / name).read_text("utf-8"))["cells"]
        assert [cell["id"] for cell in rest] == [cell["id"] for cell in stored]
        codes = [
            [cell["source"] for cell in cells if cell["cell_type"] == "code"]
            for cells in (rest, [{**c, "source": "".join(c["source"])} for c in stored])
        ]
        assert codes[0] == codes[1]
        assert not any(cell.get("outputs") for cell in page.cells)
        assert first["id"] == "colab-install"


def test_the_first_cell_does_nothing_elsewhere(pages, monkeypatch, capsys):
    cell = pages["00_start_here.ipynb"].cells[0]
    assert run(cell, False, monkeypatch) == []
    assert capsys.readouterr() == ("", "")


def test_the_first_cell_installs_on_colab(pages, monkeypatch):
    cell = pages["00_start_here.ipynb"].cells[0]
    ((magic, line),) = run(cell, True, monkeypatch)
    assert magic == "pip" and line.startswith("install -q ")
    assert '"trpo_lite @ git+https://github.com/someone/course@exam"' in line
    for name in ("numpy", "matplotlib", "gymnasium[mujoco]", "ipywidgets", "tqdm"):
        assert f'"{name}>=' in line
    # Colab has a Jupyter of its own, which must not be replaced
    assert "jupyter" not in line and "nbval" not in line and " -e" not in line


def test_an_install_that_fails_on_colab_says_so(pages, monkeypatch):
    cell = pages["00_start_here.ipynb"].cells[0]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"someone/course public, .* branch exam"):
        run(cell, True, monkeypatch)


def test_links_between_pages_lead_to_colab(pages):
    last = pages["03_surrogate.ipynb"].cells[-1]["source"]
    place = "https://colab.research.google.com/github/someone/course/blob/exam/colab"
    assert f"({place}/04_mm_bound.ipynb)" in last
    texts = "".join(c["source"] for p in pages.values() for c in p.cells)
    assert "](04_mm_bound.ipynb" not in texts


def test_a_repository_has_two_names(tmp_path):
    with pytest.raises(ValueError, match="expected OWNER/REPO"):
        colab.main(["https://github.com/someone/course", "-o", str(tmp_path)])


def test_an_install_from_github_has_every_file_that_is_no_module():
    try:
        import tomllib
    except ModuleNotFoundError:
        pytest.skip("tomllib came with Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    data = project["tool"]["setuptools"]["package-data"]
    patterns = [*data["trpo_lite"], *(f"course/{x}" for x in data["trpo_lite.course"])]
    package = ROOT / "trpo_lite"
    for path in package.rglob("*"):
        name = path.relative_to(package).as_posix()
        told = name.startswith("grids/") and path.suffix == ".md"  # for readers alone
        if path.is_file() and path.suffix not in (".py", ".pyc") and not told:
            assert any(fnmatch.fnmatch(name, x) for x in patterns), name


def test_an_install_from_github_has_every_module():
    for path in (ROOT / "trpo_lite").rglob("*.py"):
        assert (path.parent / "__init__.py").is_file(), path
