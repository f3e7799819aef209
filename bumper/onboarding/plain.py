"""The plain form of a site, where no other site of the tree can be its model.

One container that listens on 8080 and answers `/healthz`, a ClusterIP Service on port 80 and a Traefik IngressRoute with TLS, each in
a file of its own, built by a Flux Kustomization beside the tree's others.
"""

from collections.abc import Sequence

from bumper.errors import Refused
from bumper.fluxtree.layers import within
from bumper.fluxtree.sites.find import Site
from bumper.image import ImageReference
from bumper.manifest.document import mapping, text
from bumper.onboarding.landscape import Landscape, Listing

_NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
"""
_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {name}
spec:
  replicas: 1
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      containers:
        - name: {name}
          image: {image}
          ports:
            - containerPort: 8080
          livenessProbe:
            httpGet:
              path: /healthz
              port: 8080
            initialDelaySeconds: 5
            periodSeconds: 10
          readinessProbe:
            httpGet:
              path: /healthz
              port: 8080
            initialDelaySeconds: 3
            periodSeconds: 5
          resources:
            requests:
              cpu: 10m
              memory: 16Mi
            limits:
              cpu: 100m
              memory: 64Mi
"""
_SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {name}
spec:
  type: ClusterIP
  selector:
    app: {name}
  ports:
    - name: http
      port: 80
      targetPort: 8080
"""
_INGRESS = """\
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata:
  name: {name}
  namespace: {name}
spec:
  entryPoints:
    - websecure
  routes:
    - match: {rule}
      kind: Rule
      services:
        - name: {name}
          port: 80
  tls: {{}}
"""
_SYNC = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {name}
  namespace: {namespace}
spec:
  interval: 10m0s
  path: ./{directory}
  prune: true
  sourceRef:
    kind: {source_kind}
    name: {source_name}
"""
_BY_HAND = "write the first site by hand: the next ones are modelled on it"


def root(landscape: Landscape) -> Site:
    """The only Kustomization that builds itself, as `flux bootstrap` makes it; Refused where there is none, or several."""
    roots = [site for site in landscape.sites if site in landscape.parents(site)]
    if len(roots) != 1:
        listed = ", ".join(candidate.place for candidate in roots) or "none"
        raise Refused(
            f"found {len(roots)} Flux Kustomizations that build themselves ({listed}), expected one",
            hint=_BY_HAND,
        )
    return roots[0]


def directory(above: Site, name: str) -> str:
    """The new site's directory: beside the root's own."""
    path = within(above.path, f"../{name}")
    if not above.path or path is None:
        raise Refused(
            f"{above.place}: its path is the whole repository, which leaves no place for a site",
            hint=_BY_HAND,
        )
    return path


def listing(landscape: Landscape, above: Site) -> Listing:
    """Where the root's own file is listed, and so the new site's shall be."""
    listings = landscape.listings(above.document.path)
    if len(listings) != 1 or listings[0].directory != above.path:
        raise Refused(f"{above.document.path}: not listed in one place of {above.path}", hint=_BY_HAND)
    return listings[0]


def sync_path(above: Site, name: str) -> str:
    """The path of the new site's sync file."""
    return f"{above.path}/{name}-sync.yaml"


def files(above: Site, name: str, hosts: Sequence[str], image: ImageReference) -> dict[str, bytes]:
    """The four manifests and the sync file."""
    place = directory(above, name)
    rule = " || ".join(f"Host(`{host}`)" for host in hosts)
    fields = {
        "name": name,
        "image": str(image),
        "rule": rule,
        "namespace": above.kustomization.namespace,
        "directory": place,
        "source_kind": above.source.kind,
        "source_name": text(mapping(above.spec.get("sourceRef")).get("name")),
    }
    texts = {
        f"{place}/namespace.yaml": _NAMESPACE,
        f"{place}/deployment.yaml": _DEPLOYMENT,
        f"{place}/service.yaml": _SERVICE,
        f"{place}/ingress.yaml": _INGRESS,
        sync_path(above, name): _SYNC,
    }
    return {path: form.format(**fields).encode() for path, form in texts.items()}
