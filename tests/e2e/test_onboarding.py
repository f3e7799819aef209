"""Sites that come and go on a real Flux: `bump new-site` to Ready, `bump remove-site` until everything is pruned."""

import pytest

from .access import FOLLOWER
from .fleet import Site, fleet
from .guest import Guest
from .looks import eventually, running_images
from .program import Ground
from .repository import Repository
from .stack import FLUX_NAMESPACE, Stack

MODEL, NEW = "onboard-model", "onboard-new"
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: onboard-model
  namespace: onboard-model
spec:
  selector:
    app: onboard-model
  ports:
    - name: http
      port: 80
      targetPort: 8080
"""
INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: onboard-model
  namespace: onboard-model
spec:
  rules:
    - host: model.example
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: onboard-model
                port:
                  number: 80
"""


@pytest.fixture(scope="module")
def ground(cluster: Stack | Guest) -> Ground:
    """What a workflow would be given: no more rights than following a deploy takes."""
    return Ground(cluster, {"KUBECONFIG": str(cluster.account("onboarding", FOLLOWER))})


@pytest.fixture(scope="module")
def repository(cluster: Stack | Guest) -> Repository:
    """A platform with one site, which is the model of the next."""
    made = fleet(cluster, "onboard", [Site(MODEL, files={"service.yaml": SERVICE, "ingress.yaml": INGRESS})])
    eventually(lambda: running_images(cluster, MODEL), "the model runs")
    return made


def test_a_site_comes_and_goes(cluster: Stack | Guest, ground: Ground, repository: Repository) -> None:
    digest = cluster.images.push(NEW, "abc1234")
    hosts = ("--host", "new.example", "--host", "www.new.example")
    came = ground.start(repository.url, "new-site", NEW, *hosts, "--sha", "abc1234").result()
    assert (came.exit_code, came.verdict[0]) == (0, "ready"), came
    image = f"{cluster.registry}/{NEW}"
    assert (f"{image}:abc1234", f"{image}@{digest}") in running_images(cluster, NEW)
    route = cluster.api.find("Ingress", NEW, NEW)
    assert route is not None, "the API server takes what was copied"
    assert [rule["host"] for rule in route["spec"]["rules"]] == ["new.example", "www.new.example"]
    cluster.images.push(NEW, "abc1235")
    bumped = ground.start(repository.url, "--site", NEW, "--sha", "abc1235").result()
    assert bumped.verdict[0] == "ready", bumped

    went = ground.start(repository.url, "remove-site", NEW, "--yes").result()
    assert (went.exit_code, went.verdict) == (0, ("removed", "Removed")), went
    assert f"Namespace {NEW}" in went.answer["deletes"]
    assert cluster.api.find("Kustomization", FLUX_NAMESPACE, NEW) is None
    assert cluster.api.find("Deployment", NEW, NEW) is None
    eventually(lambda: cluster.api.find("Namespace", "", NEW) is None, f"namespace {NEW} is gone")
    assert running_images(cluster, MODEL), "the other site still runs"
    kept = cluster.api.find("Kustomization", FLUX_NAMESPACE, MODEL)
    assert kept is not None
