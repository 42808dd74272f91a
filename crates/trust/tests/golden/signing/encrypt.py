"""Encrypts a private key as cosign does: `encrypt.py KEY.pem FILE PASSPHRASE [N [LABEL]]`."""

import base64
import hashlib
import json
import os
import sys

from nacl.secret import SecretBox

source, target, passphrase = sys.argv[1:4]
n = int(sys.argv[4]) if len(sys.argv) > 4 else 65536
label = sys.argv[5] if len(sys.argv) > 5 else "COSIGN"


def encoded(data):
    return base64.b64encode(data).decode()


lines = open(source).read().split("\n")
pkcs8 = base64.b64decode("".join(line for line in lines if not line.startswith("-----")))
salt, nonce = os.urandom(32), os.urandom(24)
key = hashlib.scrypt(passphrase.encode(), salt=salt, n=n, r=8, p=1, maxmem=1 << 28, dklen=32)
document = {
    "kdf": {"name": "scrypt", "params": {"N": n, "r": 8, "p": 1}, "salt": encoded(salt)},
    "cipher": {"name": "nacl/secretbox", "nonce": encoded(nonce)},
    "ciphertext": encoded(SecretBox(key).encrypt(pkcs8, nonce).ciphertext),
}
text = encoded(json.dumps(document, separators=(",", ":")).encode())
with open(target, "w") as file:
    file.write(f"-----BEGIN ENCRYPTED {label} PRIVATE KEY-----\n")
    file.writelines(text[at : at + 64] + "\n" for at in range(0, len(text), 64))
    file.write(f"-----END ENCRYPTED {label} PRIVATE KEY-----\n")
