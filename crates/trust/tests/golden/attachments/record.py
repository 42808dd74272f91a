"""Asks a current Skopeo which attachments (`sigstoreSigned`) it accepts, and records its answers in `answers.json`.

    python3 -m venv venv && venv/bin/pip install cryptography==50.0.2
    venv/bin/python record.py SKOPEO [NAME]

SKOPEO is a program built from Skopeo's repository, as

    CGO_ENABLED=0 go build -mod=vendor -tags 'containers_image_openpgp exclude_graphdriver_btrfs' ./cmd/skopeo

since Debian's has sigstore patched out. Debian's `docker-registry` must be installed. With NAME it only prints the
answers to the cases whose names contain it. All keys are made for the run and not kept. The test
`sigstore_oracle` judges the cases again.
"""

import base64
import contextlib
import datetime
import hashlib
import http.client
import ipaddress
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

HERE = pathlib.Path(__file__).parent
MANIFEST = (HERE.parent / "manifest.json").read_bytes()
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
PORT = 5599
HOST = f"127.0.0.1:{PORT}"
REPOSITORY = f"{HOST}/n/app"
NAME = f"{REPOSITORY}:1"

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
SET = "dev.sigstore.cosign/bundle"
CERTIFICATE = "dev.sigstore.cosign/certificate"
CHAIN = "dev.sigstore.cosign/chain"

EMAIL = "ada@example.com"
ISSUER = "https://accounts.example.com"
DAY = 86_400
NOW = int(time.time())
LOGGED = NOW - 30 * DAY


SHA256, SHA384, SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()


def b64(data):
    return base64.b64encode(data).decode()


# Keys.


def pem_of(key):
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def pkcs1_of(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1).decode()


MADE = {}


def sign(key, data, hash=SHA256):
    """A signature, the same whenever it is asked for the same."""
    wanted = (id(key), data, hash.name)
    if wanted not in MADE:
        MADE[wanted] = (sign_anew(key, data, hash), key)  # the key lives on, so that no other has its id
    return MADE[wanted][0]


def sign_anew(key, data, hash):
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hash))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hash)
    return key.sign(data)


KEYS = {
    "k1": ec.generate_private_key(ec.SECP256R1()),
    "k2": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "rsa1024": rsa.generate_private_key(65537, 1024),
    "rsa2048": rsa.generate_private_key(65537, 2048),
    "rsa4096": rsa.generate_private_key(65537, 4096),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "log": ec.generate_private_key(ec.SECP256R1()),
    "log2": ec.generate_private_key(ec.SECP256R1()),
}
FILES = {f"{name}.pub": pem_of(key) for name, key in KEYS.items()}
K1 = KEYS["k1"]


# Payloads and attachments.


def payload(reference=REPOSITORY, digest=DIGEST, type="cosign container image signature", optional=None):
    critical = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": digest},
        "type": type,
    }
    return {"critical": critical, "optional": optional}


def attached(data, key=K1, signature=None, type=PAYLOAD_TYPE, hash=SHA256, **annotations):
    """An attachment of this payload, which is a document or its bytes."""
    data = json.dumps(data, separators=(",", ":")).encode() if isinstance(data, dict) else data
    signature = b64(sign(key, data, hash)) if signature is None else signature
    return {"mimeType": type, "payload": data, "annotations": {SIGNATURE: signature, **annotations}}


def changed(attachment, **annotations):
    """The same with other annotations, of which those that are None are left out."""
    all = {**attachment["annotations"], **annotations}
    return {**attachment, "annotations": {name: value for name, value in all.items() if value is not None}}


# Logs.


def entry(attachment, verifier, **other):
    hash = hashlib.sha256(other.get("payload", attachment["payload"])).hexdigest()
    signature = other.get("signature", attachment["annotations"][SIGNATURE])
    return {
        "apiVersion": other.get("version", "0.0.1"),
        "kind": other.get("kind", "hashedrekord"),
        "spec": {
            "data": {"hash": {"algorithm": other.get("algorithm", "sha256"), "value": hash}},
            "signature": {"content": signature, "publicKey": {"content": b64(verifier.encode())}},
        },
    }


def promised(body, log=KEYS["log"], at=LOGGED, index=7, **members):
    """A signed entry timestamp; `members` are changed after it was signed."""
    spki = log.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = b64(json.dumps(body, separators=(",", ":")).encode())
    signed = {"body": text, "integratedTime": at, "logID": hashlib.sha256(spki).hexdigest(), "logIndex": index}
    signature = sign(log, json.dumps(signed, sort_keys=True, separators=(",", ":")).encode())
    return json.dumps({"SignedEntryTimestamp": b64(signature), "Payload": {**signed, **members}})


def logged(attachment, verifier, log=KEYS["log"], at=LOGGED, **other):
    return changed(attachment, **{SET: promised(entry(attachment, verifier, **other), log, at)})


# Certificates.


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def moment(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


class Authority:
    def __init__(
        self,
        name,
        issuer=None,
        ca=True,
        begin=NOW - 400 * DAY,
        end=NOW + 9000 * DAY,
        usages=None,
        length=None,
        extensions=(),
        key=None,
        hash=SHA256,
    ):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        issuer_name = issuer.name if issuer else name
        self.name = name
        builder = (
            x509.CertificateBuilder()
            .subject_name(name_of(name))
            .issuer_name(name_of(issuer_name))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment(begin))
            .not_valid_after(moment(end))
            .add_extension(x509.BasicConstraints(ca, length if ca else None), critical=True)
            .add_extension(key_usage(ca), critical=True)
        )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        self.certificate = builder.sign(issuer.key if issuer else self.key, hash)

    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_usage(ca):
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    names += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    wanted = {"key_cert_sign"} if ca else {"digital_signature"}
    return x509.KeyUsage(**{name: name in wanted for name in names})


