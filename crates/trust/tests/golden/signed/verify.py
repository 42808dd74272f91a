"""Has others verify the signatures of `signatures.json`, which wharf-trust made, and records their answers in
`answers.json`.

    WHARF_UPDATE_GOLDEN=1 cargo test -p wharf-trust --features sign --test it -- signed_here   # makes them anew
    python3 -m venv venv && venv/bin/pip install cryptography==50.0.2 sigstore==4.5.1
    npm install @sigstore/verify@3.1.1 @sigstore/bundle@4
    NODE_PATH=node_modules venv/bin/python verify.py SKOPEO

SKOPEO and what it needs are as for `../attachments/record.py`. The test `signed_here` reads the answers.
"""

import base64
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "attachments"))

import record
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from sigstore import dsse

MADE = json.loads((HERE / "signatures.json").read_text())


def skopeo(program):
    """Attachments: accepted for the name that was signed, by the key that signed, and for nothing else."""
    answers = {}
    with tempfile.TemporaryDirectory() as folder, record.registry(pathlib.Path(folder)):
        peer = record.Skopeo(program, pathlib.Path(folder))
        record.push_image("n/app", "1", "2")
        keys = list(MADE)
        for key, made in MADE.items():
            record.FILES[f"{key}.pub"] = made["key"]
        for number, (key, made) in enumerate(MADE.items()):
            other = keys[number - 1]
            for form, wanted in [("attachment", record.EXACT), ("cosign", record.REPO)]:
                plain = made[form]
                record.ATTACHMENTS[form] = {**plain, "payload": base64.b64decode(plain["payload"])}
                for what, by, tag in [("", key, 1), (" by another key", other, 1), (" as another tag", key, 2)]:
                    policy = {"default": [record.by_key(by, identity=wanted)]}
                    case = {"reference": f"{record.REPOSITORY}:{tag}", "policy": policy, "attachments": [form]}
                    answers[f"{key} {form}{what}"] = peer.judge(case) or "accepted"
    return answers


def node():
    return json.loads(subprocess.run(["node", HERE / "verify.cjs"], check=True, capture_output=True).stdout)


def python():
    """The envelopes: sigstore's Python package knows no bundles of keys, but reads and encodes what is in them."""
    answers = {}
    for key, made in MADE.items():
        public = serialization.load_pem_public_key(made["key"].encode())
        envelope = dsse.Envelope._from_json(json.dumps(made["bundle"]["dsseEnvelope"]))
        signed, signature = envelope.pae(), envelope.signature
        if isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            public.verify(signature, signed)
        # Its type of a statement wants a name for each subject, and cosign writes none.
        [subject] = json.loads(envelope._inner.payload)["subject"]
        assert subject == {"digest": {"sha256": record.DIGEST.removeprefix("sha256:")}}
        answers[f"{key} bundle"] = "accepted"
    return answers


def main():
    version = subprocess.run([sys.argv[1], "--version"], capture_output=True, text=True).stdout.strip()
    document = {version: skopeo(sys.argv[1]), "@sigstore/verify 3.1.1": node(), "sigstore 4.5.1 (Python)": python()}
    (HERE / "answers.json").write_text(json.dumps(document, indent=1) + "\n")


main()
