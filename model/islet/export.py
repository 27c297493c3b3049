"""A trained checkpoint -> the model file that the daemon serves."""

import math

import numpy as np
import torch

from .config import MODEL_FOLDER, IsletConfig
from .corpus import ANSWER, DOCUMENT, USER, load_tokenizer
from .gguf import FLOAT32, INT32, STRING, read_gguf, to_q8_0, write_gguf
from .layers import EPSILON
from .models import build
from .tokenwise import Tokenwise

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
    "recall.query_gain": "recall.query_norm.weight", "recall.key_gain": "recall.key_norm.weight",
    "recall.out.": "recall.output.", "recall.nothing": "recall.nothing.weight",
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


def common_metadata(architecture, config, tokenizer):
    """What both architectures say, each under its own name."""
    c = config.model
    return {
        "general.architecture": architecture,
        "general.name": c.name,
        "general.license": "CC-BY-SA-4.0",
        f"{architecture}.embedding_length": c.width,
        f"{architecture}.feed_forward_length": c.feed_forward,
        f"{architecture}.attention.head_count": c.heads,
        f"{architecture}.attention.layer_norm_rms_epsilon": EPSILON,
        f"{architecture}.rope.freq_base": ROPE_BASE,
        f"{architecture}.context_length": c.context,
        f"{architecture}.context_accepted": c.accepts,
        f"{architecture}.prompt.document": DOCUMENT,
        f"{architecture}.prompt.user": USER,
        f"{architecture}.prompt.answer": ANSWER,
        f"{architecture}.prompt.end": tokenizer.id_to_piece(tokenizer.eos_id()),
        **tokenizer_metadata(tokenizer),
    }


def islet_metadata(config, tokenizer):
    c = config.model
    if not (c.memory and c.skip and c.conditioning == "sum" and c.refiner_layers and config.span.rule == "content"):
        raise ValueError("the C code runs islet with memory, skip, conditioning 'sum', a refiner and the span rule "
                         "'content' only; other values are for ablations")
    return {
        **common_metadata("islet", config, tokenizer),
        "islet.encoder.block_count": c.encoder_layers,
        "islet.refiner.block_count": c.refiner_layers,
        "islet.mixer.block_count": c.mixer_layers,
        "islet.decoder.block_count": c.decoder_layers,
        "islet.decoder.window": c.window,
        **({"islet.decoder.recall_length": c.recall} if c.recall else {}),
        "islet.span.rule": config.span.rule,
        "islet.span.minimum": config.span.minimum,
        "islet.span.maximum": config.span.maximum,
    }


def llama_metadata(config, tokenizer):
    """The keys that llama.cpp wants for its architecture "llama", with nothing left to its defaults."""
    c = config.model
    return {
        **common_metadata("llama", config, tokenizer),
        "llama.block_count": c.layers,
        "llama.attention.head_count_kv": c.heads,
        "llama.rope.dimension_count": c.head_width,
        "llama.vocab_size": config.vocabulary,
    }


def file_parameters(model):
    """A model's parameters by their names in its file."""
    named = dict(model.named_parameters())
    if not isinstance(model, Tokenwise):
        return {tensor_name(name): value for name, value in named.items()}
    named = {tensor_name(name.replace("layers.", "blk.", 1)): value for name, value in named.items()}
    return {"output.weight": named.pop("token_embd.weight"), "output_norm.weight": named.pop("norm.weight"), **named}


def file_tensors(model):
    """What its file holds. llama.cpp does not scale embeddings, so the input table of tokenwise holds the scale and the output has a
    table of its own."""
    tensors = file_parameters(model)
    if isinstance(model, Tokenwise):
        tensors["token_embd.weight"] = tensors["output.weight"] * math.sqrt(model.config.width)
    return tensors


def stored_tensors(path):
    """A model file's tensors by name, as float32."""
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in read_gguf(path)[1].items()}


def start_from(model, path):
    """The weights of a model file, for training on; what the file lacks stays as it was initialised."""
    stored = stored_tensors(path)
    for name, parameter in file_parameters(model).items():
        if name in stored:
            parameter.data.copy_(stored[name])


def take_encoder(model, path):
    """Embeddings and encoder of another model's file, which stay as they are, so that latents of the one serve the other."""
    stored = stored_tensors(path)
    for name, parameter in model.named_parameters():
        if name.startswith(("embedding.", "encoder.")):
            parameter.data.copy_(stored[tensor_name(name)])
            parameter.requires_grad_(False)


FILE_TYPES = {"f16": 1, "q8_0": 7}  # general.file_type


def as_in_file(value, matrices):
    """A tensor as the file holds it: gains as float32; Q8_0 only where rows are a multiple of its blocks."""
    array = value.detach().cpu().numpy()
    if value.dim() < 2:
        return array.astype(np.float32)
    return to_q8_0(array.astype(np.float32)) if matrices == "q8_0" and array.shape[1] % 32 == 0 else array.astype(np.float16)


def write_model(path, config, model, tokenizer, matrices="f16"):
    """matrices: "f16", or "q8_0" for half the bytes."""
    metadata = (islet_metadata if isinstance(config.model, IsletConfig) else llama_metadata)(config, tokenizer)
    metadata["general.file_type"] = FILE_TYPES[matrices]
    write_gguf(path, metadata, {name: as_in_file(value, matrices) for name, value in file_tensors(model).items()})


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
    model = build(config)
    model.load_state_dict(state["model"])
    tokenizer = load_tokenizer(MODEL_FOLDER / "run" / f"tokens-{config.vocabulary}" / "tokenizer.model")
    return model, tokenizer


def average(model, path, share):
    """Weights between the model's and those of a file, which count for `share`: less noise of the last steps, and less forgotten of what
    an earlier run knew (arXiv 2203.05482)."""
    ours = {name: parameter.detach().clone() for name, parameter in file_parameters(model).items()}
    start_from(model, path)
    with torch.no_grad():
        for name, parameter in file_parameters(model).items():
            parameter.lerp_(ours[name], 1 - share)


def export_model(config, output, other=None, share=0.0, matrices="f16"):
    """other: a model file, for average."""
    model, tokenizer = load_trained(config)
    if other:
        average(model, other, share)
    write_model(output, config, model, tokenizer, matrices)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, "
          f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}M parameters")