CODE = [ExtendedKeyUsageOID.CODE_SIGNING]


class Leaf:
    """A certificate of a signer, with its key."""

    def __init__(
        self,
        issuer,
        names=None,
        oidc=ISSUER,
        oidc2=None,
        usages=CODE,
        ca=False,
        begin=None,
        end=None,
        cn=None,
        extensions=(),
        key=None,
        hash=SHA256,
    ):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        begin = LOGGED - 300 if begin is None else begin
        end = LOGGED + 300 if end is None else end
        builder = (
            x509.CertificateBuilder()
            .subject_name(name_of(cn) if cn else x509.Name([]))
            .issuer_name(name_of(issuer.name))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment(begin))
            .not_valid_after(moment(end))
            .add_extension(key_usage(ca), critical=True)
        )
        if ca:
            builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        names = [x509.RFC822Name(EMAIL)] if names is None else names
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=cn is None)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        for number, value in [(1, oidc and oidc.encode()), (8, oidc2)]:
            if value:
                oid = ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
                builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        self.certificate = builder.sign(issuer.key, hash)

    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def utf8(text):
    return bytes([0x0C, len(text)]) + text.encode()


def certified(leaf, chain, certificate=None, data=None):
    attachment = attached(payload() if data is None else data, leaf.key)
    chain = "".join(link.pem() for link in chain) or None
    return changed(attachment, **{CERTIFICATE: leaf.pem() if certificate is None else certificate, CHAIN: chain})


def fulcio_logged(leaf, chain, at=LOGGED, log=KEYS["log"], **other):
    attachment = certified(leaf, chain)
    return logged(attachment, other.pop("verifier", leaf.pem()), log, at, **other)


# Policies.


def sigstore(identity=None, **members):
    requirement = {"type": "sigstoreSigned", **members}
    if identity is not None:
        requirement["signedIdentity"] = identity
    return requirement


REPO = {"type": "matchRepository"}
EXACT = {"type": "matchExact"}


def by_key(*keys, identity=REPO):
    datas = [f"@{key}.pub" for key in keys]
    return sigstore(identity, keyData=datas[0]) if len(datas) == 1 else sigstore(identity, keyDatas=datas)


def by_fulcio(ca="root.pem", email=EMAIL, issuer=ISSUER, log="log", identity=REPO):
    fulcio = {"caData": f"@{ca}", "oidcIssuer": issuer, "subjectEmail": email}
    return sigstore(identity, fulcio=fulcio, rekorPublicKeyData=f"@{log}.pub")


def by_pki(roots="root.pem", identity=REPO, **members):
    return sigstore(identity, pki={"caRootsData": f"@{roots}", **members})


CASES = []
ATTACHMENTS = {}


def case(name, requirements, attachments, reference=NAME, policy=None):
    names = []
    for attachment in attachments:
        if isinstance(attachment, str):
            names.append(attachment)
            continue
        known = [known for known, value in ATTACHMENTS.items() if value == attachment]
        if not known:
            known = [f"a{len(ATTACHMENTS) + 1}"]
            ATTACHMENTS[known[0]] = attachment
        names.append(known[0])
    requirements = requirements if isinstance(requirements, list) else [requirements]
    policy = policy or {"default": requirements}
    CASES.append({"name": name, "reference": reference, "policy": policy, "attachments": names})


def key_cases():
    good, bad = attached(payload()), attached(payload(), KEYS["k2"])
    sbom = attached(b"{}", type="text/spdx+json")
    for name, attachments in [
        ("one good", [good]),
        ("one bad", [bad]),
        ("bad, good", [bad, good]),
        ("good, bad", [good, bad]),
        ("bad, bad", [bad, bad]),
        ("a list of components", [sbom]),
        ("a list of components, good", [sbom, good]),
        ("good twice", [good, good]),
        ("no layer", []),
    ]:
        case(f"signatures: {name}", by_key("k1"), attachments)
    case("signatures: no attachment at all", by_key("k1"), [], reference=f"{HOST}/n/none:1")
    for name, keys, attachment in [
        ("one of two", ["k2", "k1"], good),
        ("none of two", ["k2", "p384"], good),
        ("P-384 with SHA-256", ["p384"], attached(payload(), KEYS["p384"])),
        ("P-384 with SHA-384", ["p384"], attached(payload(), KEYS["p384"], hash=SHA384)),
        ("P-521", ["p521"], attached(payload(), KEYS["p521"])),
        ("P-256 beside P-521", ["k1", "p521"], good),
        ("RSA 1024", ["rsa1024"], attached(payload(), KEYS["rsa1024"])),
        ("RSA 2048", ["rsa2048"], attached(payload(), KEYS["rsa2048"])),
        ("RSA 2048 with SHA-512", ["rsa2048"], attached(payload(), KEYS["rsa2048"], hash=SHA512)),
        ("RSA 4096", ["rsa4096"], attached(payload(), KEYS["rsa4096"])),
        ("Ed25519", ["ed25519"], attached(payload(), KEYS["ed25519"])),
        ("P-256 with SHA-384", ["k1"], attached(payload(), hash=SHA384)),
    ]:
        case(f"keys: {name}", by_key(*keys), [attachment])
    rsa_signature = KEYS["rsa2048"].sign(
        json.dumps(payload(), separators=(",", ":")).encode(), padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()
    )
    case("keys: RSA with PSS", by_key("rsa2048"), [attached(payload(), KEYS["rsa2048"], b64(rsa_signature))])
    prehashed = hashlib.sha512(json.dumps(payload(), separators=(",", ":")).encode()).digest()
    case("keys: Ed25519 over a hash", by_key("ed25519"), [attached(payload(), signature=b64(KEYS["ed25519"].sign(prehashed)))])
    pem = FILES["k1.pub"]
    for name, text in [
        ("rsa-pkcs1.pub", pkcs1_of(KEYS["rsa2048"])),
        ("prose.pub", f"a key\n{pem}"),
        ("twice.pub", pem + pem),
        ("two.pub", pem + FILES["k2.pub"]),
        ("other-first.pub", FILES["k2.pub"] + pem),
        ("tail.pub", f"{pem}tail\n"),
        ("dos.pub", pem.replace("\n", "\r\n")),
        ("labelled.pub", pem.replace("PUBLIC KEY", "CERTIFICATE")),
        ("headed.pub", pem.replace("-----\n", "-----\nComment: x\n\n", 1)),
        ("empty.pub", ""),
        ("der.pub", "\x30\x59\x30"),
    ]:
        FILES[name] = text
        key = KEYS["rsa2048"] if name.startswith("rsa") else K1
        case(f"key files: {name}", by_key(name.removesuffix(".pub")), [attached(payload(), key)])
    for name, members in [
        ("a path", {"keyPath": "@@k1.pub"}),
        ("paths", {"keyPaths": ["@@k2.pub", "@@k1.pub"]}),
        ("a path to nothing", {"keyPath": "@@missing.pub"}),
        ("one of the paths to nothing", {"keyPaths": ["@@k1.pub", "@@missing.pub"]}),
        ("a path to a directory", {"keyPath": "@@"}),
    ]:
        case(f"key files: {name}", sigstore(REPO, **members), [good])


