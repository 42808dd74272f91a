//! Archives as others write them, member by member.

use std::path::Path;

/// A member.
#[derive(Debug, Clone)]
pub(crate) enum M {
    File(Vec<u8>),
    Link(&'static str),
    Hard(&'static str),
    Directory,
    Fifo,
    Device,
    /// A sparse file of GNU's format that claims this size.
    Sparse(u64),
}

impl M {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::File(text.into().into_bytes())
    }
}

/// The bytes of a member, with whatever name.
pub(crate) fn member(name: &str, member: &M) -> Vec<u8> {
    let (flag, content, link, size) = match member {
        M::File(content) => (b'0', content.as_slice(), "", content.len() as u64),
        M::Link(target) => (b'2', [].as_slice(), *target, 0),
        M::Hard(target) => (b'1', [].as_slice(), *target, 0),
        M::Directory => (b'5', [].as_slice(), "", 0),
        M::Fifo => (b'6', [].as_slice(), "", 0),
        M::Device => (b'3', [].as_slice(), "", 0),
        M::Sparse(size) => (b'S', [].as_slice(), "", *size),
    };
    let mut bytes = Vec::new();
    if name.len() > 100 {
        bytes.extend(header("././@LongLink", b'L', "", name.len() as u64));
        bytes.extend(padded(name.as_bytes()));
    }
    bytes.extend(header(name, flag, link, size));
    bytes.extend(padded(content));
    bytes
}

/// A header that states this size.
pub(crate) fn header(name: &str, flag: u8, link: &str, size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, &name.as_bytes()[..name.len().min(100)]);
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if size < 1 << 33 {
        put(124, format!("{size:011o}\0").as_bytes());
    } else {
        put(124, &[&[0x80, 0, 0, 0], size.to_be_bytes().as_slice()].concat());
    }
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[flag]);
    put(157, link.as_bytes());
    put(257, b"ustar  \0");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Content with the zeros that fill its last block.
pub(crate) fn padded(content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    bytes.resize(content.len().next_multiple_of(512), 0);
    bytes
}

/// An archive of these members.
pub(crate) fn archive<'a>(members: impl IntoIterator<Item = (&'a str, M)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in members {
        bytes.extend(member(name, &content));
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Writes an archive of these members.
pub(crate) fn write<'a>(path: &Path, members: impl IntoIterator<Item = (&'a str, M)>) {
    std::fs::write(path, archive(members)).unwrap();
}

/// The names of the members of an archive, and their content.
pub(crate) fn read(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let entries = archive.entries().unwrap();
    let members = entries.map(|entry| {
        use std::io::Read as _;
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), content)
    });
    members.collect()
}
