"""Kubeconfig files and credential plugins as tests need them."""

import base64
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from systems.kube.certificates import authority


def write_config(
    path: Path, server: str, user: Mapping[str, Any], cluster: Mapping[str, Any] | None = None
) -> Path:
    """A kubeconfig with the one context `test`. `cluster` replaces the authority."""
    trust = {"certificate-authority-data": base64.b64encode(authority().pem).decode()}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [
            {"name": "there", "cluster": {"server": server, **(trust if cluster is None else cluster)}}
        ],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "there", "user": "me"}}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    return path


def write_plugin(
    path: Path, status: Mapping[str, Any], api_version: str = "client.authentication.k8s.io/v1"
) -> Path:
    """A credential plugin that prints this status, and appends a line to `<path>.runs`, with what it was told."""
    credential = {"apiVersion": api_version, "kind": "ExecCredential", "status": status}
    path.parent.mkdir(parents=True, exist_ok=True)
    printed = path.with_suffix(".json")
    printed.write_text(json.dumps(credential))
    path.write_text(
        "#!/bin/sh\n"
        f'echo "$KUBERNETES_EXEC_INFO" >> {shlex.quote(str(path))}.runs\n'
        f"cat {shlex.quote(str(printed))}\n"
    )
    path.chmod(0o755)
    return path


def runs(plugin: Path) -> list[dict[str, Any]]:
    """What the plugin was told, run by run."""
    log = plugin.with_name(f"{plugin.name}.runs")
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