def signature_cases():
    data = json.dumps(payload(), separators=(",", ":")).encode()
    signature = sign(K1, data)
    text = b64(signature)
    r, s = utils.decode_dss_signature(signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for name, value in [
        ("lines of base64", "\n".join(text[at : at + 64] for at in range(0, len(text), 64))),
        ("a line feed at the end", text + "\n"),
        ("a space at the end", text + " "),
        ("the URL's alphabet", base64.urlsafe_b64encode(b"\xff\xfe\xfd" + signature).decode()),
        ("no padding", text.rstrip("=") if text.endswith("=") else text + "="),
        ("nothing", ""),
        ("hexadecimal", signature.hex()),
        ("twice", text + text),
        ("a byte more", b64(signature + b"\0")),
        ("a byte less", b64(signature[:-1])),
        ("r and s alone", b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))),
        ("n - s", b64(utils.encode_dss_signature(r, order - s))),
        ("r = 0", b64(utils.encode_dss_signature(0, s))),
        ("s = n", b64(utils.encode_dss_signature(r, order))),
    ]:
        case(f"signature: {name}", by_key("k1"), [attached(data, signature=value)])
    case("signature: none", by_key("k1"), [changed(attached(data), **{SIGNATURE: None})])
    case("signature: of another payload", by_key("k1"), [attached(data + b" ", signature=text)])


def payload_cases():
    good = payload()
    compact = json.dumps(good, separators=(",", ":"))
    sha512 = "sha512:" + hashlib.sha512(MANIFEST).hexdigest()
    for name, value in [
        ("spaces", json.dumps(good, indent=1).encode()),
        ("a line feed at the end", compact.encode() + b"\n"),
        ("a byte order mark", b"\xef\xbb\xbf" + compact.encode()),
        ("an object more", compact.encode() + b"{}"),
        ("nothing", b""),
        ("no JSON", b"<html>"),
        ("optional {}", payload(optional={})),
        ("optional a list", payload(optional=[])),
        ("no optional", {"critical": good["critical"]}),
        ("creator a string", payload(optional={"creator": "x"})),
        ("creator a number", payload(optional={"creator": 1})),
        ("creator null", payload(optional={"creator": None})),
        ("timestamp", payload(optional={"timestamp": 1_700_000_000})),
        ("timestamp 1.5", payload(optional={"timestamp": 1.5})),
        ("timestamp a string", payload(optional={"timestamp": "1"})),
        ("unknown in optional", payload(optional={"tlog": {"x": [1]}})),
        ("unknown at the top", {**good, "more": 1}),
        ("unknown in critical", {**good, "critical": {**good["critical"], "more": 1}}),
        ("upper case", {"Critical": good["critical"], "optional": None}),
        ("critical twice", compact.replace("{", '{"critical":{},', 1).encode()),
        ("twice within optional", compact.replace("null", '{"x":1,"x":2}').encode()),
        ("twice deep in optional", compact.replace("null", '{"x":{"y":1,"y":2}}').encode()),
        ("an escaped name", compact.replace("critical", "\\u0063ritical", 1).encode()),
        ("a lone surrogate", compact.replace("null", '{"x":"\\ud800"}').encode()),
        ("type of simple signing", payload(type="atomic container signature")),
        ("type empty", payload(type="")),
        ("another digest", payload(digest="sha256:" + "0" * 64)),
        ("the digest by SHA-512", payload(digest=sha512)),
        ("the digest in upper case", payload(digest=DIGEST.upper())),
        ("a digest that is none", payload(digest="sha256:../..")),
        ("no digest", payload(digest="")),
    ]:
        case(f"payload: {name}", by_key("k1"), [attached(value)])


