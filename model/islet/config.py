"""Configuration of one model: a TOML file in model/configs, every value named there and nowhere else."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

MODEL_FOLDER = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class ModelConfig:
    name: str
    width: int
    heads: int
    feed_forward: int
    encoder_layers: int
    refiner_layers: int
    mixer_layers: int
    decoder_layers: int
    window: int
    context: int

    @property
    def head_width(self):
        return self.width // self.heads


@dataclass(frozen=True)
class SpanConfig:
    minimum: int
    maximum: int


@dataclass(frozen=True)
class TrainConfig:
    tokens: int
    batch: int
    seed: int
    matrix_rate: float
    rate: float
    warmup: float
    decay: float
    quantised: float
    window_dropout: float
    split_segments: float


@dataclass(frozen=True)
class Config:
    vocabulary: int
    model: ModelConfig
    span: SpanConfig
    train: TrainConfig
    mixture: dict


def _section(kind, table, name):
    known = {field.name for field in fields(kind)}
    for key in table:
        if key not in known:
            raise ValueError(f"[{name}] has an unknown key '{key}'; known: {', '.join(sorted(known))}")
    for key in known - table.keys():
        raise ValueError(f"[{name}] lacks '{key}'")
    return kind(**table)


def load_config(name):
    """Reads model/configs/NAME.toml, or a path that ends in .toml."""
    path = Path(name) if name.endswith(".toml") else MODEL_FOLDER / "configs" / f"{name}.toml"
    with open(path, "rb") as file:
        table = tomllib.load(file)
    return Config(
        vocabulary=table["tokenizer"]["vocabulary"],
        model=_section(ModelConfig, table["model"], "model"),
        span=_section(SpanConfig, table["span"], "span"),
        train=_section(TrainConfig, table["train"], "train"),
        mixture=table["mixture"],
    )
