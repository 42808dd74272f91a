//! The file: a header, then one line for each group of changes that were synced together.
//!
//! ```text
//! wharf journal 2 <id> <sum>
//! <offset> <length> <sum> <sum of this head> [["key","value"],["key",null],…]
//! ```
//!
//! All numbers and sums are hexadecimal. A sum is the beginning of a sha256 that also covers the file's id,
//! so that nothing that was in another file, or at another offset, is taken for a group. A group is only
//! written when the one before it is on the disk. So where a group is corrupt, and nothing after it begins as
//! one, it is the last and may be what a crash left of an unacknowledged append; where another one follows,
//! the corrupt one had been acknowledged.

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
};

use serde_json::value::RawValue;
use wharf_content::{Error, ErrorKind, Hasher};
use wharf_reference::Algorithm;

pub(super) const MAGIC: &[u8] = b"wharf journal 2 ";

/// The length of a group's head in bytes.
const HEAD: usize = 60;

/// Bytes that are searched at a time.
const WINDOW: usize = 64 * 1024;

/// The random id of a journal file. Every sum in the file covers the id, so that a group from another file is
/// not taken for one of this file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct FileId(String);

impl FileId {
    pub(super) fn new() -> Result<Self, Error> {
        crate::random::id().map(Self)
    }

    /// The beginning of the id, which tells files apart.
    pub(super) fn short(&self) -> String {
        self.0.chars().take(8).collect()
    }

    /// The first line of the file.
    pub(super) fn header(&self) -> Result<Vec<u8>, Error> {
        let mut header = [MAGIC, self.0.as_bytes()].concat();
        let sum = sum(&[&header])?;
        header.push(b' ');
        header.extend(sum.bytes());
        header.push(b'\n');
        Ok(header)
    }

    /// Formats a group for this offset. `changes` are results of [`pair`], with commas between them.
    pub(super) fn group(&self, offset: u64, changes: &[u8]) -> Result<Vec<u8>, Error> {
        let length = changes.len() + 2;
        if u32::try_from(length).is_err() {
            let message =
                format!("one commit has {length} bytes of changes, more than the journal can take (4 GiB)");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let json = [b"[", changes, b"]"].concat();
        let mut group = format!(
            "{offset:016x} {length:08x} {} ",
            sum(&[self.0.as_bytes(), &json])?
        )
        .into_bytes();
        let own = self.head_sum(&group)?;
        group.extend(own.bytes());
        group.push(b' ');
        group.extend(json);
        group.push(b'\n');
        Ok(group)
    }

    fn head_sum(&self, head: &[u8]) -> Result<String, Error> {
        sum(&[self.0.as_bytes(), head])
    }

    /// The fields of a group's head; `None` if the head is malformed or its sum does not fit this file.
    fn read_head<'h>(&self, head: &'h [u8]) -> Option<Head<'h>> {
        let text = std::str::from_utf8(head.get(..HEAD)?).ok()?;
        let mut fields = text.split(' ');
        let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
        let length = u64::from_str_radix(fields.next()?, 16).ok()?;
        let (json, own) = (fields.next()?, fields.next()?);
        let good = self.head_sum(head.get(..HEAD - 17)?).ok()? == own;
        good.then_some(Head { offset, length, json })
    }
}

struct Head<'h> {
    offset: u64,
    /// Bytes of the changes.
    length: u64,
    /// The sum of the changes.
    json: &'h str,
}

fn sum(parts: &[&[u8]]) -> Result<String, Error> {
    let digest = Hasher::digest(Algorithm::Sha256, &parts.concat())?;
    Ok(digest.encoded().chars().take(16).collect())
}

/// A change in the format of the file.
pub(super) fn pair(key: &str, value: Option<&str>) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(&(key, value)).map_err(|error| Error::wrap(ErrorKind::Other, error))
}

/// Splits the changes of a group.
pub(super) fn pairs(json: &[u8]) -> Option<Vec<&RawValue>> {
    serde_json::from_slice(json).ok()
}

/// Parses a change into its key and value.
pub(super) fn unpair(pair: &RawValue) -> Option<(String, Option<String>)> {
    serde_json::from_str(pair.get()).ok()
}

pub(super) enum Next {
    /// The changes of a group, a JSON array.
    Group(Vec<u8>),
    End,
    /// The bytes at this offset are not a complete group with correct sums.
    Corrupt,
}

/// A reader of the groups of a file.
pub(super) struct Reader {
    input: BufReader<File>,
    pub(super) id: FileId,
    /// The offset of the next group.
    pub(super) offset: u64,
    /// The offset at which this reader ends.
    pub(super) end: u64,
}

impl Reader {
    /// Reads the header. `None` if the file does not begin with one.
    pub(super) fn new(file: File, end: u64) -> io::Result<Option<Self>> {
        let mut input = BufReader::with_capacity(WINDOW, file);
        let mut header = vec![0; MAGIC.len() + 32 + 1 + 16 + 1];
        if end < header.len() as u64 {
            return Ok(None);
        }
        input.read_exact(&mut header)?;
        let id = header.get(MAGIC.len()..MAGIC.len() + 32);
        let id = id.and_then(|id| Some(FileId(String::from_utf8(id.to_vec()).ok()?)));
        let id = id.filter(|id| id.header().is_ok_and(|expected| expected == header));
        Ok(id.map(|id| Self {
            input,
            id,
            offset: header.len() as u64,
            end,
        }))
    }

    pub(super) fn next(&mut self) -> io::Result<Next> {
        let left = self.end.saturating_sub(self.offset);
        if left == 0 {
            return Ok(Next::End);
        }
        if left <= HEAD as u64 {
            return Ok(Next::Corrupt);
        }
        let mut head = [0; HEAD];
        self.input.read_exact(&mut head)?;
        let Some(head) = self.id.read_head(&head).filter(|head| head.offset == self.offset) else {
            return Ok(Next::Corrupt);
        };
        let whole = HEAD as u64 + head.length + 1;
        let (true, Ok(length)) = (whole <= left, usize::try_from(head.length)) else {
            return Ok(Next::Corrupt);
        };
        let mut json = vec![0; length + 1];
        self.input.read_exact(&mut json)?;
        let ended = json.pop() == Some(b'\n');
        if !ended || !sum(&[self.id.0.as_bytes(), &json]).is_ok_and(|sum| sum == head.json) {
            return Ok(Next::Corrupt);
        }
        self.offset += whole;
        Ok(Next::Group(json))
    }

    /// Whether a group that was written later follows the corrupt one, at any offset.
    pub(super) fn has_later(&mut self) -> io::Result<bool> {
        let mut start = self.offset;
        self.input.seek(SeekFrom::Start(start))?;
        let mut window = Vec::new();
        while start < self.end {
            let room = (self.end - start).min(WINDOW as u64) - window.len() as u64;
            let read = self.input.by_ref().take(room).read_to_end(&mut window)?;
            let is_later = |head: &[u8]| {
                let spaces = [16, 25, 42, 59]
                    .iter()
                    .all(|space| head.get(*space) == Some(&b' '));
                spaces
                    && self
                        .id
                        .read_head(head)
                        .is_some_and(|head| head.offset > self.offset)
            };
            if window.windows(HEAD).any(is_later) {
                return Ok(true);
            }
            let done = (window.len() + 1).saturating_sub(HEAD);
            if done == 0 || read == 0 {
                break;
            }
            window.drain(..done);
            start += done as u64;
        }
        Ok(false)
    }
}
