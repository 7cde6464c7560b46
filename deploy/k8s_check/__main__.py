"""Renders the base and every overlay and reports each fault on a line; exits 1 where there is one."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.k8s_check import environment, network, rules
from deploy.k8s_check.manifests import Manifests
from deploy.k8s_check.rendering import ROOT, VERSIONS, CannotRender, render, schema_faults

K8S = ROOT / "deploy" / "k8s"
ALWAYS = (
    *rules.RULES,
    network.calls_get_through_and_no_others,
    network.nothing_is_open_by_default,
    network.services_find_their_pods,
    environment.variables_are_known,
    environment.files_are_mounted,
)


def faults_of(manifests: Manifests, *, complete: bool) -> Iterator[str]:
    """What our own rules say. `complete` means an overlay, which leaves nothing open."""
    yield from itertools.chain.from_iterable(rule(manifests) for rule in ALWAYS)
    examples = environment.read_examples(K8S / "secrets.example")
    yield from rules.examples_are_complete(manifests, examples)
    if complete:
        yield from rules.images_are_pinned(manifests)
        yield from environment.environment_is_taken(manifests, examples)
        yield from environment.parts_agree(manifests, examples)


def check(folder: Path, *, complete: bool) -> list[str]:
    """All faults of one kustomize folder, each with the folder's name. Raises CannotRender."""
    documents = render(folder)
    found = [*schema_faults(documents), *faults_of(Manifests(documents), complete=complete)]
    if not found:
        _say(f"ok {folder.relative_to(ROOT)}: {len(documents)} documents")
    return [f"{folder.relative_to(ROOT)}: {fault}" for fault in found]


def main() -> int:
    """Check the base, the overlays and AWS's rights."""
    try:
        found = check(K8S / "base", complete=False)
        for overlay in sorted((K8S / "overlays").iterdir()):
            found += check(overlay, complete=True)
    except CannotRender as error:
        found = [str(error)]
    found += rules.rights_are_narrow(ROOT / "deploy" / "aws")
    for fault in found:
        _say(f"FAULT {fault}")
    _say(f"{len(found)} faults (schemas of Kubernetes {', '.join(VERSIONS)})")
    return 1 if found else 0


def _say(line: str) -> None:
    print(line)  # noqa: T201  its answer


if __name__ == "__main__":
    sys.exit(main())
