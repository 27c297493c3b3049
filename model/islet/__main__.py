"""Command line behind model/train, model/ablate, model/export and model/vectors."""

import argparse
import dataclasses
import sys
from pathlib import Path

from .config import MODEL_FOLDER, load_config


def train(arguments):
    from .training import Run
    config = load_config(arguments.name)
    if arguments.tokens:
        config = dataclasses.replace(config, train=dataclasses.replace(config.train, tokens=arguments.tokens))
    Run(config, arguments.data, MODEL_FOLDER / "run" / config.model.name).train()


def ablate(arguments):
    from .ablations import train_variants
    train_variants(arguments.name, arguments.data)


def export(arguments):
    from .export import export_model
    other, share = arguments.average or (None, 0)
    export_model(load_config(arguments.name), Path(arguments.output), other, float(share), arguments.matrices)


def evaluate(arguments):
    from latentd import Error
    from .evaluate import run
    try:
        run(arguments.models, arguments.data, arguments.json)
    except Error as error:
        sys.exit(f"error: the daemon says: {error}")


def carry(arguments):
    from .carry import run
    run(arguments.name)


def vectors(arguments):
    from . import vectors as writer
    if arguments.name == "tiny":
        writer.write_tiny()
    else:
        writer.write_shipped(arguments.name)


def main():
    parser = argparse.ArgumentParser(prog="model")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train", help="train a model, or go on training it")
    command.add_argument("name", help="a configuration in model/configs")
    command.add_argument("--data", required=True, help="folder of the corpora")
    command.add_argument("--tokens", type=int, help="train for so many tokens instead of the configuration's")
    command.set_defaults(run=train)
    command = commands.add_parser("ablate", help="train variants for a short while and compare them")
    command.add_argument("name", help="a plan in model/configs, such as ablations")
    command.add_argument("--data", required=True, help="folder of the corpora")
    command.set_defaults(run=ablate)
    command = commands.add_parser("export", help="write the model file from the last checkpoint")
    command.add_argument("name", help="a configuration in model/configs")
    command.add_argument("output", help="model file to write")
    command.add_argument("--average", nargs=2, metavar=("FILE", "SHARE"), help="average the weights with those of a model file")
    command.add_argument("--matrices", choices=("f16", "q8_0"), default="f16", help="how the file holds them; q8_0 takes half the bytes")
    command.set_defaults(run=export)
    command = commands.add_parser("evaluate", help="measure model files through the daemon")
    command.add_argument("models", nargs="+", help="model files; the first is what the others are compared with")
    command.add_argument("--data", required=True, help="folder of the corpora")
    command.add_argument("--json", help="file for the results")
    command.set_defaults(run=evaluate)
    command = commands.add_parser("carry", help="show what the latents of a model file carry")
    command.add_argument("name", help="a configuration in model/configs")
    command.set_defaults(run=carry)
    command = commands.add_parser("vectors", help="write tests/vectors from PyTorch")
    command.add_argument("name", help="the configuration of a shipped model, or tiny")
    command.set_defaults(run=vectors)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the last checkpoint is kept")


main()