def identity_cases():
    by_digest = f"{REPOSITORY}@{DIGEST}"
    signed = {
        "tag 1": NAME,
        "tag 2": f"{REPOSITORY}:2",
        "the repository": REPOSITORY,
        "the digest": by_digest,
        "a repository below": f"{REPOSITORY}/more:1",
        "no port": "127.0.0.1/n/app:1",
        "a Docker name": "app:1",
        "no name": "",
        "no valid name": "INVALID",
    }
    remap = {"type": "remapIdentity", "prefix": HOST, "signedPrefix": "origin.example:5000"}
    identities = {
        "the default": None,
        "matchExact": EXACT,
        "matchRepository": REPO,
        "matchRepoDigestOrExact": {"type": "matchRepoDigestOrExact"},
        "exactReference": {"type": "exactReference", "dockerReference": NAME},
        "exactRepository": {"type": "exactRepository", "dockerRepository": REPOSITORY},
        "exactReference of a Docker name": {"type": "exactReference", "dockerReference": "docker.io/library/app:1"},
    }
    for wanted, identity in identities.items():
        for name, reference in signed.items():
            case(f"identity: {wanted}, signed for {name}", by_key("k1", identity=identity), [attached(payload(reference))])
    for wanted in ["the default", "matchExact", "matchRepository"]:
        for name in ["tag 1", "the repository", "the digest"]:
            attachment = attached(payload(signed[name]))
            requirement = by_key("k1", identity=identities[wanted])
            case(f"identity: {wanted} by digest, signed for {name}", requirement, [attachment], reference=by_digest)
    for name, reference in [
        ("the origin", "origin.example:5000/n/app:1"),
        ("the origin's repository", "origin.example:5000/n/app"),
        ("the place itself", NAME),
    ]:
        case(f"identity: remapIdentity, signed for {name}", by_key("k1", identity=remap), [attached(payload(reference))])


def policy_cases():
    one, two = attached(payload()), attached(payload(), KEYS["k2"])
    both = [by_key("k1"), by_key("k2")]
    for name, attachments in [("none", []), ("one", [one]), ("the other", [two]), ("both", [one, two])]:
        case(f"policy: two requirements, signed by {name}", both, attachments)
    accept, reject = {"type": "insecureAcceptAnything"}, {"type": "reject"}
    case("policy: accept anything, then a key", [accept, by_key("k1")], [one])
    case("policy: accept anything, then another key", [accept, by_key("k1")], [two])
    case("policy: a key, then reject", [by_key("k1"), reject], [one])
    case("policy: accept anything", [accept], [])
    scoped = lambda scope: {"default": [reject], "transports": {"docker": {scope: [by_key("k1")]}}}
    for scope in [NAME, REPOSITORY, f"{HOST}/n", HOST, "", "*.0.0.1:5599", "127.0.0.1", f"{HOST}/n/ap", f"{HOST}/", f"{REPOSITORY}@{DIGEST}"]:
        case(f"policy: the scope {scope!r}", [], [one], policy=scoped(scope))
    atomic = {"default": [accept], "transports": {"atomic": {"": [reject]}}}
    case("policy: a rule of another transport", [], [], policy=atomic)
    both_scopes = {"default": [reject], "transports": {"docker": {HOST: [reject], REPOSITORY: [by_key("k1")]}}}
    case("policy: the longer of two scopes", [], [one], policy=both_scopes)


def log_cases():
    good = attached(payload())
    key, other = FILES["k1.pub"], attached(payload(f"{REPOSITORY}:2"))
    rekor = lambda *keys, log="log": {**by_key(*keys), "rekorPublicKeyData": f"@{log}.pub"}
    entry_of_good = entry(good, key)
    for name, requirement, attachment in [
        ("a key that is logged", rekor("k1"), logged(good, key)),
        ("not logged", rekor("k1"), good),
        ("by another log", rekor("k1"), logged(good, key, KEYS["log2"])),
        ("by the second of two logs", {**by_key("k1"), "rekorPublicKeyDatas": ["@log2.pub", "@log.pub"]}, logged(good, key)),
        ("logged for the other of two keys", rekor("k1", "k2"), logged(good, FILES["k2.pub"])),
        ("signed by the other of two keys", rekor("k1", "k2"), logged(attached(payload(), KEYS["k2"]), FILES["k2.pub"])),
        ("logged for another payload", rekor("k1"), logged(good, key, payload=other["payload"])),
        ("logged for another signature", rekor("k1"), logged(good, key, signature=other["annotations"][SIGNATURE])),
        ("logged for another key", rekor("k1"), logged(good, FILES["k2.pub"])),
        ("of another kind", rekor("k1"), logged(good, key, kind="rekord")),
        ("of another version", rekor("k1"), logged(good, key, version="0.0.2")),
        ("by another hash", rekor("k1"), logged(good, key, algorithm="sha512")),
        ("the key as a certificate", rekor("k1"), logged(good, key.replace("PUBLIC KEY", "CERTIFICATE"))),
        ("the key twice", rekor("k1"), logged(good, key + key)),
        ("another time than signed", rekor("k1"), changed(good, **{SET: promised(entry_of_good, integratedTime=LOGGED - 1)})),
        ("another index than signed", rekor("k1"), changed(good, **{SET: promised(entry_of_good, logIndex=8)})),
        ("another id than signed", rekor("k1"), changed(good, **{SET: promised(entry_of_good, logID="00")})),
        ("a member more", rekor("k1"), changed(good, **{SET: promised(entry_of_good, more=1)})),
        ("a time with an exponent", rekor("k1"), changed(good, **{SET: promised(entry_of_good, at=1_700_000_000).replace("1700000000", "17e8")})),
        ("no JSON", rekor("k1"), changed(good, **{SET: "x"})),
        ("from the future", rekor("k1"), logged(good, key, at=NOW + 1000 * DAY)),
        ("a log with an RSA key", rekor("k1", log="rsa2048"), logged(good, key, KEYS["rsa2048"])),
        ("a log with P-384", rekor("k1", log="p384"), logged(good, key, KEYS["p384"])),
        ("logged and not asked for", by_key("k1"), changed(good, **{SET: "x"})),
    ]:
        case(f"log: {name}", requirement, [attachment])


