"""The embedded server: latency, throughput, start, what it survives: benchmarks/serving.py."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import numpy as np
import tensorflow as tf
from edge import middle_us, untrained
from recording import RESULTS, figure, machine, record
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from logo_tf import artifacts
from logo_tf.agents.config import PolicyConfig
from logo_tf.export.saved_model import write_policy
from logo_tf.export.warmup import FILE

_SCENARIO = "mamujoco/HalfCheetah-2x3"
Ask = Callable[[], Awaitable[None]]


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is asked of it."""

    rounds: int
    requests: int
    swap_seconds: float
    reloads: int
    bodies: int


FULL = Size(rounds=5, requests=2000, swap_seconds=30.0, reloads=20, bodies=10_000)
QUICK = Size(rounds=1, requests=64, swap_seconds=2.0, reloads=6, bodies=100)


class Served:
    """A server in a process of its own, and the ways to ask it for actions."""

    def __init__(self, models: Path, *options: str) -> None:
        self.models = models
        command = [sys.executable, "-m", "logo_tf", "serve", "--models", str(models), *options]
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, "--rest-port", "0", "--grpc-port", "0"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        ports: dict[str, str] = {}
        for line in self.process.stdout:
            words = line.split()
            if words and words[0] in ("REST", "gRPC"):
                ports[words[0]] = words[1].removeprefix("http://").partition("/")[0]
            if len(ports) == 2:
                break
        self.rest, self.grpc = ports["REST"], ports["gRPC"]

    def stop(self) -> None:
        """Tell it to stop, and wait until it has."""
        self.process.terminate()
        self.process.communicate(timeout=60)


@contextlib.contextmanager
def serving(models: Path, *options: str) -> Iterator[Served]:
    """A server that is stopped in the end."""
    served = Served(models, *options)
    try:
        yield served
    finally:
        served.stop()


@contextlib.asynccontextmanager
async def rest(served: Served, observations: np.ndarray) -> Any:
    """Asks by REST, columnar; a failure raises."""
    url = f"http://{served.rest}/v1/models/policy:predict"
    body = json.dumps({"inputs": {"observations": observations.tolist()}}).encode()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=True) as session:

        async def ask() -> None:
            async with session.post(url, data=body) as response:
                answer = await response.json(content_type=None)
                assert response.status == 200, answer

        yield ask


