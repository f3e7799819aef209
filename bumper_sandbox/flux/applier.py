"""Writes what a Kustomization holds into the cluster: applies, prunes, and looks whether it is healthy."""

from collections.abc import Sequence

from bumper_sandbox.flux import health, server_side_apply
from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.json_values import copied
from bumper_sandbox.kubernetes.store import Manifest, Store, key_of


class Applier:
    """Remembers what it applied last, so that fields which a manifest no longer has go away.

    Unless it `waits_for_unplayed`, what no controller of the sandbox acts on is healthy once it is there.
    """

    def __init__(self, store: Store, *, waits_for_unplayed: bool = True) -> None:
        self._store = store
        self._waits_for_unplayed = waits_for_unplayed
        self._applied: dict[str, Manifest] = {}

    def apply(self, manifests: Sequence[Manifest]) -> list[str]:
        """`Deployment/apps/demo configured` for each object that changed. `ApplyError` at the first that cannot be applied."""
        lines = []
        for manifest in server_side_apply.in_order(manifests):
            if action := self._apply(manifest):
                lines.append(f"{server_side_apply.subject(manifest)} {action}")
        return lines

    def prune(self, before: Sequence[Manifest], after: Sequence[Manifest]) -> list[str]:
        """Deletes what is in the first inventory and not in the second: `ConfigMap/apps/old deleted` for each."""
        lines = []
        kept = {entry["id"] for entry in after}
        for entry in before:
            namespace, name, group, kind_name = entry["id"].split("_")
            kind = self._store.kinds.find(f"{group}/{entry['v']}" if group else entry["v"], kind_name)
            if entry["id"] not in kept and kind and self._store.find(kind, namespace, name):
                self._store.delete(kind, namespace, name)
                self._applied.pop(entry["id"], None)
                lines.append("/".join(filter(None, (kind_name, namespace, name))) + " deleted")
        return lines

    def health(self, manifest: Manifest) -> str:
        """kstatus' word for the object as it is now."""
        kind = self._store.kinds.find(manifest["apiVersion"], manifest["kind"])
        if kind is None:
            return health.NOT_FOUND
        live = self._store.find(kind, *key_of(manifest))
        if live and not (self._waits_for_unplayed or health.settles(kind)):
            return health.CURRENT
        return health.status(kind, live)

    def _apply(self, manifest: Manifest) -> str:
        """`created`, `configured`, or nothing if nothing changed."""
        metadata = manifest["metadata"]
        kind = self._store.kinds.admit(
            manifest["apiVersion"], manifest["kind"], namespaced="namespace" in metadata
        )
        if kind is None:
            raise server_side_apply.unknown_kind(manifest)
        server_side_apply.check_types(manifest)
        identity = server_side_apply.inventory_entry(manifest)["id"]
        before = self._applied.get(identity)

        def become(live: Manifest) -> None:
            wanted = server_side_apply.merged(live, manifest, before)
            live.clear()
            live.update(wanted)

        try:
            live = self._store.find(kind, *key_of(manifest))
            if live is None:
                self._store.create(kind, manifest)
                action = "created"
            else:
                done = self._store.update(kind, *key_of(manifest), become)
                is_same = done["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
                action = "" if is_same else "configured"
        except Failure as failure:
            raise server_side_apply.refused(manifest, failure) from None
        self._applied[identity] = copied(manifest)
        return action
