"""The C programs beside this folder, run once each; they print what they measured."""

import json
import re
import subprocess


def run(build, name, *arguments):
    program = build / "tests" / "bench" / name
    if not program.exists():
        raise OSError(f"{program} is not there: build it first, with ninja -C {build.name}")
    finished = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if finished.returncode:
        raise OSError(finished.stderr.strip())
    return finished.stdout


def lookup(build, folder, spans, dimension, lookups, repetitions):
    return json.loads(run(build, "lookup", folder, spans, dimension, lookups, repetitions))


def hit_rate(build, folder, dimension, percent, requests):
    return json.loads(run(build, "hit_rate", folder, dimension, percent, requests))


def sgemm_rates(build):
    """{(outputs, inputs): (ours, OpenBLAS')} in operations a second, of products with many rows on one thread."""
    lines = re.findall(r"^ *(\d+) x (\d+) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+) ", run(build, "gemm"), re.MULTILINE)
    most = max(int(rows) for _, _, rows, *_ in lines)
    return {(int(outputs), int(inputs)): (1e9 * float(halves), 1e9 * float(theirs))
            for outputs, inputs, rows, _, halves, theirs in lines if int(rows) == most}
