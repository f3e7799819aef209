"""Names that Kubernetes and DNS accept: asked before anything is read.

Law: what an API server or a name server would refuse is refused here, with the rule it breaks; nothing is corrected silently.
Sources: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ (RFC 1123 labels for namespaces, RFC 1035 for
Services, which a site has too) and …/namespaces/ (the prefix `kube-` is reserved); RFC 1123 section 2.1 and RFC 5891 for hosts.
"""

import re
from collections.abc import Sequence

from bumper.errors import UsageError

_LABEL = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_LONGEST_LABEL = 63
_LONGEST_HOST = 253
_RESERVED = ("default", "flux-system")


def require_name(name: str) -> None:
    """Raises UsageError unless `name` can be that of a namespace, a Service, a label and a file alike."""
    expected = "expected lower-case letters, digits and '-', beginning with a letter, not ending with '-'"
    if len(name) > _LONGEST_LABEL:
        raise UsageError(f"{name}: {len(name)} characters, Kubernetes takes {_LONGEST_LABEL} at most")
    if not _LABEL.fullmatch(name):
        hint = f"for example {suggestion}" if (suggestion := _as_label(name)) else ""
        raise UsageError(f"{name!r} is no name for a site: {expected}", hint=hint)
    if name in _RESERVED or name.startswith("kube-"):
        raise UsageError(
            f"{name}: the namespaces default, flux-system and kube-* belong to the cluster itself",
            hint="choose another name",
        )


def read_hosts(written: Sequence[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The hosts of no cluster in particular, and those that are written `CLUSTER=HOST`, as pairs; UsageError as `require_hosts`."""
    pairs = [(cluster, host) for cluster, _, host in (each.rpartition("=") for each in written)]
    for cluster in dict.fromkeys(cluster for cluster, _ in pairs):
        require_hosts([host for other, host in pairs if other == cluster])
    hosts = tuple(host for cluster, host in pairs if not cluster)
    return hosts, tuple((cluster, host) for cluster, host in pairs if cluster)


def require_hosts(hosts: Sequence[str]) -> None:
    """Raises UsageError unless each host is a DNS name in its ASCII form, and each is another one."""
    for host in hosts:
        if problem := _why_no_host(host):
            raise UsageError(f"--host {host}: {problem}")
    repeated = [host for at, host in enumerate(hosts) if host in hosts[:at]]
    if repeated:
        raise UsageError(f"--host {repeated[0]}: given twice")


def _why_no_host(host: str) -> str:
    if not host.isascii():
        return "not ASCII; expected the name as DNS has it, in punycode (xn--…)"
    if "://" in host or "/" in host or ":" in host:
        return "expected a host name alone, without scheme, port or path"
    if host.startswith("*."):
        return "a wildcard needs a certificate and a rule of its own; expected the names one by one"
    if host != host.lower():
        return f"DNS knows no capitals; expected {host.lower()}"
    if len(host) > _LONGEST_HOST:
        return f"{len(host)} characters, DNS takes {_LONGEST_HOST} at most"
    labels = host.split(".")
    for label in labels:
        if len(label) > _LONGEST_LABEL:
            return f"the part {label} has {len(label)} characters, DNS takes {_LONGEST_LABEL} at most"
        if not _HOST_LABEL.fullmatch(label):
            return f"the part {label!r} is no DNS label; expected letters, digits and '-' inside"
    if len(labels) == 1:
        return "expected a name with a domain, for example www.example.org"
    if labels[-1].isdigit():
        return "no domain ends with a number; expected a DNS name, not an address"
    return ""


def _as_label(name: str) -> str:
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return label if _LABEL.fullmatch(label) and len(label) <= _LONGEST_LABEL else ""
