//! Headers that describe the member after them, and the member that results.

use super::{
    header::Header,
    limits::Limits,
    member::{Kind, Member},
    name::Parents,
    pax::Records,
    problem::Problem,
    time::Time,
};
use crate::ErrorKind;

/// The kinds of extension headers, by type flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extension {
    /// `x`
    Pax,
    /// `g`
    Global,
    /// `L`
    LongName,
    /// `K`
    LongLink,
}

impl Extension {
    pub(super) const fn of(type_flag: u8) -> Option<Self> {
        match type_flag {
            b'x' => Some(Self::Pax),
            b'g' => Some(Self::Global),
            b'L' => Some(Self::LongName),
            b'K' => Some(Self::LongLink),
            _ => None,
        }
    }

    const fn describe(self) -> &'static str {
        match self {
            Self::Pax => "PAX header (x)",
            Self::Global => "global PAX header (g)",
            Self::LongName => "GNU long name (L)",
            Self::LongLink => "GNU long link (K)",
        }
    }
}

/// The statements of the headers before a member. Where readers differ about a sequence of them, it is refused: two of
/// one kind, a name from two of them, a global one between them and the member.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    records: Option<Records>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    /// Extension headers since the last member, global ones too.
    in_a_row: u32,
}

impl Extensions {
    /// True if a member must follow.
    pub(super) fn are_pending(&self) -> bool {
        self.records.is_some() || self.long_name.is_some() || self.long_link.is_some()
    }

    /// Before the content of an extension header of this size is read.
    pub(super) fn begin(&mut self, extension: Extension, size: u64, limits: &Limits) -> Result<(), Problem> {
        self.in_a_row += 1;
        if self.in_a_row > limits.extensions {
            return Err(Problem::limit(
                "too many extension headers in a row",
                "extensions",
                limits.extensions,
            ));
        }
        if size > limits.extension {
            return Err(Problem::limit(
                format_args!("the {} has {size} bytes", extension.describe()),
                "extension",
                limits.extension,
            ));
        }
        let twice = match extension {
            Extension::Pax => self.records.is_some(),
            Extension::LongName => self.long_name.is_some(),
            Extension::LongLink => self.long_link.is_some(),
            Extension::Global => self.are_pending(),
        };
        if twice {
            return Err(Problem::new(
                ErrorKind::Ambiguous,
                format!(
                    "a {} stands after another header for the same member; readers differ about which counts",
                    extension.describe()
                ),
            ));
        }
        Ok(())
    }

    /// Takes the blocks of an extension header, whose content has this size.
    ///
    /// Python reads all of them, whatever the size: there must be nothing after the content.
    pub(super) fn end(&mut self, extension: Extension, blocks: &[u8], size: u64) -> Result<(), Problem> {
        let size = usize::try_from(size).unwrap_or(blocks.len());
        let (content, padding) = blocks.split_at_checked(size).unwrap_or((blocks, &[]));
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Problem::new(
                ErrorKind::Ambiguous,
                format!(
                    "bytes after the content of a {}, which some readers take for content",
                    extension.describe()
                ),
            ));
        }
        match extension {
            Extension::Pax => self.records = Some(Records::parse(content)?),
            Extension::Global => Records::check_global(content)?,
            Extension::LongName => self.long_name = Some(long(content, extension)?),
            Extension::LongLink => self.long_link = Some(long(content, extension)?),
        }
        Ok(())
    }

    /// The member of a header, with what was said before it. `self` is empty afterwards.
    ///
    /// PAX records count before the header's fields. A size of anything but a file is refused, because some
    /// readers take as many bytes for content, and others for the next header.
    pub(super) fn member(
        &mut self,
        header: &Header<'_>,
        limits: &Limits,
        parents: Parents,
    ) -> Result<Member, (Option<Vec<u8>>, Problem)> {
        let said = std::mem::take(self);
        let records = said.records.unwrap_or_default();
        let name = one(records.path, said.long_name, "name")
            .and_then(|name| name.map_or_else(|| header.name(), Ok))
            .map_err(|problem| (None, problem))?;
        let read = || {
            let link = || {
                one(records.linkpath, said.long_link, "target of the link")?.map_or_else(|| header.link(), Ok)
            };
            let size = match (records.size, header.size()?) {
                (Some(size), _) | (None, size) => size,
            };
            let kind = kind(header, &name, size, link)?;
            let mtime = header.mtime()?;
            let (uid, gid) = (header.uid()?, header.gid()?);
            let owner = |record: Option<Vec<u8>>, field: &[u8]| record.unwrap_or_else(|| field.to_vec());
            let member = Member::parse(&name, kind, limits, parents)?
                .with_mode(header.mode()?)
                .with_owner(records.uid.unwrap_or(uid), records.gid.unwrap_or(gid))
                .with_owner_names(
                    owner(records.uname, header.user()),
                    owner(records.gname, header.group()),
                )
                .with_modified(records.mtime.unwrap_or(Time::new(mtime, 0)));
            let xattrs = records.xattrs.into_iter();
            Ok(xattrs.fold(member, |member, (name, value)| member.with_xattr(name, value)))
        };
        read().map_err(|problem| (Some(name.clone()), problem))
    }
}

