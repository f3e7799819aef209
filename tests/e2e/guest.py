"""A cluster that was there before us and has Flux, as the tests use it: they bring a git server, it has its nodes and its registry.

    make e2e KUBECONFIG=FILE E2E_REGISTRY=localhost:5001 [E2E_ADDRESS=172.18.0.1]

- E2E_REGISTRY: a registry that this machine and the nodes reach under the same name, without credentials; the tests' images go there.
- E2E_ADDRESS: this machine as Flux's pods see it; the git server listens there. By default 127.0.0.1.

What the tests made is taken away at the end: all that hangs on a GitRepository with a URL of ours, and the accounts.
"""

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from bumper.systems.kube import config, tls
from bumper_sandbox.git.server import GitServer

from .access import create_account, delete_account, write_kubeconfig
from .api import Api, Object
from .images import ImagePusher
from .stack import FLUX_NAMESPACE

_GONE_S = 120.0


class GuestError(Exception):
    """The cluster or the registry cannot be used: the message says what is missing."""


class Guest:
    """The same as a Stack to what makes platforms. `environ` holds the settings above."""

    def __init__(self, kubeconfig: Path, environ: Mapping[str, str]) -> None:
        if not environ.get("E2E_REGISTRY"):
            raise GuestError("E2E_REGISTRY: not set; tests/e2e/guest.py says what is needed")
        self.registry = environ["E2E_REGISTRY"]
        self.git_token = secrets.token_hex(16)
        self._access = config.load(None, {"KUBECONFIG": str(kubeconfig)})
        if self._access.user.plugin or self._access.user.basic:
            raise GuestError(f"{kubeconfig}: expected an administrator's certificate or token")
        self._undo = contextlib.ExitStack()
        self._accounts: list[str] = []
        self._address = environ.get("E2E_ADDRESS") or "127.0.0.1"

    def __enter__(self) -> Self:
        endpoint, user = self._access.endpoint, self._access.user
        with contextlib.ExitStack() as undo:
            self.folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="bump-e2e-guest-")))
            self.git = undo.enter_context(GitServer(self.git_token, os.environ, address=self._address))
            context = tls.context(endpoint, user.certificate, os.environ)
            token = user.token or (user.token_file.read_text().strip() if user.token_file else "")
            self.api = undo.enter_context(Api(endpoint.server, context, token=token))
            self.images = undo.enter_context(contextlib.closing(ImagePusher(self.registry)))
            self._require_flux()
            undo.callback(self._clean_up)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def restart(self, part: str) -> None:
        """Not ours to restart."""
        raise GuestError(f"{part}: a cluster that others may use is not restarted")

    def account(self, name: str, rules: Iterable[Object]) -> Path:
        """The kubeconfig file of a new service account that may do this and nothing else, in every namespace."""
        full_name = f"bump-e2e-{name}"
        delete_account(self.api, FLUX_NAMESPACE, full_name)  # what a run that was killed has left
        self._accounts.append(full_name)
        token = create_account(self.api, FLUX_NAMESPACE, full_name, rules)
        endpoint = self._access.endpoint
        return write_kubeconfig(self.folder, full_name, endpoint.server, endpoint.authority, {"token": token})

    def _require_flux(self) -> None:
        for kind in ("GitRepository", "Kustomization"):
            answer = self.api.find("CustomResourceDefinition", "", _definition(kind))
            if answer is None or self.api.find("Namespace", "", FLUX_NAMESPACE) is None:
                raise GuestError(
                    f"{self._access.endpoint.server}: no Flux there ({kind}, namespace {FLUX_NAMESPACE}); run `flux install`"
                )

    def _clean_up(self) -> None:
        """Kustomizations first: they prune what they have applied, namespaces among it, before they go."""
        sources = [
            source
            for source in self.api.list("GitRepository", FLUX_NAMESPACE)
            if source["spec"]["url"].startswith(f"{self.git.url}/")
        ]
        names = {source["metadata"]["name"] for source in sources}
        deadline = time.monotonic() + _GONE_S
        while ours := self._kustomizations(names):
            if time.monotonic() > deadline:
                raise GuestError(f"Kustomizations {', '.join(ours)} are still there after {_GONE_S:.0f} s")
            for name in ours:
                self.api.delete("Kustomization", FLUX_NAMESPACE, name)
            time.sleep(0.5)
        for source in sources:
            self.api.delete("GitRepository", FLUX_NAMESPACE, source["metadata"]["name"])
            self.api.delete("Secret", FLUX_NAMESPACE, source["spec"]["secretRef"]["name"])
        for account in self._accounts:
            delete_account(self.api, FLUX_NAMESPACE, account)

    def _kustomizations(self, sources: set[str]) -> list[str]:
        return [
            kustomization["metadata"]["name"]
            for kustomization in self.api.list("Kustomization", FLUX_NAMESPACE)
            if kustomization["spec"]["sourceRef"]["name"] in sources
        ]


def _definition(kind: str) -> str:
    return {
        "GitRepository": "gitrepositories.source.toolkit.fluxcd.io",
        "Kustomization": "kustomizations.kustomize.toolkit.fluxcd.io",
    }[kind]
