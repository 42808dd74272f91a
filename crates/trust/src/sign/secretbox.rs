//! `nacl/secretbox`: `XSalsa20` with Poly1305, the tag before the ciphertext.

use poly1305::{Poly1305, universal_hash::KeyInit as _};
use salsa20::{
    XSalsa20,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use zeroize::Zeroizing;

const TAG: usize = 16;

pub(super) struct SecretBox<'a> {
    pub(super) key: &'a [u8; 32],
    pub(super) nonce: &'a [u8; 24],
}

impl SecretBox<'_> {
    /// The plaintext, or `None` if the key is another or a byte was changed.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (tag, ciphertext) = sealed.split_first_chunk::<TAG>()?;
        let (mut stream, authenticator) = self.start();
        let expected = authenticator.compute_unpadded(ciphertext);
        let differing = expected
            .iter()
            .zip(tag)
            .fold(0, |differing, (one, other)| differing | (one ^ other));
        if differing != 0 {
            return None;
        }
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        stream.apply_keystream(&mut plaintext);
        Some(plaintext)
    }

    pub(super) fn seal(&self, plaintext: &[u8]) -> Vec<u8> {
        let (mut stream, authenticator) = self.start();
        // Encrypted in its place, so that no copy of the plaintext is left.
        let mut sealed = vec![0; TAG + plaintext.len()];
        if let Some((tag, ciphertext)) = sealed.split_first_chunk_mut::<TAG>() {
            ciphertext.copy_from_slice(plaintext);
            stream.apply_keystream(ciphertext);
            tag.copy_from_slice(&authenticator.compute_unpadded(ciphertext));
        }
        sealed
    }

    /// The first 32 bytes of the stream are the authenticator's key.
    fn start(&self) -> (XSalsa20, Poly1305) {
        let mut stream = XSalsa20::new(self.key.into(), self.nonce.into());
        let mut key = Zeroizing::new([0; 32]);
        stream.apply_keystream(key.as_mut_slice());
        let authenticator = Poly1305::new((&*key).into());
        (stream, authenticator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::public_key::unhex;

    /// The vector of the library's own tests.
    #[test]
    fn a_box_of_nacl_is_opened_and_made() {
        let key = unhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389").unwrap();
        let nonce = unhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37").unwrap();
        let message = unhex(
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705",
        )
        .unwrap();
        let sealed = unhex(
            "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5",
        )
        .unwrap();
        let secretbox = SecretBox {
            key: key.as_slice().try_into().unwrap(),
            nonce: nonce.as_slice().try_into().unwrap(),
        };
        assert_eq!(secretbox.seal(&message), sealed);
        assert_eq!(**secretbox.open(&sealed).unwrap(), message);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(secretbox.open(&changed).is_none(), "byte {at}");
        }
        for short in 0..sealed.len() {
            assert!(secretbox.open(&sealed[..short]).is_none(), "{short} bytes");
        }
    }
}
