"""docs/HTTP.md: each command in it works and prints what stands below it, but for the values."""

import json
import re
import subprocess

import pytest

from conftest import PATIENCE, ROOT, SHIPPED

BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / "HTTP.md").read_text(), re.DOTALL)
EXAMPLES = [(command, kind, shown) for (language, command), (kind, shown) in zip(BLOCKS, BLOCKS[1:]) if language == "sh"]


def shape(value):
    """Keys and types; an array stands for any number of what its first item is."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value][:1]
    return type(value).__name__ if not isinstance(value, float) else "int"


def test_the_page_has_examples():
    assert len(EXAMPLES) == sum(language == "sh" for language, _ in BLOCKS) >= 7


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(make_web_daemon, number):
    command, kind, shown = EXAMPLES[number]
    daemon = make_web_daemon(model=SHIPPED)
    assert "localhost:7412" in command
    run = subprocess.run(["bash", "-euc", command.replace("localhost:7412", f"localhost:{daemon.port}")], capture_output=True,
                         text=True, timeout=PATIENCE)
    assert run.returncode == 0, run.stderr
    if kind == "json":
        assert shape(json.loads(run.stdout)) == shape(json.loads(shown))
    else:
        lines = [line for line in run.stdout.splitlines() if line]
        assert len(lines) == len(shown.splitlines()) and lines[-1] == shown.splitlines()[-1]
        if lines[0].startswith("latentd_"):
            assert run.stdout == shown
            return
        for line, expected in zip(lines[:-1], shown.splitlines()):
            assert shape(json.loads(line.removeprefix("data: "))) == shape(json.loads(expected.removeprefix("data: ")))
