"""Signatures over receipts and exports: who holds the public key needs nobody to check them."""

import base64
import json
import string
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from consent_svc.signing import KeyFileError, SignatureError, Signer, key_id, load_public_key, verify

TYPE = "assent-test+jws"
PAYLOAD = '{"name":"José"}'.encode()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
JWS = Signer(KEY).sign(PAYLOAD, TYPE)
JWK = Signer(KEY).public_jwk()
OTHER_JWK = Signer(Ed25519PrivateKey.generate()).public_jwk()
OF_ANOTHER_KIND = generate_private_key(SECP256R1())


def written(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "key"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_what_was_signed_comes_back_under_its_key() -> None:
    assert verify(JWS, KEY.public_key(), TYPE) == PAYLOAD
    assert Signer(KEY).sign(PAYLOAD, TYPE) == JWS
    assert jwt.get_unverified_header(JWS) == {"alg": "EdDSA", "typ": TYPE, "kid": key_id(KEY.public_key())}


def test_the_key_is_named_as_rfc_8037_names_it() -> None:
    # Appendix A.1 to A.3 of the RFC: a private key and the thumbprint of its public half.
    private = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = Ed25519PrivateKey.from_private_bytes(private)
    assert key_id(key.public_key()) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert json.loads(Signer(key).public_jwk())["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


def test_no_single_character_can_be_another() -> None:
    """Every place with every character that base64url knows, spare bits of the last ones included."""
    accepted = []
    for position, own in enumerate(JWS):
        for other in string.ascii_letters + string.digits + "-_.=+/ \n!é":
            if other != own:
                try:
                    verify(JWS[:position] + other + JWS[position + 1 :], KEY.public_key(), TYPE)
                except SignatureError:
                    continue
                accepted.append((position, other))
    assert accepted == []


DEEP = f"{base64.urlsafe_b64encode(b'[' * 30_000).decode()}.e30.e30"


@pytest.mark.parametrize(
    "altered", [DEEP, JWS[:-1], JWS + "A", JWS + "=", JWS + "==", JWS + "\n", "a" + JWS, JWS + "." + JWS, "", ".."]
)
def test_nothing_can_be_added_or_left_out(altered: str) -> None:
    with pytest.raises(SignatureError):
        verify(altered, KEY.public_key(), TYPE)


def test_another_key_another_kind_of_document_and_another_name_are_refused() -> None:
    with pytest.raises(SignatureError, match="does not hold under this key"):
        verify(JWS, Ed25519PrivateKey.generate().public_key(), TYPE)
    with pytest.raises(SignatureError, match="not as 'assent-other"):
        verify(JWS, KEY.public_key(), "assent-other+jws")
    named = jwt.api_jws.encode(PAYLOAD, KEY, algorithm="EdDSA", headers={"kid": "somebody", "typ": TYPE})
    with pytest.raises(SignatureError, match="names another key"):
        verify(named, KEY.public_key(), TYPE)
    unsigned = jwt.api_jws.encode(PAYLOAD, "", algorithm="none", headers={"typ": TYPE})
    with pytest.raises(SignatureError):
        verify(unsigned, KEY.public_key(), TYPE)


@pytest.mark.parametrize(
    "content",
    [
        PEM,
        PUBLIC_PEM,
        JWK,
        json.dumps({"keys": [json.loads(JWK)]}),
        json.dumps({"keys": [json.loads(OTHER_JWK), {"kty": "RSA", "n": "AQ", "e": "AQAB"}, json.loads(JWK)]}),
    ],
    ids=["private", "public", "jwk", "set", "set of several"],
)
def test_a_public_key_is_read_from_every_form(content: bytes | str, tmp_path: Path) -> None:
    assert load_public_key(written(tmp_path, content), JWS) == KEY.public_key()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("nothing", "no key in PEM"),
        ("{", "no key in PEM"),
        ('{"keys": 3}', "no key in PEM"),
        ('{"keys":' * 10_000, "no key in PEM"),
        ('{"keys": []}', "holds no JSON Web Key"),
        ('{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}', "no key in PEM"),
        (json.dumps({"keys": [json.loads(OTHER_JWK), json.loads(Signer(Ed25519PrivateKey.generate()).public_jwk())]}),
         f"holds 2 keys, and none is the one that signed: the signature names key {Signer(KEY).key_id}$"),
        (OF_ANOTHER_KIND.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "none of Ed25519"),
    ],
    ids=["text", "broken", "keys is a number", "deep", "empty", "short", "none signed", "of another kind"],
)  # fmt: skip
def test_a_file_without_the_key_is_refused_with_what_is_wrong(content: bytes | str, says: str, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=says):
        load_public_key(written(tmp_path, content), JWS)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (PUBLIC_PEM, "no unencrypted private key"),
        (b"", "no unencrypted private key"),
        (KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")), "no unencrypted"),
        (OF_ANOTHER_KIND.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "none of Ed25519"),
    ],
    ids=["public", "empty", "encrypted", "of another kind"],
)
def test_a_key_that_cannot_sign_is_refused_with_how_to_make_one(content: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=f"{says}.*openssl genpkey -algorithm ed25519"):
        Signer.load(written(tmp_path, content))


def test_a_key_is_found_without_a_readable_signature(tmp_path: Path) -> None:
    for jws in ("", "...", DEEP, "é"):
        assert load_public_key(written(tmp_path, JWK), jws) == KEY.public_key()


@pytest.mark.parametrize(
    ("kid", "says"),
    [("a\x1b[2Jb", r"names key a\x1b[2Jb"), ("é" * 101, "names key " + "é" * 100 + "…"), ("", "names no key")],
    ids=["escapes", "long", "none"],
)
def test_the_name_of_a_key_that_nobody_verified_does_no_harm_to_a_terminal(kid: str, says: str, tmp_path: Path) -> None:
    keys = [Signer(Ed25519PrivateKey.generate()).public_jwk() for _ in range(2)]
    jws = jwt.api_jws.encode(PAYLOAD, KEY, algorithm="EdDSA", headers={"kid": kid, "typ": TYPE})
    with pytest.raises(KeyFileError) as refused:
        load_public_key(written(tmp_path, json.dumps({"keys": [*map(json.loads, keys)]})), jws)
    assert str(refused.value).endswith(f"the signature {says}")


def test_what_a_header_demands_does_no_harm_to_a_terminal() -> None:
    demanding = {"kid": Signer(KEY).key_id, "typ": TYPE, "crit": ["\x1b[2J"]}
    jws = jwt.api_jws.encode(PAYLOAD, KEY, algorithm="EdDSA", headers=demanding)
    with pytest.raises(SignatureError) as refused:
        verify(jws, KEY.public_key(), TYPE)
    assert str(refused.value).isprintable()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for load in (Signer.load, load_public_key):
        with pytest.raises(KeyFileError, match=r"nowhere\.pem cannot be read: No such file"):
            load(tmp_path / "nowhere.pem")


def test_a_private_key_is_read_from_its_file(tmp_path: Path) -> None:
    assert Signer.load(written(tmp_path, PEM)).sign(PAYLOAD, TYPE) == JWS
