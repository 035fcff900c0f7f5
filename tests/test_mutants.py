"""Each bug of the museum that the package could have is caught by an ordinary test.

`tests/mutants/NAME.patch` puts one real mistake into a copy of the package. Its first
lines say where the mistake was seen and which test must then fail:

    # seen: wojzaremba/trpo#1
    # caught by: tests/test_trpo.py::test_the_line_search_has_the_last_word
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATCHES = sorted((ROOT / "tests" / "mutants").glob("*.patch"))


def run_test(folder, test):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_the_mistake_is_caught(patch, tmp_path):
    text = patch.read_text()
    test = re.search(r"^# caught by: (\S+)$", text, re.M)[1]
    assert re.search(r"^# seen: \S", text, re.M), f"{patch.name} names no source"
    ignore = shutil.ignore_patterns("__pycache__", "mutants", "browser")
    for name in ("trpo_lite", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    subprocess.run(["git", "apply", str(patch)], cwd=tmp_path, check=True)
    result = run_test(tmp_path, test)
    # 1: a test failed. Anything else (0 passed, 2 to 5: no such test) is not a catch.
    assert result.returncode == 1, result.stdout + result.stderr


def test_every_named_test_exists_and_passes_on_the_sound_package():
    tests = {
        re.search(r"^# caught by: (\S+)$", p.read_text(), re.M)[1] for p in PATCHES
    }
    assert tests, "no mutants found"
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *sorted(tests),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
