"""A notebook's file as plain data, with the text of each cell in one piece.

    {"cells": [{"id", "cell_type", "source", "metadata", "outputs"}], "metadata", ...}

Four fields are used, so nbformat, whose import takes longer than reading all pages, is
left to the tests: they hold what is written here against it.
"""

import json

KINDS = ("code", "markdown", "raw")


def read(path):
    """The page in a file; OSError, or ValueError if it holds no notebook."""
    with open(path, "rb") as file:
        return parse(file.read())


def parse(content):
    """The page that these bytes are; ValueError if they are none."""
    try:
        page = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"it is no notebook: {problem}") from None
    if not isinstance(page, dict) or not isinstance(page.get("cells"), list):
        raise ValueError("it is no notebook: it has no list of cells")
    if page.get("nbformat") != 4:
        raise ValueError(f"it has nbformat {page.get('nbformat')!r}, expected 4")
    if not isinstance(page.setdefault("metadata", {}), dict):
        raise ValueError("its metadata are broken")
    for n, cell in enumerate(page["cells"], 1):
        if not _normal(cell):
            raise ValueError(f"its cell {n} is broken")
    return page


def _normal(cell):
    """Bring one cell to the form above; False if that cannot be."""
    if not isinstance(cell, dict) or cell.get("cell_type") not in KINDS:
        return False
    source, outputs = cell.get("source"), cell.get("outputs", [])
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    cell["source"] = source
    if cell["cell_type"] == "code":
        cell["outputs"] = outputs
        cell.setdefault("execution_count", None)
    return (
        isinstance(source, str)
        and isinstance(cell.setdefault("metadata", {}), dict)
        and isinstance(cell.get("id", ""), str)
        and isinstance(outputs, list)
        and all(isinstance(output, dict) for output in outputs)
    )


def dump(page):
    """The bytes of a page's file, as Jupyter writes them."""
    cells = [
        {**cell, "source": cell["source"].splitlines(True)} for cell in page["cells"]
    ]
    text = json.dumps(
        {**page, "cells": cells}, ensure_ascii=False, indent=1, sort_keys=True
    )
    return f"{text}\n".encode()


def bare(page):
    """The page as nobody has run it: no output, no picture, no count."""
    cells = [
        {**cell, "outputs": [], "execution_count": None}
        if cell["cell_type"] == "code"
        else cell
        for cell in page["cells"]
    ]
    return {**page, "cells": cells}


def printed(cell):
    """What a cell has printed, as it is stored."""
    texts = (output.get("text", "") for output in cell.get("outputs", ()))
    return "".join("".join(text) for text in texts if isinstance(text, (str, list)))
