import json
import socket

import pytest

from logo_tf.cluster import Cluster, read_cluster
from logo_tf.errors import LogoError


def told(**changes):
    found = {
        "cluster": {"worker": ["localhost:2222", "localhost:2223"]},
        "task": {"type": "worker", "index": 1},
    }
    return {"TF_CONFIG": json.dumps({**found, **changes})}


def test_the_environment_tells():
    cluster = read_cluster(told())
    assert cluster == Cluster(1, ("localhost:2222", "localhost:2223"))
    assert cluster.workers == 2


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TF_CONFIG": "{"},
        {"TF_CONFIG": "[]"},
        told(task={"type": "worker", "index": 2}),
        told(task={"type": "worker", "index": "1"}),
        told(task={"type": "chief", "index": 0}),
        told(cluster={"worker": ["localhost"]}),
        told(cluster={"worker": ["a:1", "b:1"], "ps": ["c:1"]}),
    ],
)
def test_a_wrong_one_is_one_line_with_an_example(environment):
    with pytest.raises(LogoError, match="on each machine set TF_CONFIG=") as found:
        read_cluster(environment)
    assert "\n" not in str(found.value)
    assert ("is not set" in str(found.value)) == (environment == {})


def test_who_takes_no_connection_is_gone():
    with (
        socket.create_server(("localhost", 0)) as here,
        socket.create_server(("localhost", 0)) as x,
    ):
        ours, theirs = (f"localhost:{one.getsockname()[1]}" for one in (here, x))
        cluster = Cluster(0, (ours, theirs))
        assert cluster.gone() == []
        x.close()
        assert cluster.gone() == [1]