def certificate_cases():
    root = Authority("root")
    between = Authority("between", root)
    chain = [between, root]
    FILES["root.pem"] = root.pem()
    FILES["between.pem"] = between.pem()
    FILES["both.pem"] = root.pem() + between.pem()
    FILES["stranger.pem"] = Authority("root").pem()
    leaf = Leaf(between)
    good = fulcio_logged(leaf, chain)
    email, uri, dns = x509.RFC822Name, x509.UniformResourceIdentifier, x509.DNSName
    for name, requirement, attachment in [
        ("good", by_fulcio(), good),
        ("another email", by_fulcio(email="eve@example.com"), good),
        ("an email in upper case", by_fulcio(email="Ada@example.com"), good),
        ("another issuer", by_fulcio(issuer=f"{ISSUER}/"), good),
        ("another root", by_fulcio("stranger.pem"), good),
        ("the authority between as root", by_fulcio("between.pem"), good),
        ("both as roots, no chain", by_fulcio("both.pem"), changed(good, **{CHAIN: None})),
        ("no chain", by_fulcio(), changed(good, **{CHAIN: None})),
        ("a chain without its root", by_fulcio(), changed(good, **{CHAIN: between.pem()})),
        ("a chain that begins with the leaf", by_fulcio(), changed(good, **{CHAIN: leaf.pem() + between.pem() + root.pem()})),
        ("a chain in the other order", by_fulcio(), changed(good, **{CHAIN: root.pem() + between.pem()})),
        ("a chain that is none", by_fulcio(), changed(good, **{CHAIN: "x"})),
        ("prose before the chain", by_fulcio(), changed(good, **{CHAIN: "x\n" + between.pem() + root.pem()})),
        ("no certificate", by_fulcio(), changed(good, **{CERTIFICATE: None})),
        ("two certificates", by_fulcio(), changed(good, **{CERTIFICATE: leaf.pem() + between.pem()})),
        ("a certificate and more", by_fulcio(), changed(good, **{CERTIFICATE: leaf.pem() + "x"})),
        ("not logged", by_fulcio(), changed(good, **{SET: None})),
        ("another log", by_fulcio(log="log2"), good),
        ("logged for a key", by_fulcio(), fulcio_logged(leaf, chain, verifier=pem_of(leaf.key))),
        ("logged for another certificate", by_fulcio(), fulcio_logged(leaf, chain, verifier=between.pem())),
        ("logged as the certificate begins", by_fulcio(), fulcio_logged(leaf, chain, at=LOGGED - 300)),
        ("logged before", by_fulcio(), fulcio_logged(leaf, chain, at=LOGGED - 301)),
        ("logged as the certificate ends", by_fulcio(), fulcio_logged(leaf, chain, at=LOGGED + 300)),
        ("logged after", by_fulcio(), fulcio_logged(leaf, chain, at=LOGGED + 301)),
    ]:
        case(f"fulcio: {name}", requirement, [attachment])
    for name, other in [
        ("a URI", Leaf(between, [uri("https://example.com/a")])),
        ("a URI that is the email", Leaf(between, [uri(EMAIL)])),
        ("two emails", Leaf(between, [email("eve@example.com"), email(EMAIL)])),
        ("a longer email", Leaf(between, [email(f"{EMAIL}.evil.com")])),
        ("no alternative name", Leaf(between, [], cn=EMAIL)),
        ("the issuer twice", Leaf(between, oidc2=utf8(ISSUER))),
        ("the new issuer alone", Leaf(between, oidc=None, oidc2=utf8(ISSUER))),
        ("another new issuer", Leaf(between, oidc2=utf8("https://evil.example.com"))),
        ("no issuer", Leaf(between, oidc=None)),
        ("trailing data in the new issuer", Leaf(between, oidc=None, oidc2=utf8(ISSUER) + b"\x05\0")),
        ("an IA5String as issuer", Leaf(between, oidc=None, oidc2=bytes([0x16, len(ISSUER)]) + ISSUER.encode())),
        ("no extended usage", Leaf(between, usages=None)),
        ("for servers", Leaf(between, usages=[ExtendedKeyUsageOID.SERVER_AUTH])),
        ("for any usage", Leaf(between, usages=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])),
        ("for time stamps", Leaf(between, usages=[ExtendedKeyUsageOID.TIME_STAMPING])),
        ("an authority itself", Leaf(between, ca=True)),
    ]:
        case(f"fulcio, the certificate: {name}", by_fulcio(), [fulcio_logged(other, chain)])
    for name, top, middle in [
        ("an expired root", {"end": LOGGED - DAY}, {}),
        ("a root to come", {"begin": LOGGED + DAY}, {}),
        ("an expired authority", {}, {"end": LOGGED - DAY}),
        ("an authority to come", {}, {"begin": LOGGED + DAY}),
        ("a root that is no authority", {"ca": False}, {}),
        ("an authority that is none", {}, {"ca": False}),
        ("a root for none below", {"length": 0}, {}),
        ("authorities for servers", {}, {"usages": [ExtendedKeyUsageOID.SERVER_AUTH]}),
        ("a root for servers", {"usages": [ExtendedKeyUsageOID.SERVER_AUTH]}, {}),
        ("authorities for code", {"usages": CODE}, {"usages": CODE}),
    ]:
        other_root = Authority("other root", **top)
        other = Authority("other", other_root, **middle)
        FILES[f"{name}.pem"] = other_root.pem()
        attachment = fulcio_logged(Leaf(other), [other, other_root])
        case(f"fulcio, the authorities: {name}", by_fulcio(f"{name}.pem"), [attachment])
    FILES["roots-with-leaf.pem"] = root.pem() + leaf.pem()
    FILES["roots-with-prose.pem"] = f"CN = root\n{root.pem()}"
    FILES["roots-with-key.pem"] = root.pem() + FILES["k1.pub"]
    FILES["no-roots.pem"] = "x"
    FILES["empty.pem"] = ""
    for name in ["roots-with-leaf", "roots-with-prose", "roots-with-key", "no-roots", "empty"]:
        case(f"fulcio, the file: {name}", by_fulcio(f"{name}.pem"), [good])
    below_leaf = Authority("leaf that issues", root, ca=False)
    FILES["leaf-issues.pem"] = root.pem() + below_leaf.pem()
    attachment = fulcio_logged(Leaf(below_leaf), [root])
    case("fulcio, the file: a leaf in it that issues", by_fulcio("leaf-issues.pem"), [attachment])

    years = {"begin": NOW - DAY, "end": NOW + 9000 * DAY}
    host = "signer.example.com"
    subjects = [email(EMAIL), dns(host), dns("*.wild.example.com")]
    own = Leaf(between, subjects, oidc=None, **years)
    good = certified(own, chain)
    for name, requirement, attachment in [
        ("by email", by_pki(subjectEmail=EMAIL), good),
        ("by host", by_pki(subjectHostname=host), good),
        ("by both", by_pki(subjectEmail=EMAIL, subjectHostname=host), good),
        ("by another email", by_pki(subjectEmail="eve@example.com"), good),
        ("by another host", by_pki(subjectHostname="example.com"), good),
        ("by both, another host", by_pki(subjectEmail=EMAIL, subjectHostname="example.com"), good),
        ("by both, another email", by_pki(subjectEmail="eve@example.com", subjectHostname=host), good),
        ("by a host of a wildcard", by_pki(subjectHostname="x.wild.example.com"), good),
        ("by a host in upper case", by_pki(subjectHostname=host.upper()), good),
        ("by a wildcard", by_pki(subjectHostname="*.wild.example.com"), good),
        ("by an email as host", by_pki(subjectHostname=EMAIL), good),
        ("another root", by_pki("stranger.pem", subjectEmail=EMAIL), good),
        ("no chain", by_pki(subjectEmail=EMAIL), changed(good, **{CHAIN: None})),
        ("intermediates of the policy", by_pki(subjectEmail=EMAIL, caIntermediatesData="@between.pem"), changed(good, **{CHAIN: None})),
        ("no certificate", by_pki(subjectEmail=EMAIL), changed(good, **{CERTIFICATE: None})),
        ("a log is not asked", by_pki(subjectEmail=EMAIL), changed(good, **{SET: "x"})),
    ]:
        case(f"pki: {name}", requirement, [attachment])
    for name, other in [
        ("no extended usage", Leaf(between, usages=None, oidc=None, **years)),
        ("for servers", Leaf(between, usages=[ExtendedKeyUsageOID.SERVER_AUTH], oidc=None, **years)),
        ("expired", Leaf(between, oidc=None, begin=NOW - 9 * DAY, end=NOW - DAY)),
        ("to come", Leaf(between, oidc=None, begin=NOW + 9000 * DAY, end=NOW + 9001 * DAY)),
        ("an authority itself", Leaf(between, oidc=None, ca=True, **years)),
    ]:
        case(f"pki, the certificate: {name}", by_pki(subjectEmail=EMAIL), [certified(other, chain)])
    common = Leaf(between, [email(EMAIL)], oidc=None, cn=host, **years)
    case("pki, the certificate: a host as common name alone", by_pki(subjectHostname=host), [certified(common, chain)])
    address = Leaf(between, [x509.IPAddress(ipaddress.ip_address("192.0.2.1"))], oidc=None, **years)
    for host in ["192.0.2.1", "192.0.2.2"]:
        case(f"pki, the certificate: an address, {host} is wanted", by_pki(subjectHostname=host), [certified(address, chain)])


