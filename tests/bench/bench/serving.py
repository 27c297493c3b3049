"""Rows on serving: latents for other processes, many clients at once, memory."""

import selectors
import time

import msgpack

from . import redis
from .daemon import PATIENCE, ask, prompt_of
from .rows import measured

CONNECTIONS = 256
BATCH = 128   # latents of one request
PIPELINE = 8  # requests under way
MEBIBYTE = 1 << 20


# --- share ---

def exchange(connection, requests, reply_bytes, rounds):
    """Requests a second. All requests of a round are sent at once, then as many bytes are read as their replies have: the
    client costs the same on both sides, whatever it talks to."""
    data, buffer = b"".join(requests), bytearray(1 << 18)
    began = time.perf_counter()
    for _ in range(rounds):
        connection.sendall(data)
        awaited = reply_bytes
        while awaited:
            count = connection.recv_into(buffer, min(awaited, len(buffer)))
            if not count:
                raise OSError("the server closed the connection")
            awaited -= count
    return rounds * len(requests) / (time.perf_counter() - began)


def stored_latents(connection, bench):
    """Keys and latents of PIPELINE batches."""
    keys, latents = [], []
    while len(keys) < PIPELINE * BATCH:
        for span in connection.call("encode", {"text": bench.document()})["spans"]:
            keys.append(bytes.fromhex(span["key"]))
    keys = list(dict.fromkeys(keys))[:PIPELINE * BATCH]
    for first in range(0, len(keys), BATCH):
        latents += connection.call("latent.get", {"keys": keys[first:first + BATCH]})["latents"]
    if None in latents:
        raise OSError("latents that were just encoded are not stored")
    return keys, latents


def batches(items):
    return [items[first:first + BATCH] for first in range(0, len(items), BATCH)]


def latentd_side(wire, keys, latents):
    """Requests, the bytes of their replies, and that these hold the latents."""
    requests, reply_bytes = [], 0
    for id, (wanted, expected) in enumerate(zip(batches(keys), batches(latents)), 1):
        requests.append(msgpack.packb([0, id, "latent.get", [{"keys": wanted}]]))
        before = wire.unpacker.tell()
        wire.send_bytes(requests[-1])
        error, result = wire.response(id)
        if error or result["latents"] != expected:
            raise OSError("latent.get gave something else the second time")
        reply_bytes += wire.unpacker.tell() - before
    return requests, reply_bytes


def redis_side(connection, keys, latents):
    for key, latent in zip(keys, latents):
        connection.sendall(redis.command(b"SET", key, latent))
        if connection.recv(16) != b"+OK\r\n":
            raise OSError("Redis did not take a latent")
    requests = [redis.command(b"MGET", *wanted) for wanted in batches(keys)]
    return requests, sum(len(redis.array_bytes(expected)) for expected in batches(latents))


def share(bench):
    rounds = 200 if bench.quick else 2000  # tens of milliseconds: whatever else the machine does, both sides see of it
    ours, peer = [], []

    def rate(*side):
        return exchange(*side, rounds) * BATCH / 1000

    with bench.daemon() as daemon, daemon.connect() as connection, daemon.connect_wire() as wire:
        keys, latents = stored_latents(connection, bench)
        our_side = (wire.socket, *latentd_side(wire, keys, latents))
        with bench.peer("Redis", lambda: redis.Redis(bench.folder())) as other:
            their_connection = other and other.connect()
            their_side = other and (their_connection, *redis_side(their_connection, keys, latents))
            for _ in bench.repeat():
                ours.append(rate(*our_side))
                peer.append(rate(*their_side) if other else None)
            if other:
                their_connection.close()
    return [measured("share", ours, peer, f"{len(latents[0])} bytes each, {PIPELINE} requests under way; the client counts bytes")]


# --- clients ---

def closed_loop(connections, request_of, rounds):
    """Each connection sends, waits for its answer, and sends again. Returns response times, sorted, and requests a second."""
    selector = selectors.DefaultSelector()
    times, sent, left = [], {}, {}
    began = time.perf_counter()
    for number, connection in enumerate(connections):
        selector.register(connection.socket, selectors.EVENT_READ, (number, connection))
        left[number], sent[number] = rounds, time.perf_counter()
        connection.send_bytes(request_of(number))
    while left:
        ready = selector.select(PATIENCE)
        if not ready:
            raise OSError("no answer came")
        for key, _ in ready:
            number, connection = key.data
            message = connection.receive()
            if message is None or message[2] is not None:
                raise OSError(f"generate: {message and message[2]}")
            times.append(time.perf_counter() - sent[number])
            left[number] -= 1
            if left[number]:
                sent[number] = time.perf_counter()
                connection.send_bytes(request_of(number))
            else:
                del left[number]
                selector.unregister(connection.socket)
    return sorted(times), len(times) / (time.perf_counter() - began)


def clients(bench):
    """Prompts of a short document and one of a few questions, all known; answers of 8 tokens."""
    rounds = 2 if bench.quick else 20
    document, questions = bench.text(128), [bench.question() for _ in range(16)]
    requests = [msgpack.packb([0, 1, "generate", [{"segments": prompt_of([document], question), "max_tokens": 8,
                                                   "temperature": 0, "stream": False}]]) for question in questions]
    ratios, details = [], {"p50_ms": [], "p99_ms": [], "requests_per_second": []}
    with bench.daemon() as daemon:
        connections = [daemon.connect_wire() for _ in range(CONNECTIONS)]
        closed_loop(connections[:len(questions)], lambda number: requests[number % len(requests)], 1)
        for _ in bench.repeat():
            times, rate = closed_loop(connections, lambda number: requests[number % len(requests)], rounds)
            p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
            ratios.append(p99 / p50)
            for name, value in (("p50_ms", 1000 * p50), ("p99_ms", 1000 * p99), ("requests_per_second", rate)):
                details[name].append(value)
        for connection in connections:
            connection.close()
        details["peak_resident_bytes"] = daemon.resident_bytes("VmHWM")
    middle = {name: sorted(values)[len(values) // 2] for name, values in details.items() if isinstance(values, list)}
    return [measured("clients", ratios, note=f"{middle['requests_per_second']:.0f} requests/s, p50 {middle['p50_ms']:.1f} ms, "
                     f"p99 {middle['p99_ms']:.1f} ms", **details)]


# --- memory ---

def memory(bench):
    weights = bench.model_info["file_bytes"]
    idle, of_connection, peak = [], [], []
    for _ in bench.repeat():
        with bench.daemon() as daemon:
            idle.append(daemon.resident_bytes())
            connections = [daemon.connect_wire() for _ in range(CONNECTIONS)]
            for connection in connections:
                connection.response(connection.send("ping"))
            of_connection.append((daemon.resident_bytes() - idle[-1]) / CONNECTIONS / 1024)
            with daemon.connect() as asking:
                ask(asking, [bench.document()], bench.question(), max_tokens=32)
            peak.append(daemon.resident_bytes("VmHWM"))
            for connection in connections:
                connection.close()
    peer = bench.llama(lambda llama: llama.resident_bytes() / MEBIBYTE)
    note = f"weights {weights / MEBIBYTE:.1f} MiB; {max(peak) / MEBIBYTE:.1f} MiB after 256 connections and a long prompt"
    return [measured("memory", [bytes / MEBIBYTE for bytes in idle], [peer], note, most=weights / MEBIBYTE + 32,
                     peak_bytes=peak, weights_bytes=weights),
            measured("memory_connection", of_connection)]
