"""The distribution API over what the sandbox's registry holds: pull, push by blob and manifest, list tags.

Source: https://github.com/opencontainers/distribution-spec `spec.md` 1.1, "Endpoints" and "Error Codes".
"""

import json
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from bumper.image import is_digest, is_tag
from bumper_sandbox.registry.content import RegistryContent, Stored, digest_of

_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")
_BLOB = re.compile(r"/v2/(?P<name>.+)/blobs/(?P<digest>[^/]+)")
_UPLOAD = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<session>[^/]*)")
_TAGS = re.compile(r"/v2/(?P<name>.+)/tags/list")
_TAGS_OF_AZURE = re.compile(r"/acr/v1/(?P<name>.+)/_tags")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. `cut` ends the connection after half of the content."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    cut: bool = False

    @classmethod
    def json(cls, status: int, fields: Any, headers: Mapping[str, str] | None = None) -> Self:
        """An answer with a JSON body."""
        return cls(
            status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(fields).encode()
        )

    @classmethod
    def error(
        cls,
        status: int,
        code: str,
        message: str,
        *,
        detail: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """An error body of the distribution specification."""
        entry = {"code": code, "message": message, **({"detail": detail} if detail else {})}
        return cls.json(status, {"errors": [entry]}, headers)


class Routes:
    """Answers requests that have been let in."""

    def __init__(self, content: RegistryContent) -> None:
        self._content = content
        self._uploads: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def reply(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], content: bytes
    ) -> Reply:
        """The answer of the distribution API."""
        if path in ("/v2", "/v2/") and method in ("GET", "HEAD"):
            return Reply.json(200, {}, {"Docker-Distribution-Api-Version": "registry/2.0"})
        if match := _MANIFEST.fullmatch(path):
            if method == "PUT":
                return self._put_manifest(match["name"], match["reference"], headers, content)
            if method in ("GET", "HEAD"):
                return self._manifest(match["name"], match["reference"], headers.get("accept", ""))
        elif match := _UPLOAD.fullmatch(path):
            return self._upload(method, match["name"], match["session"], query, content)
        elif match := _BLOB.fullmatch(path):
            if method in ("GET", "HEAD"):
                return self._blob(match["name"], match["digest"], headers.get("range", ""))
        elif (match := _TAGS.fullmatch(path)) and method == "GET":
            return self._tags(match["name"], query)
        elif (match := _TAGS_OF_AZURE.fullmatch(path)) and method == "GET":
            return self._tags_of_azure(match["name"], query)
        return Reply.error(
            405 if path.startswith("/v2/") else 404, "UNSUPPORTED", "the operation is unsupported"
        )

    def _manifest(self, name: str, reference: str, accept: str) -> Reply:
        if not self._content.holds(name):
            return _name_unknown(name)
        stored = self._content.manifest(name, reference)
        if stored is None:
            by = "identified by" if is_digest(reference) else "tagged by"
            return Reply.error(404, "MANIFEST_UNKNOWN", f'manifest {by} "{reference}" is not found')
        accepted = {each.partition(";")[0].strip() for each in accept.split(",")}
        if not accepted & {"*/*", stored.media_type}:
            return Reply.error(
                404, "MANIFEST_UNKNOWN", f"{stored.media_type} found, but the request does not accept it"
            )
        return Reply(
            200, {"Content-Type": stored.media_type, "Docker-Content-Digest": stored.digest}, stored.content
        )

    def _put_manifest(self, name: str, reference: str, headers: Mapping[str, str], content: bytes) -> Reply:
        stored = Stored(headers.get("content-type", ""), content)
        if not (is_tag(reference) or reference == stored.digest):
            return Reply.error(
                400, "DIGEST_INVALID", f'"{reference}" is neither a tag nor the digest of the content'
            )
        try:
            fields = json.loads(content)
            lacking = self._content.lacks(name, fields)
        except (ValueError, TypeError, AttributeError, KeyError):
            return Reply.error(400, "MANIFEST_INVALID", "the content is no manifest")
        if lacking:
            return Reply.error(
                400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", detail={"digest": lacking[0]}
            )
        self._content.put_manifest(name, reference, stored)
        where = {"Location": f"/v2/{name}/manifests/{stored.digest}", "Docker-Content-Digest": stored.digest}
        return Reply(201, where)

    def _blob(self, name: str, digest: str, asked_range: str) -> Reply:
        blob = self._content.blob(name, digest)
        if blob is None:
            return Reply.error(404, "BLOB_UNKNOWN", "blob unknown to registry", detail={"digest": digest})
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
        match = _RANGE.fullmatch(asked_range)
        if not match:
            return Reply(200, headers, blob)
        first, last = int(match[1]), min(int(match[2] or len(blob)), len(blob) - 1)
        if first > last:
            return Reply.error(416, "SIZE_INVALID", f"the blob has {len(blob)} bytes")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(blob)}"
        return Reply(206, headers, blob[first : last + 1])

    def _upload(
        self, method: str, name: str, session: str, query: Mapping[str, str], content: bytes
    ) -> Reply:
        with self._lock:
            if method == "POST" and not session:
                session = secrets.token_hex(8)
                self._uploads[session] = b""
            elif session not in self._uploads:
                return Reply.error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
            if method not in ("POST", "PATCH", "PUT"):
                return Reply.error(405, "UNSUPPORTED", "the operation is unsupported")
            self._uploads[session] += content
            if "digest" not in query:
                received = len(self._uploads[session])
                where = {"Location": f"/v2/{name}/blobs/uploads/{session}", "Docker-Upload-UUID": session}
                return Reply(202, {**where, "Range": f"0-{max(received - 1, 0)}"})
            blob = self._uploads.pop(session)
        if digest_of(blob) != query["digest"]:
            return Reply.error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        digest = self._content.put_blob(name, blob)
        return Reply(201, {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})

    def _tags(self, name: str, query: Mapping[str, str]) -> Reply:
        if not self._content.holds(name):
            return _name_unknown(name)
        rest = [tag for tag in self._content.tags(name) if tag > query.get("last", "")]
        limit = query.get("n", "")
        page = rest[: int(limit)] if limit.isdigit() else rest
        link = (
            {"Link": f'</v2/{name}/tags/list?n={limit}&last={page[-1]}>; rel="next"'}
            if page and page != rest
            else {}
        )
        return Reply.json(200, {"name": name, "tags": page}, link)

    def _tags_of_azure(self, name: str, query: Mapping[str, str]) -> Reply:
        """ACR's own list, which can be sorted by time. Source: Azure/azure-rest-api-specs, containerregistry.json 2021-07-01."""
        if not self._content.holds(name):
            return _name_unknown(name)
        tags = self._content.tags_by_time(name)
        if query.get("orderby") == "timedesc":
            tags.reverse()
        limit = query.get("n", "")
        enabled = dict.fromkeys(("deleteEnabled", "writeEnabled", "readEnabled", "listEnabled"), True)
        entries = [
            {"name": tag, "digest": digest, "changeableAttributes": enabled}
            for tag, digest in tags[: int(limit) if limit.isdigit() else None]
        ]
        return Reply.json(200, {"imageName": name, "tags": entries})


def _name_unknown(name: str) -> Reply:
    return Reply.error(404, "NAME_UNKNOWN", "repository name not known to registry", detail={"name": name})
