"""PyMARL's ``EpisodeBatch`` in HDF5: PyMARL, ICQ, CFCQL and ODIS datasets.

One file, or a folder of files (``part_0.h5``, ``part_1.h5``, ...), each with

| key             | shape        | used                                             |
|-----------------|--------------|--------------------------------------------------|
| `state`         | (E, T, S)    | global state                                     |
| `obs`           | (E, T, N, O) | observations                                     |
| `actions`       | (E, T, N, 1) | discrete joint action                            |
| `avail_actions` | (E, T, N, A) | legal actions                                    |
| `reward`        | (E, T, 1)    | shared reward                                    |
| `terminated`    | (E, T, 1)    | 1 on the row of the last transition              |
| `filled`        | (E, T, 1)    | 1 on the episode's rows, the bootstrap row too   |

T is the time limit plus 1. Other keys (`actions_onehot`, `probs`) repeat these or
are not needed, and are not read. Rows that are not filled must be zero.

An episode of full length may carry `terminated` (ODIS) or not (PyMARL): neither says
whether the limit cut it. It counts as ended only when it was won or all its agents
were dead in the bootstrap row, and else as truncated. A shorter one must be
terminated exactly once, at its last transition. This package's own exports say it: an
array `truncated` (E, T, 1) marks the cut episodes, and an attribute holds the spec.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from logo_tf.data.formats.hdf5 import opened, readable
from logo_tf.data.formats.json_file import parse_object
from logo_tf.data.formats.protocol import Found, Imported, ImportOptions
from logo_tf.data.formats.pymarl_rows import Block, Sizes, read_blocks
from logo_tf.data.formats.pymarl_survey import Survey
from logo_tf.data.formats.spec_note import KEY, read_note
from logo_tf.disk import sha256
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec, unrecorded

_SUFFIXES = (".h5", ".hdf5")
_NEEDED = ("state", "obs", "actions", "avail_actions", "reward", "terminated", "filled")


class PyMarl:
    """The importer of PyMARL HDF5 files."""

    name = "pymarl"

    def recognises(self, path: Path) -> bool:
        """Tell whether the (first) file is HDF5 with PyMARL's keys."""
        try:
            with opened(_files(path)[0]) as file:
                return all(key in file for key in _NEEDED)
        except LogoError:
            return False

    def read(self, path: Path, options: ImportOptions) -> Imported:
        """Survey every row once, then hand out the episodes on a second pass.

        The spec is inferred: N, O, S, A and the limit from the shapes; action 0 as
        the no-op of the dead when agents with no other choice see nothing; the place
        of the last joint action in the state, when it repeats there after every
        transition; the winning reward as ``Survey.win_reward`` says.

        Args:
          path: a file, or a folder of files of equal shapes.
          options: the scenario's name (default ``pymarl/<file name>``) and the
            winning reward, where the caller knows better.

        Raises:
          LogoError: names the file, episode, step and field that break the format.
        """
        files = _files(path)
        survey = Survey()
        sizes: Sizes | None = None
        for file in files:
            with opened(file) as handle:
                found = Sizes.of(handle, file)
                if sizes is not None and found.widths != sizes.widths:
                    raise LogoError(
                        f"{file}: has {found.shown}, but {files[0]} has {sizes.shown}; "
                        "import files of one scenario"
                    )
                sizes = found if sizes is None else sizes.joined(found)
                for block in read_blocks(handle, file, found):
                    if isinstance(block, Block):
                        survey.add(block)
                    elif options.on_error == "refuse":
                        raise block.error
        if sizes is None:
            raise LogoError(f"{path}: holds no {' or '.join(_SUFFIXES)} file")
        spec = _spec(sizes, survey, path, options)
        noted = _noted(files[0], spec, options)
        provenance = {
            "format": self.name,
            "files": {file.name: sha256(file) for file in files},
            "inferred": {
                "noop_action": survey.noop_action,
                "last_action_offset": survey.last_action_offset,
                "win_reward": survey.win_reward,
            },
        }
        return Imported(noted, _found(files, noted), sizes.episodes, provenance)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix in _SUFFIXES and p.is_file())
        if not found:
            raise LogoError(f"{path}: holds no {' or '.join(_SUFFIXES)} file")
        return found
    if not path.is_file():
        raise LogoError(f"{path}: no such file or folder")
    return [path]


def _spec(sizes: Sizes, survey: Survey, path: Path, options: ImportOptions) -> ScenarioSpec:
    win_reward: float | None
    if options.win_reward == "detect":
        win_reward = survey.win_reward
    else:
        win_reward = None if options.win_reward == "none" else float(options.win_reward)
    return ScenarioSpec(
        name=options.scenario or f"pymarl/{path.stem}",
        environment=options.environment or unrecorded(f"PyMARL file {path.name}"),
        agents=tuple(f"agent_{i}" for i in range(sizes.agents)),
        observation_dims=(sizes.observation,) * sizes.agents,
        state_dim=sizes.state,
        action_kind="discrete",
        action_dims=(sizes.actions,) * sizes.agents,
        episode_limit=sizes.rows - 1,
        noop_action=survey.noop_action,
        last_action_offset=survey.last_action_offset,
        win_reward=win_reward,
    )


def _noted(path: Path, spec: ScenarioSpec, options: ImportOptions) -> ScenarioSpec:
    """The spec that this package's own export carries; else the inferred one."""
    with opened(path) as file, readable(path, KEY):
        if KEY not in file.attrs:
            return spec
        text = file.attrs[KEY]
    noted = read_note(parse_object(text, f"{path}, {KEY}"), str(path))
    if not noted.discrete:
        raise LogoError(f"{path}: {KEY} says continuous actions, which PyMARL does not have")
    for letter, ours, found in (
        ("N", noted.num_agents, spec.num_agents),
        ("O", noted.observation_dim, spec.observation_dim),
        ("A", noted.action_dim, spec.action_dim),
        ("S", noted.state_dim, spec.state_dim),
    ):
        if ours != found:
            raise LogoError(f"{path}: {KEY} has {letter} = {ours}, but its arrays {found}")
    noted = dataclasses.replace(
        noted,
        name=options.scenario or noted.name,
        environment=options.environment or noted.environment,
    )
    if options.win_reward != "detect":
        noted = dataclasses.replace(noted, win_reward=spec.win_reward)
    return noted


def _found(files: list[Path], spec: ScenarioSpec) -> Iterator[Found]:
    for path in files:
        with opened(path) as file:
            for block in read_blocks(file, path, Sizes.of(file, path)):
                if isinstance(block, Block):
                    yield from _episodes(block, path, spec)
                else:
                    yield Found(f"{path}: episode {block.episode}", block.error)


def _episodes(block: Block, path: Path, spec: ScenarioSpec) -> Iterator[Found]:
    alive = block.alive(spec.noop_action)
    for index, length in enumerate(block.lengths):
        rows, steps = (index, slice(length + 1)), (index, slice(length))
        rewards = block.rewards[steps]
        won = spec.win_reward is not None and rewards.max() >= spec.win_reward
        if block.truncated is not None:
            ended = not block.truncated[index]
        else:
            ended = length < spec.episode_limit or won or not alive[index, length].any()
        episode = Episode(
            observations=block.observations[rows],
            state=block.state[rows],
            actions=block.actions[steps],
            rewards=rewards,
            legal_actions=block.legal[rows],
            agent_mask=alive[rows],
            terminated=bool(ended),
        )
        yield Found(f"{path}: episode {block.first + index}", episode)
