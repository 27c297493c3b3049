"""Tests of the training recipe. They need PyTorch, which is large, so `tests/run model` is a run of its own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "model"))
