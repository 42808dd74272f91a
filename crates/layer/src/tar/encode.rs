//! Headers of members that are written.

use super::{
    header::{self, BLOCK, Block},
    member::{Kind, Member},
    number, pax,
    problem::Problem,
    reader::padding,
    time::Time,
};
use crate::ErrorKind;

/// The name that a PAX header has itself, as in Python's archives. Readers that know PAX never show it.
const PAX_NAME: &[u8] = b"././@PaxHeader";

/// A header, and before it a PAX header if not all fits in it.
pub(super) fn headers(member: &Member, time: Time) -> Result<Vec<u8>, Problem> {
    let (block, records) = fields(member, time)?;
    let mut headers = Vec::new();
    if !records.is_empty() {
        let mut pax: Block = [0; BLOCK];
        put(&mut pax, header::NAME, PAX_NAME);
        octal(&mut pax, header::MODE, 0o644);
        octal(&mut pax, header::UID, 0);
        octal(&mut pax, header::GID, 0);
        let size = records.len() as u64;
        if !octal(&mut pax, header::SIZE, size) {
            return Err(Problem::new(
                ErrorKind::Unsupported,
                "its PAX header is above 8 GiB",
            ));
        }
        octal(&mut pax, header::MTIME, 0);
        put(&mut pax, header::TYPE..header::TYPE + 1, b"x");
        headers.extend_from_slice(&finished(pax));
        headers.extend_from_slice(&records);
        let padding = usize::try_from(padding(size)).unwrap_or_default();
        headers.resize(headers.len() + padding, 0);
    }
    headers.extend_from_slice(&block);
    Ok(headers)
}

/// A header of one block, with a size of any number.
pub(super) fn single_header(member: &Member, time: Time) -> Result<Block, Problem> {
    let small = member.with_size(0);
    let (mut block, records) = fields(&small, time)?;
    if !records.is_empty() {
        return Err(Problem::new(
            ErrorKind::Unsupported,
            "its name, owner, times or attributes do not fit in the one header that was reserved",
        ));
    }
    let size = member.size();
    if !octal(&mut block, header::SIZE, size) {
        let mut field = [0; 12];
        number::write_base256(&mut field, size);
        put(&mut block, header::SIZE, &field);
    }
    Ok(finished(block))
}

/// The header, and the PAX records of what does not fit in it, sorted by key.
fn fields(member: &Member, time: Time) -> Result<(Block, Vec<u8>), Problem> {
    let mut block: Block = [0; BLOCK];
    let mut records: Vec<(&[u8], Vec<u8>)> = Vec::new();

    let mut name = member.name().to_vec();
    if *member.kind() == Kind::Directory {
        name.push(b'/');
    }
    if let Some((prefix, rest)) = split(&name) {
        put(&mut block, header::NAME, rest);
        put(&mut block, header::PREFIX, prefix);
    } else {
        put(&mut block, header::NAME, &name);
        records.push((b"path", name));
    }
    octal(&mut block, header::MODE, u64::from(member.mode()));
    for (range, key, number) in [
        (header::UID, "uid", member.uid()),
        (header::GID, "gid", member.gid()),
        (header::SIZE, "size", member.size()),
    ] {
        if i64::try_from(number).is_err() {
            return Err(Problem::new(
                ErrorKind::Unsupported,
                format!("its {key} is above 2^63-1"),
            ));
        }
        if !octal(&mut block, range.clone(), number) {
            octal(&mut block, range, 0);
            records.push((key.as_bytes(), number.to_string().into_bytes()));
        }
    }
    let whole = u64::try_from(time.seconds()).unwrap_or(u64::MAX);
    if !octal(&mut block, header::MTIME, whole) {
        octal(&mut block, header::MTIME, 0);
        records.push((b"mtime", time.record().into_bytes()));
    } else if time.nanoseconds() != 0 {
        records.push((b"mtime", time.record().into_bytes()));
    }
    for (range, key, owner) in [
        (header::USER, "uname", member.user()),
        (header::GROUP, "gname", member.group()),
    ] {
        if owner.contains(&0) {
            return Err(Problem::new(
                ErrorKind::Invalid,
                format!("its {key} has a NUL byte in it"),
            ));
        }
        // One byte is for the NUL at the end, which some readers rely on.
        if owner.len() < range.len() {
            put(&mut block, range, owner);
        } else {
            records.push((key.as_bytes(), owner.to_vec()));
        }
    }
    // Of a device they are replaced; other writers have zeros in all members.
    octal(&mut block, header::MAJOR, 0);
    octal(&mut block, header::MINOR, 0);
    let flag = kind(member.kind(), &mut block, &mut records)?;
    put(&mut block, header::TYPE..header::TYPE + 1, &[flag]);
    Ok((finished(block), sorted(member, records)?))
}

