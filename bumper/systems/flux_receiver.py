"""Flux's webhook: asks it over HTTP to fetch now, without any right in the cluster.

Law: a poke is a wish. It says nothing of the deploy, is tried once, and what keeps it from arriving is a line for people, no error. A
token goes to the address that the repository's own Receiver and route name, by TLS or on loopback, and into no text. The job's own
token is asked for that address or for Flux's Receivers in general, never for another service that the repository names: clouds and
registries take tokens of the same issuer, told apart by nothing but their audience.

Source: notification-controller 1.9.3 (`generic-hmac`: `X-Signature: sha256=…` over the body; `generic-oidc`: a bearer token).
"""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from bumper.address import may_carry_credentials
from bumper.dataclasses import dataclass
from bumper.errors import BumpError
from bumper.fluxtree.sites.receivers import HMAC, Receiver
from bumper.safe_text import printable
from bumper.systems.http.client import Answer, Client, Limits, Question

if TYPE_CHECKING:
    import httpx

# Both answers are a line or two.
_LIMITS = Limits(content_bytes=65_536, answer_s=10.0, wait_s=10.0)
_TOKEN = "BUMP_RECEIVER_TOKEN"  # noqa: S105 (the name of a variable)


class Problem(Exception):
    """Why a poke did not arrive, in words for people."""


@dataclass(frozen=True, repr=False)
class Proof:
    """By what Flux knows us: the token that a Receiver's signatures are made with, empty for none, or the job's own OIDC token.

    `job_token` asks for that, for an audience; None where the job may have none.
    """

    receiver_token: str = ""
    job_token: Callable[[str], str] | None = None

    def is_for(self, receiver: Receiver) -> bool:
        """Whether this is what the Receiver wants."""
        if receiver.kind == HMAC:
            return bool(self.receiver_token)
        return self.job_token is not None


class Webhook:
    """Pokes the first of several Receivers that we have the proof for. `now` is monotonic seconds."""

    def __init__(
        self,
        receivers: Sequence[Receiver],
        proof: Proof,
        *,
        now: Callable[[], float],
        environ: Mapping[str, str] | None = None,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._now = now
        self._receivers = receivers
        self._proof = proof
        self._environ = environ
        self._transport = transport

    def poke(self) -> str:
        """Empty where Flux took it, else why it waits for its interval."""
        receiver = next((receiver for receiver in self._receivers if self._proof.is_for(receiver)), None)
        if receiver is None:
            return _unpoked(self._receivers)
        try:
            self._post(receiver)
        except Problem as problem:
            return f"Flux could not be poked by {receiver.key} ({problem}): waiting for its interval"
        return ""

    def _post(self, receiver: Receiver) -> None:
        if not may_carry_credentials(receiver.base):
            raise Problem(f"{receiver.base} is not https")
        body = json.dumps({"source": "bump"}).encode()
        headers = {"Content-Type": "application/json"}
        token = ""
        if receiver.kind == HMAC:
            token = self._proof.receiver_token
            signature = hmac.new(token.encode(), body, "sha256").hexdigest()
            headers["X-Signature"] = f"sha256={signature}"
        else:
            _require_own_audience(receiver)
            headers["Authorization"] = f"Bearer {self._job_token(receiver.audience)}"
        status = self._ask(Question("POST", receiver.url(token), headers, content=body)).status
        if status == 404:
            raise Problem("404: no Receiver of that name and token answers there")
        if status == 400:
            raise Problem("400: the Receiver does not accept our signature or token")
        if status != 200:
            raise Problem(f"it answered {status}")

    def _job_token(self, audience: str) -> str:
        assert self._proof.job_token is not None, "the proof is one for this Receiver"
        try:
            return self._proof.job_token(audience)
        except BumpError as error:
            raise Problem(error.message) from None

    def _ask(self, question: Question) -> Answer:
        client = Client(_LIMITS, now=self._now, environ=self._environ, transport=self._transport)
        try:
            # Not by its URL, whose path holds a digest of the token.
            return client.ask(question.method, question)
        except BumpError as error:
            raise Problem(error.message) from None
        finally:
            client.close()


def _require_own_audience(receiver: Receiver) -> None:
    if receiver.audience not in receiver.own_audiences:
        default, address, *_ = *receiver.own_audiences, ""
        expected = " or ".join(filter(None, (default, address)))
        raise Problem(
            f"{receiver.place}: audience: {printable(receiver.audience)!r} is for another service, expected {expected}: "
            "no token of the job is asked for it"
        )


def _unpoked(receivers: Sequence[Receiver]) -> str:
    if not receivers:
        return ""
    missing = " or ".join(
        dict.fromkeys(
            _TOKEN if receiver.kind == HMAC else "a job's OIDC token (permissions: id-token: write)"
            for receiver in receivers
        )
    )
    return f"Flux was not poked by {receivers[0].key}, which wants {missing}: waiting for its interval"
