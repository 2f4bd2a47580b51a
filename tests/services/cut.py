"""A wire between a client and a server that a test can cut in the middle of a transfer."""

import contextlib
import socket
import struct
import threading
from urllib.parse import urlsplit


class Wire:
    """Passes on what comes to a port of its own, until it is cut; then every connection breaks at once."""

    def __init__(self, endpoint: str) -> None:
        address = urlsplit(endpoint)
        self._server = (address.hostname, address.port)
        self._bytes_left: int | None = None
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, count: int) -> None:
        """Have the wire break when so many more bytes, both ways together, have passed."""
        with self._lock:
            self._bytes_left = count

    @property
    def is_cut(self) -> bool:
        return self._bytes_left is not None and self._bytes_left <= 0

    def mend(self) -> None:
        """Have everything pass again."""
        with self._lock:
            self._bytes_left = None

    def stop(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(4096):
                if not (passed := self._allowed(content)):
                    break
                target.sendall(passed)
        for end in (source, target):
            with contextlib.suppress(OSError):
                if self.is_cut:  # a reset, not an orderly end
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _allowed(self, content: bytes) -> bytes:
        with self._lock:
            if self._bytes_left is None:
                return content
            passed = content[: max(0, self._bytes_left)]
            self._bytes_left -= len(content)
            return passed
