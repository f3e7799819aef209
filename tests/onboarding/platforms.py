"""Platform trees of several hands, for tests of sites that come and go."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent

from trees import MemoryTree, sync

K8S = Path(__file__).parents[2] / "k8s"
SITES = (
    "kevinryan-io",
    "brand-kevinryan-io",
    "aiimmigrants-com",
    "specmcp-ai",
    "sddbook-com",
    "distributedequity-org",
    "docs-kevinryan-io",
)


def k8s() -> dict[str, bytes]:
    """Our own tree, with a stand-in for the file that bootstrap generates."""
    files = {path.relative_to(K8S.parent).as_posix(): path.read_bytes() for path in K8S.rglob("*.yaml")}
    files["k8s/flux-system/gotk-components.yaml"] = (
        b"apiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system}\n"
    )
    return files


def after(
    files: Mapping[str, bytes], changes: Mapping[str, tuple[bytes | None, bytes | None]]
) -> dict[str, bytes]:
    """The files once the changes are written; each must say what stood there before."""
    platform = dict(files)
    for path, (before, now) in changes.items():
        assert platform.pop(path, None) == before, path
        if now is not None:
            platform[path] = now
    return platform


def tree(files: Mapping[str, str | bytes]) -> MemoryTree:
    return MemoryTree(files)


def flux_site(name: str, path: str, *more: str) -> str:
    return "\n".join(
        [
            "apiVersion: kustomize.toolkit.fluxcd.io/v1",
            "kind: Kustomization",
            "metadata:",
            f"    name: {name}",
            "    namespace: flux-system",
            "spec:",
            "    interval: 5m",
            f"    path: {path}",
            "    prune: true",
            "    sourceRef: {kind: GitRepository, name: flux-system}",
            *(f"    {line}" for line in more),
            "",
        ]
    )


def workload(name: str, *, image: str = "") -> str:
    return dedent(f"""\
        apiVersion: v1
        kind: Namespace
        metadata:
          name: {name}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {{name: {name}, namespace: {name}}}
        spec:
          selector: {{matchLabels: {{app: {name}}}}}
          template:
            metadata: {{labels: {{app: {name}}}}}
            spec:
              containers:
                - name: {name}
                  image: "{image or f"reg.example/team/{name}:1.0"}"  # {name}'s own
                  ports: [{{name: web, containerPort: 8080}}]
                  readinessProbe: {{httpGet: {{path: /web/ok, port: web}}}}
                  livenessProbe: {{httpGet: {{path: /web/ok, port: web}}}}
                  resources: {{requests: {{cpu: 1m, memory: 1Mi}}, limits: {{cpu: 1m, memory: 1Mi}}}}
        ---
        apiVersion: v1
        kind: Service
        metadata: {{name: {name}, namespace: {name}}}
        spec:
          selector: {{app: {name}}}
          ports: [{{name: web, port: 80, targetPort: web}}]
        """)


def platform(routes: Mapping[str, str], listed: str | None = None, **more: str) -> dict[str, str]:
    """A tree whose sites are the keys; the values are their routes. `listed` is the kustomization of flux-system."""
    names: Sequence[str] = list(routes)
    files = {"clusters/flux-system/gotk-sync.yaml": sync("./clusters/flux-system"), **more}
    for name in names:
        files[f"clusters/flux-system/{name}.yaml"] = flux_site(name, f"./sites/{name}")
        files[f"sites/{name}/all.yaml"] = workload(name) + "---\n" + dedent(routes[name])
    if listed is None:
        listed = "".join(["resources:\n- gotk-sync.yaml\n", *(f"- {name}.yaml\n" for name in names)])
    if listed:
        files["clusters/flux-system/kustomization.yaml"] = listed
    return files


def traefik(name: str, rule: str) -> str:
    return dedent(f"""\
        apiVersion: traefik.io/v1alpha1
        kind: IngressRoute
        metadata: {{name: {name}, namespace: {name}}}
        spec:
          entryPoints: [web, websecure]
          routes:
            - match: {rule}
              kind: Rule
              services: [{{name: {name}, port: web}}]
          tls: {{}}
        """)


def ingress(name: str, *hosts: str) -> str:
    lines = [
        "apiVersion: networking.k8s.io/v1",
        "kind: Ingress",
        f"metadata: {{name: {name}, namespace: {name}, annotations: {{cert-manager.io/cluster-issuer: acme}}}}",
        "spec:",
        "  tls:",
        "    - hosts:",
        *(f"      - {host}" for host in hosts),
        f"      secretName: {name}-tls",
        "  rules:",
    ]
    for host in hosts:
        lines += [
            f"    - host: {host}",
            "      http:",
            "        paths:",
            f"          - {{path: /, pathType: Prefix, backend: {{service: {{name: {name}, port: {{number: 80}}}}}}}}",
        ]
    return "\n".join([*lines, ""])


def gateway(name: str, *hosts: str) -> str:
    return "\n".join(
        [
            "apiVersion: gateway.networking.k8s.io/v1",
            "kind: HTTPRoute",
            f"metadata: {{name: {name}, namespace: {name}}}",
            "spec:",
            "  parentRefs: [{name: public, namespace: gateways}]",
            f"  hostnames: [{', '.join(hosts)}]",
            "  rules:",
            f"    - backendRefs: [{{name: {name}, port: 80}}]",
            "",
        ]
    )
