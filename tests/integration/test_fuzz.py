"""What the fuzzers began with, and what they found (tests/fuzz/inputs), given to the same functions again."""

import subprocess

import pytest
from conftest import BUILD, ROOT

INPUTS = ROOT / "tests" / "fuzz" / "inputs"


@pytest.mark.parametrize("target", sorted(folder.name for folder in INPUTS.iterdir()))
def test_kept_inputs(target):
    inputs = sorted((INPUTS / target).iterdir())
    run = subprocess.run([BUILD / "tests" / "fuzz" / f"replay_{target}", *inputs], capture_output=True, text=True, timeout=60)
    assert inputs and run.returncode == 0, run.stderr


def test_every_target_has_inputs():
    targets = {file.stem for file in (ROOT / "tests" / "fuzz").glob("*.c")} - {"replay"}
    assert targets == {folder.name for folder in INPUTS.iterdir()}
