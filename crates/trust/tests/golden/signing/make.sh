#!/usr/bin/env bash
# Makes the private keys beside it: `make.sh` in this directory, with OpenSSL, GnuPG 2.2, and Python with PyNaCl. They are
# new keys each time, for tests alone. What each file must give is in tests/it/sign.
set -euo pipefail
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
chmod 700 "$GNUPGHOME"
rm -f -- *.pem *.key *.pub *.gpg *.asc

# Of cosign: an encrypted key of every kind, the plain key, and the public key.
private() { openssl genpkey -quiet "${@:2}" -out "$1.pem" && openssl pkey -in "$1.pem" -pubout -out "$1.pub"; }
encrypt() { python3 encrypt.py "$1.pem" "$2" "${@:3}"; } # key, file, passphrase, N, label
private p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
private p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
private p521 -algorithm EC -pkeyopt ec_paramgen_curve:P-521
private ed25519 -algorithm ED25519
private x25519 -algorithm X25519
for bits in 1024 2048 4096; do private "rsa$bits" -algorithm RSA -pkeyopt "rsa_keygen_bits:$bits"; done
private rsa-pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
openssl pkey -in p256.pem -traditional -out p256-traditional.pem
openssl pkcs8 -topk8 -in p256.pem -passout pass:canary -out p256-encrypted-pkcs8.pem
for key in p256 p384 p521 ed25519 rsa1024 rsa2048 rsa4096; do encrypt "$key" "$key.key" canary; done
encrypt p256 p256-32768.key canary 32768 SIGSTORE
encrypt p256 p256-131072.key canary 131072 SIGSTORE
encrypt p256 p256-empty.key ''
encrypt p256 p256-unicode.key 'pässword ☂'
rm p521.pub p384.pub x25519.pub rsa1024.pub rsa-pss.pub

# Of GnuPG: secret keys, not protected but for one.
gpg() { command gpg --batch --quiet --no-tty --pinentry-mode loopback --passphrase "$passphrase" --faked-system-time 20240101T000000! "$@"; }
passphrase=
fingerprint() { gpg --with-colons --list-keys "=$1 <$1@example.com>" | awk -F: '/^fpr/ {print $10; exit}'; }
key() { # name, algorithm, usage, expiry
    gpg --quick-generate-key "$1 <$1@example.com>" "${@:2}"
}
export_key() { gpg --export-secret-keys "$(fingerprint "$1")" >"$1.gpg"; }
for algorithm in ed25519 nistp256 nistp384 nistp521 rsa2048 dsa2048 secp256k1; do
    key "$algorithm" "$algorithm" cert,sign never
    export_key "$algorithm"
done
key subkey ed25519 cert never
gpg --quick-add-key "$(fingerprint subkey)" ed25519 sign never
gpg --quick-add-key "$(fingerprint subkey)" cv25519 encr never
export_key subkey
gpg --export-secret-subkeys "$(fingerprint subkey)" >subkey-alone.gpg
key encrypting ed25519 cert,sign never
gpg --quick-add-key "$(fingerprint encrypting)" cv25519 encr never
export_key encrypting
key certifying ed25519 cert never
export_key certifying
key expiring ed25519 cert,sign 100d
export_key expiring
gpg --armor --export-secret-keys "$(fingerprint ed25519)" >armored.asc
gpg --export "$(fingerprint ed25519)" >public.gpg
gpg --armor --export "$(fingerprint ed25519)" >public.asc
passphrase=canary
key protected ed25519 cert,sign never
export_key protected
