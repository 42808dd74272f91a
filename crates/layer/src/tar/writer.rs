use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, RandomState},
};

use super::{encode, header::BLOCK, member::Member, problem::Problem, reader::padding, time::Time};
use crate::{Error, ErrorKind};

const ZEROS: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Writes a tar archive: members in, bytes out.
///
/// The writer does no I/O: it returns the bytes around the content, and its user writes them, and the content,
/// in that order. Equal members give equal bytes. A header is ustar's; what does not fit in it is in a PAX header
/// before it. Both are read alike by GNU tar, Python, Go and others.
///
/// ```
/// use wharf_layer::tar::{Member, Writer};
///
/// let mut out = Vec::new(); // a file, a socket, a hasher
/// let mut writer = Writer::new();
/// out.extend_from_slice(&writer.member(&Member::directory("etc")?)?);
/// out.extend_from_slice(writer.end_member()?);
///
/// let content = b"wharf\n";
/// let member = Member::file("etc/hostname", content.len() as u64)?;
/// out.extend_from_slice(&writer.member(&member)?);
/// for chunk in content.chunks(4) {
///     writer.content(chunk.len())?; // more than the member's size is an error
///     out.extend_from_slice(chunk);
/// }
/// out.extend_from_slice(writer.end_member()?);
/// out.extend_from_slice(writer.finish()?);
/// assert_eq!(out.len(), 512 + 512 + 512 + 1024);
/// # Ok::<(), wharf_layer::Error>(())
/// ```
///
/// Where name and size are known last, as of a blob that is named by its digest, a file that can be sought has
/// room for the header, which is written when they are known:
///
/// ```
/// use wharf_layer::tar::{Member, Writer};
///
/// let mut file = Vec::new();
/// let mut writer = Writer::new();
/// file.extend_from_slice(writer.reserve_member()?);
/// file.extend_from_slice(b"content");
/// writer.content(7)?;
/// let completed = writer.complete_member(&Member::file("blobs/sha256/5cd0", 7)?)?;
/// let at = completed.header_offset as usize;
/// file[at..at + 512].copy_from_slice(&completed.header);
/// file.extend_from_slice(completed.padding);
/// file.extend_from_slice(writer.finish()?);
/// # Ok::<(), wharf_layer::Error>(())
/// ```
///
/// The order is the caller's: a directory stands before what is in it, and members sorted by the bytes of their
/// names make equal archives of equal trees.
#[derive(Debug, Default)]
pub struct Writer {
    latest: Option<Time>,
    open: Option<Open>,
    position: u64,
    /// Where the member of each name begins, by the hash of the name.
    names: HashMap<u64, u64>,
    hashes: RandomState,
}

/// The member that is being written.
#[derive(Debug)]
struct Open {
    start: u64,
    written: u64,
    /// `None` if its header is written last.
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    name: Vec<u8>,
    size: u64,
}

/// The header and the padding that [`Writer::complete_member`] returns.
#[derive(Debug)]
#[non_exhaustive]
pub struct Completed {
    /// Where the header belongs, in bytes from the start of the archive.
    pub header_offset: u64,
    /// The header, in place of the zeros that were written there.
    pub header: [u8; 512],
    /// The bytes after the content.
    pub padding: &'static [u8],
}

impl Writer {
    /// A writer of one archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes later times as this one, as builds do that are given `SOURCE_DATE_EPOCH`.
    #[must_use]
    pub fn with_latest_time(mut self, time: Time) -> Self {
        self.latest = Some(time);
        self
    }

    /// Begins a member. Returns its header, to be written before its content.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Conflict`]: a member of that name was written before, or the one before has not been ended;
    /// - [`ErrorKind::Invalid`]: the name of an extended attribute has `=` or NUL in it, or the name of a user or
    ///   group has NUL;
    /// - [`ErrorKind::Unsupported`]: a number of a device above 2,097,151, a user or group or size above 2^63-1.
    pub fn member(&mut self, member: &Member) -> Result<Vec<u8>, Error> {
        self.must_be_between_members()
            .and_then(|()| self.begin(member))
            .map_err(|problem| problem.of(member.name()))
    }

    /// The headers of a member, which is not begun.
    #[cfg(all(feature = "apply", target_os = "linux"))]
    pub(crate) fn headers(&self, member: &Member) -> Result<Vec<u8>, Error> {
        encode::headers(member, self.time_of(member)).map_err(|problem| problem.of(member.name()))
    }

    /// Counts a member with these headers, of [`Writer::headers`], and its content and padding. The caller writes them all.
    #[cfg(all(feature = "apply", target_os = "linux"))]
    pub(crate) fn encoded(&mut self, name: &[u8], headers: usize, size: u64) -> Result<(), Error> {
        self.must_be_between_members()
            .and_then(|()| self.remember(name))
            .map_err(|problem| problem.of(name))?;
        let length = (headers as u64)
            .saturating_add(size)
            .saturating_add(padding(size));
        self.position = self.position.saturating_add(length);
        Ok(())
    }

    fn begin(&mut self, member: &Member) -> Result<Vec<u8>, Problem> {
        let headers = encode::headers(member, self.time_of(member))?;
        self.remember(member.name())?;
        self.open = Some(Open {
            start: self.position,
            written: 0,
            known: Some(Known {
                name: member.name().to_vec(),
                size: member.size(),
            }),
        });
        self.position = self.position.saturating_add(headers.len() as u64);
        Ok(headers)
    }

