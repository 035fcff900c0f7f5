"""JupyterLab on a folder, and what a Jupyter of this user has open there."""

import contextlib
import json
import os
import urllib.request
import webbrowser
from pathlib import Path
from urllib.parse import quote

SECONDS = 2  # for an answer from this machine


def servers():
    """What the servers of this user have noted of themselves; some may be gone.

    Read here, because importing jupyter_server for it takes seconds.
    """
    try:
        from jupyter_core.paths import jupyter_runtime_dir

        found = []
        for path in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
            with contextlib.suppress(OSError, ValueError):  # being written, or removed
                found.append(json.loads(path.read_text(encoding="utf-8")))
    except (ImportError, OSError):
        return []
    return [s for s in found if isinstance(s, dict) and {"url", "token"} <= {*s}]


def open_pages(folder):
    """Names of the notebooks of `folder` that a running server has a kernel for."""
    pages = set()
    for server in servers():
        for session in _sessions(server) or ():
            path = Path(server.get("root_dir", ""), session.get("path", ""))
            with contextlib.suppress(OSError):
                if path.parent.samefile(folder):
                    pages.add(path.name)
    return pages


def _sessions(server):
    """The server's sessions; None if it does not answer, or not to us."""
    request = urllib.request.Request(f"{server['url']}api/sessions")
    request.add_header("Authorization", f"token {server['token']}")
    here = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with here.open(request, timeout=SECONDS) as answer:
            sessions = json.load(answer)
    except (OSError, ValueError):
        return None
    return [s for s in sessions if isinstance(s, dict)]


def show(folder, page):
    """Open the notebook `page` of `folder` in JupyterLab, until that is shut down.

    A server that runs there already is used; the address is returned then. ValueError
    if JupyterLab does not start because this is root.
    """
    folder = Path(folder).resolve()
    if address := _shown(folder, page):
        return address
    from jupyterlab.labapp import LabApp

    # that took seconds, in which another start may have been faster
    if address := _shown(folder, page):
        return address
    try:
        LabApp.launch_instance([f"--ServerApp.root_dir={folder}", str(folder / page)])
    except SystemExit as end:
        if end.code and getattr(os, "geteuid", lambda: 1)() == 0:
            raise ValueError(
                f"JupyterLab may refuse root: jupyter lab --allow-root {folder}"
            ) from None
        raise
    return None


def _shown(folder, page):
    """The address at which a server that runs there shows the page; None if none."""
    for server in servers():
        here = Path(server.get("root_dir", "")) == folder
        if here and _sessions(server) is not None:
            address = f"{server['url']}lab/tree/{quote(page)}"
            webbrowser.open(f"{address}?token={server['token']}")
            return address
    return None
