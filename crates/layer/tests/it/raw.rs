//! Archives made field by field, also wrong ones, and what the reader says about them.

use wharf_layer::{
    Error, ErrorKind,
    tar::{Event, Limits, Member, Reader, Summary},
};

/// A header in the making: a file `a` without content, in ustar.
#[derive(Clone)]
pub(crate) struct Raw(Vec<u8>);

impl Raw {
    pub(crate) fn new(type_flag: u8) -> Self {
        let mut raw = Self(vec![0; 512])
            .field(0, b"a")
            .field(100, b"0000644\0")
            .field(108, b"0000000\0")
            .field(116, b"0000000\0")
            .field(136, b"00000000000\0")
            .field(257, b"ustar\x0000");
        raw.0[156] = type_flag;
        raw.size(0)
    }

    pub(crate) fn file(name: &[u8]) -> Self {
        Self::new(b'0').name(name)
    }

    pub(crate) fn field(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn name(self, name: &[u8]) -> Self {
        self.field(0, &[0; 100]).field(0, name)
    }

    pub(crate) fn link(self, target: &[u8]) -> Self {
        self.field(157, target)
    }

    pub(crate) fn size(self, size: u64) -> Self {
        self.field(124, format!("{size:011o}\0").as_bytes())
    }

    /// As GNU tar marks its own dialect.
    pub(crate) fn gnu(self) -> Self {
        self.field(257, b"ustar  \0")
    }

    /// As before ustar.
    pub(crate) fn old(self) -> Self {
        self.field(257, &[0; 8])
    }

    /// The header with its checksum.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut block = self.0.clone();
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    /// The header, and this content up to the end of its last block.
    pub(crate) fn with(&self, content: &[u8]) -> Vec<u8> {
        let mut bytes = self.clone().size(content.len() as u64).header();
        bytes.extend(blocks(content));
        bytes
    }
}

/// Content up to the end of its last block.
pub(crate) fn blocks(content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// A PAX record with the right length.
pub(crate) fn record(key: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    let rest = [format!(" {key}=").as_bytes(), value.as_ref(), b"\n"].concat();
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    [length.to_string().as_bytes(), &rest].concat()
}

/// A PAX header `x` with these records.
pub(crate) fn pax(records: &[u8]) -> Vec<u8> {
    Raw::new(b'x').name(b"pax").with(records)
}

/// The parts, and the two blocks that end an archive.
pub(crate) fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = parts.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// A member with its content, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) member: Member,
    pub(crate) content: Vec<u8>,
    pub(crate) header_offset: u64,
    pub(crate) content_offset: u64,
    pub(crate) duplicate: bool,
}

/// All members, by the default limits.
pub(crate) fn read(bytes: &[u8]) -> Result<(Vec<Found>, Summary), Error> {
    read_with(Reader::new(Limits::default()), bytes, usize::MAX)
}

/// All members, where the bytes are given in pieces of this size.
pub(crate) fn read_with(
    mut reader: Reader,
    bytes: &[u8],
    piece: usize,
) -> Result<(Vec<Found>, Summary), Error> {
    let mut found: Vec<Found> = Vec::new();
    let mut open = false;
    for mut input in bytes.chunks(piece.min(bytes.len().max(1))) {
        while let Some(event) = reader.next_event(&mut input)? {
            match event {
                Event::Member {
                    member,
                    header_offset,
                    content_offset,
                    duplicate,
                    ..
                } => {
                    assert!(!open, "a member begins within another");
                    open = true;
                    found.push(Found {
                        member,
                        content: Vec::new(),
                        header_offset,
                        content_offset,
                        duplicate,
                    });
                }
                Event::Content(bytes) => {
                    assert!(open && !bytes.is_empty());
                    found.last_mut().unwrap().content.extend_from_slice(bytes);
                }
                Event::MemberEnd => {
                    assert!(std::mem::take(&mut open));
                    let last = found.last().unwrap();
                    assert_eq!(last.content.len() as u64, last.member.size());
                }
                Event::End => assert!(!open),
                _ => panic!("an event that is not known"),
            }
        }
        assert!(input.is_empty(), "bytes were left");
    }
    Ok((found, reader.finish()?))
}

/// The names of all members, or what is wrong.
pub(crate) fn names(bytes: &[u8]) -> Result<Vec<String>, (ErrorKind, String)> {
    match read(bytes) {
        Ok((found, _)) => Ok(found
            .iter()
            .map(|found| String::from_utf8_lossy(found.member.name()).into_owned())
            .collect()),
        Err(error) => Err((error.kind(), error.to_string())),
    }
}

/// The one member of an archive.
pub(crate) fn only(bytes: &[u8]) -> Member {
    let (found, _) = read(bytes).unwrap();
    assert_eq!(found.len(), 1);
    found[0].member.clone()
}

/// Asserts that the archive is refused, of this kind, with these words.
#[track_caller]
pub(crate) fn assert_refused(bytes: &[u8], kind: ErrorKind, words: &str) {
    let (found, message) = names(bytes).expect_err(words);
    assert_eq!(found, kind, "{message}");
    assert!(message.contains(words), "{message:?} does not say {words:?}");
}
