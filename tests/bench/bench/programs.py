"""The C programs beside this folder, run once each; they print what they measured."""

import json
import os
import re
import subprocess

MANY_ROWS = 384  # the most that gemm measures


def run(build, name, *arguments, **environment):
    program = build / "tests" / "bench" / name
    if not program.exists():
        raise OSError(f"{program} is not there: build it first, with ninja -C {build.name}")
    finished = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True,
                              env={**os.environ, **environment})
    if finished.returncode:
        raise OSError(finished.stderr.strip())
    return finished.stdout


def lookup(build, folder, spans, dimension, lookups, repetitions):
    return json.loads(run(build, "lookup", folder, spans, dimension, lookups, repetitions))


def hit_rate(build, folder, dimension, percent, requests):
    return json.loads(run(build, "hit_rate", folder, dimension, percent, requests))


# OpenBLAS does not know every processor and then takes slower kernels than it has. Asked for by name, those for AVX-512
# and AVX2 are the best it can do; one that this processor lacks is not tried.
CORE_TYPES = {"avx512f": "SKYLAKEX", "avx2": "HASWELL"}


def sgemm_rates(build, processor_flags):
    """{(outputs, inputs): operations a second} of OpenBLAS' fastest kernels, for products of many rows on one thread."""
    names = [name for flag, name in CORE_TYPES.items() if flag in processor_flags]
    outputs = [run(build, "gemm")] + [run(build, "gemm", OPENBLAS_CORETYPE=name) for name in names]
    rates = {}
    for line in re.findall(r"^ *(\d+) x (\d+) +(\d+) +[\d.]+ +[\d.]+ +([\d.]+) ", "\n".join(outputs), re.MULTILINE):
        shape, rows, rate = (int(line[0]), int(line[1])), int(line[2]), 1e9 * float(line[3])
        if rows == MANY_ROWS:
            rates[shape] = max(rate, rates.get(shape, 0))
    return rates
