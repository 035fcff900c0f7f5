"""JupyterLab on a folder, and what a Jupyter of this user has open there."""

import contextlib
import json
import urllib.request
import webbrowser
from pathlib import Path
from urllib.parse import quote

SECONDS = 2  # for an answer from this machine


def servers():
    """The running servers of this user, as Jupyter lists them; [] without Jupyter."""
    try:
        from jupyter_server.serverapp import list_running_servers

        return [*list_running_servers()]
    except (ImportError, OSError, ValueError):
        return []


def open_pages(folder):
    """Names of the notebooks of `folder` that a running server has a kernel for."""
    pages = set()
    for server in servers():
        for session in _sessions(server):
            path = Path(server.get("root_dir", ""), session.get("path", ""))
            with contextlib.suppress(OSError):
                if path.parent.samefile(folder):
                    pages.add(path.name)
    return pages


def _sessions(server):
    """The server's sessions; [] if it does not answer, or not to us."""
    request = urllib.request.Request(f"{server['url']}api/sessions")
    request.add_header("Authorization", f"token {server['token']}")
    here = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with here.open(request, timeout=SECONDS) as answer:
            sessions = json.load(answer)
    except (OSError, ValueError):
        return []
    return [s for s in sessions if isinstance(s, dict)]


def show(folder, page):
    """Open the notebook `page` of `folder` in JupyterLab, until that is shut down.

    A server that runs there already is used; the address is returned then.
    """
    folder = Path(folder).resolve()
    for server in servers():
        if Path(server.get("root_dir", "")) == folder:
            address = f"{server['url']}lab/tree/{quote(page)}"
            webbrowser.open(f"{address}?token={server['token']}")
            return address
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance([f"--ServerApp.root_dir={folder}", str(folder / page)])
    return None