@contextlib.asynccontextmanager
async def by_grpc(served: Served, observations: np.ndarray) -> Any:
    """Asks by gRPC; a failure raises."""
    request = predict_request(observations)
    async with grpc.aio.insecure_channel(served.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        async def ask() -> None:
            await stub.Predict(request, timeout=60)

        yield ask


def predict_request(observations: np.ndarray) -> Any:
    """A ``PredictRequest`` of the policy."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "policy"
    request.inputs["observations"].CopyFrom(tf.make_tensor_proto(observations))
    return request


async def load(ask: Ask, clients: int, requests: int) -> tuple[np.ndarray, float]:
    """Seconds of each request, and requests a second, of clients that ask in a row each."""
    await ask()
    taken: list[float] = []

    async def client() -> None:
        for _ in range(max(requests // clients, 1)):
            begun = time.perf_counter()
            await ask()
            taken.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return np.array(taken), len(taken) / (time.perf_counter() - begun)


def latencies(models: Path, size: Size) -> dict[str, Any]:
    """Every combination of transport, clients, batch and batching, beside the direct call."""
    loaded = tf.saved_model.load(str(models / "policy" / "1"))
    call = loaded.signatures["serving_default"]
    found: dict[str, list[float]] = {}
    with serving(models) as on, serving(models, "--batching", "off") as off:
        for _ in range(size.rounds):
            for batch in (1, 64):
                given = observations(call, batch)
                direct = middle_us(lambda given=given: call(observations=tf.constant(given)), 500)
                found.setdefault(f"direct call, batch {batch}, p50 [ms]", []).append(direct / 1e3)
                for way, name in ((rest, "REST"), (by_grpc, "gRPC")):
                    for clients in (1, 8, 32):
                        for served, batching in ((on, "on"), (off, "off")):
                            label = f"{name}, {clients} clients, batch {batch}, batching {batching}"
                            taken, rate = asyncio.run(
                                one_load(way, served, given, clients, size.requests)
                            )
                            for q in (50, 95, 99):
                                value = float(np.percentile(taken, q)) * 1e3
                                found.setdefault(f"{label}, p{q} [ms]", []).append(value)
                            found.setdefault(f"{label} [requests/s]", []).append(rate)
        taken, _ = asyncio.run(one_load(by_grpc, on, observations(call, 1), 64, 6400))
        found["64 clients x 100 requests, answered [requests]"] = [len(taken)]
    return figures(found)


async def one_load(
    way: Any, served: Served, given: np.ndarray, clients: int, requests: int
) -> tuple[np.ndarray, float]:
    """``load`` over a connection that is opened for it."""
    async with way(served, given) as ask:
        return await load(ask, clients, requests)


def observations(call: Any, batch: int) -> np.ndarray:
    """Random observations of the shape that a signature takes."""
    shape = call.structured_input_signature[1]["observations"].shape
    return np.random.default_rng(batch).normal(size=(batch, *shape[1:])).astype(np.float32)


def swaps(models: Path, size: Size) -> dict[str, Any]:
    """A new version under 50 requests a second; then many, and what they leave in memory."""
    first = models / "policy" / "1"

    async def swap(served: Served, given: np.ndarray) -> tuple[int, float]:
        count, arrived = 0, float("nan")
        async with grpc.aio.insecure_channel(served.grpc) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            begun = time.perf_counter()
            published = None
            now = 0.0
            # A busy machine may need longer than that to load it.
            while now < size.swap_seconds or (np.isnan(arrived) and now < 120.0):
                now = time.perf_counter() - begun
                if published is None and now > size.swap_seconds / 4:
                    await asyncio.to_thread(publish, first, models / "policy" / "2")
                    published = time.perf_counter()
                answer = await stub.Predict(predict_request(given), timeout=60)
                count += 1
                if answer.model_spec.version.value == 2 and np.isnan(arrived):
                    arrived = time.perf_counter() - (published or begun)
                await asyncio.sleep(max(0.0, count * 0.02 - (time.perf_counter() - begun)))
        return count, arrived

    given = observations(tf.saved_model.load(str(first)).signatures["serving_default"], 1)
    with serving(models, "--poll-seconds", "0.5") as served:
        count, arrived = asyncio.run(swap(served, given))
        resident = []
        for number in range(3, 3 + size.reloads):
            publish(first, models / "policy" / str(number))
            asyncio.run(until(served, given, number))
            resident.append(resident_mib(served.process.pid))
    kept = resident[4] if len(resident) > 4 else resident[0]
    return figures(
        {
            "swap: requests answered, none failed [requests]": [count],
            "swap: version 2 answers after [s]": [arrived],
            f"{size.reloads} reloads: growth after the fifth [%]": [
                100 * (resident[-1] / kept - 1)
            ],
        }
    )


def resident_mib(process: int) -> float:
    """Memory that a process holds now."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def until(served: Served, given: np.ndarray, version: int) -> None:
    """Ask until a version answers."""
    async with grpc.aio.insecure_channel(served.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for _ in range(3000):
            answer = await stub.Predict(predict_request(given), timeout=60)
            if answer.model_spec.version.value == version:
                return
            await asyncio.sleep(0.02)
    raise AssertionError(f"version {version} never answered")


def publish(source: Path, path: Path, warm: bool = True) -> None:
    """Another version of the same export, with its warm-up requests or without."""
    with artifacts.writing(path) as aside:
        shutil.copytree(source, aside, dirs_exist_ok=True)
        if not warm:
            (aside / FILE).unlink()
        artifacts.publish(path, artifacts.load_manifest(source))


def starts(models: Path, size: Size) -> dict[str, Any]:
    """From the command to the first answer, with and without warm-up."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("with", "without"):
            root = Path(folder) / name
            (root / "policy").mkdir(parents=True)
            publish(models / "policy" / "1", root / "policy" / "1", name == "with")
        for _ in range(size.rounds):
            for name in ("without", "with"):
                root = Path(folder) / name
                call = tf.saved_model.load(str(root / "policy" / "1")).signatures["serving_default"]
                with serving(root) as served:
                    begun = time.perf_counter()
                    asyncio.run(one_load(by_grpc, served, observations(call, 1), 1, 0))
                    done = time.perf_counter()
                label = f"{name} warm-up"
                found.setdefault(f"cold start to first answers, {label} [s]", []).append(
                    done - served.begun
                )
                found.setdefault(f"first answers alone, {label} [ms]", []).append(
                    1e3 * (done - begun)
                )
    return figures(found)


def bodies(models: Path, size: Size) -> dict[str, Any]:
    """Bodies with random bytes in them: how many are answered otherwise than 200 or 400."""
    rng = random.Random(0)
    call = tf.saved_model.load(str(models / "policy" / "1")).signatures["serving_default"]
    good = json.dumps({"instances": observations(call, 1).tolist()}).encode()

    async def send(served: Served) -> tuple[int, float]:
        wrong, slowest = 0, 0.0
        url = f"http://{served.rest}/v1/models/policy:predict"
        async with aiohttp.ClientSession() as session:
            for _ in range(size.bodies):
                body = bytearray(good)
                for _ in range(rng.randrange(1, 6)):
                    body[rng.randrange(len(body))] = rng.choice(b'[]{},:"\\0e-tn\xff\x00')
                begun = time.perf_counter()
                async with session.post(url, data=bytes(body)) as response:
                    await response.read()
                wrong += response.status not in (200, 400)
                slowest = max(slowest, time.perf_counter() - begun)
        return wrong, slowest

    with serving(models) as served:
        wrong, slowest = asyncio.run(send(served))
    return figures(
        {
            f"{size.bodies} random bodies: neither 200 nor 400 [answers]": [wrong],
            "random bodies: slowest answer [ms]": [1e3 * slowest],
        }
    )


def figures(found: dict[str, list[float]]) -> dict[str, Any]:
    """``NAME [UNIT]`` -> values, summarised."""
    named = {}
    for label, values in found.items():
        name, _, unit = label.removesuffix("]").partition(" [")
        named[name] = figure(values, unit)
    return named


def main() -> None:
    """Measure everything, servers in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="to see that it works")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    where = machine()
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        policy = untrained(_SCENARIO, PolicyConfig(algorithm="bc"))
        write_policy(policy, policy.manifest, "policy", models)
        found = latencies(models, size) | starts(models, size) | bodies(models, size)
        found |= swaps(models, size)
    record("serving", where, found, dataclasses.asdict(size), arguments.results)


if __name__ == "__main__":
    main()
