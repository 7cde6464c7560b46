"""What may import what, and what may lie where: the shape of the system, kept by a test."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVICES = ("consent_svc", "recording_svc", "transcript_svc", "gateway")
OUTSIDE = ("deploy", "tests", "bench")
CHASSIS = {
    "__init__.py", "bus/__init__.py", "bus/consuming.py", "channel.py", "database/__init__.py",
    "database/group_commit.py", "errors.py", "logs.py", "outbox.py", "server.py", "settings.py", "tasks.py",
    "telemetry.py",
}  # fmt: skip
DOMAIN_WORDS = ("meeting", "consent", "recording", "transcript", "participant", "whereby")
PURE_FORBIDDEN = ("sqlalchemy", "grpc", "asyncio", "nats", "aiobotocore", "httpx", "fastapi", "chassis.database")


def modules(package: str) -> Iterator[Path]:
    return (path for path in (ROOT / package).rglob("*.py") if "node_modules" not in path.parts)


def imported(path: Path) -> set[str]:
    """Full names of what a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)}:{node.lineno} imports relatively"
            names.add(node.module or "")
    return names


def top_levels(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_imports_another_or_what_is_outside(service: str) -> None:
    forbidden = {*SERVICES, *OUTSIDE} - {service}
    found = {str(path.relative_to(ROOT)): top_levels(path) & forbidden for path in modules(service)}
    assert {path: names for path, names in found.items() if names} == {}


def test_the_chassis_imports_no_service_and_no_stub() -> None:
    forbidden = {*SERVICES, *OUTSIDE, "assent"}
    found = {path.name: top_levels(path) & forbidden for path in modules("chassis")}
    assert {path: names for path, names in found.items() if names} == {}


def test_the_chassis_is_a_closed_list_of_files() -> None:
    assert {str(path.relative_to(ROOT / "chassis")) for path in modules("chassis")} == CHASSIS


def test_the_chassis_knows_no_word_of_the_domain() -> None:
    found = []
    for path in modules("chassis"):
        code = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.id for node in ast.walk(code) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(code) if isinstance(node, ast.Attribute)}
        names |= {node.arg for node in ast.walk(code) if isinstance(node, ast.arg)}
        names |= {node.name for node in ast.walk(code) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        found += [f"{path.name}: {name}" for name in names for word in DOMAIN_WORDS if word in name.lower()]
    assert found == []


def test_rules_are_pure() -> None:
    """domain.py (or domain/) knows no I/O, no clock, no framework."""
    checked = 0
    for service in SERVICES[:3]:
        domain = [path for path in modules(service) if path.stem == "domain" or path.parent.name == "domain"]
        assert domain, f"{service} has no domain"
        for path in domain:
            checked += 1
            bad = [name for name in imported(path) if name.startswith(PURE_FORBIDDEN)]
            assert not bad, f"{path.relative_to(ROOT)} imports {bad}"
            assert ".now(" not in path.read_text(encoding="utf-8"), f"{path.relative_to(ROOT)} looks at the clock"
    assert checked >= 3


def test_only_the_recording_service_deletes_objects() -> None:
    deleting = ("delete_object", "delete_objects", "abort_multipart_upload")
    found = [
        f"{path.relative_to(ROOT)}"
        for service in {*SERVICES, "chassis"} - {"recording_svc"}
        for path in modules(service)
        if any(word in path.read_text(encoding="utf-8") for word in deleting)
    ]
    assert found == []


UPLOADS = {"put_object", "upload_file", "upload_fileobj", "create_multipart_upload", "upload_part", "copy_object"}
# Whoever is not here writes no audio. A new one registers its places with recording_svc before the first byte, as
# tests/transcript/test_scratch.py shows of these, or it is not audio that it writes, and says so here.
WRITES_AUDIO = {"transcript_svc/buckets.py", "transcript_svc/audio_files.py"}
WRITES_NO_AUDIO = {
    "recording_svc/canary.py": "an object of its own, erased to show that erasing works",
    "transcript_svc/openai.py": "a request's wav, into memory",
    "transcript_svc/workers.py": "replies, into a pipe",
}


def _is_write(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    modes = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    opens = name in ("open", "fdopen") and any(
        set(mode) <= set("rwxab+t") and set(mode) & set("wxa+") for mode in modes
    )
    return name in UPLOADS or name in ("write_bytes", "write_text") or opens


def test_d3_audio_is_written_only_where_its_place_is_registered_before() -> None:
    writing = {
        str(path.relative_to(ROOT))
        for service in SERVICES
        for path in modules(service)
        if any(isinstance(node, ast.Call) and _is_write(node) for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    }
    assert writing - WRITES_NO_AUDIO.keys() == WRITES_AUDIO


def test_every_service_has_the_same_rooms() -> None:
    for service in SERVICES[:3]:
        for name in ("__init__", "__main__", "settings", "domain", "store", "servicer", "events"):
            path = ROOT / service / name
            assert path.with_suffix(".py").exists() or path.is_dir(), f"{service} has no {name}"


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for package in (*SERVICES, "chassis", "deploy")
        for path in modules(package)
        if "migrations" not in path.parts and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []
