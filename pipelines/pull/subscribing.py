"""What a source is told of our receiver, and the upkeep of its subscriptions: looked at, kept, renewed when the source asks for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from connectors.capabilities import Receiver, Subscribed, Subscribes, Subscription
from connectors.errors import FixConfiguration
from connectors.protocol import Stream
from pipelines.clock import Clock
from pipelines.project import Project
from pipelines.pull import notes

#: The kind whose sources must be asked to send notices; kintone's are entered in its apps by hand.
KIND = "sharepoint"
#: Graph takes 128 characters, and these stand in an address as they are. 24 of them can't be guessed.
_FIT = re.compile(r"[A-Za-z0-9._~-]{24,128}")


def subscribing(project: Project) -> list[str]:
    """The systems with a receiver and a readable contract whose subscriptions are ours to keep, in order."""
    systems = {stream.partition("/")[0] for stream in project.contracts}
    return sorted(name for name in project.file.watch.hooks if name in systems and project.file.systems[name].get("kind") == KIND)


def hook_secret(project: Project, system: str) -> str:
    """Raises MissingSecret, and FixConfiguration for one that could be guessed or can't be sent."""
    secret = str(project.resolve(project.file.watch.hooks[system].secret, f"watch.hooks.{system}.secret"))
    if not _FIT.fullmatch(secret):
        raise FixConfiguration("project.hook_secret_unfit", system=system)
    return secret


def receiver_of(project: Project, system: str) -> Receiver:
    """Raises FixConfiguration where nobody says at which address the vendor reaches it, and what ``hook_secret`` raises.

    A trace of the secret stands in the address: Graph never tells back which secret a subscription has, and another one makes it worthless.
    """
    secret, serving = hook_secret(project, system), project.file.serving.url.rstrip("/")
    url = project.file.watch.hooks[system].url or (f"{serving}/hooks/{system}" if serving else "")
    if not url.startswith("https://"):
        raise FixConfiguration("project.hook_without_url", system=system)
    trace = hashlib.sha256(f"fortnight hook {secret}".encode()).hexdigest()[:6]
    return Receiver(f"{url}?of={trace}", secret)


def standing(project: Project, system: str, connector: Subscribes) -> Sequence[Subscription]:
    """Until when the source tells of each stream; those it can't tell of are left out. Changes nothing."""
    return connector.subscriptions(_streams(project, system), receiver_of(project, system))


def keep_subscribed(project: Project, system: str, connector: Subscribes, clock: Clock) -> Subscribed:
    """One subscription for each place, renewed before it ends and whenever a notice asked for it. Raises what ``subscribe`` raises.

    What changed before a new subscription was there has told nobody: a note has the source asked once.
    """
    asked = notes.version(project.root, "renewals", system)
    done = connector.subscribe(_streams(project, system), receiver_of(project, system), renew=bool(asked))
    if done.made:
        notes.leave(project.root, "notes", system, f"subscribed {clock.now().isoformat()}")
    notes.take_away(project.root, "renewals", system, asked)
    return done


def _streams(project: Project, system: str) -> list[Stream]:
    return [contract.told() for _, contract in sorted(project.contracts.items()) if contract.system == system]
