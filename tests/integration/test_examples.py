"""Every Python example of the documentation, as it stands there, with a daemon that serves the shipped model."""

import re
import subprocess

import pytest
from conftest import PATIENCE, ROOT, SHIPPED, Daemon, clean_environment

PAGES = ("README.md", "clients/python/README.md")
EXAMPLES = [pytest.param(code, id=f"{page}-{number}") for page in PAGES
            for number, code in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL), 1)]


@pytest.fixture(scope="module")
def examples_daemon(tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp("examples"), model=SHIPPED).start()
    yield daemon
    assert daemon.stop() == 0


@pytest.mark.parametrize("code", EXAMPLES)
def test_example(examples_daemon, code):
    environment = clean_environment(LATENTD_SOCKET=examples_daemon.socket, PYTHONPATH=str(ROOT / "clients" / "python"),
                                    PYTHONWARNINGS="error")
    run = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True, timeout=PATIENCE, env=environment)
    assert run.returncode == 0 and run.stdout.strip() and run.stderr == "", run.stderr


def test_there_are_examples():
    assert len(EXAMPLES) > 6
