"""llama.cpp as a peer: the process of llama-cpp.mjs, asked line by line. It stays, so that both sides can take turns."""

import json
import shutil
import subprocess
from pathlib import Path

from .peer import Missing

HERE = Path(__file__).resolve().parent.parent
PACKAGE = HERE.parent / "peers" / "node_modules" / "node-llama-cpp" / "package.json"


class Llama:
    def __init__(self, model, context, threads):
        if not shutil.which("node"):
            raise Missing("llama.cpp: node is not installed")
        if not PACKAGE.exists():
            raise Missing("llama.cpp: not installed (npm install --ignore-scripts --prefix tests/peers)")
        if not model.exists():
            raise Missing(f"llama.cpp: there is no {model.name} to run")
        self.process = subprocess.Popen(["node", HERE / "llama-cpp.mjs", model, str(context), str(threads)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise OSError(f"llama.cpp ended with status {self.process.wait()}")
        return json.loads(line)

    def _do(self, name, **parameters):
        self.process.stdin.write(json.dumps({"do": name, **parameters}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()

    def prefill(self, tokens, seed=0):
        """Seconds to the first token of a prompt of so many tokens."""
        return self._do("prefill", tokens=tokens, seed=seed)["seconds"]

    def save(self, tokens, seed=0):
        """Bytes of the saved state of such a prompt."""
        return self._do("save", tokens=tokens, seed=seed)["bytes"]

    def restore(self, tokens, seed=0):
        """Seconds to the first token from the saved state."""
        return self._do("restore", tokens=tokens, seed=seed)["seconds"]

    def decode(self, tokens, streams, count):
        """Tokens a second of all streams together, behind prompts of so many tokens."""
        return streams * count / self._do("decode", tokens=tokens, streams=streams, count=count)["seconds"]

    def resident_bytes(self):
        return self._do("memory")["resident_bytes"]

    def threads(self):
        """How many were faster, by kind of work."""
        return self._do("threads")

    @staticmethod
    def version():
        return json.loads(PACKAGE.read_text())["version"] if PACKAGE.exists() else None
