"""What every sandbox server is told when it starts: seed, clock, ports, credentials, where its files go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.sandbox.clock import SandboxClock
from infra.sandbox.company.trade import DEFAULT_SEED


@dataclass(frozen=True)
class Settings:
    """``state`` is a folder of this server alone; ``ca_file`` the PEM of the sandbox's CA; ``admin_token`` opens ``/_sandbox/``."""

    clock: SandboxClock
    http_port: int
    https_port: int
    state: Path
    ca_file: Path
    admin_token: str
    seed: int = DEFAULT_SEED
    #: A third port that wants a client certificate of the sandbox's CA; 0 where there is none.
    client_port: int = 0

    @property
    def http_url(self) -> str:
        return f"http://localhost:{self.http_port}"

    @property
    def https_url(self) -> str:
        return f"https://localhost:{self.https_port}"

    @property
    def client_url(self) -> str:
        return f"https://localhost:{self.client_port}"
