//! Owner, extended attributes, permissions and times of what was unpacked.

use rustix::{
    fs::{FileType, Timespec, Timestamps},
    io::{Errno, Result},
};

use super::{
    applied::{DroppedPart, XattrProblem},
    handle::{self, Handle},
    options::Owner,
};
use crate::tar::{Member, Time};

/// umoci's record of the owner of a file.
pub(crate) const RECORD: &[u8] = b"user.rootlesscontainers";
const SET_ID: u32 = 0o6000;

/// The attributes that an entry of the root gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributes {
    owner: Owner,
    mode: u32,
    modified: Time,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Attributes {
    /// Those of a member.
    pub(super) fn of(member: &Member, owner: Owner) -> Self {
        let xattrs = member.xattrs();
        Self {
            owner,
            mode: member.mode(),
            modified: member.modified(),
            xattrs: xattrs
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect(),
        }
    }

    /// The bytes of the names and values of extended attributes.
    pub(super) fn xattr_bytes(&self) -> usize {
        self.xattrs
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    }

    /// Those of a directory that no layer states.
    pub(super) const fn of_missing(owner: Owner) -> Self {
        Self {
            owner,
            mode: 0o755,
            modified: Time::EPOCH,
            xattrs: Vec::new(),
        }
    }

    /// Sets all on a file whose content is written: the owner first, because a change of it clears capabilities and
    /// the bits for setuid and setgid; then extended attributes, permissions and times. `existed`: extended
    /// attributes of before are removed. Returns what was left out.
    pub(super) fn set(&self, file: &Handle<'_>, existed: bool) -> Result<Vec<DroppedPart>> {
        let mut dropped = Vec::new();
        let is_link = handle::file_type(&file.stat()?) == FileType::Symlink;
        if let Owner::Set(user, group) = self.owner {
            file.set_owner(user, group)?;
        }
        self.set_xattrs(file, existed, &mut dropped)?;
        if !is_link {
            file.set_mode(self.mode(&mut dropped))?;
        }
        set_modified(file, self.modified, &mut dropped)?;
        Ok(dropped)
    }

    fn mode(&self, dropped: &mut Vec<DroppedPart>) -> u32 {
        if self.mode & SET_ID == 0 || matches!(self.owner, Owner::Set(..)) {
            return self.mode;
        }
        dropped.push(DroppedPart::SetId);
        self.mode & !SET_ID
    }

    fn set_xattrs(&self, file: &Handle<'_>, existed: bool, dropped: &mut Vec<DroppedPart>) -> Result<()> {
        if existed {
            for name in file.xattrs()? {
                if self.takes(&name) || name == RECORD {
                    file.remove_xattr(&name)?;
                }
            }
        }
        for (name, value) in &self.xattrs {
            if self.takes(name) {
                set_xattr(file, name, value, dropped)?;
            } else {
                dropped.push(DroppedPart::Xattr(name.clone(), XattrProblem::NotTaken));
            }
        }
        if let Owner::Record(user, group) = self.owner
            && (user, group) != (0, 0)
        {
            set_xattr(file, RECORD, &record(user, group), dropped)?;
        }
        Ok(())
    }

    fn takes(&self, name: &[u8]) -> bool {
        takes(name, matches!(self.owner, Owner::Set(..)))
    }
}

/// True for an extended attribute that layers have. Some have a meaning only where files keep the owner of the layer.
pub(crate) fn takes(name: &[u8], keeps_owner: bool) -> bool {
    match name {
        b"security.capability" | handle::ACCESS_LIST | handle::DEFAULT_ACCESS_LIST => keeps_owner,
        _ => name.starts_with(b"user.") && !name.starts_with(b"user.overlay.") && name != RECORD,
    }
}

fn set_xattr(file: &Handle<'_>, name: &[u8], value: &[u8], dropped: &mut Vec<DroppedPart>) -> Result<()> {
    let problem = match file.set_xattr(name, value) {
        Ok(()) => return Ok(()),
        Err(Errno::OPNOTSUPP) => XattrProblem::NotSupported,
        Err(Errno::PERM | Errno::ACCESS) => XattrProblem::NotPermitted,
        Err(Errno::TOOBIG | Errno::RANGE) => XattrProblem::TooLarge,
        // So says ext4, too, for more than a block of them.
        Err(Errno::NOSPC) if file.has_room()? => XattrProblem::TooLarge,
        Err(error) => return Err(error),
    };
    dropped.push(DroppedPart::Xattr(name.to_vec(), problem));
    Ok(())
}

