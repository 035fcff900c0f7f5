"""JupyterLab on a free loopback port and a real Chromium, for the tests beside it."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOW = (
    "widgets are tested in Chromium: install it (Debian: apt-get install chromium) "
    "and playwright (pip install -r tests/requirements.txt)"
)
SETTINGS = {
    # every cell is in the page, those out of sight unpainted: JupyterLab's default
    "notebook-extension/tracker": '{"windowingMode": "contentVisibility"}',
    # no question about news, which would lie over the page
    "apputils-extension/notification": '{"fetchNews": "false"}',
}
TIMES = pytest.StashKey[list]()


def missing(reason):
    """Skip, but fail where CI=true: there nothing may be left untested."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; {HOW}", pytrace=False)
    pytest.skip(f"{reason}; {HOW}")


def pytest_configure(config):
    config.stash[TIMES] = []


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[TIMES]:
        terminalreporter.section("measured in the browser, times in ms")
        for line in config.stash[TIMES]:
            terminalreporter.write_line(line)


@pytest.fixture
def report(request):
    """A function that adds a line to the summary at the end of the run."""
    return request.config.stash[TIMES].append


@pytest.fixture(scope="session")
def chromium():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed")
    names = "/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome"
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        missing("no Chromium found")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory):
    """JupyterLab over copies of the pages: (address, token, folder)."""
    home = tmp_path_factory.mktemp("lab")
    pages = home / "notebooks"
    shutil.copytree(NOTEBOOKS, pages)
    for name, text in SETTINGS.items():
        settings = home / f"settings/@jupyterlab/{name}.jupyterlab-settings"
        settings.parent.mkdir(parents=True)
        settings.write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    environment = {
        **os.environ,
        "HOME": str(home),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTER_TOKEN": token,
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        environment.pop(name, None)
    options = [
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.allow_root=True",
        f"--ServerApp.root_dir={pages}",
        "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--no-browser",
    ]
    log = home / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=home,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/api?token={token}", server, log)
        yield address, token, pages
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_for(address, server, log, seconds=60):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with opener.open(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}", pytrace=False)
