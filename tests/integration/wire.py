"""The daemon's protocol over python3-msgpack: an implementation that shares no code with ours."""

import socket

import msgpack


class DaemonError(Exception):
    """An error response; `name` is the protocol's error name."""

    def __init__(self, error):
        super().__init__(f"{error['name']}: {error['message']}")
        self.code, self.name, self.message = error["code"], error["name"], error["message"]


class Connection:
    """One connection. `address` is the path of a Unix socket or a (host, port)."""

    def __init__(self, address, timeout=60):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.unpacker = msgpack.Unpacker(raw=False, max_buffer_size=1 << 25)
        self.next_id = 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, method, params=None, id=None):
        """Sends a request and returns its id."""
        if id is None:
            id = self.next_id
            self.next_id += 1
        self.send_bytes(msgpack.packb([0, id, method, [] if params is None else [params]]))
        return id

    def receive(self):
        """The next message, or None when the daemon has closed the connection."""
        while True:
            for message in self.unpacker:
                return message
            data = self.socket.recv(1 << 16)
            if not data:
                return None
            self.unpacker.feed(data)

    def wait(self, id, tokens=None):
        """The result of request `id`; texts of its token notifications are appended to `tokens`."""
        while True:
            message = self.receive()
            assert message is not None, "the daemon closed the connection"
            if message[0] == 2:
                assert message[1] == "token"
                if tokens is not None and message[2][0]["id"] == id:
                    tokens.append(message[2][0]["text"])
            elif message[1] == id:
                if message[2] is not None:
                    raise DaemonError(message[2])
                return message[3]

    def call(self, method, params=None, tokens=None):
        return self.wait(self.send(method, params), tokens)

    def generate(self, prompt, **options):
        """At temperature 0 and 24 tokens unless told otherwise."""
        return self.call("generate", {"prompt": prompt, "temperature": 0, "max_tokens": 24, **options})
