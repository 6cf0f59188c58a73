"""What an actor process is told: which shell it hosts, of which run, and where its journal lies.

Rule of this file: a recipe is data; what `cluster.actors.building` makes of it is the same in every process. It loads
no engine: who only passes recipes on must not wait for what it does not use.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from scenarios.scenario import Scenario

Role = Literal["venue", "host", "learner", "record", "market", "gateway"]
"""The first three are shells that answer batches; the others run by themselves (`cluster.live.process`)."""

SHELLS = ("venue", "host", "learner")


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """One actor. `token` is the secret that whoever opens a stream to it must show, in hex.

    `link` is "stream" or "ray": only for streams does the actor listen. `incarnation` counts its lives from 0.
    """

    name: str
    role: Role
    scenario_name: str
    scenario_text: str
    seed: int
    policy: str
    data: str | None
    journal: str
    token: str
    link: str = "stream"
    incarnation: int = 0
    scenario_path: str = "<text>"
    """Where the scenario's file is: what it names lies beside it."""
    opened: bytes = b""
    """Of a live desk: the encoded `SessionOpened`."""
    settings: bytes = b""
    """Of a live desk: the path of its configuration and what the command line changed, as MessagePack."""
    record: str = ""
    """Of a live desk's record: the URL of its journal."""
    basis: bytes = b""
    """Of a live desk's record: what its intake is made from (`router.intake.intake.Intake.basis`)."""
    namespace: str = ""
    """Of a live desk: where its supervisor is found."""

    def host(self, name: str) -> Recipe:
        """Return the recipe of a host of the same desk, with its journal beside this one's."""
        journal = str(Path(self.journal).with_name(f"{name}.sqlite"))
        own = {"settings": b"", "record": "", "basis": b"", "namespace": "", "incarnation": 0}
        return msgspec.structs.replace(self, name=name, role="host", journal=journal, **own)

    def scenario(self) -> Scenario:
        """Return the scenario of the run."""
        from scenarios.scenario import parse_scenario

        return parse_scenario(self.scenario_text, self.scenario_name, self.scenario_path)
