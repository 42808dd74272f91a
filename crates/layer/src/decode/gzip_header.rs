//! The header of a gzip member (RFC 1952, section 2.3), of which nothing is kept.

use zlib_rs::crc32::crc32;

use super::problem::Problem;
use crate::limits::Limits;

const HAS_CHECKSUM: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Reads a header byte by byte.
#[derive(Debug, Default)]
pub(super) struct Header {
    part: Part,
    flags: u8,
    length: u64,
    checksum: u32,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    /// The ten bytes that each has.
    Fixed(u8),
    /// The length of the extra field, and the first byte of it.
    ExtraLength(Option<u8>),
    Extra(u16),
    Name,
    Comment,
    /// The first byte of the checksum, and whether it was read.
    Checksum(Option<u8>),
    Done,
}

impl Default for Part {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

impl Header {
    /// Takes bytes from the front of `input`. True when the header is complete.
    pub(super) fn read(&mut self, input: &mut &[u8], limits: &Limits) -> Result<bool, Problem> {
        while !matches!(self.part, Part::Done) {
            let Some((byte, rest)) = input.split_first() else {
                return Ok(false);
            };
            *input = rest;
            self.length += 1;
            if self.length > limits.header {
                return Err(Problem::limit(
                    "the header of a gzip member is longer than that",
                    "header",
                    limits.header,
                ));
            }
            self.byte(*byte)?;
        }
        Ok(true)
    }

    fn byte(&mut self, byte: u8) -> Result<(), Problem> {
        if !matches!(self.part, Part::Checksum(_)) {
            self.checksum = crc32(self.checksum, &[byte]);
        }
        self.part = match self.part {
            Part::Fixed(at) => {
                self.fixed(at, byte)?;
                if at < 9 {
                    Part::Fixed(at + 1)
                } else {
                    self.after(HAS_EXTRA >> 1)
                }
            }
            Part::ExtraLength(None) => Part::ExtraLength(Some(byte)),
            Part::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.after(HAS_EXTRA),
                length => Part::Extra(length),
            },
            Part::Extra(1) => self.after(HAS_EXTRA),
            Part::Extra(rest) => Part::Extra(rest - 1),
            Part::Name if byte == 0 => self.after(HAS_NAME),
            Part::Comment if byte == 0 => self.after(HAS_COMMENT),
            Part::Checksum(None) => Part::Checksum(Some(byte)),
            Part::Checksum(Some(low)) => {
                if u32::from(u16::from_le_bytes([low, byte])) != self.checksum & 0xffff {
                    return Err(Problem::corrupt(
                        "the checksum of a gzip member's header is wrong",
                    ));
                }
                Part::Done
            }
            part => part,
        };
        Ok(())
    }

    fn fixed(&mut self, at: u8, byte: u8) -> Result<(), Problem> {
        match (at, byte) {
            (0, 0x1f) | (1, 0x8b) | (2, 8) | (4.., _) => Ok(()),
            (2, _) => Err(Problem::corrupt(format!("the gzip method {byte} is not known"))),
            (3, flags) if flags & RESERVED == 0 => {
                self.flags = flags;
                Ok(())
            }
            (3, _) => Err(Problem::corrupt("a gzip member has flags that are not known")),
            _ => Err(Problem::corrupt("a gzip member does not begin as one")),
        }
    }

    /// The next part that the flags name, after that of `flag`.
    fn after(&self, flag: u8) -> Part {
        let parts = [
            (HAS_EXTRA, Part::ExtraLength(None)),
            (HAS_NAME, Part::Name),
            (HAS_COMMENT, Part::Comment),
        ];
        for (bit, part) in parts {
            if bit > flag && self.flags & bit != 0 {
                return part;
            }
        }
        if self.flags & HAS_CHECKSUM != 0 {
            return Part::Checksum(None);
        }
        Part::Done
    }
}
