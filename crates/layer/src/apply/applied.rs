use std::fmt;

use crate::{Error, ErrorKind};

/// The most entries of [`Applied::dropped`]; further ones are counted.
const LISTED: usize = 1000;

/// The result of [`apply`](crate::apply()): what was unpacked, and what could not be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Applied {
    /// Members of the layer, whiteouts included.
    pub members: u64,
    /// Bytes of content that were written to files.
    pub bytes: u64,
    /// Whiteouts, those included that hid nothing.
    pub whiteouts: u64,
    /// Members with a name that the layer had before. The last one counts.
    pub duplicates: u64,
    /// The parts of the layer that were left out, the first 1,000 of them.
    pub dropped: Vec<Dropped>,
    /// The number of all parts that were left out.
    pub dropped_total: u64,
    /// Bytes other than zero after the end of the tar. They were read and mean nothing.
    pub trailing: u64,
}

/// A part of a layer that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The name of the member, as [`Member::name`](crate::tar::Member::name).
    pub member: Vec<u8>,
    /// The part.
    pub part: DroppedPart,
}

/// The part of a member that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DroppedPart {
    /// A character or block device, by [`Devices`](crate::Devices).
    Device,
    /// The bits for setuid and setgid, because the owner is not that of the layer.
    SetId,
    /// An extended attribute, with its name.
    Xattr(Vec<u8>, XattrProblem),
    /// The time of modification: the file system has another that is as near as it can be.
    Time,
    /// A name that aufs keeps for itself, which begins with `.wh..wh.`.
    Reserved,
}

/// The reason why an extended attribute was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum XattrProblem {
    /// It is not of those that are taken from layers: `user.*`, and, where the owner is that of the layer,
    /// `security.capability` and access lists. Those of overlay file systems would change what the tree means, labels
    /// of `security.selinux` are the host's.
    NotTaken,
    /// The file system has no such attributes.
    NotSupported,
    /// The process may not set it, or files of this kind cannot have it.
    NotPermitted,
    /// The file system does not keep so many bytes of attributes of one file. On ext4 that is a block for all of them.
    TooLarge,
}

impl Applied {
    /// Lists a part. With `strict`, an extended attribute that the file system refuses is an error instead.
    pub(super) fn drop_part(&mut self, member: &[u8], part: DroppedPart, strict: bool) -> Result<(), Error> {
        let refused = matches!(
            part,
            DroppedPart::Xattr(
                _,
                XattrProblem::NotSupported | XattrProblem::NotPermitted | XattrProblem::TooLarge
            )
        );
        let dropped = Dropped {
            member: member.to_vec(),
            part,
        };
        if strict && refused {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("tar member {dropped}"),
            ));
        }
        self.dropped_total += 1;
        if self.dropped.len() < LISTED {
            self.dropped.push(dropped);
        }
        Ok(())
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", crate::tar::shown(&self.member))?;
        match &self.part {
            DroppedPart::Device => f.write_str("devices are not made"),
            DroppedPart::SetId => f.write_str("setuid and setgid need the owner that the layer states"),
            DroppedPart::Time => f.write_str("the file system cannot keep its time of modification"),
            DroppedPart::Reserved => f.write_str("names with .wh..wh. are reserved"),
            DroppedPart::Xattr(name, problem) => {
                let problem = match problem {
                    XattrProblem::NotTaken => "is not taken from layers",
                    XattrProblem::NotSupported => "is not supported by the file system",
                    XattrProblem::NotPermitted => "may not be set",
                    XattrProblem::TooLarge => "is too large for the file system",
                };
                write!(f, "the extended attribute {} {problem}", crate::tar::shown(name))
            }
        }
    }
}
