"""A trained checkpoint -> the model file that the daemon serves."""

import numpy as np
import torch

from .config import MODEL_FOLDER
from .corpus import ANSWER, DOCUMENT, USER, load_tokenizer
from .gguf import FLOAT32, INT32, STRING, write_gguf
from .layers import EPSILON
from .model import Islet

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6  # tokenizer.ggml.token_type
ROPE_BASE = 10000.0

# Parts of a parameter's name in PyTorch -> in the file.
RENAMED = {
    "embedding.weight": "token_embd.weight", "encoder.positions": "encoder.position.weight",
    ".layers.": ".blk.", ".gain": ".weight",
    "attention_norm": "attn_norm", "feed_forward_norm": "ffn_norm",
    "attention.query_gain": "attn_q_norm.weight", "attention.key_gain": "attn_k_norm.weight",
    "attention.query": "attn_q", "attention.key": "attn_k", "attention.value": "attn_v", "attention.out": "attn_output",
    "feed_forward.gate": "ffn_gate", "feed_forward.up": "ffn_up", "feed_forward.down": "ffn_down",
    "memory_key": "memory_k", "memory_value": "memory_v",
}


def tensor_name(name):
    for old, new in RENAMED.items():
        name = name.replace(old, new)
    return name


def tokenizer_metadata(tokenizer):
    pieces, scores, kinds = [], [], []
    for token in range(tokenizer.get_piece_size()):
        piece = tokenizer.id_to_piece(token)
        kind = NORMAL
        if tokenizer.is_unknown(token):
            kind = UNKNOWN
        elif tokenizer.is_control(token):
            kind = CONTROL
        elif tokenizer.is_byte(token):
            kind = BYTE
        elif piece in ("\n", "\n\n"):
            kind = USER_DEFINED
        pieces.append(piece)
        scores.append(tokenizer.get_score(token))
        kinds.append(kind)
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": (STRING, pieces),
        "tokenizer.ggml.scores": (FLOAT32, scores),
        "tokenizer.ggml.token_type": (INT32, kinds),
        "tokenizer.ggml.bos_token_id": tokenizer.bos_id(),
        "tokenizer.ggml.eos_token_id": tokenizer.eos_id(),
        "tokenizer.ggml.unknown_token_id": tokenizer.unk_id(),
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.ggml.add_bos_token": False,
    }


def islet_metadata(config, tokenizer):
    c = config.model
    return {
        "general.architecture": "islet",
        "general.name": c.name,
        "general.file_type": 1,
        "general.license": "CC-BY-SA-4.0",
        "islet.embedding_length": c.width,
        "islet.feed_forward_length": c.feed_forward,
        "islet.attention.head_count": c.heads,
        "islet.attention.layer_norm_rms_epsilon": EPSILON,
        "islet.rope.freq_base": ROPE_BASE,
        "islet.encoder.block_count": c.encoder_layers,
        "islet.refiner.block_count": c.refiner_layers,
        "islet.mixer.block_count": c.mixer_layers,
        "islet.decoder.block_count": c.decoder_layers,
        "islet.decoder.window": c.window,
        "islet.context_length": c.context,
        "islet.span.rule": "content",
        "islet.span.minimum": config.span.minimum,
        "islet.span.maximum": config.span.maximum,
        "islet.prompt.document": DOCUMENT,
        "islet.prompt.user": USER,
        "islet.prompt.answer": ANSWER,
        "islet.prompt.end": tokenizer.id_to_piece(tokenizer.eos_id()),
        **tokenizer_metadata(tokenizer),
    }


def file_tensors(model):
    """Matrices as float16, gains as float32."""
    return {tensor_name(name): value.detach().cpu().numpy().astype(np.float16 if value.dim() == 2 else np.float32)
            for name, value in model.named_parameters()}


def write_model(path, config, model, tokenizer):
    write_gguf(path, islet_metadata(config, tokenizer), file_tensors(model))


def as_stored(model):
    """The model with its matrices rounded as the file holds them, in place."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.copy_(parameter.half().float())
    return model.eval()


def load_trained(config):
    """The last checkpoint's model, and its tokenizer."""
    checkpoint = MODEL_FOLDER / "run" / config.model.name / "checkpoint.pt"
    state = torch.load(checkpoint, map_location="cpu")
    model = Islet(config)
    model.load_state_dict(state["model"])
    tokenizer = load_tokenizer(MODEL_FOLDER / "run" / f"tokens-{config.vocabulary}" / "tokenizer.model")
    return model, tokenizer


def export_model(config, output):
    model, tokenizer = load_trained(config)
    write_model(output, config, model, tokenizer)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, "
          f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}M parameters")