/// The one of two, which must not both be there.
fn one(record: Option<Vec<u8>>, long: Option<Vec<u8>>, what: &str) -> Result<Option<Vec<u8>>, Problem> {
    match (record, long) {
        (Some(_), Some(_)) => Err(Problem::new(
            ErrorKind::Ambiguous,
            format!("the {what} is stated in PAX's form and in GNU's; readers differ about which counts"),
        )),
        (record, long) => Ok(record.or(long)),
    }
}

/// The text of a header `L` or `K`: with a NUL at the end, or without.
fn long(content: &[u8], extension: Extension) -> Result<Vec<u8>, Problem> {
    let end = content
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let text = content.get(..end).unwrap_or_default();
    if text.is_empty() || text.contains(&0) {
        return Err(Problem::corrupt(format!(
            "the {} is empty, or has a NUL byte in it",
            extension.describe()
        )));
    }
    Ok(text.to_vec())
}

fn kind(
    header: &Header<'_>,
    name: &[u8],
    size: u64,
    link: impl FnOnce() -> Result<Vec<u8>, Problem>,
) -> Result<Kind, Problem> {
    let device = header.device()?;
    let kind = match header.type_flag() {
        // Before ustar, directories were files with a slash at the end.
        0 if name.ends_with(b"/") != header.name()?.ends_with(b"/") => {
            return Err(Problem::new(
                ErrorKind::Ambiguous,
                "a directory by one of its names and a file by the other; readers differ about which counts",
            ));
        }
        0 if name.ends_with(b"/") => Kind::Directory,
        // 7: a contiguous file, which is a file to all who do not care.
        0 | b'0' | b'7' => return Ok(Kind::File { size }),
        b'1' => Kind::HardLink { target: link()? },
        b'2' => Kind::Symlink { target: link()? },
        b'3' => {
            let (major, minor) = device_of(header, device)?;
            Kind::CharacterDevice { major, minor }
        }
        b'4' => {
            let (major, minor) = device_of(header, device)?;
            Kind::BlockDevice { major, minor }
        }
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        b'S' => {
            return Err(Problem::new(
                ErrorKind::Unsupported,
                "a sparse file of GNU's old form (type flag 'S')",
            ));
        }
        other => {
            return Err(Problem::new(
                ErrorKind::Unsupported,
                format!("the type flag {:?} is not known", char::from(other)),
            ));
        }
    };
    if size != 0 {
        return Err(Problem::new(
            ErrorKind::Ambiguous,
            format!(
                "no file, but of {size} bytes by its header; readers differ about whether content follows"
            ),
        ));
    }
    Ok(kind)
}

fn device_of(header: &Header<'_>, (major, minor): (i64, i64)) -> Result<(u32, u32), Problem> {
    if !header.has_devices() {
        return Err(Problem::new(
            ErrorKind::Ambiguous,
            "a device in a dialect without numbers of devices",
        ));
    }
    match (u32::try_from(major), u32::try_from(minor)) {
        (Ok(major), Ok(minor)) => Ok((major, minor)),
        _ => Err(Problem::corrupt("the number of a device is not from 0 to 2^32-1")),
    }
}