def constraint_cases():
    """Certificates with what a reader must understand or refuse."""
    email, uri, dns = x509.RFC822Name, x509.UniformResourceIdentifier, x509.DNSName
    network = x509.IPAddress(ipaddress.ip_network("192.0.2.0/24"))
    address = x509.IPAddress(ipaddress.ip_address("192.0.2.1"))
    years = {"begin": NOW - DAY, "end": NOW + 9000 * DAY, "oidc": None}
    host = "signer.example.com"
    both = [email(EMAIL), dns(host)]
    permitted = lambda *names: x509.NameConstraints(list(names), None)
    excluded = lambda *names: x509.NameConstraints(None, list(names))
    for name, constraints, names, subject in [
        ("the email's host permitted", permitted(email("example.com")), [email(EMAIL)], {"subjectEmail": EMAIL}),
        ("the email itself permitted", permitted(email(EMAIL)), [email(EMAIL)], {"subjectEmail": EMAIL}),
        ("another email's host permitted", permitted(email("example.org")), [email(EMAIL)], {"subjectEmail": EMAIL}),
        ("the email's host excluded", excluded(email("example.com")), [email(EMAIL)], {"subjectEmail": EMAIL}),
        ("another email's host excluded", excluded(email("example.org")), [email(EMAIL)], {"subjectEmail": EMAIL}),
        ("the host permitted", permitted(dns("example.com")), [dns(host)], {"subjectHostname": host}),
        ("the host permitted, by email", permitted(dns("example.com")), both, {"subjectEmail": EMAIL}),
        ("another host permitted", permitted(dns("example.org")), [dns(host)], {"subjectHostname": host}),
        ("another host permitted, by email", permitted(dns("example.org")), both, {"subjectEmail": EMAIL}),
        ("the host excluded", excluded(dns("example.com")), [dns(host)], {"subjectHostname": host}),
        ("the address permitted", permitted(network), [address], {"subjectHostname": "192.0.2.1"}),
        ("the address excluded", excluded(network), [address], {"subjectHostname": "192.0.2.1"}),
        ("a URI's host permitted", permitted(uri("example.com")), [*both, uri("https://example.com/a")], {"subjectEmail": EMAIL}),
        ("another URI's host permitted", permitted(uri("example.org")), [*both, uri("https://example.com/a")], {"subjectEmail": EMAIL}),
        ("a URI's host excluded", excluded(uri("example.com")), [*both, uri("https://example.com/a")], {"subjectEmail": EMAIL}),
    ]:
        for where, of_root, of_other in [("an authority", (), [(constraints, True)]), ("a root", [(constraints, True)], ())]:
            root = Authority("constrained root", extensions=of_root)
            between = Authority("constrained", root, extensions=of_other)
            FILES[f"{where}, {name}.pem"] = root.pem()
            leaf = Leaf(between, names, **years)
            requirement = by_pki(f"{where}, {name}.pem", **subject)
            case(f"constraints of {where}: {name}", requirement, [certified(leaf, [between, root])])
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\x05\0")
    must, may = [(unknown, True)], [(unknown, False)]
    p384, rsa2048 = ec.generate_private_key(ec.SECP384R1()), KEYS["rsa2048"]
    for name, top, middle, bottom in [
        ("an unknown extension", {}, {}, {"extensions": may}),
        ("an unknown critical extension", {}, {}, {"extensions": must}),
        ("an authority with an unknown extension", {}, {"extensions": may}, {}),
        ("an authority with an unknown critical extension", {}, {"extensions": must}, {}),
        ("a root with an unknown critical extension", {"extensions": must}, {}, {}),
        ("an authority with P-384", {}, {"key": p384}, {}),
        ("an authority with P-384, by SHA-384", {}, {"key": p384}, {"hash": SHA384}),
        ("an authority with P-256, by SHA-384", {}, {}, {"hash": SHA384}),
        ("an authority with RSA", {}, {"key": rsa2048}, {}),
        ("an authority with RSA, by SHA-512", {}, {"key": rsa2048}, {"hash": SHA512}),
        ("an authority with RSA 1024", {}, {"key": KEYS["rsa1024"]}, {}),
        ("an authority with P-521", {}, {"key": KEYS["p521"]}, {}),
        ("an authority with Ed25519", {}, {"key": KEYS["ed25519"]}, {"hash": None}),
        ("a signer with RSA", {}, {}, {"key": rsa2048}),
        ("a signer with P-384", {}, {}, {"key": KEYS["p384"]}),
        ("a signer with P-521", {}, {}, {"key": KEYS["p521"]}),
        ("a signer with Ed25519", {}, {}, {"key": KEYS["ed25519"]}),
        ("a signer with RSA 1024", {}, {}, {"key": KEYS["rsa1024"]}),
    ]:
        root = Authority("other root", **top)
        between = Authority("other authority", root, **middle)
        FILES[f"{name}.pem"] = root.pem()
        leaf = Leaf(between, both, **years, **bottom)
        requirement = by_pki(f"{name}.pem", subjectEmail=EMAIL)
        case(f"extensions and keys: {name}", requirement, [certified(leaf, [between, root])])


