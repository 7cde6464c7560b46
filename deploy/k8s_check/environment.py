"""Holds the variables that the manifests give each part against the settings that its code reads."""

import importlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest.mock import patch

from pydantic import AliasChoices, ValidationError
from pydantic_settings import BaseSettings

from deploy.k8s_check.manifests import Manifests, SecretKey, Workload

LEFT_OUT = {
    "AWS_ENDPOINT_URL",  # AWS itself
    "AWS_ACCESS_KEY_ID",  # a role instead
    "AWS_SECRET_ACCESS_KEY",
    "ASSENT_WHEREBY_ROOM_ORIGIN",  # only the local stand-in's rooms come from elsewhere
}
"""What a cluster has no use for; nobody may set it there by accident."""

BESIDE_SETTINGS = {"OTEL_EXPORTER_OTLP_ENDPOINT"}
"""Read by a library, not by a settings class."""


def settings_of(workload: Workload) -> type[BaseSettings]:
    """The class that the workload's command reads its environment with."""
    service, command = workload.container["args"]
    module = importlib.import_module(f"{service}.settings")
    # A part whose migrations need less than its server says so with a class of its own.
    narrow = getattr(module, "MigrationSettings", None) if command == "migrate" else None
    settings: type[BaseSettings] = narrow or module.Settings
    return settings


def known_variables(workload: Workload) -> set[str]:
    """All that the workload's service reads, whichever its command; a migration shares its server's ConfigMap."""
    module = importlib.import_module(f"{workload.container['args'][0]}.settings")
    return set(variables_of(settings_of(workload))) | set(variables_of(module.Settings))


def variables_of(settings: type[BaseSettings]) -> dict[str, bool]:
    """The variables that a settings class reads, and whether each is required."""
    prefix = settings.model_config.get("env_prefix", "")
    found = {}
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        given = alias.choices[0] if isinstance(alias, AliasChoices) else alias
        found[str(given or f"{prefix}{name}".upper())] = field.is_required()
    return found


def variables_are_known(manifests: Manifests) -> Iterator[str]:
    """Nothing is set that nobody reads: a misspelt setting would be silently without effect."""
    for workload in manifests.workloads():
        known = known_variables(workload) - LEFT_OUT | BESIDE_SETTINGS
        for variable in sorted(set(workload.environment(manifests.config_maps(), {})) - known):
            yield f"{workload.name}: sets {variable}, which {workload.container['args'][0]} has no use for"


def environment_is_taken(manifests: Manifests, secrets: Mapping[SecretKey, str]) -> Iterator[str]:
    """The settings class itself accepts what each container will see. Only for overlays: the base leaves some open."""
    for workload in manifests.workloads():
        settings = settings_of(workload)
        environment = workload.environment(manifests.config_maps(), secrets)
        with patch.dict(os.environ, environment, clear=True):
            try:
                settings()
            except ValidationError as error:
                prefix = settings.model_config.get("env_prefix", "")
                for fault in error.errors():
                    name = str(fault["loc"][0])
                    yield f"{workload.name}: {name if name.isupper() else f'{prefix}{name}'.upper()}: {fault['msg']}"


def parts_agree(manifests: Manifests, secrets: Mapping[SecretKey, str]) -> Iterator[str]:
    """A variable that several parts read has one value: one bucket, one region."""
    seen: dict[str, tuple[str, str]] = {}
    for workload in manifests.workloads():
        for variable, value in workload.environment(manifests.config_maps(), secrets).items():
            name, first = seen.setdefault(variable, (workload.name, value))
            if first != value:
                yield f"{variable} is {first!r} for {name} and {value!r} for {workload.name}"


def files_are_mounted(manifests: Manifests) -> Iterator[str]:
    """Every path among the settings lies in a volume of the right kind."""
    for workload in manifests.servers():
        for variable, value in workload.environment(manifests.config_maps(), {}).items():
            if not value.startswith("/"):
                continue
            volume = workload.volume_at(value) or {}
            wanted = "emptyDir" if variable == "ASSENT_SCRATCH_DIR" else "secret"
            if wanted not in volume:
                yield f"{workload.name}: {variable} is {value}, where no {wanted} is mounted"


def read_examples(folder: Path) -> dict[SecretKey, str]:
    """The example of every Secret: a file `<secret>.env` with a line for every key."""
    found = {}
    for file in sorted(folder.glob("*.env")):
        for line in file.read_text().splitlines():
            key, _, value = line.partition("=")
            found[SecretKey(file.stem, key)] = value
    return found
