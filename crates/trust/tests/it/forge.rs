//! Makes OpenPGP keys and messages of every form, right and wrong, with Ed25519.

use ring::{
    digest,
    signature::{Ed25519KeyPair, KeyPair as _},
};

pub(crate) const EDDSA: u8 = 22;
pub(crate) const ED25519: u8 = 27;

/// A key pair that is the same in every run.
pub(crate) struct Key {
    pair: Ed25519KeyPair,
    pub(crate) created: u32,
    pub(crate) algorithm: u8,
}

impl Key {
    pub(crate) fn new(seed: u8, created: u32) -> Self {
        Self {
            pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(),
            created,
            algorithm: EDDSA,
        }
    }

    pub(crate) fn with_algorithm(self, algorithm: u8) -> Self {
        Self { algorithm, ..self }
    }

    /// The body of the key packet.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = [&[4], self.created.to_be_bytes().as_slice(), &[self.algorithm]].concat();
        if self.algorithm == EDDSA {
            body.extend([9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1]);
            body.extend(mpi(&[&[0x40], self.pair.public_key().as_ref()].concat()));
        } else {
            body.extend(self.pair.public_key().as_ref());
        }
        body
    }

    /// The key as signatures over it hash it.
    pub(crate) fn hashed(&self) -> Vec<u8> {
        let body = self.body();
        let size = u16::try_from(body.len()).unwrap();
        [&[0x99], size.to_be_bytes().as_slice(), &body].concat()
    }

    pub(crate) fn fingerprint(&self) -> Vec<u8> {
        digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.hashed())
            .as_ref()
            .to_vec()
    }

    pub(crate) fn id(&self) -> Vec<u8> {
        self.fingerprint()[12..].to_vec()
    }

    /// As identities are written.
    pub(crate) fn name(&self) -> String {
        self.fingerprint()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect()
    }

    fn sign(&self, digest: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(digest);
        let (r, s) = signature.as_ref().split_at(32);
        if self.algorithm == EDDSA {
            [mpi(r), mpi(s)].concat()
        } else {
            signature.as_ref().to_vec()
        }
    }
}

pub(crate) fn mpi(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = &bytes[zeros..];
    let bits = bytes
        .first()
        .map_or(0, |first| bytes.len() * 8 - first.leading_zeros() as usize);
    [&u16::try_from(bits).unwrap().to_be_bytes(), bytes].concat()
}

/// A packet in the new format.
pub(crate) fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).unwrap();
    [&[0xc0 | tag, 255], size.to_be_bytes().as_slice(), body].concat()
}

pub(crate) fn literal(format: u8, content: &[u8]) -> Vec<u8> {
    packet(11, &[&[format, 0, 0, 0, 0, 0], content].concat())
}

/// A signature to be made, of version 4 with SHA-256 unless told otherwise.
#[derive(Clone)]
pub(crate) struct Sig {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    pub(crate) hash: u8,
    pub(crate) created: u32,
    pub(crate) hashed: Vec<Vec<u8>>,
    pub(crate) unhashed: Vec<Vec<u8>>,
}

/// A subpacket; a `kind` with the highest bit is critical.
pub(crate) fn subpacket(kind: u8, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 1).unwrap();
    [&[255], size.to_be_bytes().as_slice(), &[kind], body].concat()
}

/// One that nobody may pass over.
pub(crate) fn critical(kind: u8, body: &[u8]) -> Vec<u8> {
    subpacket(0x80 | kind, body)
}

pub(crate) fn seconds(kind: u8, seconds: u32) -> Vec<u8> {
    subpacket(kind, &seconds.to_be_bytes())
}

impl Sig {
    pub(crate) fn new(kind: u8, created: u32) -> Self {
        Self {
            version: 4,
            kind,
            hash: 8,
            created,
            hashed: vec![seconds(2, created)],
            unhashed: Vec::new(),
        }
    }

    /// With the issuer, fingerprint and id.
    pub(crate) fn by(key: &Key, kind: u8, created: u32) -> Self {
        let mut sig = Self::new(kind, created);
        sig.hashed
            .push(subpacket(33, &[&[4], key.fingerprint().as_slice()].concat()));
        sig.unhashed.push(subpacket(16, &key.id()));
        sig
    }

    /// Made at another time.
    pub(crate) fn at(mut self, created: u32) -> Self {
        self.created = created;
        self.hashed[0] = seconds(2, created);
        self
    }

    pub(crate) fn with(mut self, subpacket: Vec<u8>) -> Self {
        self.hashed.push(subpacket);
        self
    }

    pub(crate) fn with_unhashed(mut self, subpacket: Vec<u8>) -> Self {
        self.unhashed.push(subpacket);
        self
    }

