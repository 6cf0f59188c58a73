"""`anabranch verify-replay JOURNAL`: plays a live session again and says whether every word of it came out the same.

Rule of this file: exit code 3 when it did not, with the first difference; the journal is only read.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.console import print_json, progress_bar
from cluster.cli.exits import CHECK_FAILED
from cluster.cli.options import Address, Config, Data, Json, RuntimeOption
from cluster.cli.options import Runtime as RuntimeName
from cluster.config import RayOptions, data_dir, load_config
from router.domain.errors import ConfigError, bad_value

if TYPE_CHECKING:
    # Importing these imports the engines, which `--help` does not need.
    from router.domain.facts import SessionOpened
    from router.orders.journal import Journal
    from scenarios.link import Link

NODES_MAX = 16

Nodes = Annotated[int, typer.Option(min=1, max=NODES_MAX, help="With --runtime ray and no address: so many nodes.")]
Swap = Annotated[
    str | None,
    typer.Option("--swap-policy", metavar="NAME", help="Play another policy: where it differs first."),
]


def verify_replay(
    journal: Annotated[str, typer.Argument(metavar="JOURNAL", help="The record of a live desk: a path or a URL.")],
    runtime: RuntimeOption = RuntimeName.INPROCESS,
    nodes: Nodes = 1,
    address: Address = None,
    data: Data = None,
    config: Config = None,
    swap_policy: Swap = None,
    as_json: Json = False,
) -> None:
    """Play a live session again from its journal: every decision, probability, id, fill and model digest."""
    import msgspec

    from cluster.journal.open import open_journal
    from cluster.live.verifying import session_in, verify_session
    from scenarios.policies import policy_names

    configuration = load_config(config)
    folder = configuration.data if data is None else data_dir(data, "--data")
    record = open_journal(journal, is_reader=True)
    opened = session_in(record)
    if swap_policy is not None:
        if swap_policy not in policy_names():
            raise ConfigError(bad_value("--swap-policy", f"one of {', '.join(policy_names())}", swap_policy))
        opened = msgspec.structs.replace(opened, policy=swap_policy)
    with (
        _link(opened, record, folder, runtime, address, nodes, configuration.ray) as link,
        progress_bar("playing it again") as progress,
    ):
        verified = verify_session(record, opened, link, folder, progress)
    record.close()
    if as_json:
        print_json(verified._asdict())
    else:
        typer.echo(
            f"{verified.windows} windows, {verified.events} events, {verified.decisions} decisions, {verified.fills}"
            f" fills, {verified.probabilities} probabilities"
        )
        typer.echo(f"equal: digest {verified.digest}" if not verified.difference else f"differs: {verified.difference}")
    if verified.difference:
        raise typer.Exit(CHECK_FAILED)


@contextlib.contextmanager
def _link(
    opened: SessionOpened,
    record: Journal,
    data: Path | None,
    runtime: RuntimeName,
    address: str | None,
    nodes: int,
    options: RayOptions,
) -> Iterator[Link]:
    """Give a link to new shells: in this process, or on Ray."""
    from cluster.live.session import assembly_of, fresh_link, hosts_in

    if runtime is RuntimeName.INPROCESS:
        yield fresh_link(opened, assembly_of(opened, data))
        return
    # Importing these imports Ray, which a replay in one process does not need.
    from cluster.actors.registry import ClusterRegistry
    from cluster.link.cluster_link import StreamLink
    from cluster.live.bringing_up import shell_recipes
    from cluster.live.local_nodes import local_nodes
    from router.domain.facts import DESK

    token = secrets.token_hex(32)
    with local_nodes(address, nodes, options), tempfile.TemporaryDirectory(prefix="anabranch-") as name:
        registry = ClusterRegistry(f"anabranch-{secrets.token_hex(4)}", f"{name}/supervisor.sqlite")
        try:
            hosts = hosts_in(opened, record.read(0, DESK))
            registry.start(shell_recipes(opened, data, Path(name), token, hosts))
            link = StreamLink(registry, token)
            try:
                yield link
            finally:
                link.close()
        finally:
            registry.stop()
