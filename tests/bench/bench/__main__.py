"""tests/bench/run: the command line, and the order of things."""

import argparse
import datetime
import json
import shlex
import sys
from pathlib import Path

from latentd import Error

from . import computing, documents, machine, prompting, report, serving, storing
from .curves import CURVES
from .workbench import ROOT, Workbench

REPETITIONS, QUICK_REPETITIONS = 7, 2

ROWS = {  # id: a function from a workbench to its rows, in the order of the table
    "ttft_warm": prompting.ttft_warm, "ttft_repeat": prompting.ttft_repeat, "ttft_shuffle": prompting.ttft_shuffle,
    "ttft_cold": prompting.ttft_cold, "growth": prompting.growth, "encode_mfu": computing.encode_mfu,
    "decode_1": computing.decode_1, "decode_32": computing.decode_32, "energy": computing.energy, "edit": documents.edit,
    "bytes_per_token": storing.bytes_per_token, "lookup": storing.lookup, "scale": storing.scale, "hit_rate": storing.hit_rate,
    "share": serving.share, "clients": serving.clients, "memory": serving.memory,
}


def ids(text):
    chosen = text.split(",")
    unknown = [id for id in chosen if id not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    return chosen


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="tests/bench/run", description="Measures latentd beside its peers. A whole run writes docs/BENCHMARKS.md and its plots.")
    parser.add_argument("--quick", action="store_true", help="smaller stores and fewer repetitions: to see that all works")
    parser.add_argument("--only", type=ids, metavar="ID,…", help=f"these rows and no plots; of {', '.join(ROWS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything that was measured, every sample")
    parser.add_argument("--docs", type=Path, metavar="DIR", help="where BENCHMARKS.md and the plots go: docs/, and nowhere for a run "
                        "that is quick or leaves rows out")
    parser.add_argument("--model", type=Path, metavar="FILE", default=ROOT / "model" / "islet-8-s.gguf", help="the model of latentd")
    parser.add_argument("--peer-model", type=Path, metavar="FILE", default=ROOT / "model" / "tokenwise-s.gguf",
                        help="a token-level model of the same size, for llama.cpp")
    options = parser.parse_args()
    if not options.docs and not options.quick and not options.only:
        options.docs = ROOT / "docs"
    if options.docs and options.only:
        parser.error("--docs wants all rows: leave --only out")
    return options


def measure_rows(bench, chosen):
    rows = []
    for n, id in enumerate(chosen, 1):
        bench.begin(f"[{n}/{len(chosen)}] {id}")
        rows += ROWS[id](bench)
    return rows


def measure_curves(bench):
    curves = {}
    for n, (name, curve) in enumerate(CURVES.items(), 1):
        bench.begin(f"[plot {n}/{len(CURVES)}] {name}")
        curves[name] = curve(bench)
    return curves


def measure(options):
    """Everything that was asked for: what can be written as JSON, and the rows."""
    repetitions = QUICK_REPETITIONS if options.quick else REPETITIONS
    with Workbench(options.model, options.peer_model, options.quick, repetitions) as bench:
        described = machine.describe(bench.program, bench.info)
        rows = measure_rows(bench, options.only or list(ROWS))
        curves = measure_curves(bench) if options.docs else {}
        return {
            "command": shlex.join(["tests/bench/run", *sys.argv[1:]]), "date": datetime.date.today().isoformat(),
            "quick": options.quick, "repetitions": repetitions, "machine": described, "model": bench.model_info,
            "peer_model": options.peer_model.name,
            "llama_threads": bench.llama_threads(), "document_tokens": bench.document_tokens,
            "tokens_per_span": bench.tokens_per_span, "missing": bench.missing, "rows": [row.as_map() for row in rows],
            "curves": curves,
        }, rows


def write_docs(folder, result, rows):
    from .plots import draw  # only here, so that all else runs without matplotlib

    for name, curves in result["curves"].items():
        draw(name, curves, folder / f"{name}.svg")
    (folder / "BENCHMARKS.md").write_text(report.as_markdown(result, rows, result["curves"]))


def main():
    options = parse_arguments()
    try:
        result, rows = measure(options)
    except (OSError, Error) as error:
        sys.exit(f"tests/bench/run: {error}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.docs:
        write_docs(options.docs, result, rows)
    print(report.as_text(result, rows))


main()
