"""The course as a site: python -m trpo_lite.course publish DIR

Writes into DIR one HTML file a page, an index and what they share. Every widget is
alive: its pictures are drawn beforehand, which takes some minutes. The site needs no
server and no network: open DIR/index.html, or put DIR on any web server.
"""

import os
from pathlib import Path

from trpo_lite._check import count
from trpo_lite._terminal import Parser, say

PROG = "python -m trpo_lite.course publish"


def main(arguments=None):
    """The command: its exit status. ValueError at options out of range."""
    _, details = __doc__.split("\n\n", 1)
    parser = Parser(PROG, description=details)
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument(
        "--settings",
        type=int,
        default=2500,
        metavar="N",
        help="of one widget at most; sliders are thinned to that [2500]",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="at once [all cores]"
    )
    options = parser.parse_args(arguments)
    most, workers = count("--settings", options.settings), options.workers
    from trpo_lite.course.publish import site

    site.write_site(options.folder, most, count("--workers", workers), tell=say)
    size = sum(file.stat().st_size for file in options.folder.iterdir())
    say(f"{options.folder / 'index.html'}: {size / 1e6:.1f} MB in all")
    return 0
