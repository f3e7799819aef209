"""A name that means something else in another kind is no misfit: what a kubelet and Kubernetes' controllers write today is read."""

import pytest

from bumper.rollout.fields import misfit

# As kubelet 1.36.1 writes it with containerd 2.4.2 (core/v1, ContainerUser): a number, where an object's own uid is a text.
CONTAINER = {
    "name": "web",
    "ready": True,
    "started": True,
    "user": {"linux": {"gid": 0, "supplementalGroups": [0], "uid": 65532}},
}


@pytest.mark.parametrize(
    "written",
    [
        {"kind": "Pod", "metadata": {"uid": "a"}, "status": {"containerStatuses": [CONTAINER]}},
        {"kind": "Job", "status": {"active": 1, "ready": 1}},
        {"kind": "CronJob", "status": {"active": [{"kind": "Job", "name": "web-1"}]}},
    ],
    ids=lambda written: str(written["kind"]),
)
def test_what_is_written_today_fits(written: dict[str, object]) -> None:
    assert misfit(written) == ""


def test_what_a_rule_reads_is_still_held() -> None:
    status = {"containerStatuses": [{**CONTAINER, "ready": 1}]}
    assert (
        misfit({"status": status})
        == "status.containerStatuses[0].ready: found a number, expected true or false"
    )
    assert misfit({"metadata": {"uid": 5}}) == "metadata.uid: found a number, expected a text"
