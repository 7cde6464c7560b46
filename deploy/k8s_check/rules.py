"""What must hold in every rendering: pods that may do little, probes, who holds which secret, who may erase."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deploy.k8s_check.manifests import SERVERS, Manifests, SecretKey, Workload, names, selects

Rule = Callable[[Manifests], Iterator[str]]

_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_MIGRATIONS = ("consent-migration", "recording-migration", "transcript-migration")
_HELD_BY = {
    "nats": {*SERVERS, *_MIGRATIONS},
    "recording-certificate-key": {"recording-svc"},
    "consent-receipt-key": {"consent-svc"},
    **{name: {name} for name in _MIGRATIONS},
    "consent-database": {"consent-svc", "consent-migration"},
    "recording-database": {"recording-svc", "recording-migration"},
    "transcript-database": {"transcript-svc", "transcript-migration"},
    "gateway": {"gateway"},
    "consent-svc": {"consent-svc", "consent-migration"},
    **{f"{part}-tls": {part} for part in SERVERS},
}
_WITH_AWS_ROLE = {"recording-svc", "transcript-svc"}
_ERASES = ("s3:Delete", "s3:AbortMultipartUpload", "s3:PutLifecycle", "s3:*", "*")


def every_part_is_there(manifests: Manifests) -> Iterator[str]:
    """Four servers and three migrations."""
    found = names(one.document for one in manifests.workloads())
    for part in (*SERVERS, *_MIGRATIONS):
        if part not in found:
            yield f"{part}: no Deployment, StatefulSet or Job of that name"


def pods_may_do_little(manifests: Manifests) -> Iterator[str]:
    """Not root, no capability, nothing to write to but what is mounted, no token for Kubernetes' API."""
    for workload in manifests.workloads():
        pod, security = workload.pod, workload.pod.get("securityContext", {})
        if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
            yield f"{workload.name}: may run as root: set runAsNonRoot and a runAsUser other than 0"
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{workload.name}: seccompProfile is not RuntimeDefault"
        for field in ("automountServiceAccountToken", "enableServiceLinks"):
            if pod.get(field) is not False:
                yield f"{workload.name}: {field} is not false"
        for container in workload.containers:
            yield from _container_faults(workload.name, container)


def _container_faults(workload: str, container: Mapping[str, Any]) -> Iterator[str]:
    where = f"{workload}/{container['name']}"
    security = container.get("securityContext", {})
    for field, wanted in _CONTAINER.items():
        if security.get(field) != wanted:
            yield f"{where}: securityContext.{field} is not {json.dumps(wanted)}"
    for field in ("runAsUser", "runAsNonRoot"):
        if field in security:
            yield f"{where}: {field} belongs to the pod; the container's would override it"
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= set(resources.get("requests", {})) or "memory" not in resources.get("limits", {}):
        yield f"{where}: requests for cpu and memory and a limit for memory are missing"


def probes_are_there(manifests: Manifests) -> Iterator[str]:
    """All three, and against the port that serves them."""
    for workload in manifests.servers():
        ports = {one["name"]: one["containerPort"] for one in workload.container.get("ports", [])}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = workload.container.get(kind, {})
            if workload.name == "gateway":
                sound = probe.get("httpGet", {}).get("port") == "http" and "http" in ports
            else:
                sound = probe.get("grpc", {}).get("port") == ports.get("health", 0)
            if not sound:
                yield f"{workload.name}: {kind} does not ask the port that answers it"


def gateway_outlives_what_it_asks(manifests: Manifests) -> Iterator[str]:
    """Were readiness to ask the other parts, one of them could take all gateways away."""
    for workload in manifests.servers():
        for kind in ("readinessProbe", "livenessProbe"):
            if workload.container.get(kind, {}).get("httpGet", {}).get("path") == "/readyz":
                yield f"{workload.name}: {kind} asks /readyz, so another part's outage would end it: ask /healthz"


def every_server_bears_a_drain(manifests: Manifests) -> Iterator[str]:
    """Two pods at least, spread, and a budget that lets one of them go."""
    for workload in manifests.servers():
        budgets = [
            one for one in manifests.of("PodDisruptionBudget") if selects(one["spec"]["selector"], workload.labels)
        ]
        if len(budgets) != 1 or budgets[0]["spec"].get("minAvailable", 0) not in range(1, workload.replicas):
            yield f"{workload.name}: needs one PodDisruptionBudget that keeps some, not all, of its pods"
        for spread in workload.pod.get("topologySpreadConstraints", [{}]):
            if not selects(spread.get("labelSelector", {"matchLabels": {"": "none"}}), workload.labels):
                yield f"{workload.name}: its topologySpreadConstraints do not count its own pods"


