use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    mem::discriminant,
};

use super::{
    encode,
    event::Event,
    limits::Limits,
    member::{Kind, Member},
    problem::Problem,
    reader::{Reader, padding},
};
use crate::{Error, ErrorKind};

/// The most names of dropped members that are remembered, in some 16 bytes each, to find hard links to them.
const MAX_DROPPED: usize = 1_000_000;

/// The decision about a member of an archive that is edited.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberEdit {
    /// The member stays as it is, with every byte of its header.
    Keep,
    /// The member goes, with its content.
    Drop,
    /// The member gets this metadata, and keeps its content: permissions, owner, time, extended attributes, the target of
    /// a link, the numbers of a device. Name, kind and size must be those of the member.
    Edit(Box<Member>),
}

impl From<Member> for MemberEdit {
    fn from(member: Member) -> Self {
        Self::Edit(Box::new(member))
    }
}

/// Edits the members of a tar archive as it streams: bytes in, bytes out, without I/O.
///
/// A function decides about each member, in the order of the archive. Bytes that are kept are not written anew, so that an
/// archive in which nothing changes stays the same, also in what [`Member`] does not state, such as times of access.
/// Memory does not grow with the contents of members.
///
/// ```
/// use wharf_layer::tar::{Editor, Limits, MemberEdit, Time, of_files};
///
/// let layer = of_files([("etc/motd", "hello"), ("root/.netrc", "password")])?;
/// let mut editor = Editor::new(Limits::default(), |member| match member.name() {
///     b"root/.netrc" => MemberEdit::Drop,
///     _ => member.clone().with_modified(Time::new(1_700_000_000, 0)).into(),
/// });
/// let mut edited = Vec::new();
/// for piece in layer.chunks(1000) {
///     editor.edit(piece, &mut edited)?;
/// }
/// let totals = editor.finish(&mut edited)?;
/// assert_eq!((totals.dropped, totals.edited), (1, 1));
/// assert!(!edited.windows(8).any(|bytes| bytes == b"password"));
/// # Ok::<(), wharf_layer::Error>(())
/// ```
///
/// A directory and the members in it are dropped one by one. Where a member is dropped that hides a file of a lower layer, a
/// whiteout among them, the file is visible again.
#[derive(Debug)]
pub struct Editor<F> {
    reader: Reader,
    decide: F,
    dropped: DroppedNames,
    totals: Edited,
    /// Bytes that were read and are not decided about: the padding of the last member, headers.
    held: Vec<u8>,
    /// The position of the first of them.
    held_at: u64,
    /// The bytes at the start of these that are padding of a dropped member.
    padding: usize,
    is_dropping: bool,
    has_ended: bool,
}

/// The totals of an archive that was edited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edited {
    /// The members that stayed as they were.
    pub kept: u64,
    /// The members that went.
    pub dropped: u64,
    /// The members that got other metadata.
    pub edited: u64,
}

impl Edited {
    /// True if the edited archive is another one.
    #[must_use]
    pub const fn is_changed(&self) -> bool {
        self.dropped > 0 || self.edited > 0
    }
}

/// The names that were dropped from the layers of an image so far: a hard link to one of them leads nowhere, also from a
/// layer above.
#[derive(Debug, Clone, Default)]
pub struct DroppedNames {
    hashes: RandomState,
    names: HashSet<u64>,
}

impl<F: FnMut(&Member) -> MemberEdit> Editor<F> {
    /// An editor of one archive, from its first byte.
    #[must_use]
    pub fn new(limits: Limits, decide: F) -> Self {
        Self {
            reader: Reader::new(limits),
            decide,
            dropped: DroppedNames::default(),
            totals: Edited::default(),
            held: Vec::new(),
            held_at: 0,
            padding: 0,
            is_dropping: false,
            has_ended: false,
        }
    }

    /// Sets the names that were dropped from the layers below. Default: none.
    #[must_use]
    pub fn with_dropped(mut self, names: DroppedNames) -> Self {
        self.dropped = names;
        self
    }

    /// Takes the next bytes of the archive, and appends what becomes of them to `out`. Some are held back until they are
    /// complete.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::next_event`]; [`ErrorKind::Invalid`] for an edit that changes name, kind or size of a member,
    /// and those of [`Writer::member`](super::Writer::member) for one that cannot be written; [`ErrorKind::Conflict`] for
    /// a hard link that stays and whose target was dropped; [`ErrorKind::TooLarge`] if more than a million names are
    /// dropped. After an error the editor edits nothing more.
    pub fn edit(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        loop {
            let before = input;
            let event = self.reader.next_event(&mut input)?;
            let read = before.get(..before.len() - input.len()).unwrap_or_default();
            match event {
                Some(Event::Content(bytes)) => {
                    if !self.is_dropping {
                        out.extend_from_slice(bytes);
                    }
                }
                Some(Event::MemberEnd) => self.held_at = self.reader.position(),
                Some(Event::Member {
                    member,
                    header_offset,
                    ..
                }) => {
                    self.held.extend_from_slice(read);
                    self.member(&member, header_offset, out)
                        .map_err(|problem| problem.at(Some(member.name()), header_offset))?;
                }
                Some(Event::End) => {
                    self.held.extend_from_slice(read);
                    self.release(self.held.len(), out);
                    self.has_ended = true;
                }
                None if self.has_ended => {
                    out.extend_from_slice(read);
                    return Ok(());
                }
                None => {
                    self.held.extend_from_slice(read);
                    return Ok(());
                }
            }
        }
    }

