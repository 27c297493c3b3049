"""The wire itself, for tests of what a client library never sends, or of the order in which messages come. Everything else is asked with
the Python client (clients/python)."""

import socket

import msgpack


class Connection:
    """One connection to the Unix socket at `path`."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
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

    def send(self, method, params=None):
        """Sends a request and returns its id."""
        return self.send_together(method, [params])[0]

    def send_together(self, method, all_params):
        """Sends requests in one piece, so that all are there before any is answered; their ids."""
        ids = list(range(self.next_id, self.next_id + len(all_params)))
        self.next_id += len(ids)
        self.send_bytes(b"".join(msgpack.packb([0, id, method, [] if params is None else [params]])
                                 for id, params in zip(ids, all_params)))
        return ids

    def receive(self):
        """The next message, or None when the daemon has closed the connection."""
        while True:
            for message in self.unpacker:
                return message
            data = self.socket.recv(1 << 16)
            if not data:
                return None
            self.unpacker.feed(data)

    def response(self, id):
        """Error and result of request `id`; messages in front of it are passed over."""
        while True:
            message = self.receive()
            assert message is not None, "the daemon closed the connection"
            if message[0] == 1 and message[1] == id:
                return message[2], message[3]
