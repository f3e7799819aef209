"""Whose fault it is that an object is refused or can't be built: the manifest's, or that of the cluster around it.

Law: only an answer about the object's own content counts against the manifest: Invalid, BadRequest, a type that does not fit, a
policy's own denial. A webhook that is down, a time-out, a conflict, too many requests or a right that Flux lacks would refuse any
version. A text is matched only where it was read: Kubernetes 1.36.1 (apimachinery pkg/api/errors/errors.go and
pkg/util/managedfields/internal/structuredmerge.go; apiserver plugin/webhook/errors/statuserror.go, pkg/util/webhook/error.go,
plugin/policy/validating/dispatcher.go, plugin/namespace/lifecycle/admission.go, plugin/resourcequota/controller.go,
endpoints/handlers/responsewriters/errors.go; pod-security-admission admission/admission.go), etcd 3.6.8
(api/v3rpc/rpctypes/error.go), fluxcd/pkg ssa 0.76.1 (errors/errors.go) and kustomize 1.35.4 (kustomize_varsub.go),
kustomize-controller 1.9.4 (internal/decryptor/decryptor.go), Go 1.26 (net/net.go, net/http/transport.go, net/url/url.go,
context/context.go).
"""

import re

# ssa prints the reason of the API's status after "dry-run failed"; only the text tells where an answer comes without it (NewInvalid).
_OF_CONTENT = re.compile(r" dry-run failed \((?:Invalid|BadRequest)\): ")
_LIKE_CONTENT = re.compile(r" is invalid: |failed to create typed patch object \(")
_DENIED = re.compile(
    r"admission webhook \S+ denied the request|olicy \S+(?: with binding \S+)? denied request: |violates PodSecurity "
)
# An admission webhook whose sideEffects forbid a dry run answers BadRequest to every object.
_NO_DRY_RUN = "does not support dry run"
# Go's own words for a peer that is away, which every layer above passes on.
_AWAY = (
    r"dial tcp\b|: no such host|i/o timeout|connection re(?:fused|set)|net/http: (?:TLS handshake timeout|request canceled)"
    r"|\": context (?:deadline exceeded|canceled)"
)
_CLUSTER = re.compile(
    r"Internal error occurred: |failed calling webhook|Timeout: |Too many requests: |etcdserver: |Operation cannot be fulfilled on "
    r"|could not be completed at this time, please try again|the server is currently unable to handle the request"
    r"|an error on the server \(.*\) has prevented the request from succeeding|User \S+ cannot \S+ resource "
    r"|because it is being terminated|not yet ready to handle request|status unknown for quota: |" + _AWAY
)
# What a build takes from the cluster: variables, the keys of sops (of an absent Secret only NewNotFound's text is left), a base that
# lies elsewhere.
_BUILD_INPUT = re.compile(
    r"(?:secrets|configmaps) \"[^\"]+\" not found|substitute from '(?:ConfigMap|Secret)/"
    r"|(?:cannot get|data from) \S+ (?:SOPS age )?decryption Secret '|cannot get sops data key"
    r"|Vault ConfigMap '|Vault authentication|authenticate with Vault '|" + _AWAY
)

# apimachinery pkg/util/validation/field/errors.go prints a value that is refused whole, as JSON, before 1.33 as Go writes it.
_OBJECT = re.compile(r"(?<=Invalid value: )(?P<type>[\w.*&\[\]]*)\{")
_BRACKETS = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[{}]")
_SHORT = 80
# What is never changed in an object that is there: apimachinery pkg/api/validation/objectmeta.go; kubernetes pkg/apis/{apps,core,rbac,
# storage}/validation/validation.go; "is immutable" in rules of custom resources.
_FIELD_OR_FIXED = re.compile(
    r"(?P<field>[A-Za-z][\w.\[\]-]*): (?:Invalid value|Forbidden|Required value|Unsupported value|Duplicate value): "
    r"|immutable|may not change|cannot change|updates to \S+ (?:spec for fields other than|are forbidden)"
)


def blames_manifest(answer: str) -> bool:
    """Whether an object was refused for what its manifest says: a rollback would help then, and only then."""
    if _DENIED.search(answer) or _OF_CONTENT.search(answer):
        return _NO_DRY_RUN not in answer
    return _LIKE_CONTENT.search(answer) is not None and _CLUSTER.search(answer) is None


def blames_cluster(answer: str) -> bool:
    """Whether an answer is certainly not about the object: any version of it would have been refused."""
    return not blames_manifest(answer) and _CLUSTER.search(answer) is not None


def lacks_build_input(message: str) -> bool:
    """Whether a build failed for something that the cluster or another host should have given."""
    return _BUILD_INPUT.search(message) is not None


def without_objects(answer: str) -> str:
    """The answer without the long objects that it quotes whole: what is said of them stands behind."""
    kept, end = "", 0
    for match in _OBJECT.finditer(answer):
        if match.start() < end:
            continue
        after = _after_object(answer, match.end())
        if match["type"] or after - match.start() > _SHORT:
            kept += f"{answer[end : match.start()]}…"
            end = after
    return kept + answer[end:]


def _after_object(text: str, start: int) -> int:
    depth = 1
    for bracket in _BRACKETS.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(bracket[0], 0)
        if not depth:
            return bracket.end()
    return len(text)  # Flux cuts what is too long for a condition


def fixed_fields(answer: str) -> tuple[str, ...]:
    """The fields for which an object is refused since they never change, empty where it is refused for another reason."""
    fixed: dict[str, None] = {}
    field = ""
    for match in _FIELD_OR_FIXED.finditer(without_objects(answer)):
        if match["field"]:
            field = match["field"]
        elif field:
            fixed[field] = None
    return tuple(fixed)
