"""The Python client as a package: its types, its version, and that pip installs it without the internet."""

import re
import shutil
import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "clients" / "python"


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_types():
    run("mypy", "--config-file", "pyproject.toml", "--cache-dir", ROOT / "build" / "mypy", "latentd", cwd=PACKAGE)


def test_types_of_a_program_that_uses_it(tmp_path):
    """What a caller's own mypy makes of it."""
    program = tmp_path / "program.py"
    program.write_text("import latentd\nclient = latentd.Client()\n"
                       "reveal_type(client.encode('x').receipt.spans)\nreveal_type(client.generate('x', top_k=1))\n"
                       "reveal_type(client.generate('x', stream=True))\n"
                       "async def main(client: latentd.AsyncClient) -> None:\n    reveal_type(await client.score('x'))\n"
                       "    async for text in client.generate('x', stream=True):\n        reveal_type(text)\n"
                       "client.encode(5)\nclient.generate('x', topk=1)\n")
    done = subprocess.run(["mypy", "--config-file", PACKAGE / "pyproject.toml", "--cache-dir", ROOT / "build" / "mypy", program],
                          capture_output=True, text=True, cwd=PACKAGE)
    assert re.findall(r'Revealed type is "(.*)"', done.stdout) == [
        "builtins.tuple[latentd.results.Span, ...]", "latentd.results.Generation", "latentd.client.Stream", "latentd.results.Score",
        "builtins.str"], done.stdout
    assert re.findall(r"program.py:(\d+): error", done.stdout) == ["10", "11"], done.stdout


def test_version_is_that_of_the_project():
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())[1]
    assert f'version = "{version}"' in (PACKAGE / "pyproject.toml").read_text()
    assert f'__version__ = "{version}"' in (PACKAGE / "latentd" / "__init__.py").read_text()


def test_pip_installs_it(tmp_path):
    """From a copy, for pip builds in place; into an environment that sees Debian's msgpack and setuptools and nothing of this tree."""
    copy = shutil.copytree(PACKAGE, tmp_path / "copy", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    venv.create(tmp_path / "environment", system_site_packages=True, symlinks=True, with_pip=True)
    python = tmp_path / "environment" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-index", copy)
    shown = run(python, "-c", "import latentd, pathlib; folder = pathlib.Path(latentd.__file__).parent; print(folder); "
                "print(*sorted(file.name for file in folder.iterdir() if file.is_file()))", cwd=tmp_path)
    folder, files = shown.splitlines()
    assert folder.startswith(str(tmp_path / "environment"))
    assert files.split() == sorted(file.name for file in (PACKAGE / "latentd").iterdir() if file.is_file())
    assert "py.typed" in files
