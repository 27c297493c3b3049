"""The Debian packages, built once for all tests, and unpacked side by side as an installation would have them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """Name of a package -> its file. LATENTD_PACKAGES may name a folder where they were built already."""
    folder = os.environ.get("LATENTD_PACKAGES")
    if not folder:
        folder = tmp_path_factory.mktemp("packages")
        run(ROOT / "deploy" / "build-packages", folder)
    return {file.name.split("_")[0]: file for file in Path(folder).glob("*.deb")}


@pytest.fixture(scope="session")
def system(packages, tmp_path_factory):
    folder = tmp_path_factory.mktemp("system")
    for name, file in packages.items():
        if not name.endswith("-dbgsym"):
            run("dpkg-deb", "-x", file, folder)
    return folder
