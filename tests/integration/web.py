"""The daemon over HTTP, by Python's own http.client: an implementation that shares no code with ours."""

import http.client
import json
import socket


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Reply:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    @property
    def events(self):
        """What a stream said, [DONE] included."""
        assert self.headers["Content-Type"] == "text/event-stream"
        assert self.body.endswith(b"\n\n")
        lines = self.body.decode().removesuffix("\n\n").split("\n\n")
        assert all(line.startswith("data: ") for line in lines)
        texts = [line.removeprefix("data: ") for line in lines]
        return [text if text == "[DONE]" else json.loads(text) for text in texts]


class Web:
    """One connection that is kept."""

    def __init__(self, port, host="127.0.0.1", timeout=60, headers=None):
        self.connection = http.client.HTTPConnection(host, port, timeout=timeout)
        self.headers = headers or {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def send(self, method, path, body=None, **headers):
        if isinstance(body, dict):
            headers.setdefault("Content-Type", "application/json")
            body = json.dumps(body)
        self.connection.request(method, path, body, {**self.headers, **headers})

    def receive(self):
        return Reply(self.connection.getresponse())

    def get(self, path, **headers):
        self.send("GET", path, **headers)
        return self.receive()

    def post(self, path, body, **headers):
        self.send("POST", path, body, **headers)
        return self.receive()

    def complete(self, prompt, **options):
        return self.post("/v1/completions", {"prompt": prompt, "temperature": 0, "max_tokens": 24, **options})

    def chat(self, *messages, **options):
        """Messages as (role, content)."""
        body = {"messages": [{"role": role, "content": content} for role, content in messages], "temperature": 0,
                "max_tokens": 24, **options}
        return self.post("/v1/chat/completions", body)
