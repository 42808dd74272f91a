#!/usr/bin/env bash
# Makes the keys and signatures of this folder anew, with OpenSSL 3. Private keys are not kept.
set -euo pipefail
cd "$(dirname "$0")"
private=$(mktemp -d)
trap 'rm -rf "$private"' EXIT

printf '%s' '{"critical":{"identity":{"docker-reference":"registry.example/app"},"image":{"docker-manifest-digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"type":"cosign container image signature"},"optional":null}' >payload

make() { # name, arguments of genpkey
    local name=$1
    shift
    openssl genpkey "$@" -out "$private/$name" 2>/dev/null
    openssl pkey -in "$private/$name" -pubout -out "$name.pub"
}
sign() { # file of the signature, key, arguments of dgst
    local name=$1 key=$2
    shift 2
    openssl dgst "$@" -sign "$private/$key" payload | base64 -w0 >"$name.sig"
}

for curve in P-256 P-384 P-521 secp256k1; do
    make "ecdsa-$curve" -algorithm EC -pkeyopt "ec_paramgen_curve:$curve"
    sign "ecdsa-$curve-sha256" "ecdsa-$curve" -sha256
done
sign ecdsa-P-384-sha384 ecdsa-P-384 -sha384
sign ecdsa-P-384-sha512 ecdsa-P-384 -sha512
sign ecdsa-P-256-sha384 ecdsa-P-256 -sha384
openssl ec -pubin -in ecdsa-P-256.pub -conv_form compressed -pubout -out ecdsa-P-256-compressed.pub 2>/dev/null
openssl ec -pubin -in ecdsa-P-256.pub -param_enc explicit -pubout -out ecdsa-P-256-explicit.pub 2>/dev/null

for bits in 1024 2048 4096; do
    make "rsa-$bits" -algorithm RSA -pkeyopt "rsa_keygen_bits:$bits"
    sign "rsa-$bits-sha256" "rsa-$bits" -sha256
done
sign rsa-2048-sha1 rsa-2048 -sha1
sign rsa-2048-sha512 rsa-2048 -sha512
sign rsa-2048-pss rsa-2048 -sha256 -sigopt rsa_padding_mode:pss
openssl rsa -pubin -in rsa-2048.pub -RSAPublicKey_out -out rsa-2048-pkcs1.pub 2>/dev/null
make rsa-pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
make rsa-exponent-3 -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3
sign rsa-exponent-3-sha256 rsa-exponent-3 -sha256

make ed25519 -algorithm ED25519
openssl pkeyutl -sign -rawin -inkey "$private/ed25519" -in payload | base64 -w0 >ed25519.sig
make ed448 -algorithm ED448
make x25519 -algorithm X25519
openssl pkeyutl -sign -rawin -inkey "$private/ed448" -in payload | base64 -w0 >ed448.sig