/// Sets the time of modification, and that of access to the same.
pub(super) fn set_modified(file: &Handle<'_>, time: Time, dropped: &mut Vec<DroppedPart>) -> Result<()> {
    /// Every file system keeps the times between these.
    const KEPT: std::ops::Range<i64> = 0..1 << 31;
    let wanted = Timespec {
        tv_sec: time.seconds(),
        tv_nsec: time.nanoseconds().into(),
    };
    file.set_times(&Timestamps {
        last_access: wanted,
        last_modification: wanted,
    })?;
    if !KEPT.contains(&time.seconds()) && file.stat()?.st_mtime != time.seconds() {
        dropped.push(DroppedPart::Time);
    }
    Ok(())
}

/// An owner as the message `Resource` of rootlesscontainers.proto, which umoci and others read: two numbers, of which a
/// zero is left out.
fn record(user: u32, group: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, mut number) in [(0x08, user), (0x10, group)] {
        if number == 0 {
            continue;
        }
        bytes.push(tag);
        // Seven bits each, the lowest first; the highest bit says that more follow.
        while number >= 0x80 {
            let [low, ..] = number.to_le_bytes();
            bytes.push(low | 0x80);
            number >>= 7;
        }
        let [low, ..] = number.to_le_bytes();
        bytes.push(low);
    }
    bytes
}

/// The owner of a record. `None` if it is no such message. A number that is left out, or that stands for "not set", is 0.
pub(super) fn recorded(mut bytes: &[u8]) -> Option<(u32, u32)> {
    /// The number that stands for "not set".
    const NO_ID: u32 = u32::MAX;
    let (mut user, mut group) = (0, 0);
    while let Some((tag, rest)) = bytes.split_first() {
        let last = rest.iter().position(|byte| byte & 0x80 == 0)?;
        let (number, rest) = rest.split_at_checked(last + 1)?;
        let number = number.iter().rev().try_fold(0_u32, |number, byte| {
            let higher = number.checked_mul(0x80)?;
            higher.checked_add(u32::from(byte & 0x7f))
        })?;
        let number = if number == NO_ID { 0 } else { number };
        match tag {
            0x08 => user = number,
            0x10 => group = number,
            _ => return None,
        }
        bytes = rest;
    }
    Some((user, group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_recorded_as_umoci_records_them() {
        let cases: &[(u32, u32, &[u8])] = &[
            (0, 1, &[0x10, 1]),
            (1, 0, &[0x08, 1]),
            (127, 128, &[0x08, 0x7f, 0x10, 0x80, 0x01]),
            (1000, 1000, &[0x08, 0xe8, 0x07, 0x10, 0xe8, 0x07]),
            (4_294_967_294, 0, &[0x08, 0xfe, 0xff, 0xff, 0xff, 0x0f]),
        ];
        for (user, group, expected) in cases {
            assert_eq!(record(*user, *group), *expected, "{user}:{group}");
            assert_eq!(recorded(expected), Some((*user, *group)));
        }
    }

    #[test]
    fn records_of_owners_are_read_or_refused() {
        type Owners = Option<(u32, u32)>;
        let cases: &[(&[u8], Owners)] = &[
            (&[], Some((0, 0))),
            (&[0x10, 2, 0x08, 1], Some((1, 2))),
            (&[0x08, 0x81, 0x00], Some((1, 0))),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0x0f], Some((0, 0))),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0x1f], None),
            (&[0x08], None),
            (&[0x08, 0x80], None),
            (&[0x18, 1], None),
            (b"root", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(recorded(bytes), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn extended_attributes_are_taken_by_name_and_owner() {
        let with = |owner| Attributes::of_missing(owner);
        let (set, current) = (with(Owner::Set(0, 0)), with(Owner::Current));
        for taken in ["user.a", "user.overlayfs", "user.rootlesscontainer"] {
            assert!(
                set.takes(taken.as_bytes()) && current.takes(taken.as_bytes()),
                "{taken}"
            );
        }
        for owned in [
            "security.capability",
            "system.posix_acl_access",
            "system.posix_acl_default",
        ] {
            assert!(
                set.takes(owned.as_bytes()) && !current.takes(owned.as_bytes()),
                "{owned}"
            );
        }
        for refused in [
            "security.selinux",
            "security.ima",
            "trusted.overlay.opaque",
            "trusted.a",
            "user.overlay.opaque",
            "user.overlay.redirect",
            "user.rootlesscontainers",
            "system.nfs4_acl",
            "user",
            "",
        ] {
            assert!(!set.takes(refused.as_bytes()), "{refused}");
        }
    }
}
