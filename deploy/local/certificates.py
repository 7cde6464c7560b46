"""A certificate authority of this machine's own, and one certificate for each service: TLS is on here too."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local.run_dir import RunDir, write_private

LIFETIME = timedelta(days=3650)


class Certificates:
    """The files below `tls/`: `ca.pem`, and `<name>.pem` with `<name>.key` for whoever asks."""

    def __init__(self, run_dir: RunDir) -> None:
        self._run_dir = run_dir
        self._folder = run_dir.folder("tls")

    def env(self, name: str) -> dict[str, str]:
        """The three variables by which a service, or a client, named so takes part in mutual TLS."""
        with self._run_dir.locked("tls"):
            if not (self._folder / "ca.pem").exists():
                self._make_authority()
            if not (self._folder / f"{name}.pem").exists():
                self._issue(name)
        return {
            "ASSENT_TLS_CA": str(self._folder / "ca.pem"),
            "ASSENT_TLS_CERT": str(self._folder / f"{name}.pem"),
            "ASSENT_TLS_KEY": str(self._folder / f"{name}.key"),
        }

    def _make_authority(self) -> None:
        key = generate_private_key(SECP256R1())
        name = _name("Assent on this machine")
        certificate = (
            _builder(name, key)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(self._folder / "ca", key, certificate)

    def _issue(self, name: str) -> None:
        authority = x509.load_pem_x509_certificate((self._folder / "ca.pem").read_bytes())
        signer = load_pem_private_key((self._folder / "ca.key").read_bytes(), password=None)
        assert isinstance(signer, EllipticCurvePrivateKey)
        key = generate_private_key(SECP256R1())
        host = name.replace("_", "-")
        places = [x509.DNSName(host), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        certificate = (
            _builder(_name(host), key)
            .issuer_name(authority.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(both), critical=False)
            .add_extension(x509.SubjectAlternativeName(places), critical=False)
            .add_extension(known, critical=False)
            .sign(signer, hashes.SHA256())
        )
        _write(self._folder / name, key, certificate)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(subject: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )


def _write(path: Path, key: EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(path.with_suffix(".key"), private)  # first: the certificate stands for the pair being whole
    write_private(path.with_suffix(".pem"), certificate.public_bytes(Encoding.PEM))
