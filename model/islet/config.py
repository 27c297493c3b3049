"""Configuration of one model: a TOML file in model/configs, every value named there and nowhere else."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

CONDITIONINGS = ("sum", "prefix:2", "prefix:4", "none")
MODEL_FOLDER = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class IsletConfig:
    name: str
    width: int
    heads: int
    feed_forward: int
    encoder_layers: int
    refiner_layers: int
    mixer_layers: int
    decoder_layers: int
    window: int
    memory: bool
    recall: int
    conditioning: str
    skip: bool
    context: int
    accepts: int

    @property
    def head_width(self):
        return self.width // self.heads

    @property
    def prefix(self):
        """Vectors of the last closed span that stand in front of the decoder's window."""
        return int(self.conditioning.split(":")[1]) if self.conditioning.startswith("prefix:") else 0

    @property
    def uses_latents(self):
        return self.memory or self.recall > 0 or self.skip or self.conditioning != "none"


@dataclass(frozen=True)
class TokenwiseConfig:
    name: str
    width: int
    heads: int
    feed_forward: int
    layers: int
    context: int
    accepts: int

    @property
    def head_width(self):
        return self.width // self.heads


@dataclass(frozen=True)
class SpanConfig:
    rule: str
    minimum: int
    maximum: int


@dataclass(frozen=True)
class TrainConfig:
    tokens: int
    batch: int
    at_once: int
    seed: int
    matrix_rate: float
    rate: float
    warmup: float
    decay: float
    quantised: float
    window_dropout: float
    split_segments: float
    companions: float
    companion_tokens: int
    reconstruction: float
    start: str
    encoder: str


@dataclass(frozen=True)
class Config:
    vocabulary: int
    model: IsletConfig | TokenwiseConfig
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


def config_path(name):
    """model/configs/NAME.toml, or NAME itself if it is a path that ends in .toml."""
    return Path(name) if name.endswith(".toml") else MODEL_FOLDER / "configs" / f"{name}.toml"


def load_config(name, changes=None):
    """Reads a configuration. changes: {"section.key": value}, over what the file says."""
    with open(config_path(name), "rb") as file:
        table = tomllib.load(file)
    for where, value in (changes or {}).items():
        section, key = where.split(".")
        if key not in table[section]:
            raise ValueError(f"{where} is not a value of {name}")
        table[section][key] = value
    model = dict(table["model"])
    architecture = model.pop("architecture")
    if architecture not in ("islet", "tokenwise"):
        raise ValueError(f"[model] architecture is '{architecture}'; islet and tokenwise are known")
    config = Config(
        vocabulary=table["tokenizer"]["vocabulary"],
        model=_section(IsletConfig if architecture == "islet" else TokenwiseConfig, model, "model"),
        span=_section(SpanConfig, table["span"], "span"),
        train=_section(TrainConfig, table["train"], "train"),
        mixture=table["mixture"],
    )
    _check(config)
    return config


def _check(config):
    if config.span.rule not in ("content", "fixed"):
        raise ValueError(f"[span] rule is '{config.span.rule}'; content and fixed are known")
    if config.train.reconstruction and not config.model.recall:
        raise ValueError("[train] reconstruction trains what [model] recall unfolds, which is off")
    if isinstance(config.model, IsletConfig) and config.model.conditioning not in CONDITIONINGS:
        raise ValueError(f"[model] conditioning is '{config.model.conditioning}'; known: {', '.join(CONDITIONINGS)}")
