"""The requests that it takes to receive one file, and what each answer may be."""

from __future__ import annotations

import dataclasses
import re
import time
from typing import Any
from urllib.parse import urlsplit

import requests

from logo_tf.data.partial_file import PartialFile, Version
from logo_tf.errors import LogoError

# Small, so that a cut connection loses little of what it brought.
_CHUNK = 2**14
_LONGEST_PAUSE = 60.0
_REMEDIES = {
    401: "it asks for a login; put yours for this host into ~/.netrc",
    403: "it refuses; if a login helps, put yours for this host into ~/.netrc",
    404: "there is no such file; check the address",
    410: "the file is gone; look for its new address",
    429: "too many requests; wait a while and run the same command again",
}
_LOST = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


@dataclasses.dataclass(frozen=True)
class DownloadConfig:
    """What is wanted, and how much of it is borne with.

    Attributes:
      sha256: what the file must have, 64 hex digits in lower case; None if nobody knows.
      max_bytes: a file that is longer, or says so, is refused (16 GiB).
      timeout: seconds without a byte after which a connection counts as lost.
      retries: how often in a row a lost connection is made again without a byte gained.
        Answers that refuse are final: what a server says once it would say again.
      backoff: seconds before the first of these; each next waits twice as long.
      redirects: how many are followed, to http and https alone and never from https to http.
    """

    sha256: str | None = None
    max_bytes: int = 16 * 2**30
    timeout: float = 30.0
    retries: int = 4
    backoff: float = 1.0
    redirects: int = 5


class Transfer:
    """Requests for one file, until it is whole."""

    def __init__(
        self, session: requests.Session, partial: PartialFile, config: DownloadConfig, bar: Any
    ) -> None:
        """Prepare.

        Args:
          session: makes the requests.
          partial: what is there of the file; it grows.
          config: limits.
          bar: a tqdm bar of bytes.
        """
        self._session, self._partial, self._config, self._bar = session, partial, config, bar
        self._url = partial.version.url
        self._changed = False

    def run(self) -> bool:
        """Receive what is missing.

        Returns:
          Whether the file was another one before, so that what was there of it was dropped.

        Raises:
          LogoError: the server refuses, or is lost for good.
        """
        furthest, failures = self._partial.size, 0
        while not self._partial.complete:
            try:
                if self._receive():
                    break
                reason = "the answer was cut short"
            except requests.exceptions.SSLError as error:
                raise LogoError(f"{self._url}: no secure connection ({error})") from None
            except _LOST as error:
                reason = _reason(error)
            except (requests.RequestException, ValueError) as error:
                raise LogoError(f"{self._url}: cannot be fetched ({error})") from None
            failures = 1 if self._partial.size > furthest else failures + 1
            furthest = max(furthest, self._partial.size)
            if failures > self._config.retries:
                kept = self._partial.size
                remedy = (
                    f"{kept} bytes are kept: run the same command to resume"
                    if kept
                    else "check the address and the network"
                )
                raise LogoError(f"{self._url}: {reason}, {failures} times in a row; {remedy}")
            pause = min(self._config.backoff * 2 ** (failures - 1), _LONGEST_PAUSE)
            self._bar.set_postfix_str(f"{reason}; again in {pause:g} s")
            time.sleep(pause)
        return self._changed

    def _receive(self) -> bool:
        """Ask once; return whether the file is whole now."""
        partial, ranged = self._partial, {}
        if partial.can_continue:
            ranged = {"Range": f"bytes={partial.size}-", "If-Range": partial.version.validator}
        with self._session.get(
            self._url, headers=ranged, stream=True, timeout=self._config.timeout
        ) as answer:
            _require_secure(self._url, answer)
            if not (ranged and self._is_of_another(answer)):
                return self._take(answer, ranged != {})
        self._changed = True
        partial.remove()  # so that the next request is for all of it
        return self._receive()

    def _is_of_another(self, answer: requests.Response) -> bool:
        """Whether the rest that was asked for is not that of what is there."""
        if answer.status_code != 206:
            return answer.status_code == 416
        begins = answer.headers.get("Content-Range", "").startswith(f"bytes {self._partial.size}-")
        return not begins or Version.of(self._url, answer.headers) != self._partial.version

    def _take(self, answer: requests.Response, ranged: bool) -> bool:
        partial = self._partial
        _require_good(self._url, answer, ranged)
        version = Version.of(self._url, answer.headers)
        self._require_bounded(version.total or 0)
        self._require_an_end(version, answer)
        if answer.status_code == 200:
            self._changed |= ranged and version != partial.version
            partial.begin(version)
        self._bar.total, self._bar.n = version.total, partial.size
        self._bar.set_postfix_str("", refresh=False)
        for chunk in answer.iter_content(_CHUNK):
            try:
                self._require_bounded(partial.size + len(chunk))
            except LogoError:
                partial.remove()
                raise
            partial.append(chunk)
            self._bar.update(len(chunk))
        return partial.complete or version.total is None

    def _require_bounded(self, size: int) -> None:
        most = self._config.max_bytes
        if size > most:
            raise LogoError(
                f"{self._url}: has {size} bytes or more, the limit is {most}; raise --max-size"
            )

    def _require_an_end(self, version: Version, answer: requests.Response) -> None:
        chunked = answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
        if version.total is None and not chunked and self._config.sha256 is None:
            raise LogoError(
                f"{self._url}: the server does not say how long the file is, so that one cut short "
                "would look whole; give its --sha256"
            )


def _require_secure(url: str, answer: requests.Response) -> None:
    hops = [urlsplit(hop.url).scheme for hop in (*answer.history, answer)]
    if hops[0] == "https" and "http" in hops:
        raise LogoError(f"{url}: redirects from https to http, which anybody on the way can change")


def _require_good(url: str, answer: requests.Response, ranged: bool) -> None:
    """Check that the answer is the file, or the range that was asked for."""
    status = answer.status_code
    if status not in ((200, 206) if ranged else (200,)):
        remedy = _REMEDIES.get(status, "try again later" if status >= 500 else "check the address")
        wait = answer.headers.get("Retry-After", "")
        after = f" (it says: after {int(wait)} s)" if re.fullmatch("[0-9]{1,6}", wait) else ""
        raise LogoError(f"{url}: the server answers {status}: {remedy}{after}")
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise LogoError(f"{url}: the server sends a compressed form, which cannot be checked")


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer was cut short"
    return "no connection"
