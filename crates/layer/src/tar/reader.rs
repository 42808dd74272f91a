use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use super::{
    event::{Event, Summary},
    extensions::{Extension, Extensions},
    header::{BLOCK, Block, Header},
    limits::Limits,
    name::Parents,
    problem::Problem,
};
use crate::{Error, ErrorKind};

/// Reads a tar archive: bytes in, events out.
///
/// The reader does no I/O. Its user gives it the bytes of the archive in pieces of any size, and gets members
/// and slices of their content; nothing is copied but headers. Memory does not grow with the sizes that headers
/// state, and all that an archive can make large is bounded by [`Limits`].
///
/// ```
/// use wharf_layer::tar::{Event, Limits, Member, Reader, Writer};
///
/// let mut writer = Writer::new();
/// let mut archive = writer.member(&Member::file("hello", 5)?)?;
/// archive.extend_from_slice(b"world");
/// writer.content(5)?;
/// archive.extend_from_slice(writer.end_member()?);
/// archive.extend_from_slice(writer.finish()?);
///
/// let mut reader = Reader::new(Limits::default());
/// let mut content = Vec::new();
/// for mut input in archive.chunks(100) {
///     while let Some(event) = reader.next_event(&mut input)? {
///         match event {
///             Event::Member { member, .. } => assert_eq!(member.name(), b"hello"),
///             Event::Content(bytes) => content.extend_from_slice(bytes),
///             _ => {}
///         }
///     }
/// }
/// assert_eq!(reader.finish()?.members, 1);
/// assert_eq!(content, b"world");
/// # Ok::<(), wharf_layer::Error>(())
/// ```
///
/// In a file that can be sought, content need not be read: [`Reader::skip_content`] says where the next header
/// is.
///
/// ```
/// use std::io::{Read as _, Seek as _, SeekFrom};
/// use wharf_layer::tar::{Event, Limits, Reader};
///
/// # fn index(mut file: impl std::io::Read + std::io::Seek) -> Result<(), Box<dyn std::error::Error>> {
/// let mut reader = Reader::new(Limits::default());
/// let mut buffer = [0; 512];
/// loop {
///     let read = file.read(&mut buffer)?;
///     if read == 0 {
///         break;
///     }
///     let mut input = &buffer[..read];
///     while let Some(event) = reader.next_event(&mut input)? {
///         if let Event::Member { member, content_offset, .. } = event {
///             println!("{content_offset} {} {:?}", member.size(), member.name());
///             reader.skip_content();
///             file.seek(SeekFrom::Start(reader.position()))?;
///             input = &[]; // the rest of the buffer is not what comes next
///         }
///     }
/// }
/// let end = file.seek(SeekFrom::End(0))?;
/// reader.finish_at(end)?; // a member that ends after the file does is an error
/// # Ok(())
/// # }
/// # index(std::io::Cursor::new(vec![0; 1024])).unwrap();
/// ```
///
/// The type flag, and the headers before a member, decide how it is read:
///
/// | header | read as |
/// |---|---|
/// | `0`, NUL, `7` | a file; NUL and a name with `/` at the end: a directory |
/// | `1` to `6` | hard link, symbolic link, character device, block device, directory, FIFO |
/// | `x` | PAX records `path`, `linkpath`, `size`, `uid`, `gid`, `uname`, `gname`, `mtime` and `SCHILY.xattr.*`, which count before the fields of the header; other keys are ignored |
/// | `L`, `K` | GNU's long name and long target of a link |
/// | `g` | ignored; refused if it sets `path`, `linkpath` or `size` |
/// | `S`, `GNU.sparse.*` | [`ErrorKind::Unsupported`]: sparse files in each of their four forms |
/// | any other | [`ErrorKind::Unsupported`], with the member and the flag |
///
/// # Deviation
///
/// Where two common readers (those of Go and Python, GNU tar) would see different members in the same bytes,
/// the archive is refused with [`ErrorKind::Ambiguous`]: two PAX headers before one member, bytes after the
/// records of one, a name in PAX's form and in GNU's, a directory or link that states a size, bytes in place of
/// the prefix in a dialect that has none. So a scanner and a runtime see what this reader has seen.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    parents: Parents,
    state: State,
    /// The part of a header that was given so far.
    partial: Vec<u8>,
    extensions: Extensions,
    /// The offset of the first header of the current member.
    header_offset: u64,
    /// The name in the header of the current member.
    current: Vec<u8>,
    position: u64,
    members: u64,
    globals: u64,
    trailing: u64,
    names: HashSet<u64>,
    hashes: RandomState,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// A header comes next.
    Header,
    /// A header comes next, and the last one was all zeros.
    AfterZeros,
    /// An extension header of this kind was read, with content of this size. The rest of it and of its last block
    /// comes next, to be joined to `partial`.
    Extension {
        extension: Extension,
        size: u64,
        rest: u64,
    },
    /// The rest of the content of a member comes next.
    Content { rest: u64, padding: u64 },
    /// This many bytes come next that say nothing.
    Padding(u64),
    /// The end was read.
    Ended,
    /// An error was returned.
    Failed,
}

