"""What msal sends its requests with: a session of ``requests`` that has timeouts, trusts what we trust, and waits when everybody waits."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from connectors.errors import SourceUnavailable
from connectors.gate import Gate
from connectors.transport import TransportOptions, backoff, retry_after

if TYPE_CHECKING:
    import requests

#: Without a token nobody can send, so these of whoever issues them hold the whole app back.
LATER = frozenset({429, 503})


def session(options: TransportOptions, gate: Gate | None, *, later: frozenset[int] = LATER) -> requests.Session:
    """``send`` raises SourceUnavailable where the authority, by a status among ``later``, asks for patience longer or more often than ``options`` has it.

    msal itself would remember the refusal, and say it again without asking until its time is over.
    """
    import requests

    timeout = (options.connect_timeout, options.read_timeout)
    rng = random.Random()

    class Patient(requests.Session):
        def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
            # msal passes no timeout of its own.
            kwargs["timeout"] = kwargs.get("timeout") or timeout
            method, url = request.method or "", request.url or ""
            for attempt in range(1, options.attempts + 1):
                if gate is not None:
                    gate.enter(method, url)
                response = super().send(request, **kwargs)
                if response.status_code not in later:
                    return response
                named = retry_after(httpx.Response(response.status_code, headers=dict(response.headers)))
                pause = named if named is not None else backoff(attempt, options.max_wait, rng)
                if gate is not None:
                    gate.hold(pause)
                if attempt == options.attempts or pause > options.max_wait:
                    raise SourceUnavailable(
                        "source.unavailable",
                        retry_after=named,
                        host=urlsplit(url).netloc,
                        reason=f"HTTP {response.status_code}",
                        attempts=attempt,
                    )
                if gate is None:
                    time.sleep(pause)
            raise AssertionError("unreachable: the last attempt returns or raises")

    made = Patient()
    # With trust_env on, REQUESTS_CA_BUNDLE in the environment silently wins over `verify`.
    made.trust_env = False
    if options.ca_file is not None:
        made.verify = str(options.ca_file)
    made.headers["User-Agent"] = options.user_agent
    return made
