"""The one command of a new reader, up to a page in Chromium, and a second time."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.browser.test_widgets import READY, SECONDS
from tests.test_merge import of
from trpo_lite.course.page import dump, read
from trpo_lite.course.working_copy import COURSE, HANDED_OUT

pytestmark = pytest.mark.browser

FIRST, SECOND = "00_start_here.ipynb", "01_the_rl_problem.ipynb"
CONFIG = {
    "ServerApp": {"allow_root": True},
    "LabApp": {"expose_app_in_browser": True, "news_url": None},
}


@pytest.mark.skipif(os.name == "nt", reason="a script for a browser")
def test_the_copy_opens_once_and_news_of_an_open_page_wait(chromium, tmp_path):
    noted, browser = tmp_path / "noted", tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho \"$1\" >> '{noted}'\n")
    browser.chmod(0o755)
    (tmp_path / "config").mkdir()
    config = tmp_path / "config" / "jupyter_server_config.json"
    config.write_text(json.dumps(CONFIG))
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "PYTHONPATH": str(COURSE.parent),
        "BROWSER": f"{browser} %s",
    }
    call = [sys.executable, "-m", "trpo_lite.course", "mein Kurs ü"]
    log, mine = tmp_path / "log", tmp_path / "mein Kurs ü"

    def again(*options):
        return subprocess.run(
            [*call, *options],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )

    with log.open("wb") as output:
        lab = subprocess.Popen(
            call, cwd=tmp_path, env=environment, stdout=output, stderr=output
        )
    try:
        end = time.monotonic() + SECONDS
        while not noted.exists() and lab.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        assert noted.exists(), log.read_text()
        # JupyterLab gives the browser a file that leads to the page
        way = Path(noted.read_text().strip().removeprefix("file://")).read_text()
        address = re.search(r"url=(\S+?)\"", way)[1]
        assert f"/lab/tree/{FIRST}?token=" in address
        tab = chromium.new_page()
        tab.goto(address)
        tab.wait_for_function(READY, timeout=SECONDS * 1000)
        assert tab.locator(".jp-OutputArea-output").count() == 0

        # started again, it leads to the same server
        second = again()
        assert second.returncode == 0 and "they are open already" in second.stdout
        assert noted.read_text().splitlines()[-1] == address

        # an older copy: two pages are news, and one of them is open
        for name in (FIRST, SECOND):
            for file in (mine / name, mine / HANDED_OUT / name):
                page = read(file)
                of(page, "title")["source"] += " (old)"
                file.write_bytes(dump(page))
        third = again("--no-open")
        assert third.returncode == 1
        assert f"{FIRST}: left as it is: open in Jupyter" in third.stderr
        assert third.stdout.startswith(f"{SECOND}: 1 changed cell, under: ")
        assert "(old)" in of(read(mine / FIRST), "title")["source"]
        tab.close()
    finally:
        lab.send_signal(signal.SIGTERM)
        assert lab.wait(30) == 0
