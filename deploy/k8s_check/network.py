"""Who calls whom, told by the settings, held against Services and NetworkPolicies."""

from collections.abc import Iterator
from typing import Any

from deploy.k8s_check.manifests import Manifests, selects
from deploy.k8s_check.rendering import Document

Edge = tuple[str, str, int]
HEALTH = 8081


def calls_get_through_and_no_others(manifests: Manifests) -> Iterator[str]:
    """Every address in the settings is let out and in; nothing else inside the namespace is."""
    wanted = set(_wanted(manifests))
    leaving, entering = set(_allowed(manifests, "egress")), set(_allowed(manifests, "ingress"))
    for caller, callee, port in sorted(wanted - leaving):
        yield f"{caller} calls {callee}:{port}, and no NetworkPolicy lets it out"
    for caller, callee, port in sorted(wanted - entering):
        yield f"{caller} calls {callee}:{port}, and no NetworkPolicy lets it in"
    for caller, callee, port in sorted((leaving | entering) - wanted):
        yield f"a NetworkPolicy lets {caller} reach {callee}:{port}, which no setting names"


def nothing_is_open_by_default(manifests: Manifests) -> Iterator[str]:
    """A policy that denies everything to every pod, and no rule without an address or a port."""
    policies = list(manifests.of("NetworkPolicy"))
    shut = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if not any(policy["spec"] == shut for policy in policies):
        yield "no NetworkPolicy denies everything by default"
    for policy in policies:
        name = policy["metadata"]["name"]
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction, []):
                if not rule.get(side) or not rule.get("ports"):
                    yield f"NetworkPolicy {name}: a rule of its {direction} is open to all addresses or all ports"
                if direction == "ingress" and HEALTH in _ports(rule):
                    yield f"NetworkPolicy {name}: opens the health port, which speaks no TLS"


def services_find_their_pods(manifests: Manifests) -> Iterator[str]:
    """Exactly one workload each, on a port that it has; headless where clients spread their calls themselves."""
    for service in manifests.of("Service"):
        name, spec = service["metadata"]["name"], service["spec"]
        chosen = [one for one in manifests.workloads() if selects({"matchLabels": spec["selector"]}, one.labels)]
        if [one.name for one in chosen] != [name]:
            yield f"Service {name}: selects {', '.join(one.name for one in chosen) or 'nothing'}"
            continue
        ports = {one["name"]: one["containerPort"] for one in chosen[0].container.get("ports", [])}
        for port in spec["ports"]:
            if port["targetPort"] not in ports:
                yield f"Service {name}: {chosen[0].name} has no port {port['targetPort']}"
            elif port["targetPort"] == "grpc" and port["port"] != ports["grpc"]:
                yield f"Service {name}: headless, so its port must be the pod's, {ports['grpc']}"
        if "grpc" in ports and spec.get("clusterIP") != "None":
            yield f"Service {name}: not headless, so all calls of one client would go to one pod"


def _wanted(manifests: Manifests) -> Iterator[Edge]:
    services = {one["metadata"]["name"] for one in manifests.of("Service")}
    for workload in manifests.servers():
        for variable, value in workload.environment(manifests.config_maps(), {}).items():
            if variable.endswith("_ADDRESS"):
                host, _, port = value.partition(":")
                yield (workload.name, host if host in services else f"{host} (no such Service)", int(port))


def _allowed(manifests: Manifests, direction: str) -> Iterator[Edge]:
    """Pairs of our own workloads; addresses outside and other namespaces are left out."""
    side = "from" if direction == "ingress" else "to"
    for policy in manifests.of("NetworkPolicy"):
        subjects = _chosen(manifests, policy["spec"]["podSelector"])
        for rule in policy["spec"].get(direction, []):
            for other in _peers(manifests, rule.get(side, [])):
                for subject in subjects:
                    pair = (other, subject) if direction == "ingress" else (subject, other)
                    yield from ((*pair, port) for port in _ports(rule))


def _peers(manifests: Manifests, peers: list[Document]) -> Iterator[str]:
    for peer in peers:
        if "podSelector" in peer and "namespaceSelector" not in peer:
            yield from _chosen(manifests, peer["podSelector"])


def _chosen(manifests: Manifests, selector: dict[str, Any]) -> list[str]:
    return [one.name for one in manifests.workloads() if selects(selector, one.labels)]


def _ports(rule: Document) -> list[int]:
    return [int(one["port"]) for one in rule.get("ports", [])]
