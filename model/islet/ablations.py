"""Short trainings of variants of a configuration, and the table that compares them. A variant that was trained before is
not trained again; one that was cut off goes on."""

import re
import tomllib

from .config import MODEL_FOLDER, config_path, load_config
from .training import Run


def train_variants(name, data):
    """Trains the variants of model/configs/NAME.toml one after another and prints the table so far after each."""
    with open(config_path(name), "rb") as file:
        plan = tomllib.load(file)
    results = []
    for variant in plan["variant"]:
        config = load_config(variant["base"], {**variant.get("change", {}), "train.tokens": plan["tokens"]})
        folder = re.sub(r"[^a-z0-9]+", "-", variant["name"].lower()).strip("-")
        run = Run(config, data, MODEL_FOLDER / "run" / name / folder).train()
        results.append((variant["name"], run))
        print_table(results, plan["tokens"])


def print_table(results, tokens):
    """Markdown. The first variant of the same base is what a variant is compared with."""
    print(f"\n| variant ({tokens / 1e6:.1f}M tokens each) | parameters | validation, nats per token | against the first | tokens/s |")
    print("|---|---|---|---|---|")
    first = results[0][1].history[-1]["valid"]
    for name, run in results:
        parameters = sum(parameter.numel() for parameter in run.model.parameters())
        valid = run.history[-1]["valid"]
        print(f"| {name} | {parameters / 1e6:.2f}M | {valid:.3f} | {valid - first:+.3f} | {run.seen / run.seconds:,.0f} |")
