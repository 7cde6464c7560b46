"""Rendered documents as the rules see them: workloads, their containers and what these read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.k8s_check.rendering import Document

Labels = Mapping[str, str]
SERVERS = ("consent-svc", "recording-svc", "transcript-svc", "gateway")


@dataclass(frozen=True)
class SecretKey:
    """One key of one Secret."""

    secret: str
    key: str


@dataclass(frozen=True)
class Workload:
    """A Deployment, StatefulSet or Job."""

    document: Document

    @property
    def name(self) -> str:
        """As kubectl shows it."""
        return str(self.document["metadata"]["name"])

    @property
    def is_job(self) -> bool:
        """Whether it ends by itself."""
        return bool(self.document["kind"] == "Job")

    @property
    def replicas(self) -> int:
        """How many pods it wants."""
        return int(self.document["spec"].get("replicas", 1))

    @property
    def labels(self) -> Labels:
        """What its pods are called by Services and policies."""
        labels: Labels = self.document["spec"]["template"]["metadata"]["labels"]
        return labels

    @property
    def pod(self) -> Document:
        """Its pods' specification."""
        pod: Document = self.document["spec"]["template"]["spec"]
        return pod

    @property
    def container(self) -> Document:
        """The container that our code runs in."""
        container: Document = self.pod["containers"][0]
        return container

    @property
    def containers(self) -> list[Document]:
        """All of them, those that run beforehand included."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def secret_keys(self) -> dict[str, SecretKey]:
        """Variables that come from Secrets."""
        found = {one["name"]: one.get("valueFrom", {}).get("secretKeyRef") for one in self.container.get("env", [])}
        return {name: SecretKey(key["name"], key["key"]) for name, key in found.items() if key}

    def environment(self, config_maps: Mapping[str, Labels], secrets: Mapping[SecretKey, str]) -> dict[str, str]:
        """The variables as the container will see them."""
        values: dict[str, str] = {}
        for source in self.container.get("envFrom", []):
            values |= config_maps.get(source["configMapRef"]["name"], {})
        for one in self.container.get("env", []):
            if one["name"] in self.secret_keys:
                values[one["name"]] = secrets.get(self.secret_keys[one["name"]], "")
            else:
                values[one["name"]] = one.get("value", self.name)
        return values

    def volume_at(self, path: str) -> Document | None:
        """The volume that holds a path of the container."""
        for mount in self.container.get("volumeMounts", []):
            if f"{path}/".startswith(mount["mountPath"].rstrip("/") + "/"):
                return next((one for one in self.pod["volumes"] if one["name"] == mount["name"]), None)
        return None


@dataclass(frozen=True)
class Manifests:
    """Everything that one folder renders to."""

    documents: Sequence[Document]

    def of(self, *kinds: str) -> Iterator[Document]:
        """The documents of some kinds."""
        return (one for one in self.documents if one["kind"] in kinds)

    def workloads(self) -> list[Workload]:
        """All that starts pods."""
        return [Workload(one) for one in self.of("Deployment", "StatefulSet", "DaemonSet", "Job")]

    def servers(self) -> list[Workload]:
        """All that starts pods that stay."""
        return [one for one in self.workloads() if not one.is_job]

    def config_maps(self) -> dict[str, Labels]:
        """Their data, by name."""
        return {one["metadata"]["name"]: one.get("data", {}) for one in self.of("ConfigMap")}


def selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a label selector chooses what carries these labels."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_matches(one, labels) for one in selector.get("matchExpressions", []))


def names(documents: Iterable[Document]) -> set[str]:
    """What the documents are called."""
    return {one["metadata"]["name"] for one in documents}


def _matches(expression: Mapping[str, Any], labels: Labels) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", [])
    answers = {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }
    return answers[expression["operator"]]