# The registry.


@contextlib.contextmanager
def registry(folder):
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\nhttp: {{addr: {HOST}}}\n"
    )
    server = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                if request("GET", "/v2/")[0] == 200:
                    break
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait()


def request(method, path, body=None, type=None):
    connection = http.client.HTTPConnection(HOST)
    headers = {"Accept": "application/vnd.oci.image.manifest.v1+json", **({"Content-Type": type} if type else {})}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def push_blob(repository, data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    status, _, headers = request("POST", f"/v2/{repository}/blobs/uploads/", b"")
    assert status == 202, status
    path = "/" + headers["Location"].split("/", 3)[3]
    status, body, _ = request("PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", data, "application/octet-stream")
    assert status == 201, (status, body)
    return {"digest": digest, "size": len(data)}


def push_manifest(repository, tag, manifest):
    status, body, _ = request("PUT", f"/v2/{repository}/manifests/{tag}", manifest, "application/vnd.oci.image.manifest.v1+json")
    assert status == 201, (status, body)


def push_image(repository, *tags):
    push_blob(repository, b"{}")
    for tag in tags:
        push_manifest(repository, tag, MANIFEST)


SIG_TAG = DIGEST.replace(":", "-") + ".sig"


def attach(repository, attachments):
    layers = []
    for attachment in attachments:
        blob = push_blob(repository, attachment["payload"])
        layers.append({"mediaType": attachment["mimeType"], **blob, "annotations": attachment["annotations"]})
    config = push_blob(repository, b'{"rootfs":{"type":"layers","diff_ids":[]}}')
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": layers,
    }
    push_manifest(repository, SIG_TAG, json.dumps(manifest).encode())


def attached_to(repository):
    """What is attached to the image there."""
    status, body, _ = request("GET", f"/v2/{repository}/manifests/{SIG_TAG}")
    assert status == 200, (status, body)
    for layer in json.loads(body)["layers"]:
        status, data, _ = request("GET", f"/v2/{repository}/blobs/{layer['digest']}")
        assert status == 200
        yield {"mimeType": layer["mediaType"], "payload": data, "annotations": layer["annotations"]}


# Skopeo.


