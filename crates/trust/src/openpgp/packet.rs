//! Packets (RFC 9580, 4): a type, a length in one of many forms, a body.

use std::borrow::Cow;

use super::reader::{Malformed, Reader};

pub(super) const SIGNATURE: u8 = 2;
pub(super) const ONE_PASS_SIGNATURE: u8 = 4;
pub(super) const SECRET_KEY: u8 = 5;
pub(super) const PUBLIC_KEY: u8 = 6;
pub(super) const SECRET_SUBKEY: u8 = 7;
pub(super) const COMPRESSED: u8 = 8;
pub(super) const MARKER: u8 = 10;
pub(super) const LITERAL: u8 = 11;
pub(super) const TRUST: u8 = 12;
pub(super) const USER_ID: u8 = 13;
pub(super) const PUBLIC_SUBKEY: u8 = 14;
pub(super) const USER_ATTRIBUTE: u8 = 17;
pub(super) const PADDING: u8 = 21;

pub(super) struct Packet<'a> {
    pub(super) tag: u8,
    /// Borrowed unless it came in parts.
    pub(super) body: Cow<'a, [u8]>,
}

enum Length {
    Known(usize),
    /// More parts follow this one.
    Part(usize),
    /// To the end of everything.
    Indeterminate,
}

impl<'a> Packet<'a> {
    /// The next packet, or `None` at the end.
    pub(super) fn next(reader: &mut Reader<'a>) -> Result<Option<Self>, Malformed> {
        if reader.is_empty() {
            return Ok(None);
        }
        let head = reader.u8()?;
        if head & 0x80 == 0 {
            return Err("no packet begins here");
        }
        let is_new = head & 0x40 != 0;
        let tag = if is_new { head & 0x3f } else { head >> 2 & 0xf };
        let length = if is_new {
            new_length(reader)?
        } else {
            old_length(head & 3, reader)?
        };
        let body = match length {
            Length::Known(length) => Cow::Borrowed(reader.take(length)?),
            Length::Indeterminate if tag == COMPRESSED => Cow::Borrowed(reader.rest()),
            Length::Indeterminate => return Err("a packet of this type has no length"),
            Length::Part(first) => Cow::Owned(parts(tag, first, reader)?),
        };
        Ok(Some(Self { tag, body }))
    }

    /// The packet's name, for errors.
    pub(super) const fn name(&self) -> &'static str {
        match self.tag {
            1 | 3 => "an encrypted session key",
            SIGNATURE => "a signature",
            ONE_PASS_SIGNATURE => "a one-pass signature",
            SECRET_KEY | SECRET_SUBKEY => "a secret key",
            PUBLIC_KEY | PUBLIC_SUBKEY => "a public key",
            COMPRESSED => "compressed data",
            9 | 18 | 20 => "encrypted data",
            MARKER => "a marker",
            LITERAL => "literal data",
            TRUST => "a trust packet",
            USER_ID | USER_ATTRIBUTE => "a user id",
            PADDING => "padding",
            _ => "an unknown packet",
        }
    }
}

/// A packet in the new format.
#[cfg(feature = "sign")]
pub(super) fn encode(tag: u8, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).unwrap_or(u32::MAX); // no packet here has 4 GiB
    [&[0xc0 | tag, 0xff], size.to_be_bytes().as_slice(), body].concat()
}

fn old_length(kind: u8, reader: &mut Reader<'_>) -> Result<Length, Malformed> {
    Ok(match kind {
        0 => Length::Known(reader.u8()?.into()),
        1 => Length::Known(reader.u16()?.into()),
        2 => Length::Known(size(reader.u32()?)?),
        _ => Length::Indeterminate,
    })
}

fn new_length(reader: &mut Reader<'_>) -> Result<Length, Malformed> {
    let first = reader.u8()?;
    Ok(match first {
        0..=191 => Length::Known(first.into()),
        192..=223 => Length::Known((usize::from(first) - 192) * 256 + usize::from(reader.u8()?) + 192),
        224..=254 => Length::Part(1 << (first & 0x1f)),
        255 => Length::Known(size(reader.u32()?)?),
    })
}

fn size(length: u32) -> Result<usize, Malformed> {
    usize::try_from(length).map_err(|_| "it is cut off")
}

/// The body of a packet that comes in parts, of which the first has at least 512 bytes (RFC 9580, 4.2.1.4).
fn parts(tag: u8, first: usize, reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    if !matches!(tag, COMPRESSED | LITERAL) {
        return Err("a packet of this type does not come in parts");
    }
    if first < 512 {
        return Err("the first part of a packet is too small");
    }
    let mut body = reader.take(first)?.to_vec();
    loop {
        match new_length(reader)? {
            Length::Part(length) => body.extend_from_slice(reader.take(length)?),
            Length::Known(length) => {
                body.extend_from_slice(reader.take(length)?);
                return Ok(body);
            }
            Length::Indeterminate => return Err("a part has no length"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u8, usize)>, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut packets = Vec::new();
        while let Some(packet) = Packet::next(&mut reader)? {
            packets.push((packet.tag, packet.body.len()));
        }
        Ok(packets)
    }

    fn packet(head: &[u8], body: usize) -> Vec<u8> {
        [head, &vec![0; body]].concat()
    }

    #[test]
    fn lengths_have_many_forms() {
        for (bytes, expected) in [
            (packet(&[0x88, 5], 5), (2, 5)),
            (packet(&[0x89, 1, 0], 256), (2, 256)),
            (packet(&[0x8a, 0, 0, 0, 7], 7), (2, 7)),
            (packet(&[0xc2, 0], 0), (2, 0)),
            (packet(&[0xc2, 191], 191), (2, 191)),
            (packet(&[0xc2, 192, 0], 192), (2, 192)),
            (packet(&[0xc2, 223, 255], 8383), (2, 8383)),
            (packet(&[0xc2, 255, 0, 0, 1, 0], 256), (2, 256)),
            (packet(&[0xa3], 10), (8, 10)),
            ([packet(&[0xcb, 0xe9], 512), packet(&[3], 3)].concat(), (11, 515)),
            (
                [packet(&[0xc8, 0xe9], 512), packet(&[0xe0], 1), packet(&[0], 0)].concat(),
                (8, 513),
            ),
        ] {
            assert_eq!(
                read(&bytes),
                Ok(vec![expected]),
                "{:x?}",
                &bytes[..6.min(bytes.len())]
            );
        }
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        for (bytes, expected) in [
            (vec![0x3d, 0], "no packet begins here"),
            (vec![0x88], "cut off"),
            (vec![0x88, 5, 0], "cut off"),
            (vec![0x8a, 0xff, 0xff, 0xff, 0xff, 0], "cut off"),
            (vec![0xc2, 255, 0xff, 0xff, 0xff, 0xff, 0], "cut off"),
            (vec![0xcb, 0xfe], "cut off"),
            (packet(&[0x8b], 10), "has no length"),
            (packet(&[0xaf], 10), "has no length"),
            (packet(&[0xc2, 0xe9], 600), "does not come in parts"),
            (
                packet(&[0xcb, 0xe8], 600),
                "the first part of a packet is too small",
            ),
            (packet(&[0xcb, 0xe9], 512), "cut off"),
            (
                [packet(&[0xcb, 0xe9], 512), packet(&[0xe9], 511)].concat(),
                "cut off",
            ),
        ] {
            let said = read(&bytes).unwrap_err();
            assert!(
                said.contains(expected),
                "{:x?}: {said}",
                &bytes[..6.min(bytes.len())]
            );
        }
    }
}
