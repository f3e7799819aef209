"""How the sandbox's node asks a registry for an image: as containerd does, by HEAD of the tag and GET of the manifest.

Written apart from `bumper.systems.registry`: if both were one, an error in it would hide itself.
"""

import re

import httpx

from bumper.image import ImageReference
from bumper_sandbox.kubernetes import image_pull
from bumper_sandbox.kubernetes.image_pull import Pulled, PullError

_ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_PLATFORM = {"os": "linux", "architecture": "amd64"}


class Puller:
    """A node's image puller (`image_pull.Pull`), with the name and password of a registry user.

    `mirror` is a registry that is asked in the place of every other; without one each image's own registry is asked.
    """

    def __init__(self, user: str, password: str, mirror: str = "") -> None:
        self._login = httpx.BasicAuth(user, password)
        self._mirror = mirror

    def __call__(self, image: ImageReference) -> Pulled | PullError:
        name = image.digest or image.tag or "latest"
        registry = self._mirror or image.registry
        url = f"http://{registry}/v2/{image.path}/manifests/{name}"
        with httpx.Client(headers={"Accept": _ACCEPT}, timeout=5.0, trust_env=False) as client:
            try:
                return self._pull(client, image, url)
            except httpx.TransportError:
                return image_pull.unreachable(image, url, registry)

    def _pull(self, client: httpx.Client, image: ImageReference, url: str) -> Pulled | PullError:
        head = client.head(url)
        if head.status_code == httpx.codes.UNAUTHORIZED:
            token = self._token(client, head.headers.get("WWW-Authenticate", ""))
            client.headers["Authorization"] = f"Bearer {token}"
            head = client.head(url)
        if head.status_code == httpx.codes.NOT_FOUND:
            return image_pull.not_found(image)
        if head.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return image_pull.unauthorized(image)
        if head.status_code != httpx.codes.OK:
            return image_pull.unexpected(image, url, f"{head.status_code} {head.reason_phrase}")
        return Pulled(head.headers["Docker-Content-Digest"], _size(client, url))

    def _token(self, client: httpx.Client, challenge: str) -> str:
        asked = dict(_CHALLENGE.findall(challenge))
        realm = asked.pop("realm", "")
        answer = client.get(realm, params=asked, auth=self._login) if realm else None
        return str(answer.json().get("access_token", "")) if answer and answer.is_success else ""


def _size(client: httpx.Client, url: str) -> int:
    """The bytes of the layers that this node would fetch."""
    manifest = client.get(url).json()
    for entry in manifest.get("manifests", ()):
        if _PLATFORM.items() <= entry.get("platform", {}).items():
            manifest = client.get(f"{url.rpartition('/')[0]}/{entry['digest']}").json()
            break
    return sum(layer["size"] for layer in manifest.get("layers", ()))
