"""Several Ray nodes on this machine: the smallest cluster that is one.

Rule of this file: what is started here ends with the block.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from cluster.config import RayOptions
from cluster.local_ray import LOOPBACK, local_ray, loopback_cluster


@contextlib.contextmanager
def local_nodes(address: str | None, nodes: int, options: RayOptions) -> Iterator[None]:
    """Join the cluster at `address`, or start one of so many nodes here.

    Raises:
        ConfigError: nobody listens at `address`.
    """
    if address is not None or nodes == 1:
        with local_ray(address, options):
            yield
        return
    os.environ["RAY_worker_niceness"] = str(options.worker_niceness)
    from ray.cluster_utils import Cluster

    with loopback_cluster() as home:
        node = {"num_cpus": 1, "node_ip_address": LOOPBACK[0], "temp_dir": str(home)}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            for _ in range(nodes - 1):
                cluster.add_node(**node)
            cluster.wait_for_nodes()
            with local_ray(cluster.address, options):
                yield
        finally:
            cluster.shutdown()