impl Reader {
    /// A reader of one archive, from its first byte.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            parents: Parents::Refuse,
            state: State::Header,
            partial: Vec::new(),
            extensions: Extensions::default(),
            header_offset: 0,
            current: Vec::new(),
            position: 0,
            members: 0,
            globals: 0,
            trailing: 0,
            names: HashSet::new(),
            hashes: RandomState::new(),
        }
    }

    /// With `true`, a name with `..` is resolved within the root by its text, as umoci and Podman do:
    /// `../a` is `a`. By default it is an error.
    #[must_use]
    pub fn with_lenient_names(mut self, lenient: bool) -> Self {
        self.parents = if lenient { Parents::Reroot } else { Parents::Refuse };
        self
    }

    /// Takes bytes of the archive from the front of `input` and returns what they are. `None`: `input` is used
    /// up. Give the bytes that follow, or call [`Reader::finish`] where none do.
    ///
    /// # Errors
    ///
    /// Each names the member and the offset of its header. After an error the reader reads nothing more.
    ///
    /// - [`ErrorKind::Corrupt`]: the archive breaks its grammar;
    /// - [`ErrorKind::Ambiguous`]: readers differ about it;
    /// - [`ErrorKind::Invalid`]: a name leads out of the image, or the root is no directory;
    /// - [`ErrorKind::Unsupported`]: a sparse file, or a type that is not known;
    /// - [`ErrorKind::TooLarge`]: a limit, which the error names.
    pub fn next_event<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Error> {
        match self.step(input) {
            Ok(event) => Ok(event),
            Err(problem) => Err(self.fail(&problem)),
        }
    }

    /// Skips the rest of the current member's content and what follows it up to the next header. Returns the
    /// number of bytes that the caller leaves out: the next byte to give is the one at
    /// [`Reader::position`]. [`Event::MemberEnd`] comes next.
    ///
    /// Between members there is nothing to skip, and 0 is returned.
    pub fn skip_content(&mut self) -> u64 {
        let State::Content { rest, padding } = self.state else {
            return 0;
        };
        // Both are bounded by what `begin_content` has checked.
        let skipped = rest.saturating_add(padding);
        self.position = self.position.saturating_add(skipped);
        self.state = State::Content { rest: 0, padding: 0 };
        skipped
    }

    /// The offset of the next byte to give, from the start of the archive.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Ends the archive: no bytes follow those that were given.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if the archive ends within a header or a member, and after an error.
    pub fn finish(self) -> Result<Summary, Error> {
        let end = self.position;
        self.finish_at(end)
    }

    /// Ends an archive of this size, where content was skipped.
    ///
    /// # Errors
    ///
    /// As [`Reader::finish`]; also if a member that was skipped ends beyond `size`.
    pub fn finish_at(mut self, size: u64) -> Result<Summary, Error> {
        let problem = if size < self.position {
            Some(format!(
                "its content ends at byte {}, the archive at byte {size}",
                self.position
            ))
        } else {
            self.unfinished().map(str::to_owned)
        };
        if let Some(problem) = problem {
            return Err(self.fail(&Problem::corrupt(problem)));
        }
        Ok(Summary {
            members: self.members,
            trailing: self.trailing,
            ended: matches!(self.state, State::Ended),
        })
    }

    /// Why the archive must not end here.
    fn unfinished(&self) -> Option<&'static str> {
        match self.state {
            State::Failed => Some("an error was returned before"),
            State::Header | State::AfterZeros if !self.partial.is_empty() => {
                Some("the archive ends within a header")
            }
            State::Header if self.extensions.are_pending() => {
                Some("the archive ends after an extension header, without its member")
            }
            State::Extension { .. } => Some("the archive ends within an extension header"),
            State::Content { rest: 1.., .. } => Some("the archive ends within the member's content"),
            State::Padding(1..) | State::Content { padding: 1.., .. } => {
                Some("the archive ends within the block that the member's content ends in")
            }
            _ => None,
        }
    }

    fn fail(&mut self, problem: &Problem) -> Error {
        let member = (!self.current.is_empty()).then_some(self.current.as_slice());
        let error = problem.at(member, self.header_offset);
        self.state = State::Failed;
        error
    }

    fn step<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Problem> {
        loop {
            match self.state {
                State::Header | State::AfterZeros => {
                    let Some(block) = self.block(input) else {
                        return Ok(None);
                    };
                    if let Some(event) = self.header(&block)? {
                        return Ok(Some(event));
                    }
                }
                State::Extension {
                    extension,
                    size,
                    rest,
                } => {
                    let bytes = self.take(input, rest);
                    self.partial.extend_from_slice(bytes);
                    let rest = rest - bytes.len() as u64;
                    self.state = State::Extension {
                        extension,
                        size,
                        rest,
                    };
                    if rest > 0 {
                        return Ok(None);
                    }
                    let blocks = std::mem::take(&mut self.partial);
                    self.extensions.end(extension, &blocks, size)?;
                    self.state = State::Header;
                }
                State::Content { rest: 0, padding } => {
                    self.state = State::Padding(padding);
                    return Ok(Some(Event::MemberEnd));
                }
                State::Content { rest, padding } => {
                    let bytes = self.take(input, rest);
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                    let rest = rest - bytes.len() as u64;
                    self.state = State::Content { rest, padding };
                    return Ok(Some(Event::Content(bytes)));
                }
                State::Padding(rest) => {
                    let passed = self.take(input, rest).len() as u64;
                    self.state = State::Padding(rest - passed);
                    if passed < rest {
                        return Ok(None);
                    }
                    self.state = State::Header;
                }
                State::Ended => {
                    let bytes = self.take(input, u64::MAX);
                    let other = bytes.iter().filter(|byte| **byte != 0).count();
                    self.trailing = self.trailing.saturating_add(other as u64);
                    return Ok(None);
                }
                State::Failed => return Err(Problem::corrupt("an error was returned before")),
            }
        }
    }

    /// The next bytes of `input`, at most `most`.
    fn take<'a>(&mut self, input: &mut &'a [u8], most: u64) -> &'a [u8] {
        let count = usize::try_from(most).unwrap_or(usize::MAX).min(input.len());
        let (bytes, rest) = input.split_at_checked(count).unwrap_or((input, &[]));
        *input = rest;
        self.position = self.position.saturating_add(bytes.len() as u64);
        bytes
    }

    /// The next block, if `input` has the rest of it.
    fn block(&mut self, input: &mut &[u8]) -> Option<Block> {
        if input.is_empty() {
            return None;
        }
        if self.partial.is_empty() && !self.extensions.are_pending() && matches!(self.state, State::Header) {
            self.header_offset = self.position;
            self.current.clear();
        }
        if self.partial.is_empty()
            && let Some((block, _)) = input.split_first_chunk::<BLOCK>()
        {
            self.take(input, BLOCK as u64);
            return Some(*block);
        }
        let missing = BLOCK - self.partial.len();
        let bytes = self.take(input, missing as u64);
        self.partial.extend_from_slice(bytes);
        let block = Block::try_from(self.partial.as_slice()).ok()?;
        self.partial.clear();
        Some(block)
    }

    fn header<'a>(&mut self, block: &Block) -> Result<Option<Event<'a>>, Problem> {
        if block.iter().all(|byte| *byte == 0) {
            return self.zeros();
        }
        if matches!(self.state, State::AfterZeros) {
            return Err(Problem::new(
                ErrorKind::Ambiguous,
                "one block of zeros, where two end an archive, and then more; readers differ about what follows",
            ));
        }
        let header = Header::parse(block).inspect_err(|_| {
            if !self.extensions.are_pending() {
                self.current = Header::name_of(block).to_vec();
            }
        })?;
        if let Some(extension) = Extension::of(header.type_flag()) {
            if extension == Extension::Global {
                self.globals += 1;
                self.count()?;
            }
            let size = header.size()?;
            self.extensions.begin(extension, size, &self.limits)?;
            self.state = State::Extension {
                extension,
                size,
                rest: size.saturating_add(padding(size)),
            };
            return Ok(None);
        }
        self.members += 1;
        self.count()?;
        let member = match self.extensions.member(&header, &self.limits, self.parents) {
            Ok(member) => member,
            Err((name, problem)) => {
                self.current = name.unwrap_or_default();
                return Err(problem);
            }
        };
        self.current = member.name().to_vec();
        let rest = member.size();
        let padding = padding(rest);
        if rest
            .checked_add(padding)
            .and_then(|size| size.checked_add(self.position))
            .is_none()
        {
            return Err(Problem::corrupt(format!(
                "its content of {rest} bytes ends beyond 2^64 bytes"
            )));
        }
        self.state = State::Content { rest, padding };
        let duplicate = !self.names.insert(self.hashes.hash_one(member.name()));
        Ok(Some(Event::Member {
            member,
            header_offset: self.header_offset,
            content_offset: self.position,
            duplicate,
        }))
    }

    fn zeros<'a>(&mut self) -> Result<Option<Event<'a>>, Problem> {
        if self.extensions.are_pending() {
            return Err(Problem::corrupt("an extension header without a member after it"));
        }
        if matches!(self.state, State::Header) {
            self.state = State::AfterZeros;
            return Ok(None);
        }
        self.state = State::Ended;
        Ok(Some(Event::End))
    }

    fn count(&self) -> Result<(), Problem> {
        if self.members.saturating_add(self.globals) > self.limits.members {
            return Err(Problem::limit("too many members", "members", self.limits.members));
        }
        Ok(())
    }
}

/// The bytes that fill the last block of content.
pub(crate) const fn padding(size: u64) -> u64 {
    const LAST: u64 = BLOCK as u64 - 1;
    (BLOCK as u64 - (size & LAST)) & LAST
}
