#!/usr/bin/env bash
# Makes the keys and signatures beside it, with GnuPG 2.2 and Skopeo: `make.sh` in this directory. They are new keys each time, so
# that the tests need no change. What each file must give is in tests/it/golden.rs.
set -euo pipefail
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
chmod 700 "$GNUPGHOME"
rm -rf keys signatures
mkdir keys signatures

MADE=20240101T000000! # when keys are made
SIGNED=20240601T000000! # when signatures are made; they are judged as of 2025
gpg() { command gpg --batch --quiet --no-tty --pinentry-mode loopback --passphrase '' --trust-model always "$@"; }
fingerprint() { gpg --with-colons --list-keys "=$1 <$1@example.com>" | awk -F: '/^fpr/ {print $10; exit}'; }
key() { # name, algorithm, usage, expiry, options
    gpg --faked-system-time "$MADE" "${@:5}" --quick-generate-key "$1 <$1@example.com>" "$2" "$3" "$4"
}
export_key() { gpg --export "$(fingerprint "$1")" >"keys/$1.gpg"; }
sign() { # file, key, options
    gpg --faked-system-time "$SIGNED" -u "$(fingerprint "$2")!" "${@:3}" --output "signatures/$1" --sign <payload.json
}

digest=sha256:$(sha256sum manifest.json | cut -d' ' -f1)
printf '{"critical":{"identity":{"docker-reference":"registry.example/app:1"},"image":{"docker-manifest-digest":"%s"},"type":"atomic container signature"},"optional":{"creator":"golden","timestamp":1717200000}}' "$digest" >payload.json

for algorithm in rsa1024 rsa2048 rsa3072 rsa4096 dsa2048 nistp256 nistp384 nistp521 brainpoolP256r1 secp256k1 ed25519; do
    key "$algorithm" "$algorithm" cert,sign never
    export_key "$algorithm"
    sign "$algorithm" "$algorithm"
done
for hash in SHA1 RIPEMD160 SHA224 SHA256 SHA384 SHA512; do sign "rsa2048-$hash" rsa2048 --digest-algo "$hash"; done
for hash in SHA256 SHA384 SHA512; do sign "ed25519-$hash" ed25519 --digest-algo "$hash"; done
for hash in SHA384 SHA512; do sign "nistp256-$hash" nistp256 --digest-algo "$hash"; done
for hash in SHA512; do sign "nistp384-$hash" nistp384 --digest-algo "$hash"; done
for compression in none zip zlib bzip2; do sign "rsa2048-$compression" rsa2048 --compress-algo "$compression"; done

sign notation rsa2048 --sig-notation 'a@example.com=b'
sign notation-critical rsa2048 --sig-notation '!a@example.com=b'
sign policy-critical rsa2048 --sig-policy-url '!https://example.com/'
sign textmode rsa2048 --textmode
sign armored rsa2048 --armor
sign expired rsa2048 --default-sig-expire 1d
sign expires-later rsa2048 --default-sig-expire 10y
sign two-signatures rsa2048 -u "$(fingerprint rsa3072)!"
SIGNED=20400101T000000! sign future rsa2048
SIGNED=20230101T000000! sign before-key rsa2048 --ignore-time-conflict
gpg --faked-system-time "$SIGNED" -u "$(fingerprint rsa2048)" --output signatures/cleartext --clearsign <payload.json
gpg --faked-system-time "$SIGNED" -u "$(fingerprint rsa2048)" --output signatures/detached --detach-sign <payload.json
gpg --output signatures/literal --store <payload.json
gpg --passphrase x --output signatures/encrypted --symmetric <payload.json
cat signatures/rsa2048-none signatures/expired >signatures/two-messages
{ cat signatures/rsa2048-none; printf 'x'; } >signatures/trailing
{ cat signatures/rsa2048; printf 'x'; } >signatures/trailing-compressed
head -c -10 signatures/rsa2048-none >signatures/truncated
# So long that gpg writes it in parts.
{ head -c -1 payload.json | sed 's/"creator":"golden"/"creator":"golden","x":"'"$(printf 'x%.0s' {1..9000})"'"/'; printf '}'; } |
    gpg --faked-system-time "$SIGNED" -u "$(fingerprint rsa2048)" --compress-algo none --output signatures/parts --sign
printf '{}' | gpg --faked-system-time "$SIGNED" -u "$(fingerprint rsa2048)" --output signatures/no-payload --sign

key sha1-self rsa2048 cert,sign never --cert-digest-algo SHA1
export_key sha1-self
sign sha1-self sha1-self
key expiring rsa2048 cert,sign 60d
SIGNED=20240102T000000! sign expiring expiring
export_key expiring
key revoked rsa2048 cert,sign never
sign revoked revoked
sed 's/^:---/---/' "$GNUPGHOME/openpgp-revocs.d/$(fingerprint revoked).rev" | gpg --import
export_key revoked
key certifying rsa2048 cert,sign never
sign certifying certifying
printf 'change-usage\nS\nQ\nsave\n' | gpg --no-batch --faked-system-time "$SIGNED" --command-fd 0 --edit-key "$(fingerprint certifying)" 2>/dev/null >&2
export_key certifying

for kind in subkey subkey-expired subkey-revoked; do
    key "$kind" rsa2048 cert never
    expiry=never
    if [ "$kind" = subkey-expired ]; then expiry=60d; fi
    gpg --faked-system-time "$MADE" --quick-add-key "$(fingerprint "$kind")" rsa2048 sign "$expiry"
    sub=$(gpg --with-colons --list-keys "$(fingerprint "$kind")" | awk -F: '/^sub/ {s=1} s && /^fpr/ {print $10; exit}')
    gpg --faked-system-time 20240102T000000! -u "$sub!" --output "signatures/$kind" --sign <payload.json
    if [ "$kind" = subkey-revoked ]; then
        printf 'key 1\nrevkey\ny\n0\n\ny\nsave\n' |
            gpg --no-batch --faked-system-time "$SIGNED" --command-fd 0 --edit-key "$(fingerprint "$kind")" 2>/dev/null >&2
    fi
    export_key "$kind"
done

# Keyrings of several keys: binary, armored, and armors with prose.
cat keys/rsa3072.gpg keys/rsa2048.gpg >keys/several.gpg
gpg --armor --export "$(fingerprint rsa3072)" "$(fingerprint rsa2048)" >keys/several.asc
{ echo "The first:"; gpg --armor --export "$(fingerprint rsa3072)"; echo "The second:"; gpg --armor --export "$(fingerprint rsa2048)"; } >keys/armors.asc

# By Skopeo, which knows no other time than now.
skopeo standalone-sign manifest.json registry.example/app:1 "$(fingerprint rsa2048)" -o signatures/skopeo
