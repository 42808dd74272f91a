//! The fields of a header of 512 bytes, in the dialects that archives of layers are written in.

use std::ops::Range;

use super::{number, problem::Problem};
use crate::ErrorKind;

pub(super) const BLOCK: usize = 512;

pub(super) type Block = [u8; BLOCK];

pub(super) const NAME: Range<usize> = 0..100;
pub(super) const MODE: Range<usize> = 100..108;
pub(super) const UID: Range<usize> = 108..116;
pub(super) const GID: Range<usize> = 116..124;
pub(super) const SIZE: Range<usize> = 124..136;
pub(super) const MTIME: Range<usize> = 136..148;
pub(super) const CHECKSUM: Range<usize> = 148..156;
pub(super) const TYPE: usize = 156;
pub(super) const LINK: Range<usize> = 157..257;
pub(super) const MAGIC: Range<usize> = 257..265;
pub(super) const USER: Range<usize> = 265..297;
pub(super) const GROUP: Range<usize> = 297..329;
pub(super) const MAJOR: Range<usize> = 329..337;
pub(super) const MINOR: Range<usize> = 337..345;
pub(super) const PREFIX: Range<usize> = 345..500;
/// Where star has its own mark, and its times where others have the end of the prefix.
const STAR: Range<usize> = 508..512;

pub(super) const USTAR: &[u8; 8] = b"ustar\x0000";
const GNU: &[u8; 8] = b"ustar  \0";

/// Which fields a header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// No owner's names, no numbers of devices, no prefix.
    V7,
    Ustar,
    /// GNU's own, with times where ustar has the prefix.
    Gnu,
}

/// A header whose checksum is right.
#[derive(Debug)]
pub(super) struct Header<'a> {
    block: &'a Block,
    dialect: Dialect,
}

impl<'a> Header<'a> {
    pub(super) fn parse(block: &'a Block) -> Result<Self, Problem> {
        let mut header = Self {
            block,
            dialect: Dialect::V7,
        };
        let stated = number::parse(header.field(CHECKSUM), "checksum")?;
        if stated != checksum(block, i64::from)
            && stated != checksum(block, |byte| i64::from(byte.cast_signed()))
        {
            return Err(Problem::corrupt(
                "the checksum of the header is wrong: the archive is damaged, or no header is here",
            ));
        }
        // Also of those that do not count, as of extension headers: Go and Python stop at a field that is no number.
        for (range, name) in [
            (MODE, "mode"),
            (UID, "uid"),
            (GID, "gid"),
            (SIZE, "size"),
            (MTIME, "mtime"),
            (MAJOR, "devmajor"),
            (MINOR, "devminor"),
        ] {
            number::parse(header.field(range), name)?;
        }
        let magic = header.field(MAGIC);
        header.dialect = if magic == GNU {
            Dialect::Gnu
        } else if magic.starts_with(b"ustar\0") {
            Dialect::Ustar
        } else {
            Dialect::V7
        };
        Ok(header)
    }

    /// The name of a header that is no good otherwise, for a message.
    pub(super) fn name_of(block: &Block) -> &[u8] {
        c_string(block.get(NAME).unwrap_or_default())
    }

    fn field(&self, range: Range<usize>) -> &'a [u8] {
        self.block.get(range).unwrap_or_default()
    }

    pub(super) fn type_flag(&self) -> u8 {
        self.block[TYPE]
    }

    /// The name, with the prefix before it.
    pub(super) fn name(&self) -> Result<Vec<u8>, Problem> {
        let name = text(self.field(NAME), "name")?;
        let prefix = self.field(PREFIX);
        if prefix.first().is_none_or(|byte| *byte == 0) {
            return Ok(name.to_vec());
        }
        if self.dialect != Dialect::Ustar {
            return Err(Problem::new(
                ErrorKind::Ambiguous,
                "the header has no prefix in its dialect, but bytes where others have it; readers differ \
                 about the name",
            ));
        }
        let star = self.field(STAR) == b"tar\0";
        let prefix = if star {
            prefix.get(..131).unwrap_or_default()
        } else {
            prefix
        };
        if star && prefix.last().is_some_and(|byte| *byte != 0) {
            return Err(Problem::new(
                ErrorKind::Ambiguous,
                "the prefix has no end in the dialect of star; readers differ about the name",
            ));
        }
        let prefix = if star {
            c_string(prefix)
        } else {
            text(prefix, "prefix")?
        };
        Ok([prefix, b"/", name].concat())
    }

    pub(super) fn link(&self) -> Result<Vec<u8>, Problem> {
        text(self.field(LINK), "linkname").map(<[u8]>::to_vec)
    }

    pub(super) fn size(&self) -> Result<u64, Problem> {
        unsigned(self.field(SIZE), "size")
    }

    /// The permissions. Bits for the kind of file, which old archives have, do not count.
    pub(super) fn mode(&self) -> Result<u32, Problem> {
        let mode = unsigned(self.field(MODE), "mode")?;
        Ok(u32::try_from(mode & 0o7777).unwrap_or_default())
    }

    pub(super) fn uid(&self) -> Result<u64, Problem> {
        unsigned(self.field(UID), "uid")
    }

    pub(super) fn gid(&self) -> Result<u64, Problem> {
        unsigned(self.field(GID), "gid")
    }

    /// Seconds since 1970; negative ones occur in base 256.
    pub(super) fn mtime(&self) -> Result<i64, Problem> {
        number::parse(self.field(MTIME), "mtime")
    }

    pub(super) fn user(&self) -> &'a [u8] {
        self.owner(USER)
    }

    pub(super) fn group(&self) -> &'a [u8] {
        self.owner(GROUP)
    }

    fn owner(&self, range: Range<usize>) -> &'a [u8] {
        if self.dialect == Dialect::V7 {
            return &[];
        }
        c_string(self.field(range))
    }

    /// The major and the minor number. Other members than devices may have any, but numbers.
    pub(super) fn device(&self) -> Result<(i64, i64), Problem> {
        let major = number::parse(self.field(MAJOR), "devmajor")?;
        let minor = number::parse(self.field(MINOR), "devminor")?;
        Ok((major, minor))
    }

    /// False before ustar, where the header has no numbers of devices.
    pub(super) fn has_devices(&self) -> bool {
        self.dialect != Dialect::V7
    }
}

/// The sum of all bytes, with spaces for the checksum. Some old programs summed signed bytes.
pub(super) fn checksum(block: &Block, value: impl Fn(u8) -> i64) -> i64 {
    let bytes = block.iter().enumerate();
    bytes
        .map(|(at, byte)| value(if CHECKSUM.contains(&at) { b' ' } else { *byte }))
        .sum()
}

fn unsigned(field: &[u8], name: &str) -> Result<u64, Problem> {
    u64::try_from(number::parse(field, name)?)
        .map_err(|_| Problem::corrupt(format!("the field `{name}` of the header is negative")))
}

/// The bytes before the first NUL.
fn c_string(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The bytes before the NULs at the end.
fn text<'a>(field: &'a [u8], name: &str) -> Result<&'a [u8], Problem> {
    let text = c_string(field);
    if field.iter().skip(text.len()).any(|byte| *byte != 0) {
        return Err(Problem::corrupt(format!(
            "the field `{name}` of the header has a NUL byte in it"
        )));
    }
    Ok(text)
}
