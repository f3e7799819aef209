from typing import Any

import situations
from tables import each_row

from bumper.rollout.serving import serving


@each_row(
    ("name", "text"),
    [
        ("recorded-second-ready", "1.1.1, 2/2 available: visitors see the new version"),
        ("recorded-pull-backoff", "1.2.0, 2/2 available: visitors see the old version"),
        ("recorded-surge", "1.0.0 (2 available) and 1.1.1 (1 available): visitors see both versions"),
        ("workload-missing", "nothing: the workload is not in the cluster"),
        ("workload-unreadable", "not known: Deployment could not be read (403 Forbidden)"),
        ("scaled-to-zero", "nothing: no pod is available"),
        ("job-running", ""),
        ("stateful-set-ready", "nothing: no pod is available"),
    ],
)
def test_what_visitors_see_is_said_in_one_line(name: str, text: str) -> None:
    situation = situations.load(name)
    assert serving(situation.desired, situation.observation) == text


def test_without_replica_sets_the_pods_are_counted() -> None:
    situation = situations.load("stateful-set-ready")
    pods: list[Any] = [
        {
            "metadata": {"name": f"demo-{number}"},
            "spec": {
                "containers": [{"name": "demo", "image": f"{situations.REPOSITORY}:{tag}"}],
            },
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        }
        for number, (tag, ready) in enumerate((("1.0.0", "True"), ("1.1.1", "False")))
    ]
    look = {"workload": situation.observation.workload, "pods": pods}
    seen = situations.observe(look, {})
    assert serving(situation.desired, seen) == "1.0.0, 1/2 available: visitors see the old version"


def test_unreadable_pods_are_not_taken_for_none() -> None:
    situation = situations.load("stateful-set-ready")
    look = {"workload": situation.observation.workload, "unreadable": {"Pod": "403 Forbidden"}}
    assert serving(situation.desired, situations.observe(look, {})) == "not known: the pods could not be read"