    /// Begins a file whose name and size are known last. Returns zeros, to be written in place of its header.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if the member before has not been ended.
    pub fn reserve_member(&mut self) -> Result<&'static [u8], Error> {
        self.must_be_between_members()
            .map_err(|problem| problem.at(None, self.position))?;
        self.open = Some(Open {
            start: self.position,
            written: 0,
            known: None,
        });
        self.position = self.position.saturating_add(BLOCK as u64);
        Ok(zeros(BLOCK as u64))
    }

    /// Counts bytes of content, which the caller writes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`] if they are more than the member has, [`ErrorKind::Conflict`] if no member is open.
    pub fn content(&mut self, bytes: usize) -> Result<(), Error> {
        let Some(open) = &mut self.open else {
            return Err(Problem::new(ErrorKind::Conflict, "content without a member").at(None, self.position));
        };
        let written = open.written.saturating_add(bytes as u64);
        if let Some(known) = &open.known
            && written > known.size
        {
            return Err(Problem::new(
                ErrorKind::Mismatch,
                format!(
                    "more content than the {} bytes that its header states",
                    known.size
                ),
            )
            .of(&known.name));
        }
        open.written = written;
        self.position = self.position.saturating_add(bytes as u64);
        Ok(())
    }

    /// Ends the member. Returns what is to be written after its content.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`] if content is missing, [`ErrorKind::Conflict`] if no member is open or its header
    /// is still to be made.
    pub fn end_member(&mut self) -> Result<&'static [u8], Error> {
        let Some(Open {
            written,
            known: Some(known),
            ..
        }) = &self.open
        else {
            return Err(
                Problem::new(ErrorKind::Conflict, "no member with a header is open").at(None, self.position),
            );
        };
        if *written < known.size {
            let problem = Problem::new(
                ErrorKind::Mismatch,
                format!("{written} bytes of content, but its header states {}", known.size),
            );
            return Err(problem.of(&known.name));
        }
        let padding = padding(known.size);
        Ok(self.close(padding))
    }

    /// Ends the file that [`Writer::reserve_member`] began. Sizes above 8 GiB are in GNU's form, which all common
    /// readers know, as there is no room for a PAX header.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Mismatch`]: the size of `member` is not that of the content;
    /// - [`ErrorKind::Unsupported`]: `member` does not fit in one header;
    /// - [`ErrorKind::Conflict`]: a member of that name was written before, or no file was begun so. The file is
    ///   still open then, and can be dropped by [`Writer::drop_member`].
    pub fn complete_member(&mut self, member: &Member) -> Result<Completed, Error> {
        self.complete(member).map_err(|problem| problem.of(member.name()))
    }

    fn complete(&mut self, member: &Member) -> Result<Completed, Problem> {
        let Some(Open {
            start,
            written,
            known: None,
        }) = self.open
        else {
            return Err(Problem::new(
                ErrorKind::Conflict,
                "no member is open whose header was reserved",
            ));
        };
        if member.size() != written {
            return Err(Problem::new(
                ErrorKind::Mismatch,
                format!(
                    "{} bytes, but {written} bytes of content were written",
                    member.size()
                ),
            ));
        }
        let header = encode::single_header(member, self.time_of(member))?;
        self.remember(member.name())?;
        Ok(Completed {
            header_offset: start,
            header,
            padding: self.close(padding(written)),
        })
    }

    /// Drops the open member, as if it had not been begun. Returns the length that the archive had before: the
    /// caller cuts it off there. Without an open member, this is its length.
    pub fn drop_member(&mut self) -> u64 {
        let start = self.open.as_ref().map_or(self.position, |open| open.start);
        self.truncate(start);
        self.position
    }

    /// Drops the members that begin at `length` or behind it, as if they had not been begun; the caller cuts the
    /// archive off there. A writer to a file that can be sought does so after a write that failed, and goes on.
    ///
    /// `length` is a value of [`Writer::position`] between two members.
    pub fn truncate(&mut self, length: u64) {
        if self.open.as_ref().is_some_and(|open| open.start >= length) {
            self.open = None;
        }
        if length < self.position {
            self.names.retain(|_, start| *start < length);
            self.position = length;
        }
    }

    /// The length of the archive so far, in bytes.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Ends the archive. Returns what is to be written last: two blocks of zeros. They are no member, so that a
    /// writer which cuts them off again can go on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if a member is open.
    pub fn finish(&self) -> Result<&'static [u8], Error> {
        self.must_be_between_members()
            .map_err(|problem| problem.at(None, self.position))?;
        Ok(&ZEROS)
    }

    fn must_be_between_members(&self) -> Result<(), Problem> {
        match &self.open {
            None => Ok(()),
            Some(_) => Err(Problem::new(
                ErrorKind::Conflict,
                "the member before it has not been ended",
            )),
        }
    }

    fn time_of(&self, member: &Member) -> Time {
        let time = member.modified();
        self.latest.map_or(time, |latest| time.min(latest))
    }

    fn remember(&mut self, name: &[u8]) -> Result<(), Problem> {
        match self.names.entry(self.hashes.hash_one(name)) {
            Entry::Vacant(vacant) => {
                vacant.insert(self.open.as_ref().map_or(self.position, |open| open.start));
                Ok(())
            }
            Entry::Occupied(_) => Err(Problem::new(
                ErrorKind::Conflict,
                "a member of that name was written before",
            )),
        }
    }

    fn close(&mut self, padding: u64) -> &'static [u8] {
        self.open = None;
        self.position = self.position.saturating_add(padding);
        zeros(padding)
    }
}

fn zeros(count: u64) -> &'static [u8] {
    let count = usize::try_from(count).unwrap_or_default();
    ZEROS.get(..count).unwrap_or_default()
}
