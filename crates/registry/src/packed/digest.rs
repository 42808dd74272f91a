use std::cmp::Ordering;

use wharf_reference::{Algorithm, Digest};

use super::Input;

const SHA256: u8 = 1;
const SHA512: u8 = 3;

/// A digest in its packed form, for sets and maps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum PackedDigest {
    Sha256([u8; 32]),
    /// The whole packed form of any other.
    Other(Box<[u8]>),
}

impl PackedDigest {
    /// The digest with this packed form.
    pub(crate) fn of(packed: &[u8]) -> Self {
        if let Some((&SHA256, octets)) = packed.split_first()
            && let Ok(octets) = octets.try_into()
        {
            return Self::Sha256(octets);
        }
        Self::Other(packed.into())
    }
}

impl From<&Digest> for PackedDigest {
    fn from(digest: &Digest) -> Self {
        let mut packed = Vec::with_capacity(33);
        pack_digest(&mut packed, digest);
        Self::of(&packed)
    }
}

impl<'a> Input<'a> {
    /// The packed form of a digest.
    pub(crate) fn digest(&mut self) -> Option<&'a [u8]> {
        let whole = self.0;
        let length = match self.byte()? {
            SHA256 => 33,
            SHA512 => 65,
            _ => whole.iter().skip(1).position(|byte| *byte == 0)? + 2,
        };
        *self = Input(whole);
        let packed = self.take(length)?;
        let whole = matches!(packed, [SHA256 | SHA512, ..]) || unpack_digest(packed).is_some();
        whole.then_some(packed)
    }
}

pub(crate) fn pack_digest(out: &mut Vec<u8>, digest: &Digest) {
    match digest.algorithm() {
        Algorithm::Sha256 => out.push(SHA256),
        Algorithm::Sha512 => out.push(SHA512),
        _ => {
            out.push(place(digest));
            out.extend_from_slice(digest.as_bytes());
            return out.push(0);
        }
    }
    let pairs = digest.encoded().as_bytes().chunks_exact(2);
    out.extend(pairs.map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | nibble(*digit))));
}

/// The first byte of a digest of another algorithm.
fn place(digest: &Digest) -> u8 {
    let [before, after] = ["sha256:", "sha512:"].map(|known| digest.as_str().cmp(known));
    match (before, after) {
        (Ordering::Less, _) => 0,
        (_, Ordering::Less) => 2,
        _ => 4,
    }
}

/// The value of a hexadecimal digit of a digest.
const fn nibble(digit: u8) -> u8 {
    match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit & 15,
    }
}

pub(crate) fn unpack_digest(packed: &[u8]) -> Option<Digest> {
    let (first, rest) = packed.split_first()?;
    let algorithm = match *first {
        SHA256 => Algorithm::Sha256,
        SHA512 => Algorithm::Sha512,
        place_of_text => {
            let text = std::str::from_utf8(rest.strip_suffix(&[0])?).ok()?;
            let digest = Digest::parse(text).ok()?;
            let known = digest.algorithm().is_supported();
            return (!known && place(&digest) == place_of_text).then_some(digest);
        }
    };
    Digest::from_bytes(algorithm, rest).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_read_back_and_keep_their_order() {
        let mut texts = vec![
            format!("sha256:{}", "0f".repeat(32)),
            format!("sha256:{}", "a9".repeat(32)),
            format!("sha512:{}", "9c".repeat(64)),
            "blake3:x".to_owned(),
            "blake3:xy".to_owned(),
            "sha256+b64:AA".to_owned(),
            "sha3-256:00".to_owned(),
            "sha384:00".to_owned(),
            "sha512+b64:AA".to_owned(),
            "tiger:0".to_owned(),
        ];
        texts.sort();
        let packed = texts.iter().map(|text| {
            let digest = Digest::parse(text).unwrap();
            let mut packed = Vec::new();
            pack_digest(&mut packed, &digest);
            assert_eq!(unpack_digest(&packed).as_ref(), Some(&digest));
            assert_eq!(Input(&[&*packed, &[7]].concat()).digest(), Some(&*packed));
            for cut in 0..packed.len() {
                assert_eq!(Input(&packed[..cut]).digest(), None, "{text} cut at {cut}");
            }
            packed
        });
        assert!(packed.collect::<Vec<_>>().is_sorted());
        for wrong in [
            &b"\0sha256:00\0"[..],
            b"\x02blake3:x\0",
            b"\x07blake3:x\0",
            b"\0blake3\0",
            b"\0\xff:x\0",
        ] {
            assert_eq!(
                (unpack_digest(wrong), Input(wrong).digest()),
                (None, None),
                "{wrong:?}"
            );
        }
    }
}
