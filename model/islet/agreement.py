"""Whether the daemon scores texts as PyTorch does: the same file, the same examples, both sums of nats."""

import itertools

import torch

from .carry import Measurement
from .config import IsletConfig, config_path, load_config
from .corpus import encode_example, read_examples
from .daemon import segments_of

CORPUS, EXAMPLES = "instruct", 40


def nats_by_pytorch(measurement, example):
    """Of all tokens but control tokens, as the daemon's score counts them."""
    segments = encode_example(measurement.tokenizer, example)
    window = measurement.config.model.window
    maker = measurement.maker(-(-sum(map(len, segments)) // window) * window)
    maker._next_example = lambda: (CORPUS, segments)
    rows = maker.batch(1)
    control = torch.tensor([measurement.tokenizer.is_control(token) for token in range(measurement.config.vocabulary)])
    counted = (rows.example == 0) & (rows.targets >= 0) & ~control[rows.targets.clamp_min(0)]
    return measurement.nats(rows)[counted].sum().item()


def has_twin(name):
    """Whether a model of this name has a configuration, and makes latents."""
    return config_path(name).exists() and isinstance(load_config(name).model, IsletConfig)


def agreement(daemon, name, file, data):
    """Both sums and their relative difference; None for a model without a twin in PyTorch."""
    if not has_twin(name):
        return None
    measurement = Measurement(name, file)
    by_pytorch = by_daemon = 0.0
    for example in itertools.islice(read_examples(data, CORPUS, "valid"), EXAMPLES):
        by_pytorch += nats_by_pytorch(measurement, example)
        by_daemon += daemon.call("score", {"model": name, "segments": segments_of(example)})["nats"]
    return {"examples": EXAMPLES, "pytorch": by_pytorch, "daemon": by_daemon, "difference": by_daemon / by_pytorch - 1}


def print_agreement(results):
    """results: {model: agreement()}"""
    for name, result in results.items():
        if result:
            print(f"\n{name}, {result['examples']} examples of {CORPUS}: {result['daemon']:.1f} nats by the daemon, "
                  f"{result['pytorch']:.1f} by PyTorch ({100 * result['difference']:+.2f} %)")
