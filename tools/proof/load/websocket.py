"""As much of RFC 6455 as one text message there and one back need."""

import base64
import os
import socket
import struct

from tools.proof.server import HOST

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    """A connection that is open; messages are short and whole."""

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.file = self.socket.makefile("rb")
        status = self.file.readline()
        if b" 101 " not in status:
            raise ConnectionError(f"expected 101, got {status!r}")
        while self.file.readline().strip():
            pass

    def send(self, text: str) -> None:
        """Send a message."""
        self._send(text.encode(), TEXT)

    def _send(self, data: bytes, opcode: int) -> None:
        """Send a frame, masked as a client must."""
        mask = os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        self.socket.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def receive(self) -> str:
        """Wait for a text message."""
        while True:
            first, second = self.file.read(2)
            n = second & 0x7F
            if n == 126:
                (n,) = struct.unpack(">H", self.file.read(2))
            elif n == 127:
                (n,) = struct.unpack(">Q", self.file.read(8))
            data = self.file.read(n)
            if first & 0x0F == TEXT:
                return data.decode()
            if first & 0x0F == PING:
                self._send(data, PONG)
            elif first & 0x0F == CLOSE:
                raise ConnectionError("the server closed the WebSocket")
