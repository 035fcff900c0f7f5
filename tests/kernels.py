"""What a class costs: `python -m tests.kernels [NAME ...]`.

Starts a kernel for each page at the same time, as on a hub, by default for the ten from
00 to 09. Each runs its page up to the first exercise. Prints the memory of each kernel
and the seconds of all: Pss, in which memory that kernels share is divided among them,
so that the sum is what the machine needs; and Rss, a kernel's own as `top` shows it.
Linux only.
"""

import asyncio
import contextlib
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.execute import PageError, ThisEnvironment, select
from trpo_lite._terminal import Parser, run, say

PROG = "python -m tests.kernels"
PAGES = tuple(f"{i:02}_" for i in range(10))
FIRST = re.compile(r"^### Exercise 1\b", re.MULTILINE)
KIND = re.compile(r"^(Pss|Rss): +(\d+) kB$", re.MULTILINE)


def opening(page):
    """The cells of `page` before its first exercise."""
    cells = page.cells
    ends = (i for i, cell in enumerate(cells) if FIRST.search(cell.source))
    return cells[: next(ends, len(cells))]


def memory(process):
    """{"Pss", "Rss"} of a process in MB."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8")
    return {kind: int(kilobytes) / 1000 for kind, kilobytes in KIND.findall(text)}


async def measure(paths):
    """One kernel a page, all at once.

    Returns [(seconds until the page has run, its memory when all have run)].
    """
    start = time.perf_counter()

    async def work(client):
        for i, cell in enumerate(client.nb.cells):
            await client.async_execute_cell(cell, i)
        return time.perf_counter() - start

    clients = [client_of(path) for path in paths]
    async with contextlib.AsyncExitStack() as stack:
        started = (stack.enter_async_context(c.async_setup_kernel()) for c in clients)
        await asyncio.gather(*started)
        seconds = await asyncio.gather(*map(work, clients))
        used = [memory(client.km.provisioner.pid) for client in clients]
    return [*zip(seconds, used, strict=True)]


def client_of(path):
    page = nbformat.read(path, as_version=4)
    page.cells = opening(page)
    return NotebookClient(
        page,
        kernel_manager_class=ThisEnvironment,
        timeout=600,
        resources={"metadata": {"path": str(path.parent)}},
    )


def main(arguments=None):
    _, details = __doc__.split("\n\n", 1)
    parser = Parser(PROG, description=details)
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a file name")
    options = parser.parse_args(arguments)
    try:
        paths = select(options.names or PAGES)
    except PageError as error:
        say(error, sys.stderr)
        return 2
    os.environ.setdefault("JPY_SESSION_NAME", "")  # pictures as under a server
    measured = asyncio.run(measure(paths))
    for path, (seconds, used) in zip(paths, measured, strict=True):
        say(
            f"{path.stem:28} {used['Pss']:4.0f} MB (Rss {used['Rss']:4.0f})"
            f"   after {seconds:3.0f} s"
        )
    total = sum(used["Pss"] for _, used in measured)
    last = max(seconds for seconds, _ in measured)
    say(
        f"{len(paths)} kernels: {total:.0f} MB, all ready after {last:.0f} s "
        f"on {len(os.sched_getaffinity(0))} cores"
    )
    return 0


if __name__ == "__main__":
    sys.exit(run(PROG, main))