    /// Ends the archive, and appends its last bytes to `out`.
    ///
    /// # Errors
    ///
    /// As [`Reader::finish`].
    pub fn finish(self, out: &mut Vec<u8>) -> Result<Edited, Error> {
        Ok(self.finish_layer(out)?.0)
    }

    /// As [`Editor::finish`], with the names that were dropped from this layer and those below, for the layer above.
    ///
    /// # Errors
    ///
    /// As [`Editor::finish`].
    pub fn finish_layer(mut self, out: &mut Vec<u8>) -> Result<(Edited, DroppedNames), Error> {
        self.release(self.held.len(), out);
        self.reader.finish()?;
        Ok((self.totals, self.dropped))
    }

    /// Decides about a member whose headers are the last bytes that are held.
    fn member(&mut self, member: &Member, header_offset: u64, out: &mut Vec<u8>) -> Result<(), Problem> {
        let headers = usize::try_from(header_offset.saturating_sub(self.held_at)).unwrap_or(usize::MAX);
        self.release(headers.min(self.held.len()), out);
        match (self.decide)(member) {
            MemberEdit::Edit(edited) if *edited != *member => {
                check(member, &edited)?;
                self.dropped.check(&edited)?;
                out.extend(encode::headers(&edited, edited.modified())?);
                self.stays(member);
                self.totals.edited += 1;
            }
            MemberEdit::Keep | MemberEdit::Edit(_) => {
                self.dropped.check(member)?;
                out.extend_from_slice(&self.held);
                self.stays(member);
                self.totals.kept += 1;
            }
            MemberEdit::Drop => {
                self.dropped.add(member)?;
                self.is_dropping = true;
                self.padding = usize::try_from(padding(member.size())).unwrap_or_default();
                self.totals.dropped += 1;
            }
        }
        self.held.clear();
        Ok(())
    }

    fn stays(&mut self, member: &Member) {
        self.dropped.remove(member);
        self.is_dropping = false;
    }

    /// Passes the first of the bytes that are held on, without the padding of a dropped member.
    fn release(&mut self, count: usize, out: &mut Vec<u8>) {
        let passed = self.held.drain(..count);
        out.extend(passed.skip(std::mem::take(&mut self.padding)));
    }
}

impl DroppedNames {
    fn hash(&self, name: &[u8]) -> u64 {
        self.hashes.hash_one(name)
    }

    fn add(&mut self, member: &Member) -> Result<(), Problem> {
        if *member.kind() == Kind::Directory {
            return Ok(()); // it has no hard links
        }
        self.names.insert(self.hash(member.name()));
        if self.names.len() > MAX_DROPPED {
            let message = format!(
                "more than {MAX_DROPPED} members are dropped, and their names remembered for hard links"
            );
            return Err(Problem::new(ErrorKind::TooLarge, message));
        }
        Ok(())
    }

    fn remove(&mut self, member: &Member) {
        if !self.names.is_empty() {
            self.names.remove(&self.hash(member.name()));
        }
    }

    /// Refuses a hard link to what was dropped.
    fn check(&self, member: &Member) -> Result<(), Problem> {
        match member.kind() {
            Kind::HardLink { target } if self.names.contains(&self.hash(target)) => Err(Problem::new(
                ErrorKind::Conflict,
                "it is a hard link to a member that is dropped; keep both, or drop both",
            )),
            _ => Ok(()),
        }
    }
}

/// Refuses an edit that other members, other layers or the content would not fit.
fn check(member: &Member, edited: &Member) -> Result<(), Problem> {
    let changed = if edited.name() != member.name() {
        "name"
    } else if discriminant(edited.kind()) != discriminant(member.kind()) {
        "kind"
    } else if edited.size() != member.size() {
        "size"
    } else {
        return Ok(());
    };
    Err(Problem::new(
        ErrorKind::Invalid,
        format!("its edit changes the {changed}, and metadata alone can be edited"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_are_remembered_have_a_limit() {
        let mut dropped = DroppedNames::default();
        let file = |number: usize| Member::file(number.to_string(), 0).unwrap();
        for number in 0..MAX_DROPPED {
            dropped.add(&file(number)).unwrap();
        }
        dropped.add(&file(0)).unwrap(); // it is remembered already
        let error = dropped.add(&file(MAX_DROPPED)).unwrap_err().of(b"a");
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        dropped.add(&Member::directory("d").unwrap()).unwrap();
    }
}
