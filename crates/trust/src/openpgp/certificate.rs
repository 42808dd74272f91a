//! A primary key with what it says of itself, and which of its keys may sign now.

use std::cmp::Reverse;

use super::{
    algorithm::{Failure, can_sign},
    key::{Key, hex},
    signature::{
        AnySignature, CERTIFICATION_REVOCATION, CERTIFICATIONS, DIRECT_KEY, KEY_REVOCATION, PRIMARY_BINDING,
        SUBKEY_BINDING, SUBKEY_REVOCATION, Signature,
    },
};

/// How far ahead of our clock a signature may be dated, in seconds.
pub(super) const CLOCK_SKEW: u64 = 5 * 60;

/// A primary key with its user ids and subkeys, as the packets say (RFC 9580, 10.1).
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub(super) primary: Key,
    /// Over the primary key alone.
    pub(super) direct: Vec<Signature>,
    pub(super) users: Vec<User>,
    pub(super) subkeys: Vec<Subkey>,
}

/// A user id or attribute.
#[derive(Debug, Clone)]
pub(super) struct User {
    /// The bytes that signatures over it hash after the primary key.
    pub(super) hashed: Vec<u8>,
    pub(super) signatures: Vec<Signature>,
}

#[derive(Debug, Clone)]
pub(super) struct Subkey {
    pub(super) key: Key,
    pub(super) signatures: Vec<Signature>,
}

/// A key of a certificate that signatures may be by.
#[derive(Debug, Clone)]
pub(super) struct SigningKey {
    pub(super) key: Key,
    /// Of the primary key, in upper hexadecimal: the identity of the signer.
    pub(super) primary: String,
    /// Or why what it signs does not count now.
    pub(super) state: Result<(), String>,
}

impl Certificate {
    pub(super) const fn new(primary: Key) -> Self {
        Self {
            primary,
            direct: Vec::new(),
            users: Vec::new(),
            subkeys: Vec::new(),
        }
    }

    pub(super) fn fingerprint(&self) -> String {
        hex(&self.primary.fingerprint)
    }

    /// Adds what another copy of the same certificate has, such as a newer one with a revocation.
    pub(super) fn merge(&mut self, other: Self) {
        self.direct.extend(other.direct);
        for user in other.users {
            match self.users.iter_mut().find(|known| known.hashed == user.hashed) {
                Some(known) => known.signatures.extend(user.signatures),
                None => self.users.push(user),
            }
        }
        for subkey in other.subkeys {
            let fingerprint = subkey.key.fingerprint;
            match self
                .subkeys
                .iter_mut()
                .find(|known| known.key.fingerprint == fingerprint)
            {
                Some(known) => known.signatures.extend(subkey.signatures),
                None => self.subkeys.push(subkey),
            }
        }
    }

    /// The keys that signatures may be by, and whether they count at this time, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// Why the certificate as a whole is unusable: its primary key has no valid signature of its own over
    /// itself.
    pub(super) fn signing_keys(&self, now: u64) -> Result<Vec<SigningKey>, String> {
        let itself = self.statement(now)?;
        let primary = self.primary_state(&itself, now);
        let identity = self.fingerprint();
        let mut keys = vec![SigningKey {
            key: self.primary.clone(),
            primary: identity.clone(),
            state: primary.clone().and_then(|()| match itself.allows_signing() {
                Some(false) => Err("the key is not for signing".to_owned()),
                _ => Ok(()),
            }),
        }];
        let subkeys = self
            .subkeys
            .iter()
            .filter(|subkey| can_sign(subkey.key.algorithm));
        keys.extend(subkeys.map(|subkey| SigningKey {
            key: subkey.key.clone(),
            primary: identity.clone(),
            state: primary.clone().and_then(|()| self.subkey_state(subkey, now)),
        }));
        Ok(keys)
    }

    fn primary_state(&self, itself: &Statement<'_>, now: u64) -> Result<(), String> {
        let revocations = self
            .direct
            .iter()
            .filter(|signature| signature.kind == KEY_REVOCATION);
        self.not_revoked(revocations, &[&self.primary.hashed], "the key")?;
        not_expired(itself.expiry_of(&self.primary), now, "the key")
    }