def secrets_are_only_referred_to(manifests: Manifests) -> Iterator[str]:
    """No Secret in the repository, and each only with who needs it."""
    for document in manifests.of("Secret"):
        yield f"Secret {document['metadata']['name']}: secrets are made beside the manifests, never in them"
    for workload in manifests.workloads():
        for secret in sorted(_secrets_of(workload)):
            if workload.name not in _HELD_BY.get(secret, set()):
                yield f"{workload.name}: has no business with Secret {secret}"


def _secrets_of(workload: Workload) -> set[str]:
    read = {key.secret for key in workload.secret_keys.values()}
    mounted = {one["secret"]["secretName"] for one in workload.pod.get("volumes", []) if "secret" in one}
    whole = {one["secretRef"]["name"] for one in workload.container.get("envFrom", []) if "secretRef" in one}
    return read | mounted | whole


def accounts_are_their_own(manifests: Manifests) -> Iterator[str]:
    """A ServiceAccount per part; AWS roles for the two that touch S3, and never one for both."""
    accounts = {one["metadata"]["name"]: one for one in manifests.of("ServiceAccount")}
    for workload in manifests.workloads():
        wanted = "migration" if workload.is_job else workload.name
        if workload.pod.get("serviceAccountName") != wanted or wanted not in accounts:
            yield f"{workload.name}: must run as the ServiceAccount {wanted}"
    roles = {
        name: role
        for name, one in accounts.items()
        if (role := one["metadata"].get("annotations", {}).get("eks.amazonaws.com/role-arn"))
    }
    for name in sorted(set(roles) - _WITH_AWS_ROLE):
        yield f"ServiceAccount {name}: needs no AWS role"
    if len(set(roles.values())) != len(roles):
        yield "two ServiceAccounts share an AWS role, and so the right to delete"


def audio_stays_where_it_is_wiped(manifests: Manifests) -> Iterator[str]:
    """Scratch has an end, and its holder a name that it keeps."""
    for workload in manifests.servers():
        if "transcript" in workload.name and workload.document["kind"] != "StatefulSet":
            yield f"{workload.name}: must be a StatefulSet, or nobody answers for the scratch of a pod that is gone"
        for volume in workload.pod.get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{workload.name}: volume {volume['name']} has no sizeLimit"


def certificates_name_their_service(manifests: Manifests) -> Iterator[str]:
    """Where cert-manager issues them: one for each part, by the name that callers dial."""
    certificates = {one["spec"]["secretName"]: one["spec"] for one in manifests.of("Certificate")}
    issuers = names(manifests.of("Issuer"))
    for certificate in certificates.values():
        if certificate["issuerRef"]["name"] not in issuers:
            yield f"Certificate for {certificate['secretName']}: no Issuer {certificate['issuerRef']['name']}"
    for workload in manifests.servers() if certificates else []:
        found = certificates.get(f"{workload.name}-tls", {})
        if workload.name not in found.get("dnsNames", []):
            yield f"{workload.name}: no Certificate in {workload.name}-tls with its name"
        if not {"server auth", "client auth"} <= set(found.get("usages", [])):
            yield f"{workload.name}: its Certificate must serve both sides of mutual TLS"


def images_are_pinned(manifests: Manifests) -> Iterator[str]:
    """One image for all, by digest. Only for overlays: the base leaves it open."""
    images = {one["image"] for workload in manifests.workloads() for one in workload.containers}
    if len(images) > 1:
        yield f"all parts run one image, these are {', '.join(sorted(images))}"
    for image in sorted(images):
        if "@sha256:" not in image:
            yield f"image {image} is not named by its digest"


def rights_are_narrow(policies: Path) -> Iterator[str]:
    """In deploy/aws: only recording-svc may delete, nobody may do everything."""
    for file in sorted(policies.glob("*.json")):
        for statement in json.loads(file.read_text()).get("Statement", []):
            erasing = [one for one in _listed(statement["Action"]) if one.startswith(_ERASES)]
            if statement["Effect"] == "Allow" and erasing and file.stem != "recording-svc":
                yield f"{file.name}: {', '.join(erasing)}: only recording-svc may erase"
            if statement["Effect"] == "Allow" and "*" in _listed(statement["Resource"]):
                yield f"{file.name}: {statement['Sid']} is for every resource"


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def examples_are_complete(manifests: Manifests, examples: Mapping[SecretKey, str]) -> Iterator[str]:
    """secrets.example names every key that a part reads, and no other."""
    wanted = {key for workload in manifests.workloads() for key in workload.secret_keys.values()}
    for key in sorted(wanted - set(examples), key=str):
        yield f"secrets.example/{key.secret}.env: {key.key} is missing"
    for key in sorted(set(examples) - wanted, key=str):
        yield f"secrets.example/{key.secret}.env: nobody reads {key.key}"


RULES: tuple[Rule, ...] = (
    every_part_is_there,
    pods_may_do_little,
    probes_are_there,
    gateway_outlives_what_it_asks,
    every_server_bears_a_drain,
    secrets_are_only_referred_to,
    accounts_are_their_own,
    audio_stays_where_it_is_wiped,
    certificates_name_their_service,
)
