"""Which class a configuration describes."""

from .config import IsletConfig
from .model import Islet
from .tokenwise import Tokenwise


def build(config):
    return Islet(config) if isinstance(config.model, IsletConfig) else Tokenwise(config)