    pub(crate) fn with_hash(self, hash: u8) -> Self {
        Self { hash, ..self }
    }

    pub(crate) fn version_3(self) -> Self {
        Self { version: 3, ..self }
    }

    /// The body of the signature packet over this data.
    pub(crate) fn body(&self, key: &Key, data: &[u8]) -> Vec<u8> {
        let (head, trailer, after) = if self.version == 3 {
            let signed = [&[self.kind], self.created.to_be_bytes().as_slice()].concat();
            let head = [&[3, 5], signed.as_slice()].concat();
            let after = [key.id().as_slice(), &[key.algorithm, self.hash]].concat();
            (head, signed, after)
        } else {
            let hashed = self.hashed.concat();
            let size = u16::try_from(hashed.len()).unwrap().to_be_bytes();
            let head = [
                &[4, self.kind, key.algorithm, self.hash],
                size.as_slice(),
                &hashed,
            ]
            .concat();
            let length = u32::try_from(head.len()).unwrap().to_be_bytes();
            let trailer = [head.as_slice(), &[4, 255], &length].concat();
            let unhashed = self.unhashed.concat();
            let after = [
                u16::try_from(unhashed.len()).unwrap().to_be_bytes().as_slice(),
                &unhashed,
            ]
            .concat();
            (head, trailer, after)
        };
        let algorithm = match self.hash {
            2 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            9 => &digest::SHA384,
            10 => &digest::SHA512,
            _ => &digest::SHA256,
        };
        let digest = digest::digest(algorithm, &[data, &trailer].concat());
        let digest = digest.as_ref();
        [head.as_slice(), &after, &digest[..2], &key.sign(digest)].concat()
    }

    pub(crate) fn packet(&self, key: &Key, data: &[u8]) -> Vec<u8> {
        packet(2, &self.body(key, data))
    }

    /// What stands before the literal.
    pub(crate) fn one_pass(&self, key: &Key) -> Vec<u8> {
        let body = [
            &[3, self.kind, self.hash, key.algorithm],
            key.id().as_slice(),
            &[1],
        ]
        .concat();
        packet(4, &body)
    }

    /// A whole message.
    pub(crate) fn message(&self, key: &Key, content: &[u8]) -> Vec<u8> {
        [
            self.one_pass(key),
            literal(b'b', content),
            self.packet(key, content),
        ]
        .concat()
    }
}

/// A key with a user id and the flags to certify and sign.
pub(crate) fn certificate(key: &Key) -> Vec<u8> {
    let itself = Sig::by(key, 0x13, key.created).with(subpacket(27, &[3]));
    with_self_signatures(key, &[itself])
}

/// A key with a user id and these signatures over both.
pub(crate) fn with_self_signatures(key: &Key, signatures: &[Sig]) -> Vec<u8> {
    let user = b"Test <test@example.com>";
    let mut all = [packet(6, &key.body()), packet(13, user)].concat();
    for signature in signatures {
        all.extend(signature.packet(key, &over_user(key, user, signature.version)));
    }
    all
}

/// What a signature over a user id hashes.
pub(crate) fn over_user(key: &Key, user: &[u8], version: u8) -> Vec<u8> {
    let size = u32::try_from(user.len()).unwrap().to_be_bytes();
    let head = if version == 3 {
        Vec::new()
    } else {
        [&[0xb4], size.as_slice()].concat()
    };
    [key.hashed().as_slice(), &head, user].concat()
}

/// What a signature over a subkey hashes.
pub(crate) fn over_subkey(primary: &Key, subkey: &Key) -> Vec<u8> {
    [primary.hashed(), subkey.hashed()].concat()
}

/// The signature by which a subkey vouches for its primary key, as a subpacket.
pub(crate) fn back_signature(primary: &Key, subkey: &Key) -> Vec<u8> {
    let sig = Sig::by(subkey, 0x19, subkey.created);
    subpacket(32, &sig.body(subkey, &over_subkey(primary, subkey)))
}

/// A subkey packet with these signatures by the primary key.
pub(crate) fn subkey(primary: &Key, subkey: &Key, signatures: &[Sig]) -> Vec<u8> {
    let mut all = packet(14, &subkey.body());
    for signature in signatures {
        all.extend(signature.packet(primary, &over_subkey(primary, subkey)));
    }
    all
}

/// The binding of a subkey for signing.
pub(crate) fn binding(primary: &Key, subkey: &Key) -> Sig {
    Sig::by(primary, 0x18, subkey.created)
        .with(subpacket(27, &[2]))
        .with_unhashed(back_signature(primary, subkey))
}
