"""Registries to ask, and a push over HTTP as `docker push` does it: what the tests of the registry and of its sandbox share."""

import base64
import ipaddress
import json
import re
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID
from e2e.build import binary

from bumper.image import ImageReference
from bumper.systems.registry import Registry
from bumper_sandbox.registry.content import RegistryContent
from bumper_sandbox.registry.server import RegistryServer

Opener = Callable[..., Registry]
Serve = Callable[..., RegistryServer]


class StillClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def reference(text: str) -> ImageReference:
    image = ImageReference.parse(text)
    assert image, text
    return image


def push_over_http(
    client: httpx.Client, repository: str, tag: str, *, platform: str = "linux/amd64", index: bool = False
) -> str:
    """Builds an image and pushes it: blobs in one upload each, manifests, then what the tag names. Returns its digest."""
    built = RegistryContent()
    labels = {"org.opencontainers.image.revision": "a" * 40}
    digest = built.push(repository, tag, platform=platform, labels=labels, index=index)
    _push_manifest(client, built, repository, digest, tag)
    return digest


def _push_manifest(
    client: httpx.Client, built: RegistryContent, repository: str, digest: str, name: str
) -> None:
    stored = built.manifest(repository, digest)
    assert stored
    fields = json.loads(stored.content)
    for child in fields.get("manifests", []):
        _push_manifest(client, built, repository, child["digest"], child["digest"])
    for blob in [fields["config"], *fields["layers"]] if "config" in fields else []:
        _push_blob(client, built, repository, blob["digest"])
    url = f"/v2/{repository}/manifests/{name}"
    client.put(url, content=stored.content, headers={"Content-Type": stored.media_type}).raise_for_status()


def _push_blob(client: httpx.Client, built: RegistryContent, repository: str, digest: str) -> None:
    content = built.blob(repository, digest)
    assert content is not None
    if client.head(f"/v2/{repository}/blobs/{digest}").status_code == 200:
        return
    begun = client.post(f"/v2/{repository}/blobs/uploads/")
    begun.raise_for_status()
    half = len(content) // 2
    # An iterator makes httpx send the body in chunks, as docker does.
    sent = client.patch(
        urljoin(str(begun.url), begun.headers["Location"]), content=iter([content[:half], content[half:]])
    )
    sent.raise_for_status()
    closing = httpx.URL(urljoin(str(sent.url), sent.headers["Location"])).copy_merge_params(
        {"digest": digest}
    )
    client.put(closing).raise_for_status()


# The distribution project's own registry: version 2 as Debian ships it, version 3 as the end-to-end tests build it.
REAL = ("docker-registry", "distribution v3")


def real_registry(name: str) -> str:
    """The path of one of `REAL`; the test is skipped, and says so, where it is not there."""
    program = shutil.which(name) if name == "docker-registry" else str(binary("registry"))
    if not program or not Path(program).is_file():
        how = "apt-get install docker-registry" if name == "docker-registry" else "python tests/e2e/build.py"
        pytest.skip(f"NOT TESTED against a real registry: {name} is not there ({how})")
    return program


@contextmanager
def docker_registry(folder: Path, settings: str = "", name: str = "docker-registry") -> Iterator[str]:
    """The distribution project's own registry on a free port; yields its host. `settings` go into its configuration."""
    program = real_registry(name)
    configuration = folder / "config.yml"
    storage = f"storage: {{filesystem: {{rootdirectory: {folder / 'storage'}}}}}"
    if "http:" not in settings:
        settings += "\nhttp: {addr: 127.0.0.1:0}"
    configuration.write_text(f"version: 0.1\nlog: {{accesslog: {{disabled: true}}}}\n{storage}\n{settings}\n")
    process = subprocess.Popen(
        [program, "serve", str(configuration)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if match := re.search(r"listening on (127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.fail("docker-registry did not start:\n" + "".join(lines))
        # Somebody must read on, or a full pipe stops the registry.
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        yield match[1]
    finally:
        process.terminate()
        process.wait()
        if "drain" in locals():
            drain.join()
        process.stderr.close()


@dataclass(frozen=True)
class SelfSigned:
    """A certificate for 127.0.0.1 that is its own authority, and the files that hold it and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    certificate_file: Path
    key_file: Path

    def context(self) -> ssl.SSLContext:
        """For a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def token(self, claims: dict[str, object]) -> str:
        """A JSON Web Token (ES256) that brings this certificate along, as docker-registry trusts it."""
        pem = self.certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(pem).decode()]}
        text = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def self_signed(folder: Path) -> SelfSigned:
    """Made anew for each test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    made = SelfSigned(certificate, key, folder / "certificate.pem", folder / "key.pem")
    made.certificate_file.write_bytes(certificate.public_bytes(pem))
    made.key_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@contextmanager
def token_server(signer: SelfSigned, user: str, password: str) -> Iterator[str]:
    """A token server as docker-registry's `auth: token` expects one, on loopback; yields its realm. Issuer `i`, service `s`."""
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != wanted:
                self.send_error(401)
                return
            kind, name, actions = parse_qs(urlsplit(self.path).query)["scope"][0].split(":")
            now_s = int(time.time())
            access = [{"type": kind, "name": name, "actions": actions.split(",")}]
            claims = {
                "iss": "i",
                "aud": "s",
                "sub": user,
                "nbf": now_s - 60,
                "exp": now_s + 60,
                "access": access,
            }
            content = json.dumps({"token": signer.token(claims)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/token"
        finally:
            server.shutdown()
            thread.join()


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def login(home: Path, registry: str, user: str, password: str) -> None:
    """What `docker login` leaves."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker" / "config.json").write_text(json.dumps({"auths": {registry: {"auth": auth}}}))


def paths(server: RegistryServer) -> list[str]:
    """The requests so far, then none."""
    asked = [f"{each.method} {each.path} {each.status}" for each in server.asked]
    server.asked.clear()
    return asked
