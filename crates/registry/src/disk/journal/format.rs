//! The file: a header, then groups, each of changes that were synced together.
//!
//! ```text
//! wharf journal 3 <id> <end of the sorted part> <sum>
//! <offset> <length> <sum> <sum of this head> <changes>
//! ```
//!
//! Header and heads are text, and each ends with a newline or a space; offsets, lengths and sums are hexadecimal;
//! changes are [bytes](super::changes), and a newline follows them. A sum is the beginning of a sha256 that also covers the
//! file's id, so that nothing that was in another file, or at another offset, is taken for a group.
//!
//! Groups up to the end of the sorted part were written when the file was, before it got its name: they have the records
//! of that time in the order of their keys, each once, and whatever is wrong in them is corruption. The groups that follow
//! were appended, each when the one before it was on the disk. So where one is corrupt, and nothing after it begins as
//! a group, it is the last and may be what a crash left of an unacknowledged append; where another one follows, the
//! corrupt one had been acknowledged.
//!
//! A program refuses a file with a number that it does not know. The number is raised when older programs would misread the
//! file; the header of any form begins with it and ends with a sum. A program reads the [forms before](super::legacy) its
//! own, and rewrites them.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
};

use wharf_content::{Error, ErrorKind, Hasher};
use wharf_reference::{Algorithm, Digest};

/// The number of the present form.
pub(super) const NUMBER: u64 = 3;

/// The bytes among which the end of the header is looked for.
pub(super) const HEADER_WINDOW: u64 = 256;

/// The length of a group's head in bytes.
const HEAD: usize = 60;

/// Bytes that are searched at a time.
const WINDOW: usize = 64 * 1024;

/// The form of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Number 2, of [`legacy`](super::legacy).
    Json,
    /// Number 3, with the offset at which the sorted part ends.
    Packed(u64),
}

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

    /// The first line of the file, which has the same length in every file of a form.
    pub(super) fn header(&self, form: Form) -> Result<Vec<u8>, Error> {
        let mut header = match form {
            Form::Json => format!("wharf journal 2 {}", self.0),
            Form::Packed(sorted) => format!("wharf journal 3 {} {sorted:016x}", self.0),
        };
        header.extend([" ", sum(&[header.as_bytes()])?.as_str(), "\n"]);
        Ok(header.into_bytes())
    }

    /// Formats a group for this offset.
    pub(super) fn group(&self, offset: u64, changes: &[u8]) -> Result<Vec<u8>, Error> {
        let length = changes.len();
        if u32::try_from(length).is_err() {
            let message =
                format!("one commit has {length} bytes of changes, more than the journal can take (4 GiB)");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let sum = sum(&[self.0.as_bytes(), changes])?;
        let mut group = format!("{offset:016x} {length:08x} {} ", sum.as_str()).into_bytes();
        let own = self.head_sum(&group)?;
        group.reserve_exact(own.as_str().len() + length + 2);
        group.extend_from_slice(own.as_str().as_bytes());
        group.push(b' ');
        group.extend_from_slice(changes);
        group.push(b'\n');
        Ok(group)
    }

    fn head_sum(&self, head: &[u8]) -> Result<Sum, Error> {
        sum(&[self.0.as_bytes(), head])
    }

    /// The fields of a group's head; `None` if the head is malformed or its sum does not fit this file.
    fn read_head<'h>(&self, head: &'h [u8]) -> Option<Head<'h>> {
        let text = std::str::from_utf8(head.get(..HEAD)?).ok()?;
        let mut fields = text.split(' ');
        let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
        let length = u64::from_str_radix(fields.next()?, 16).ok()?;
        let (sum, own) = (fields.next()?, fields.next()?);
        let good = self.head_sum(head.get(..HEAD - 17)?).ok()?.as_str() == own;
        good.then_some(Head { offset, length, sum })
    }
}

struct Head<'h> {
    offset: u64,
    /// Bytes of the changes.
    length: u64,
    /// The sum of the changes.
    sum: &'h str,
}

struct Sum(Digest);

impl Sum {
    fn as_str(&self) -> &str {
        self.0.encoded().get(..16).unwrap_or_default()
    }
}

fn sum(parts: &[&[u8]]) -> Result<Sum, Error> {
    let mut hasher = Hasher::new(Algorithm::Sha256)?;
    for part in parts {
        hasher.update(part);
    }
    hasher.finish().map(Sum)
}

pub(super) enum Next {
    /// The changes of a group.
    Group(Vec<u8>),
    End,
    /// The bytes at this offset are not a complete group with correct sums.
    Corrupt,
}

/// A reader of the groups of a file.
pub(super) struct Reader {
    input: BufReader<File>,
    pub(super) id: FileId,
    pub(super) form: Form,
    /// The offset of the next group.
    pub(super) offset: u64,
    /// The offset at which this reader ends.
    pub(super) end: u64,
}

impl Reader {
    /// Reads the header. `None` if the file does not begin with one.
    pub(super) fn new(file: File, end: u64) -> io::Result<Option<Self>> {
        let mut input = BufReader::with_capacity(WINDOW, file);
        let mut header = Vec::new();
        input
            .by_ref()
            .take(end.min(HEADER_WINDOW))
            .read_until(b'\n', &mut header)?;
        Ok(parse_header(&header).map(|(id, form)| Self {
            input,
            id,
            form,
            offset: header.len() as u64,
            end,
        }))
    }

    /// Whether the next group is one of the sorted part.
    pub(super) const fn is_sorted(&self) -> bool {
        matches!(self.form, Form::Packed(sorted) if self.offset < sorted)
    }

    /// Goes on at the beginning of another group.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.offset = offset;
        self.input.seek(SeekFrom::Start(offset)).map(drop)
    }

    pub(super) fn next(&mut self) -> io::Result<Next> {
        let left = match self.form {
            Form::Packed(sorted) if self.offset < sorted => sorted.min(self.end).saturating_sub(self.offset),
            _ => self.end.saturating_sub(self.offset),
        };
        if left == 0 && !self.is_sorted() {
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
        let mut changes = vec![0; length + 1];
        self.input.read_exact(&mut changes)?;
        let ended = changes.pop() == Some(b'\n');
        if !ended || !sum(&[self.id.0.as_bytes(), &changes]).is_ok_and(|sum| sum.as_str() == head.sum) {
            return Ok(Next::Corrupt);
        }
        self.offset += whole;
        Ok(Next::Group(changes))
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

/// A header's id and form.
fn parse_header(header: &[u8]) -> Option<(FileId, Form)> {
    let mut fields = covered(header)?.strip_prefix("wharf journal ")?.split(' ');
    let number = fields.next()?;
    let id = FileId(fields.next().filter(|id| id.len() == 32)?.to_owned());
    let form = match number {
        "2" => Form::Json,
        "3" => Form::Packed(u64::from_str_radix(fields.next()?, 16).ok()?),
        _ => return None,
    };
    (id.header(form).ok()? == header).then_some((id, form))
}

/// The number in a header with a sum that is right, whatever else the header has.
pub(super) fn number(header: &[u8]) -> Option<u64> {
    let text = covered(header)?.strip_prefix("wharf journal ")?;
    text.split(' ').next()?.parse().ok()
}

/// The part of a header that its sum covers, if the sum is right.
fn covered(header: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(header.strip_suffix(b"\n")?).ok()?;
    let (covered, own) = text.rsplit_once(' ')?;
    (sum(&[covered.as_bytes()]).ok()?.as_str() == own).then_some(covered)
}
