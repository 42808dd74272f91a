use std::fmt::Write as _;

use ring::hmac;

/// The key of signatures. Its `Debug` shows nothing of it.
#[derive(Debug, Clone)]
pub(crate) struct SigningKey(hmac::Key);

impl SigningKey {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The value of the header for a body.
    pub(crate) fn header(&self, body: &[u8]) -> String {
        let tag = hmac::sign(&self.0, body);
        let mut value = "sha256=".to_owned();
        for byte in tag.as_ref() {
            let _ = write!(value, "{byte:02x}"); // a string takes everything
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, 4.2 to 4.4, 4.7 and 4.8, and the example of GitHub's documentation of webhooks.
    #[test]
    fn signatures_are_those_of_the_vectors() {
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First".as_slice();
        let longer = b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.".as_slice();
        for (key, body, code) in [
            (
                [0x0b; 20].as_slice(),
                b"Hi There".as_slice(),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 20],
                &[0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
            (
                &[0xaa; 131],
                long,
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                &[0xaa; 131],
                longer,
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
            (
                b"It's a Secret to Everybody",
                b"Hello, World!",
                "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            ),
        ] {
            assert_eq!(SigningKey::new(key).header(body), format!("sha256={code}"));
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = SigningKey::new(b"canary-key");
        assert!(!format!("{key:?} {key:#?}").contains("canary"));
    }
}