class Skopeo:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        registries_d = folder / "registries.d"
        registries_d.mkdir()
        (registries_d / "all.yaml").write_text("default-docker:\n  use-sigstore-attachments: true\n")
        self.files = folder / "files"
        self.files.mkdir()

    def run(self, policy, *arguments):
        path = self.folder / "policy.json"
        path.write_text(json.dumps(policy))
        command = [self.program, "--policy", path, "--registries.d", self.folder / "registries.d", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    def filled_in(self, value, key=""):
        """The policy with the contents or paths of files instead of `@name` and `@@name`."""
        if isinstance(value, dict):
            return {name: self.filled_in(member, name) for name, member in value.items()}
        if isinstance(value, list):
            return [self.filled_in(item, key) for item in value]
        if isinstance(value, str) and value.startswith("@@"):
            return str(self.files / value[2:])
        if isinstance(value, str) and value.startswith("@"):
            return b64(FILES[value[1:]].encode())
        return value

    def judge(self, case):
        """Nothing if it accepts the image, or else why not."""
        repository = case["reference"].removeprefix(f"{HOST}/").split(":")[0].split("@")[0]
        if repository != "n/none":
            attach(repository, [ATTACHMENTS[name] for name in case["attachments"]])
        source = f"docker://{case['reference']}"
        with tempfile.TemporaryDirectory() as target:
            ended = self.run(
                self.filled_in(case["policy"]), "copy", "--src-tls-verify=false", "--remove-signatures", source, f"dir:{target}"
            )
        if ended.returncode == 0:
            return None
        said = ended.stderr.strip().splitlines()[-1]
        said = json.loads(said.split("msg=", 1)[1]) if "msg=" in said else said
        return said.replace(str(self.folder), "").removeprefix("Source image rejected: ")[:160]

    def signatures(self):
        """What it signs, by its own key, under several identities."""
        passphrase = self.folder / "passphrase"
        passphrase.write_text("correct horse")
        prefix = self.folder / "skopeo"
        made = self.run({}, "generate-sigstore-key", "--output-prefix", prefix, "--passphrase-file", passphrase)
        assert made.returncode == 0, made
        FILES["skopeo.pub"] = prefix.with_suffix(".pub").read_text()
        accept = {"default": [{"type": "insecureAcceptAnything"}]}
        for name, identity in [("tag", None), ("digest", f"{REPOSITORY}@{DIGEST}"), ("other", "origin.example:5000/n/app:1")]:
            repository = f"signed/{name}" if identity else "n/app"
            identity = ["--sign-identity", identity] if identity else []
            signing = ["--sign-by-sigstore-private-key", f"{prefix}.private", "--sign-passphrase-file", passphrase, *identity]
            tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
            source, target = f"docker://{HOST}/plain/app:1", f"docker://{HOST}/{repository}:1"
            ended = self.run(accept, "copy", *tls, *signing, source, target)
            assert ended.returncode == 0, ended
            [ATTACHMENTS[f"skopeo-{name}"]] = attached_to(repository)
        for wanted, identity in [("the default", None), ("matchExact", EXACT), ("matchRepository", REPO)]:
            for name in ["tag", "digest", "other"]:
                requirement = by_key("skopeo", identity=identity)
                case(f"Skopeo's own: {wanted}, signed for {name}", requirement, [f"skopeo-{name}"])
        case("Skopeo's own: another key", by_key("k1"), ["skopeo-tag"])
        case("Skopeo's own: two of them", by_key("skopeo", identity=EXACT), ["skopeo-other", "skopeo-tag"])


def main():
    wanted = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as folder, registry(pathlib.Path(folder)):
        skopeo = Skopeo(sys.argv[1], pathlib.Path(folder))
        push_image("plain/app", "1")
        skopeo.signatures()
        push_image("n/app", "1", "2")
        push_image("n/none", "1")
        for cases in [key_cases, signature_cases, payload_cases, identity_cases, policy_cases, log_cases, certificate_cases, constraint_cases]:
            cases()
        for name, text in FILES.items():
            (skopeo.files / name).write_text(text)
        for one in CASES:
            if wanted is None or wanted in one["name"]:
                one["skopeo"] = skopeo.judge(one)
                if wanted is not None:
                    print(f"{one['name']}: {one['skopeo'] or 'accepted'}")
    if wanted is not None:
        return
    version = subprocess.run([sys.argv[1], "--version"], capture_output=True, text=True).stdout.strip()
    texts = {}

    def plain(attachment):
        """As JSON, with long texts by their names in `files`."""
        names = {text: f"@{name}" for name, text in FILES.items() if name.endswith(".pem")}
        annotations = {}
        for name, text in attachment["annotations"].items():
            if name == CHAIN and text not in names and len(text) > 200:
                names[text] = "@" + next((known for known, one in texts.items() if one == text), f"chain-{len(texts)}")
                texts[names[text][1:]] = text
            annotations[name] = names.get(text, text)
        return {**attachment, "payload": b64(attachment["payload"]), "annotations": annotations}

    attachments = {name: plain(attachment) for name, attachment in ATTACHMENTS.items()}
    document = {
        "by": version,
        "time": NOW,
        "files": {**FILES, **texts},
        "attachments": attachments,
        "cases": CASES,
    }
    names = [one["name"] for one in CASES]
    assert len(names) == len(set(names)), "two cases have one name"
    parts = []
    for name, value in document.items():
        if isinstance(value, dict):
            lines = [f"{json.dumps(key)}:{json.dumps(one, separators=(',', ':'))}" for key, one in value.items()]
            text = "{\n" + ",\n".join(lines) + "\n}"
        elif isinstance(value, list):
            text = "[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in value) + "\n]"
        else:
            text = json.dumps(value)
        parts.append(f"{json.dumps(name)}:{text}")
    (HERE / "answers.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")
    accepted = sum(one["skopeo"] is None for one in CASES)
    print(f"{len(CASES)} cases, {accepted} accepted by {version}")


if __name__ == "__main__":
    main()
