"""The page as real Chromium shows it, of a server of this process."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import tensorflow as tf

from logo_tf.artifacts import Manifest
from logo_tf.export.imagined import IMAGINE, IMAGINE_POLICY
from logo_tf.export.saved_model import write_world_model
from logo_tf.export.warmup import read_warmup
from logo_tf.imagination.rollout import GraphPolicy
from logo_tf.serving import Client
from logo_tf.serving.access import Token
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.calibration import Calibration, StepBound
from logo_tf.world_model.protocol import Prediction

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


class Ring(tf.Module):
    """A state that turns, and agents that may choose, next, the no-op's neighbour of their sum."""

    memory_dim, routes, config = 0, 1, None

    def __init__(self, spec: ScenarioSpec) -> None:
        super().__init__()
        self.spec = spec
        line = StepBound((0.0, 1.0), (0.1, 1.0), (1.0,), rows=9)
        # Of two steps alone: the bounds of later ones are infinite, which JSON has not.
        self.calibration = Calibration(0.9, "max", (0.9,), (1.0,) * spec.state_dim, (line,) * 2, 8)

    def step(
        self, state: Any, observations: Any, actions: Any, agent_mask: Any, memory: Any = None
    ) -> Prediction:
        pushed = tf.reduce_sum(tf.cast(actions, tf.float32), axis=1)
        after = 0.9 * tf.roll(state, 1, axis=1) + 0.1 * pushed[:, None]
        alone = tf.cast(pushed, tf.int32)[:, None] % 2 + 1  # 1 or 2, for everybody
        legal = tf.one_hot(alone + tf.zeros_like(actions), self.spec.action_dim) * 0.9
        legal += tf.one_hot(tf.fill(tf.shape(actions), 3), self.spec.action_dim) * 0.8
        mean = tf.reduce_mean(after, axis=1)
        return Prediction(
            observations=0.5 * observations + 1.0,
            observations_std=tf.ones_like(observations),
            state=after,
            state_std=0.1 + 0.0 * after,
            reward=mean,
            reward_std=0.2 + tf.abs(mean),
            termination=0.1 + 0.0 * mean,
            legal_actions=legal,
            uncertainty=tf.abs(mean),
            memory=tf.zeros((tf.shape(state)[0], self.spec.num_agents, 0)),
        )


class Player:
    """Takes a legal action, by the seed."""

    def __init__(self, spec: ScenarioSpec) -> None:
        self.manifest = Manifest(kind="policy", spec=spec.to_dict())

    def exploring(self, exploration: tf.Tensor) -> GraphPolicy:
        def act(observations: Any, legal: Any, memory: Any, seed: Any) -> tuple[Any, Any]:
            noise = exploration * tf.random.stateless_uniform(tf.shape(legal), seed)
            scores = tf.where(legal, noise, -1.0)
            return tf.argmax(scores, -1, output_type=tf.int32), memory

        return GraphPolicy(act, memory_dim=0)


