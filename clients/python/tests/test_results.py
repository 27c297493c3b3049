"""Reading results: what fits, what is missing, what is of another type; and latents as numbers."""

import struct
import subprocess
import sys

import latentd
import pytest
from conftest import ROOT
from latentd.latents import read_latents
from latentd.reading import read
from latentd.results import Encoding, Info, Model, Span
from latentd.stats import Stats

ENCODING = {"model": "m", "dimension": 4, "usage": {"prompt_tokens": 7}, "timings": {"encode_ms": 1}, "ops": {},
            "spans": [{"text": "The King", "tokens": 3, "key": "00" * 32, "miss": "new"},
                      {"text": " died.", "tokens": 4, "key": "11" * 32, "tier": "disk"}]}


def test_a_result_becomes_a_dataclass():
    encoding = read(Encoding, {**ENCODING, "of a later daemon": [1]})
    assert (encoding.model, encoding.dimension) == ("m", 4)
    receipt = encoding.receipt
    assert receipt.usage.prompt_tokens == 7 and receipt.usage.completion_tokens == 0
    assert receipt.timings.encode_ms == 1.0 and isinstance(receipt.timings.encode_ms, float)
    assert receipt.spans == (Span("The King", 3, "00" * 32, miss="new"), Span(" died.", 4, "11" * 32, tier="disk"))
    assert [span.hit for span in receipt.spans] == [False, True]
    with pytest.raises(AttributeError):
        encoding.model = "other"


@pytest.mark.parametrize("change, problem", [
    ({"model": 5}, "model is no str"), ({"dimension": 4.0}, "dimension is no int"), ({"dimension": True}, "dimension is no int"),
    ({"usage": []}, "usage is no map"), ({"usage": {"prompt_tokens": "7"}}, "usage.prompt_tokens is no int"),
    ({"timings": {"encode_ms": True}}, "timings.encode_ms is no number"), ({"spans": {}}, "spans is no array"),
    ({"spans": [{"text": "x", "tokens": 1}]}, r"spans.\[\].key is missing"),
])
def test_what_does_not_fit_is_named(change, problem):
    with pytest.raises(latentd.MalformedError, match=problem):
        read(Encoding, {**ENCODING, **change})


def test_missing_keys():
    with pytest.raises(latentd.MalformedError, match="spans is missing"):
        read(Encoding, {key: value for key, value in ENCODING.items() if key != "spans"})
    with pytest.raises(latentd.MalformedError, match="it is no map"):
        read(Info, None)
    assert read(Stats, {"span_hits": 3}).lifetime.span_hits == 0, "counters of a later daemon are 0 of an earlier one"
    with pytest.raises(latentd.MalformedError, match="name is missing"):
        read(tuple[Model, ...], [{}])


NUMBERS = [0.5, -2.0, 1.25]


def f16(*latents):
    return {"model": "m", "dimension": 3, "type": "f16", "latents": [latent and struct.pack("<3e", *latent) for latent in latents]}


def i8(*latents, scales):
    return {"model": "m", "dimension": 3, "type": "i8", "scales": scales, "latents": [latent and struct.pack("3b", *latent) for latent in latents]}


def test_half_precision():
    latents = read_latents(f16(NUMBERS, None))
    assert (latents.model, latents.dimension, latents.type, len(latents)) == ("m", 3, "f16", 2) and latents[1] is None
    assert list(latents[0]) == latents[0].floats().tolist() == NUMBERS and len(latents[0]) == 3
    assert latents[:1] == (latents[0],)


def test_bytes_with_scales():
    latents = read_latents(i8([1, -128, 127], None, [2, 0, 0], scales=[0.5, None, 0.25]))
    assert list(latents[0]) == [0.5, -64.0, 63.5] and latents[1] is None and list(latents[2]) == [0.5, 0, 0]


def test_arrays():
    numpy = pytest.importorskip("numpy")
    for latent in (*read_latents(f16(NUMBERS)), *read_latents(i8([1, -128, 127], scales=[0.1]))):
        array = latent.numpy()
        assert array.dtype == numpy.float32 and array.shape == (3,) and array.flags.writeable
        assert numpy.allclose(array, list(latent)) and numpy.array_equal(numpy.asarray(latent), array)
        assert numpy.asarray(latent, numpy.float64).dtype == numpy.float64
        with pytest.raises(ValueError, match="always a copy"):
            latent.__array__(copy=False)


def test_nothing_imports_numpy():
    code = ("import sys; sys.modules['numpy'] = None; from latentd.latents import Latent; "
            "assert list(Latent('f16', b'\\0\\x3c')) == [1.0]; import latentd")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "clients" / "python")


@pytest.mark.parametrize("change, problem", [
    ({"type": "f4"}, '"f4"'), ({"latents": [b"12345"]}, "5 bytes where 3 numbers"), ({"latents": ["text"]}, "latents"),
    ({"scales": [1.0, 2.0]}, "1 latents with 2 scales"), ({"type": "i8", "latents": [b"123"]}, "with 0 scales"),
])
def test_latents_that_do_not_fit(change, problem):
    with pytest.raises(latentd.MalformedError, match=problem):
        read_latents({**f16(NUMBERS), **change})
