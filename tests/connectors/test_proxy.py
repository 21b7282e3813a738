"""Behind a proxy, as in most Japanese enterprises: requests go through the one that the environment names."""

from __future__ import annotations

import socket
import threading

import pytest

from connectors.errors import SourceUnavailable
from connectors.transport import Transport, TransportOptions


def test_https_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096).decode().splitlines()[0])
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        transport = Transport("https://sakura.cybozu.example", options=TransportOptions(attempts=1, connect_timeout=5))
        with pytest.raises(SourceUnavailable):
            transport.send("GET", "/k/v1/apps.json")
        thread.join(5)
        transport.close()
    assert asked == ["CONNECT sakura.cybozu.example:443 HTTP/1.1"]
