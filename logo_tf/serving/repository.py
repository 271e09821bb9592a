"""The models that serve: loaded as they appear, swapped without a gap, let go when unused.

All state belongs to the event loop; only loading happens on a thread. A request holds its
version until it is answered, so a version that is replaced in the meantime ends after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from logo_tf.export.publishing import versions
from logo_tf.serving.loading import load
from logo_tf.serving.servable import Servable
from logo_tf.serving.settings import Catalogue, Listed, ModelSettings
from logo_tf.serving.status import Code, ServingError, invalid, not_found
from logo_tf.serving.versions import Spec, State, Version


class Repository:
    """Models and their versions.

    Constructor arguments:
      catalogue: which models there should be; may be replaced with ``reload``.
      plain: whether a SavedModel without ``manifest.json`` is served.
      forget: called with each servable that ends.
      say: is told, in a line, what came, what ended and what failed.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        plain: bool,
        forget: Callable[[Servable], None],
        say: Callable[[str], None],
    ) -> None:
        self._catalogue = catalogue
        self._plain = plain
        self._forget = forget
        self._say = say
        self._settings: dict[str, ModelSettings] = {}
        self._models: dict[str, dict[int, Version]] = {}
        self._polling = asyncio.Lock()
        # One at a time: two large models at once would slow down what serves meanwhile.
        self._loader = ThreadPoolExecutor(1, "load")

    @contextlib.contextmanager
    def acquire(self, spec: Spec) -> Iterator[Servable]:
        """Hold the version that a request is for.

        Raises:
          ServingError: NOT_FOUND, no such model or version is available; INVALID_ARGUMENT, no
            such label.
        """
        version = self._find(spec)
        assert version.servable is not None
        version.users += 1
        try:
            yield version.servable
        finally:
            version.users -= 1
            if version.state is State.UNLOADING and not version.users:
                self._end(version)

    def names(self) -> list[str]:
        """The models that have, or had, a version."""
        return sorted(self._models)

    def versions(self, name: str) -> list[Version]:
        """The versions of a model, descending."""
        known = self._models.get(name, {})
        return [known[number] for number in sorted(known, reverse=True)]

    def labels(self, name: str) -> dict[str, int]:
        """Label -> version of a model."""
        return dict(self._settings[name].labels) if name in self._settings else {}

    def status(self, spec: Spec) -> list[Version]:
        """The versions of a model, descending, or the one that is asked for.

        Raises:
          ServingError: NOT_FOUND or, for an unknown label, INVALID_ARGUMENT.
        """
        known = self._models.get(spec.name, {})
        number = self._number(spec)
        if number is not None:
            if number not in known:
                raise not_found(f"Could not find version {number} of model {spec.name}")
            return [known[number]]
        if not known:
            raise not_found(f"Could not find any versions of model {spec.name}")
        return self.versions(spec.name)

    async def poll(self) -> None:
        """Look at the disk once, and load and unload what that asks for."""
        async with self._polling:
            await self._poll()

    async def reload(self, catalogue: Catalogue) -> None:
        """Serve other models: the new list replaces the old one.

        Raises:
          ServingError: FAILED_PRECONDITION, a label is for a version that is not available;
            UNKNOWN, a model has no version that is. Labels stay as they were then.
        """
        async with self._polling:
            old = self._settings
            self._catalogue = catalogue
            await self._poll()
            wanted = list(self._settings.values())
            for model in wanted:
                for number in model.labels.values():
                    if not self._is_available(model.name, number):
                        self._catalogue = Listed(tuple(_relabelled(one, old) for one in wanted))
                        self._settings = {one.name: one for one in self._catalogue.models()}
                        raise ServingError(
                            Code.FAILED_PRECONDITION,
                            f"Request to assign label to version {number} of model {model.name}, "
                            "which is not currently available for inference",
                        )
            missing = [one.name for one in wanted if not self._available(one.name)]
            if missing:
                raise ServingError(
                    Code.UNKNOWN,
                    f"Some models did not become available: {{{', '.join(missing)}}}",
                )

    async def watch(self, seconds: float) -> None:
        """Poll for ever."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.poll()
            # Such as a disk that is away for a moment: it goes on looking.
            except Exception as error:  # noqa: BLE001
                self._say(f"cannot look for versions: {error}")

    def close(self) -> None:
        """Let the thread go."""
        self._loader.shutdown(wait=False, cancel_futures=True)

    async def _poll(self) -> None:
        # On a thread: a disk of the network may take its time.
        models = await asyncio.to_thread(self._catalogue.models)
        self._settings = {model.name: model for model in models}
        for name in [*self._models, *(n for n in self._settings if n not in self._models)]:
            settings = self._settings.get(name)
            if settings is None:
                self._keep(name, set())
            elif settings.folder.is_dir():
                await self._update(settings)

    async def _update(self, settings: ModelSettings) -> None:
        """Load what should serve, then let go of what should not, unless nothing came instead."""
        wanted = settings.policy.pick(await asyncio.to_thread(versions, settings.folder))
        known = self._models.setdefault(settings.name, {})
        for number in wanted:
            version = known.get(number)
            path = settings.folder / str(number)
            if version is None or (
                version.state is State.END
                and (version.error is None or version.content != _content(path))
            ):
                version = known[number] = Version(number)
                await self._load(settings.name, version, path)
        if not wanted or any(self._is_available(settings.name, number) for number in wanted):
            self._keep(settings.name, set(wanted))
        if not known:
            del self._models[settings.name]

    async def _load(self, name: str, version: Version, path: Path) -> None:
        version.state = State.LOADING
        content = _content(path)
        loop = asyncio.get_running_loop()
        try:
            version.servable = await loop.run_in_executor(
                self._loader, load, name, version.number, path, self._plain
            )
        except ServingError as error:
            version.state, version.error, version.content = State.END, error, content
            self._say(f"{name} version {version.number} is not served: {error.message}")
        else:
            version.state = State.AVAILABLE
            self._say(f"{name} version {version.number} serves")

    def _keep(self, name: str, wanted: set[int]) -> None:
        for version in self._models[name].values():
            if version.state is State.AVAILABLE and version.number not in wanted:
                version.state = State.UNLOADING
                if not version.users:
                    self._end(version)

    def _end(self, version: Version) -> None:
        assert version.servable is not None
        self._say(f"{version.servable.name} version {version.number} has ended")
        self._forget(version.servable)
        version.state, version.servable = State.END, None
        # A loaded graph is full of circles, and too large to wait for the collector.
        with contextlib.suppress(RuntimeError):  # the server is closing
            self._loader.submit(gc.collect)

    def _find(self, spec: Spec) -> Version:
        number = self._number(spec)
        if number is None:
            available = self._available(spec.name)
            if not available:
                raise not_found(f"Servable not found for request: Latest({spec.name})")
            number = max(available)
        elif not self._is_available(spec.name, number):
            raise not_found(f"Servable not found for request: Specific({spec.name}, {number})")
        return self._models[spec.name][number]

    def _number(self, spec: Spec) -> int | None:
        if spec.label is None:
            return spec.version
        if spec.version is not None:
            raise invalid(
                f"Both model version ({spec.version}) and model version label ({spec.label}) "
                "cannot be supplied."
            )
        number = self.labels(spec.name).get(spec.label)
        if number is None:
            raise invalid(f"Unrecognized servable version label: {spec.label}")
        return number

    def _available(self, name: str) -> list[int]:
        return [n for n in self._models.get(name, {}) if self._is_available(name, n)]

    def _is_available(self, name: str, number: int) -> bool:
        version = self._models.get(name, {}).get(number)
        return version is not None and version.state is State.AVAILABLE


def _relabelled(model: ModelSettings, old: Mapping[str, ModelSettings]) -> ModelSettings:
    """A model with the labels that it had."""
    labels = old[model.name].labels if model.name in old else {}
    return dataclasses.replace(model, labels=labels)


def _content(path: Path) -> frozenset[tuple[str, int, int]]:
    """What tells files from others without reading them: name, size and time."""
    found = []
    for file in path.rglob("*"):
        with contextlib.suppress(OSError):  # gone in the meantime
            about = file.stat()
            found.append((str(file.relative_to(path)), about.st_size, about.st_mtime_ns))
    return frozenset(found)
