"""Execute pages and store them byte-stable: python -m tests.execute [NAME...] [--force]

NAME is a page's file name or a part of it (`03`); without names, every page. A page
whose text outputs come out as stored is left untouched, pictures included, unless
--force is given. A cell that raises stops the page: its name and the cell's are
printed, the file stays as it was, and the exit code is 1 (2 if there is no such page).
"""

import re
import sys
from pathlib import Path

import nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from trpo_lite._terminal import Parser, run, say
from trpo_lite.course.widgets import ASLEEP, VIEW
from trpo_lite.files import write

PROG = "python -m tests.execute"
NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# what is shown live only: a widget's view and the script that names its sliders
LIVE = {VIEW, "application/javascript"}
CELL_METADATA = {"slideshow", "tags"}
# tqdm bars written as text: "CartPole:  42%|####    | 42/100 [00:01<00:02, ...]"
BAR = re.compile(r"\d+%\|.*\||\d+it \[")


class PageError(Exception):
    """A page did not run; the message names the page and the cell."""


class ThisEnvironment(AsyncKernelManager):
    """Kernels run this very Python, whatever kernels the machine has registered."""

    @property
    def kernel_spec(self):
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


def execute(path, force=False, timeout=600):
    """Execute the page at `path`; True if its file was rewritten. Raises PageError."""
    path = Path(path)
    stored = path.read_text(encoding="utf-8")
    page = nbformat.reads(stored, as_version=4)
    before = texts(page)
    client = NotebookClient(
        page,
        kernel_manager_class=ThisEnvironment,
        timeout=timeout,
        record_timing=False,
        force_raise_errors=True,  # even in an exercise's cell
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.reset_execution_trackers()
    try:
        client.execute()
    except CellExecutionError as error:
        cell = next(c for c in page.cells if failed(c))
        reason = f"{error.ename}: {error.evalue}\n{without_colours(error.traceback)}"
        raise PageError(f"{path.name}, cell {cell.id}: {reason}") from None
    except (CellTimeoutError, DeadKernelError) as error:
        raise PageError(f"{path.name}: {type(error).__name__}: {error}") from None
    clean(page)
    text = dumps(page)
    if text == stored or (not force and settled(stored) and texts(page) == before):
        return False
    write(path, text.encode())
    return True


def clean(page):
    """Leave in an executed page only what is the same after every execution."""
    page.metadata = nbformat.from_dict(METADATA)
    page.nbformat, page.nbformat_minor = 4, 5
    for cell in page.cells:
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in CELL_METADATA}
        if cell.cell_type == "code":
            cell.outputs = [o for o in joined(cell.outputs) if keep(o)]
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = cell.execution_count


def keep(output):
    """False for what is only shown live: widgets, their script, progress bars.

    Of a lesson's widget a sentence stays, for readers without a kernel.
    """
    if output.output_type in ("display_data", "execute_result"):
        if output.data.get("text/plain") == ASLEEP:
            output.data = {"text/plain": ASLEEP}
        if LIVE & set(output.data):
            return False
        output.metadata = {k: v for k, v in output.metadata.items() if k in output.data}
    if output.output_type == "stream":
        text = without_bars(output.text)
        if text != output.text and not text.strip():
            return False
        output.text = text
    return True


def without_bars(text):
    """`text` without progress bars and the lines that carriage returns rewrote."""
    if not BAR.search(text):
        return text
    lines = [line.rsplit("\r", 1)[-1] for line in text.split("\n")]
    return "\n".join(line for line in lines if not BAR.search(line))


def joined(outputs):
    """Streams as one piece each between displays: how they were cut is chance."""
    result, streams = [], {}
    for output in outputs:
        if output.output_type != "stream":
            streams = {}
        elif output.name in streams:
            streams[output.name].text += output.text
            continue
        else:
            streams[output.name] = output
        result.append(output)
    return result


def texts(page):
    """What strict nbval compares, cell by cell: sources and text outputs."""
    return [
        (cell.id, cell.source, [text_of(o) for o in cell.get("outputs", ())])
        for cell in page.cells
    ]


def text_of(output):
    if output.output_type == "stream":
        return output.name, output.text
    if output.output_type == "error":
        return output.ename, output.evalue
    # a picture counts by being there, with its description
    data = {k: "" if k.startswith("image/") else v for k, v in output.data.items()}
    return data, output.metadata


def settled(stored):
    """Was this file written by `execute`? A page straight from its author was not."""
    page = nbformat.reads(stored, as_version=4)
    counts = [c.execution_count for c in page.cells if c.cell_type == "code"]
    clean(page)
    return None not in counts and dumps(page) == stored


def dumps(page):
    return nbformat.writes(page) + "\n"


def failed(cell):
    return any(o.output_type == "error" for o in cell.get("outputs", ()))


def without_colours(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def select(names, folder=NOTEBOOKS):
    """The pages whose file names contain one of `names`; all without names."""
    pages = sorted(folder.glob("*.ipynb"))
    for name in names:
        if not any(Path(name).name in page.name for page in pages):
            raise PageError(f"no page in {folder.name}/ is named like {name!r}")
    if not names:
        return pages
    return [p for p in pages if any(Path(name).name in p.name for name in names)]


def main(arguments=None, folder=NOTEBOOKS):
    _, details = __doc__.split("\n\n", 1)
    parser = Parser(PROG, description=details)
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a file name")
    parser.add_argument("--force", action="store_true", help="rewrite unchanged pages")
    options = parser.parse_args(arguments)
    try:
        pages = select(options.names, folder)
    except PageError as error:
        say(error, sys.stderr)
        return 2
    failures = 0
    for page in pages:
        try:
            changed = execute(page, options.force)
        except PageError as error:
            failures += 1
            say(f"FAILED {error}", sys.stderr)
        else:
            say(f"{page.name}: {'written' if changed else 'unchanged'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(run(PROG, main))