    /// The valid statements of the key's self-signatures.
    fn statement(&self, now: u64) -> Result<Statement<'_>, String> {
        if let Err(why) = &self.primary.material {
            return Err(why.clone());
        }
        let direct = self
            .direct
            .iter()
            .filter(|signature| signature.kind == DIRECT_KEY);
        let direct = self.newest(direct.map(|signature| (signature, [].as_slice())).collect(), now)?;
        let mut users = Vec::new();
        for user in self.users.iter().filter(|user| !self.is_revoked(user)) {
            let own = user.signatures.iter();
            let own = own.filter(|signature| CERTIFICATIONS.contains(&signature.kind));
            let own = own.map(|signature| (signature, signature.hashed_of(&user.hashed)));
            users.extend(self.newest(own.collect(), now)?);
        }
        users.sort_by_key(|signature| Reverse(signature.created));
        if direct.is_none() && users.is_empty() {
            return Err("no valid signature of its own is over it".to_owned());
        }
        Ok(Statement { direct, users })
    }

    /// The newest of these signatures by the primary key over itself and more data that is right and in
    /// force.
    ///
    /// # Errors
    ///
    /// If the newest one cannot be judged: an older one may say the opposite.
    fn newest<'a>(
        &self,
        mut signatures: Vec<(&'a Signature, &[u8])>,
        now: u64,
    ) -> Result<Option<&'a Signature>, String> {
        signatures.retain(|(signature, _)| {
            signature.may_be_by(&self.primary)
                && signature.created >= self.primary.created
                && u64::from(signature.created) <= now + CLOCK_SKEW
                && signature.expiry().is_none_or(|expiry| now < expiry)
        });
        signatures.sort_by_key(|(signature, _)| Reverse(signature.created));
        for (signature, data) in signatures {
            match signature.verify(&self.primary, &[&self.primary.hashed, data], true) {
                Ok(()) => return Ok(Some(signature)),
                Err(Failure::Wrong) => {}
                Err(Failure::Unsupported(why)) => {
                    return Err(format!("its signature over itself is not accepted: {why}"));
                }
            }
        }
        Ok(None)
    }

    /// Whether the key has withdrawn a user id: what was said with it counts no more.
    fn is_revoked(&self, user: &User) -> bool {
        let mut revocations = user
            .signatures
            .iter()
            .filter(|signature| signature.kind == CERTIFICATION_REVOCATION);
        revocations.any(|revocation| {
            self.is_in_force(
                revocation,
                &[&self.primary.hashed, revocation.hashed_of(&user.hashed)],
            )
        })
    }

    fn not_revoked<'a>(
        &self,
        mut revocations: impl Iterator<Item = &'a Signature>,
        data: &[&[u8]],
        what: &str,
    ) -> Result<(), String> {
        if revocations.any(|revocation| self.is_in_force(revocation, data)) {
            return Err(format!("{what} was revoked"));
        }
        Ok(())
    }

    /// Whether the primary key made this revocation. Its reason and times do not matter, and one that cannot
    /// be verified counts too. Revocations by other keys are not followed.
    fn is_in_force(&self, revocation: &Signature, data: &[&[u8]]) -> bool {
        revocation.may_be_by(&self.primary)
            && revocation.verify(&self.primary, data, true) != Err(Failure::Wrong)
    }

    fn subkey_state(&self, subkey: &Subkey, now: u64) -> Result<(), String> {
        if let Err(why) = &subkey.key.material {
            return Err(why.clone());
        }
        let signatures = |kind: u8| {
            subkey
                .signatures
                .iter()
                .filter(move |signature| signature.kind == kind)
        };
        let data: [&[u8]; 2] = [&self.primary.hashed, &subkey.key.hashed];
        self.not_revoked(signatures(SUBKEY_REVOCATION), &data, "the subkey")?;
        let bindings = signatures(SUBKEY_BINDING).map(|signature| (signature, subkey.key.hashed.as_slice()));
        let binding = self
            .newest(bindings.collect(), now)?
            .ok_or("the primary key does not vouch for the subkey")?;
        if binding.allows_signing() != Some(true) {
            return Err("the subkey is not for signing".to_owned());
        }
        if !binding
            .embedded
            .iter()
            .any(|embedded| is_back_signature(embedded, &subkey.key, &data, now))
        {
            return Err("the subkey does not vouch for its primary key".to_owned());
        }
        not_expired(binding.expiry_of(&subkey.key), now, "the subkey")
    }
}

/// The signatures of a key over itself that are in force.
///
/// A signature over the key alone may say no more than who may revoke it, and of several user ids one may say
/// less than another: so each thing is taken from the newest signature that says it, as GnuPG does.
struct Statement<'a> {
    /// The newest over the key alone.
    direct: Option<&'a Signature>,
    /// The newest over each user id, the newest of all first.
    users: Vec<&'a Signature>,
}

impl<'a> Statement<'a> {
    fn signatures(&self) -> impl Iterator<Item = &'a Signature> {
        self.direct.into_iter().chain(self.users.iter().copied())
    }

    fn expiry_of(&self, key: &Key) -> Option<u64> {
        self.signatures().find_map(|signature| signature.expiry_of(key))
    }

    fn allows_signing(&self) -> Option<bool> {
        self.signatures().find_map(Signature::allows_signing)
    }
}

/// Whether a subkey says itself that it belongs to its primary key: without that, anybody could claim a key
/// of others.
fn is_back_signature(packet: &[u8], subkey: &Key, data: &[&[u8]], now: u64) -> bool {
    let Ok(AnySignature::Known(signature)) = AnySignature::read(packet) else {
        return false;
    };
    signature.kind == PRIMARY_BINDING
        && signature.created >= subkey.created
        && u64::from(signature.created) <= now + CLOCK_SKEW
        && signature.expiry().is_none_or(|expiry| now < expiry)
        && signature.verify(subkey, data, true).is_ok()
}

fn not_expired(expiry: Option<u64>, now: u64, what: &str) -> Result<(), String> {
    match expiry {
        Some(expiry) if expiry <= now => Err(format!("{what} expired")),
        _ => Ok(()),
    }
}
