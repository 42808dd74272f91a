//! A signed message: one signature over one literal, perhaps compressed, and nothing else.

use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::{
            TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER,
            TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
        },
    },
};

use super::{
    packet::{self, Packet},
    reader::{Malformed, Reader},
    signature::{AnySignature, BINARY, Signature, TEXT},
};
use crate::{Reason, ReasonKind, payload::MAX_PAYLOAD};

/// How much a compressed message may unpack to, in bytes: a payload and the packets around it.
const MAX_UNPACKED: usize = 68 << 10;

/// The most packets of a message that are read: one more than any good message has.
const MAX_PACKETS: usize = 4;

#[derive(Debug)]
pub(super) struct Message {
    pub(super) payload: Vec<u8>,
    pub(super) signature: Signature,
}

fn malformed(text: impl Into<String>) -> Reason {
    Reason::new(ReasonKind::Format, text)
}

fn unsupported(text: impl Into<String>) -> Reason {
    Reason::new(ReasonKind::Algorithm, text)
}

impl Message {
    /// Reads a message: `OnePass Literal Signature` or `Signature Literal`, alone or as the whole content of
    /// one compressed packet.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Reason> {
        if bytes.starts_with(b"-----BEGIN PGP ") {
            return Err(malformed(
                "cleartext and armored signatures are not container signatures",
            ));
        }
        let packets = packets(bytes)?;
        let unpacked;
        let packets = match packets.as_slice() {
            [compressed] if compressed.tag == packet::COMPRESSED => {
                unpacked = decompressed(&compressed.body)?;
                self::packets(&unpacked)?
            }
            _ => packets,
        };
        match packets.as_slice() {
            [one_pass, literal, signature]
                if one_pass.tag == packet::ONE_PASS_SIGNATURE
                    && literal.tag == packet::LITERAL
                    && signature.tag == packet::SIGNATURE =>
            {
                let message = Self::of(literal, signature)?;
                message.is_announced_by(&one_pass.body)?;
                Ok(message)
            }
            [signature, literal] if signature.tag == packet::SIGNATURE && literal.tag == packet::LITERAL => {
                Self::of(literal, signature)
            }
            other => Err(malformed(format!(
                "the message is not one signature over one text, but {}",
                described(other)
            ))),
        }
    }

    fn of(literal: &Packet<'_>, signature: &Packet<'_>) -> Result<Self, Reason> {
        let signature = match AnySignature::read(&signature.body) {
            Ok(AnySignature::Known(signature)) => *signature,
            Ok(AnySignature::Unknown(version)) => {
                return Err(unsupported(format!(
                    "a signature of version {version} is not accepted"
                )));
            }
            Err(why) => return Err(malformed(format!("its signature is malformed: {why}"))),
        };
        match signature.kind {
            BINARY => {}
            TEXT => return Err(unsupported("a signature in text mode is not accepted")),
            other => {
                return Err(malformed(format!(
                    "its signature is of type {other:#04x} and not of a document"
                )));
            }
        }
        Ok(Self {
            payload: content(&literal.body)?,
            signature,
        })
    }

    /// Checks that the one-pass packet before the literal agrees with the signature after it.
    fn is_announced_by(&self, one_pass: &[u8]) -> Result<(), Reason> {
        let signature = &self.signature;
        match one_pass {
            [3, kind, hash, algorithm, _, _, _, _, _, _, _, _, 1]
                if (*kind, *hash, *algorithm) == (signature.kind, signature.hash, signature.algorithm) =>
            {
                Ok(())
            }
            _ => Err(malformed(
                "its one-pass signature does not announce its signature",
            )),
        }
    }
}

fn described(packets: &[Packet<'_>]) -> String {
    if packets.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<_> = packets.iter().map(Packet::name).collect();
    names.join(", ")
}

/// The packets of a message, of which no more than a few are of interest.
fn packets(bytes: &[u8]) -> Result<Vec<Packet<'_>>, Reason> {
    let mut reader = Reader::new(bytes);
    let mut packets = Vec::new();
    while packets.len() < MAX_PACKETS {
        match Packet::next(&mut reader) {
            Ok(None) => break,
            Ok(Some(packet)) => packets.push(packet),
            Err(why) if packets.is_empty() => {
                return Err(malformed(format!("the signature is no OpenPGP message: {why}")));
            }
            Err(why) => {
                let read = described(&packets);
                return Err(malformed(format!("after {read} in the message: {why}")));
            }
        }
    }
    Ok(packets)
}

/// The content of a literal packet (RFC 9580, 5.9). Its file name and time are not signed, and have no
/// meaning here.
fn content(body: &[u8]) -> Result<Vec<u8>, Reason> {
    let mut reader = Reader::new(body);
    let mut head = || -> Result<u8, Malformed> {
        let format = reader.u8()?;
        let name = reader.u8()?;
        reader.take(name.into())?;
        reader.u32()?;
        Ok(format)
    };
    match head() {
        Ok(b'b') => {}
        Ok(_) => return Err(unsupported("a text in text mode is not accepted")),
        Err(why) => return Err(malformed(why)),
    }
    let content = reader.rest();
    if content.len() > MAX_PAYLOAD {
        return Err(malformed(format!(
            "what it signs is longer than {MAX_PAYLOAD} bytes"
        )));
    }
    Ok(content.to_vec())
}

/// The content of a compressed packet (RFC 9580, 5.6).
fn decompressed(body: &[u8]) -> Result<Vec<u8>, Reason> {
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    match body.split_first() {
        Some((1, data)) => inflated(data, flags),
        Some((2, data)) => inflated(
            data,
            flags | TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_COMPUTE_ADLER32,
        ),
        Some((3, _)) => Err(unsupported(
            "the compression BZIP2 is not accepted, only ZIP and ZLIB",
        )),
        Some((other, _)) => Err(unsupported(format!(
            "the compression number {other} is not accepted, only ZIP and ZLIB"
        ))),
        None => Err(malformed("its compressed data are empty")),
    }
}

fn inflated(data: &[u8], flags: u32) -> Result<Vec<u8>, Reason> {
    let mut unpacked = vec![0; MAX_UNPACKED];
    let (status, read, written) = decompress(&mut DecompressorOxide::new(), data, &mut unpacked, 0, flags);
    match status {
        TINFLStatus::Done if read == data.len() => {
            unpacked.truncate(written);
            Ok(unpacked)
        }
        TINFLStatus::Done => Err(malformed("something follows its compressed data")),
        TINFLStatus::HasMoreOutput => Err(malformed(format!("it unpacks to more than {MAX_UNPACKED} bytes"))),
        _ => Err(malformed("its compressed data are damaged or cut off")),
    }
}