fn kind(kind: &Kind, block: &mut Block, records: &mut Vec<(&'static [u8], Vec<u8>)>) -> Result<u8, Problem> {
    let mut link = |target: &Vec<u8>| {
        put(block, header::LINK, target);
        if target.len() > header::LINK.len() {
            records.push((b"linkpath", target.clone()));
        }
    };
    let flag = match kind {
        Kind::File { .. } => b'0',
        Kind::HardLink { target } => {
            link(target);
            b'1'
        }
        Kind::Symlink { target } => {
            link(target);
            b'2'
        }
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            if !octal(block, header::MAJOR, u64::from(*major))
                || !octal(block, header::MINOR, u64::from(*minor))
            {
                return Err(Problem::new(
                    ErrorKind::Unsupported,
                    "a number of a device above 2,097,151, which has no form that all readers know",
                ));
            }
            if matches!(kind, Kind::CharacterDevice { .. }) {
                b'3'
            } else {
                b'4'
            }
        }
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    };
    Ok(flag)
}

fn sorted(member: &Member, mut records: Vec<(&[u8], Vec<u8>)>) -> Result<Vec<u8>, Problem> {
    records.sort_unstable();
    let mut bytes = Vec::new();
    // `SCHILY.xattr.` sorts before the others, which are in lower case.
    for (name, value) in member.xattrs() {
        if !pax::write_xattr(&mut bytes, name, value) {
            return Err(Problem::new(
                ErrorKind::Invalid,
                "the name of an extended attribute is empty, or has `=` or a NUL byte in it",
            ));
        }
    }
    for (key, value) in records {
        pax::write(&mut bytes, key, &value);
    }
    Ok(bytes)
}

/// A name as prefix and rest, cut at the last slash that a header has room for. `None` if it does not fit.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= header::NAME.len() {
        return Some((&[], name));
    }
    // A slash at the end is part of the rest.
    let searched = name.get(..name.len() - 1)?;
    let searched = searched.get(..=header::PREFIX.len()).unwrap_or(searched);
    let slash = searched.iter().rposition(|byte| *byte == b'/')?;
    let (prefix, rest) = (name.get(..slash)?, name.get(slash + 1..)?);
    (rest.len() <= header::NAME.len()).then_some((prefix, rest))
}

/// Copies as much of `bytes` as the field has room for.
fn put(block: &mut Block, range: std::ops::Range<usize>, bytes: &[u8]) {
    if let Some(field) = block.get_mut(range) {
        for (to, from) in field.iter_mut().zip(bytes) {
            *to = *from;
        }
    }
}

fn octal(block: &mut Block, range: std::ops::Range<usize>, number: u64) -> bool {
    block
        .get_mut(range)
        .is_some_and(|field| number::write_octal(field, number))
}

/// The block with magic and checksum.
fn finished(mut block: Block) -> Block {
    put(&mut block, header::MAGIC, header::USTAR);
    let sum = u64::try_from(header::checksum(&block, i64::from)).unwrap_or_default();
    // Six digits, a NUL and a space, as all writers have it.
    octal(&mut block, header::CHECKSUM.start..header::CHECKSUM.end - 1, sum);
    put(&mut block, header::CHECKSUM.end - 1..header::CHECKSUM.end, b" ");
    block
}