@pytest.fixture(scope="module")
def version(discrete_spec: ScenarioSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world model and a policy, exported."""
    parent = Manifest(kind="world_model", spec=discrete_spec.to_dict())
    folder = tmp_path_factory.mktemp("ring")
    model = Ring(discrete_spec)
    return write_world_model(model, parent, "ring", folder, policy=Player(discrete_spec))


@pytest.fixture(scope="module")
def ring(
    version: Path,
    run_shared_server: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """A server of version 1."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(version, folder / "ring" / "1")
    return run_shared_server(models=folder)


def test_examples_are_requests_that_the_version_answers(ring: Any, version: Path) -> None:
    url = f"{ring.url}/page/models/ring/versions/1/examples"
    examples = requests.get(url, timeout=30).json()["examples"]
    assert [one["signature_name"] for one in examples][:2] == ["serving_default", IMAGINE]
    exchanges = {one.signature: one for one in read_warmup(version)}
    for example in examples:
        answer = json.loads(ring.post("ring:predict", json.dumps(example)).text)["outputs"]
        expected = exchanges[example["signature_name"]].outputs
        if "reward" in expected:
            np.testing.assert_allclose(answer["reward"], expected["reward"], rtol=1e-5)


class Window:
    """A browser that looks at one server.

    Attributes:
      driver: Selenium's.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.url = url
        self.driver.get(url)

    def all(self, css: str) -> list[Any]:
        return self.driver.find_elements("css selector", css)

    def text(self, css: str) -> str:
        """All text, shown or not."""
        found: str = self.all(css)[0].get_property("textContent")
        return found

    def seen(self, css: str) -> bool:
        script = """return [...document.querySelectorAll(arguments[0])].some(
            (one) => one.checkVisibility())"""
        return bool(self.driver.execute_script(script, css))

    def until(self, true: Callable[[], Any]) -> None:
        end = time.monotonic() + 60
        while not true():
            assert time.monotonic() < end, self.text("body")
            time.sleep(0.1)

    def fill(self, **fields: str) -> None:
        for name, text in fields.items():
            field = self.all(f"[name={name}]")[0]
            if field.tag_name == "select":
                field.find_element("css selector", f"option[value='{text}']").click()
            else:
                field.clear()
                field.send_keys(text)

    def imagine(self) -> None:
        """Press the button and wait for what comes of it."""
        (button,) = self.all("#imagine-button")
        button.click()
        self.until(button.is_enabled)

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def asked(self) -> list[str]:
        """The addresses of all requests but those of the browser's own pages."""
        messages = [
            json.loads(one["message"])["message"] for one in self.driver.get_log("performance")
        ]
        sent = [one for one in messages if one["method"] == "Network.requestWillBeSent"]
        urls = [one["params"]["request"]["url"] for one in sent]
        return [url for url in urls if url.startswith(("http", "ws"))]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not CHROMIUM or not DRIVER:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    for flag in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
        "disable-background-networking", "disable-component-update", "disable-sync",
        "disable-dev-shm-usage", "app=data:,", f"user-data-dir={profile}", "window-size=1200,1000",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def private(run_shared_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server of no model, which wants a token."""
    return run_shared_server(models=tmp_path_factory.mktemp("empty"), token=Token("secret"))


@pytest.fixture
def window(chromium: Any, ring: Any) -> Iterator[Window]:
    """The page of ``ring``, loaded; in the end it has not complained."""
    window = Window(chromium)
    window.open(f"{ring.url}/")
    window.until(lambda: window.seen("#imagine-form"))
    yield window
    assert window.complaints() == []


def rows(window: Window) -> list[list[str]]:
    script = """return [...document.querySelectorAll("#models-table tbody tr")].map(
        (row) => [...row.cells].slice(0, 3).map((cell) => cell.textContent))"""
    found: list[list[str]] = window.driver.execute_script(script)
    return found


def drawn(window: Window, css: str) -> np.ndarray:
    """The points of a curve, (points, 2) pixels."""
    (path,) = window.all(css)
    pairs = re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path.get_attribute("d"))
    return np.array(pairs, float)


def same_curve(pixels: np.ndarray, values: np.ndarray) -> bool:
    """Whether heights are values, on some scale that points up."""
    slope, offset = np.polyfit(values, pixels[:, 1], 1)
    return bool(slope < 0 and np.abs(slope * values + offset - pixels[:, 1]).max() < 0.02)


def test_what_serves_is_shown(window: Window, ring: Any) -> None:
    assert rows(window) == [["ring", "1", "available"]]
    signatures = window.text("#models-table details")
    assert "imagine, imagine_policy, serving_default" in signatures
    assert "observations float32 [-1, 3, 4]" in signatures
    before = int(window.text("#total-requests"))
    assert ring.post("ring:predict", "{}").status_code == 400
    window.until(lambda: int(window.text("#total-requests")) == before + 1)
    window.until(
        lambda: len(drawn(window, "#traffic-charts figure:first-child > svg path.line.s1"))
    )
    assert int(window.text("#total-errors")) >= 1
    assert window.text("#total-p95").endswith(" ms")


def test_a_rollout_is_drawn_as_a_client_is_answered(
    window: Window, ring: Any, version: Path
) -> None:
    window.fill(horizon="7", seed="5", exploration="0.5")
    window.imagine()
    (example,) = [one for one in read_warmup(version) if one.signature == IMAGINE_POLICY]
    chosen = {"horizon": 7, "exploration": 0.5, "seed": [5, 0]}
    types = {"horizon": np.int32, "exploration": np.float32, "seed": np.int32}
    given = {name: np.asarray(value, types[name]) for name, value in chosen.items()}
    with Client(ring.url) as client:
        answer = client.predict("ring", {**example.inputs, **given}, IMAGINE_POLICY)
    reward, spread = answer["reward"][0], answer["reward_std"][0]
    line = drawn(window, "#rollout-charts figure:first-child > svg path.line.s0")
    assert same_curve(line, reward)
    band = drawn(window, "#rollout-charts figure:first-child > svg path.band.s0")
    assert same_curve(band, np.concatenate([reward + 2 * spread, (reward - 2 * spread)[::-1]]))
    assert re.match(
        r"ring version 1: 7 steps in [\d.,]+ ms, return ", window.text("#rollout-summary")
    )
    states = np.concatenate([example.inputs["state"], answer["next_state"][0]])
    assert len(window.all("#rollout-states figure")) == states.shape[1]
    for i in range(states.shape[1]):
        css = f"#rollout-states figure:nth-child({i + 1}) > svg path.line.s0"
        assert same_curve(drawn(window, css), states[:, i])
    # Bounds were measured for two steps: beyond, there is a gap, as the table has it.
    bounds = drawn(window, "#rollout-charts figure:last-child > svg path.line.s0")
    assert len(bounds) == np.isfinite(answer["state_error_bound"][0]).sum() == 2
    cells = [
        one.get_property("textContent") for one in window.all("#rollout-numbers tr:last-child td")
    ]
    assert cells[0] == "7"
    assert float(cells[1].replace("\u2212", "-")) == pytest.approx(reward[-1], rel=1e-3)
    assert cells[-1] == "–"


def test_the_cursor_is_moved_by_keys(window: Window) -> None:
    from selenium.webdriver.common.keys import Keys

    window.imagine()
    (chart,) = window.all("#rollout-charts svg[role=slider]")
    chart.send_keys(Keys.HOME, Keys.ARROW_RIGHT)
    assert re.fullmatch(r"step 2: \S+ ± \S+", chart.get_attribute("aria-valuetext"))
    assert window.text("#rollout-states .reading")


def test_random_actions_are_legal(window: Window, ring: Any) -> None:
    window.fill(actions="random", horizon="6", seed="3")
    window.imagine()
    assert window.seen("#rollout-charts")
    request = json.loads(window.text("#rollout-request").partition("\n")[2])
    inputs = {name: np.array(value) for name, value in request["inputs"].items()}
    actions = inputs["actions"] = inputs["actions"].astype(np.int32)
    floats = {name: inputs[name].astype(np.float32) for name in ("observations", "state")}
    assert actions.shape == (1, 6, 3)
    with Client(ring.url) as client:
        legal = client.predict("ring", inputs | floats, IMAGINE)["legal_actions"]
    chances = np.take_along_axis(legal[:, :-1], actions[:, 1:, :, None], axis=-1)
    best = legal[:, :-1].max(-1, keepdims=True)
    assert np.all((chances > 0.5) | (chances == best))
    assert not window.seen("#rollout-illegal")
    window.fill(actions="own", ownActions="[[1, 1, 1], [0, 1, 1]]")
    window.imagine()
    assert "of these actions illegal, the first: agent 0's 0 at step 2" in window.text(
        "#rollout-illegal"
    )


WRONG = [
    ({"horizon": "1.5"}, "The horizon must be a whole number."),
    ({"horizon": "5", "seed": ""}, "The seed must be a whole number of 32 bits."),
    ({"seed": "0", "start": "own", "ownStart": "<img src=x onerror=alert(1)>"},
     "The start is not JSON: "),
    ({"ownStart": "[1]"}, 'The start must be {"observations": [[...], ...], "state": [...]}.'),
    ({"start": "recorded", "actions": "own", "ownActions": "[[[1]]]"},
     "The actions must be a list with one joint action, [1, 0, ...], for each step."),
    ({"horizon": "1", "ownActions": "[[1, 1, 1], [1, 1, 1]]"},
     "There are 2 joint actions for a horizon of 1."),
    ({"horizon": "0"}, "the horizon must be 1 to 1000, got 0"),
]  # fmt: skip


def test_what_the_form_cannot_ask(window: Window) -> None:
    for fields, message in WRONG:
        window.fill(**fields)
        window.imagine()
        assert window.text("#imagine-error").startswith(message)
        assert window.seen("#imagine-error")
        assert not window.seen("#rollout")
        assert not window.all("#imagine-error *")  # text, whatever it holds


def test_what_the_server_refuses_is_told_in_its_words(window: Window) -> None:
    window.fill(horizon="1001")
    window.imagine()
    message = "assertion failed: [the horizon must be 1 to 1000, got] [1001]"
    assert window.text("#imagine-error") == message
    (complaint,) = window.complaints()  # the browser's own line
    assert complaint.endswith("status of 400 (Bad Request)")


def test_a_version_that_is_published_appears(window: Window, ring: Any, version: Path) -> None:
    shutil.copytree(version, ring.settings.models / "ring" / "2.partial")
    (ring.settings.models / "ring" / "2.partial").rename(ring.settings.models / "ring" / "2")
    ring.poll()
    window.until(lambda: rows(window) == [["ring", "2", "available"], ["ring", "1", "ended"]])
    window.until(lambda: window.all("[name=version]")[0].get_property("value") == "ring/2")
    window.imagine()
    assert window.text("#rollout-summary").startswith("ring version 2: 25 steps in ")


def test_a_token_lets_in_and_nothing_serves_yet(chromium: Any, private: Any) -> None:
    window = Window(chromium)
    window.open(f"{private.url}/")
    window.until(lambda: window.seen("#token"))
    assert window.text("#token-hint") == "This server asks for a token."
    assert not window.seen("#content")
    field = chromium.switch_to.active_element
    for token, message in (("wrong", "refuses this token"), ("é", "printable ASCII")):
        field.send_keys(f"{token}\n")
        window.until(lambda text=message: text in window.text("#token-hint"))
        field.clear()
    field.send_keys("secret\n")
    window.until(lambda: window.seen("#content"))
    assert window.seen("#models-none")
    assert window.seen("#imagine-none")
    assert not window.seen("#imagine-form, #token-form, #trouble")
    kept = "return [localStorage.length, sessionStorage.length, document.cookie]"
    assert chromium.execute_script(kept) == [0, 0, ""]
    window.all("#token-forget")[0].click()
    window.until(lambda: window.seen("#token"))
    assert all("401" in one for one in window.complaints())


def test_nobody_else_was_asked(window: Window, private: Any) -> None:
    """By any of the pages above, of which the browser has kept a list."""
    asked = window.asked()
    assert f"{window.url}page/models" in asked
    assert [url for url in asked if not url.startswith((window.url, f"{private.url}/"))] == []
