"""What `make k8s-check` finds: each rule is held against a cluster description with one bug planted in it."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.k8s_check import rules
from deploy.k8s_check.__main__ import K8S, faults_of
from deploy.k8s_check.environment import known_variables, read_examples
from deploy.k8s_check.manifests import Manifests
from deploy.k8s_check.rendering import ROOT, CannotRender, Document, render, schema_faults

Cluster = dict[tuple[str, str], Document]


@pytest.fixture(scope="module")
def rendered() -> list[Document]:
    return render(K8S / "overlays" / "example")


@pytest.fixture
def cluster(rendered: list[Document]) -> Cluster:
    return {(one["kind"], one["metadata"]["name"]): one for one in copy.deepcopy(rendered)}


def faults(cluster: Cluster) -> list[str]:
    return list(faults_of(Manifests(list(cluster.values())), complete=True))


def pod(cluster: Cluster, kind: str, name: str) -> Any:
    return cluster[kind, name]["spec"]["template"]["spec"]


def config(cluster: Cluster, part: str) -> dict[str, str]:
    name = pod(cluster, "Deployment", part)["containers"][0]["envFrom"][0]["configMapRef"]["name"]
    data: dict[str, str] = next(
        one["data"] for one in cluster.values() if one["kind"] == "ConfigMap" and one["metadata"]["name"] == name
    )
    return data


def runs_as_root(cluster: Cluster) -> None:
    pod(cluster, "Deployment", "gateway")["securityContext"]["runAsUser"] = 0


def overrides_the_user(cluster: Cluster) -> None:
    pod(cluster, "Job", "consent-migration")["containers"][0]["securityContext"]["runAsUser"] = 0


def writes_its_root(cluster: Cluster) -> None:
    pod(cluster, "StatefulSet", "transcript-svc")["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = False


def has_no_liveness(cluster: Cluster) -> None:
    del pod(cluster, "Deployment", "consent-svc")["containers"][0]["livenessProbe"]


def probes_the_tls_port(cluster: Cluster) -> None:
    pod(cluster, "Deployment", "recording-svc")["containers"][0]["readinessProbe"]["grpc"]["port"] = 50051


def readiness_asks_the_others(cluster: Cluster) -> None:
    pod(cluster, "Deployment", "gateway")["containers"][0]["readinessProbe"]["httpGet"]["path"] = "/readyz"


def budget_keeps_all(cluster: Cluster) -> None:
    cluster["PodDisruptionBudget", "gateway"]["spec"]["minAvailable"] = 2


def gateway_reads_a_database(cluster: Cluster) -> None:
    key = {"name": "consent-database", "key": "ASSENT_CONSENT_DATABASE_URL"}
    variable = {"name": "ASSENT_OIDC_ISSUER", "valueFrom": {"secretKeyRef": key}}
    pod(cluster, "Deployment", "gateway")["containers"][0]["env"].append(variable)


def server_holds_the_owner_role(cluster: Cluster) -> None:
    key = {"name": "consent-migration", "key": "ASSENT_CONSENT_MIGRATION_DATABASE_URL"}
    variable = {"name": "ASSENT_CONSENT_MIGRATION_DATABASE_URL", "valueFrom": {"secretKeyRef": key}}
    pod(cluster, "Deployment", "consent-svc")["containers"][0]["env"].append(variable)


def roles_are_shared(cluster: Cluster) -> None:
    accounts = [cluster["ServiceAccount", part]["metadata"] for part in ("recording-svc", "transcript-svc")]
    accounts[1]["annotations"] = accounts[0]["annotations"]


def gateway_has_an_aws_role(cluster: Cluster) -> None:
    role = "arn:aws:iam::123456789012:role/another"
    cluster["ServiceAccount", "gateway"]["metadata"]["annotations"] = {"eks.amazonaws.com/role-arn": role}


def scratch_has_no_end(cluster: Cluster) -> None:
    for volume in pod(cluster, "StatefulSet", "transcript-svc")["volumes"]:
        if volume["name"] == "scratch":
            volume["emptyDir"] = {}


def transcripts_lose_their_names(cluster: Cluster) -> None:
    cluster["StatefulSet", "transcript-svc"]["kind"] = "Deployment"


def certificate_names_another(cluster: Cluster) -> None:
    cluster["Certificate", "consent-svc"]["spec"]["dnsNames"] = ["consent"]


def image_moves(cluster: Cluster) -> None:
    pod(cluster, "Deployment", "gateway")["containers"][0]["image"] = "images.example.com/assent:latest"


def call_is_not_let_in(cluster: Cluster) -> None:
    del cluster["NetworkPolicy", "consent-svc"]["spec"]["ingress"][0]["from"][1]


def call_is_not_let_out(cluster: Cluster) -> None:
    del cluster["NetworkPolicy", "transcript-svc"]["spec"]["egress"]


def anybody_in_the_namespace_may_call(cluster: Cluster) -> None:
    cluster["NetworkPolicy", "transcript-svc"]["spec"]["ingress"][0]["from"] = [{"podSelector": {}}]


def anybody_may_call(cluster: Cluster) -> None:
    del cluster["NetworkPolicy", "gateway"]["spec"]["ingress"][0]["from"]


def health_is_open(cluster: Cluster) -> None:
    ports = cluster["NetworkPolicy", "recording-svc"]["spec"]["ingress"][0]["ports"]
    ports.append({"protocol": "TCP", "port": 8081})


def default_is_open(cluster: Cluster) -> None:
    del cluster["NetworkPolicy", "deny-all"]


def service_takes_the_migration_too(cluster: Cluster) -> None:
    del cluster["Service", "recording-svc"]["spec"]["selector"]["app.kubernetes.io/component"]


def service_is_one_address(cluster: Cluster) -> None:
    cluster["Service", "recording-svc"]["spec"]["clusterIP"] = "10.0.0.1"


def address_is_nobodys(cluster: Cluster) -> None:
    config(cluster, "gateway")["ASSENT_CONSENT_ADDRESS"] = "consent:50051"


def setting_is_misspelt(cluster: Cluster) -> None:
    config(cluster, "consent-svc")["ASSENT_RECORDING_BUCKET"] = "example"


def setting_is_missing(cluster: Cluster) -> None:
    del config(cluster, "recording-svc")["ASSENT_AUDIO_BUCKET"]


def setting_is_refused(cluster: Cluster) -> None:
    config(cluster, "gateway")["ASSENT_GATEWAY_URL"] = "assent.example.com"


def buckets_differ(cluster: Cluster) -> None:
    config(cluster, "consent-svc")["ASSENT_RECORDINGS_BUCKET"] = "another"


def key_is_not_mounted(cluster: Cluster) -> None:
    config(cluster, "recording-svc")["ASSENT_CERTIFICATE_KEY_FILE"] = "/etc/assent/key.pem"


def secret_is_committed(cluster: Cluster) -> None:
    cluster["Secret", "gateway"] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gateway"}}


PLANTED: dict[Callable[[Cluster], None], str] = {
    runs_as_root: "gateway: may run as root",
    overrides_the_user: "consent-migration/migrate: runAsUser belongs to the pod",
    writes_its_root: "transcript-svc/transcript-svc: securityContext.readOnlyRootFilesystem is not true",
    has_no_liveness: "consent-svc: livenessProbe does not ask",
    probes_the_tls_port: "recording-svc: readinessProbe does not ask",
    readiness_asks_the_others: "gateway: readinessProbe asks /readyz",
    budget_keeps_all: "gateway: needs one PodDisruptionBudget",
    gateway_reads_a_database: "gateway: has no business with Secret consent-database",
    server_holds_the_owner_role: "consent-svc: has no business with Secret consent-migration",
    roles_are_shared: "two ServiceAccounts share an AWS role",
    gateway_has_an_aws_role: "ServiceAccount gateway: needs no AWS role",
    scratch_has_no_end: "transcript-svc: volume scratch has no sizeLimit",
    transcripts_lose_their_names: "transcript-svc: must be a StatefulSet",
    certificate_names_another: "consent-svc: no Certificate in consent-svc-tls with its name",
    image_moves: "image images.example.com/assent:latest is not named by its digest",
    call_is_not_let_in: "recording-svc calls consent-svc:50051, and no NetworkPolicy lets it in",
    call_is_not_let_out: "transcript-svc calls recording-svc:50051, and no NetworkPolicy lets it out",
    anybody_in_the_namespace_may_call: "lets consent-svc reach transcript-svc:50051, which no setting names",
    anybody_may_call: "NetworkPolicy gateway: a rule of its ingress is open",
    health_is_open: "NetworkPolicy recording-svc: opens the health port",
    default_is_open: "no NetworkPolicy denies everything by default",
    service_takes_the_migration_too: "Service recording-svc: selects recording-svc, recording-migration",
    service_is_one_address: "Service recording-svc: not headless",
    address_is_nobodys: "gateway calls consent (no such Service):50051",
    setting_is_misspelt: "consent-svc: sets ASSENT_RECORDING_BUCKET, which consent_svc has no use for",
    setting_is_missing: "recording-svc: ASSENT_AUDIO_BUCKET: Field required",
    setting_is_refused: "gateway: ASSENT_GATEWAY_URL: Value error",
    buckets_differ: "ASSENT_RECORDINGS_BUCKET is 'another' for consent-svc",
    key_is_not_mounted: "recording-svc: ASSENT_CERTIFICATE_KEY_FILE is /etc/assent/key.pem, where no secret is mounted",
    secret_is_committed: "Secret gateway: secrets are made beside the manifests",
}


def test_what_is_in_the_repository_has_no_fault(cluster: Cluster, rendered: list[Document]) -> None:
    assert schema_faults(rendered) == []
    assert faults(cluster) == []
    assert list(rules.rights_are_narrow(ROOT / "deploy" / "aws")) == []


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Callable[[Cluster], None], cluster: Cluster) -> None:
    before = faults(cluster)
    plant(cluster)
    new = [one for one in faults(cluster) if one not in before]
    assert any(PLANTED[plant] in one for one in new), new


def test_a_field_that_kubernetes_does_not_know_is_a_fault(cluster: Cluster) -> None:
    cluster["Service", "gateway"]["spec"]["clusterip"] = "None"
    assert any("Service gateway" in one and "clusterip" in one for one in schema_faults(list(cluster.values())))


@pytest.mark.parametrize("missing", [True, False])
def test_the_example_of_the_secrets_has_every_key_and_no_other(missing: bool, cluster: Cluster) -> None:
    examples = read_examples(K8S / "secrets.example")
    key = next(iter(examples))
    if missing:
        del examples[key]
    else:
        examples[type(key)("gateway", "ASSENT_OLD_KEY")] = ""
    found = list(rules.examples_are_complete(Manifests(list(cluster.values())), examples))
    assert len(found) == 1
    assert ("is missing" if missing else "nobody reads ASSENT_OLD_KEY") in found[0]


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    for file in (ROOT / "deploy" / "aws").glob("*.json"):
        (tmp_path / file.name).write_text(file.read_text())
    return tmp_path


def test_only_recording_svc_may_erase(policies: Path) -> None:
    file = policies / "transcript-svc.json"
    policy = json.loads(file.read_text())
    policy["Statement"][1]["Action"].append("s3:DeleteObject")
    file.write_text(json.dumps(policy))
    assert list(rules.rights_are_narrow(policies)) == [
        "transcript-svc.json: s3:DeleteObject: only recording-svc may erase"
    ]


def test_a_folder_that_kustomize_refuses_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotRender, match="kustomization"):
        render(tmp_path)


def test_the_operations_page_names_every_setting_and_no_other(cluster: Cluster) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    workloads = Manifests(list(cluster.values())).workloads()
    settings = {variable for workload in workloads for variable in known_variables(workload)}
    assert set(re.findall(r"`((?:ASSENT|AWS)_[A-Z_]+)`", page)) == settings
