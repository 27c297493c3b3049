"""Very many connections at once, each with one request under way all the time: a prompt that is known, or one that nobody ever sent.
Every request is answered once, by the right words; `busy` is an answer, after which the client waits and asks again."""

import asyncio
import random
import time

import msgpack

from soak.load import GREEDY, KNOWN, words

PATIENCE = 120  # seconds for one answer; who waits longer is lost
PAUSE = 0.25    # after `busy`


class Crowd:
    def __init__(self, daemon, known, connections):
        self.daemon, self.known, self.connections = daemon, known, connections
        self.asked = self.answered = self.warm = self.busy = 0
        self.times, self.failures = [], []

    async def receive(self, reader, unpacker):
        while True:
            for message in unpacker:
                return message
            data = await asyncio.wait_for(reader.read(1 << 16), PATIENCE)
            if not data:
                raise ConnectionError("the daemon closed a connection")
            unpacker.feed(data)

    async def client(self, number, ends):
        generator, unpacker = random.Random(number), msgpack.Unpacker(raw=False)
        reader, writer = await asyncio.open_unix_connection(self.daemon.socket)
        id = 0
        while time.monotonic() < ends:
            id += 1
            warm = generator.random() < 0.75
            prompt = generator.choice(KNOWN) if warm else words(generator, 15)
            began = time.monotonic()
            self.asked += 1
            writer.write(msgpack.packb([0, id, "generate", [{"prompt": prompt, **GREEDY}]]))
            await writer.drain()
            kind, answered, error, result = await self.receive(reader, unpacker)
            if kind != 1 or answered != id:
                self.failures.append(f"request {id} was answered as {answered}")
            elif error and error["name"] == "busy":
                self.busy += 1
                await asyncio.sleep(PAUSE * (1 + generator.random()))
            elif error:
                self.failures.append(f"{error}")
            elif warm and result["text"] != self.known.answers[prompt]:
                self.failures.append(f"another answer to {prompt!r}: {result['text']!r}")
            else:
                self.times.append(time.monotonic() - began)
            self.answered += 1
            self.warm += warm
        writer.close()
        await writer.wait_closed()

    async def all(self, ends):
        results = await asyncio.gather(*(self.client(number, ends) for number in range(self.connections)), return_exceptions=True)
        self.failures += [repr(result) for result in results if isinstance(result, Exception)]

    def run(self, ends):
        asyncio.run(self.all(ends))

    def report(self):
        times = sorted(self.times) or [0]
        return (f"{self.connections:,} connections: {self.asked:,} requests ({self.warm:,} known prompts), {self.asked - self.answered} lost, "
                f"{self.busy:,} busy, p50 {times[len(times) // 2]:.1f} s, p99 {times[len(times) * 99 // 100]:.1f} s")
