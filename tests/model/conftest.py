"""Tests of the training recipe. They need PyTorch, which is large, so `tests/run model` is a run of its own."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "model"), str(ROOT / "clients" / "python")]
