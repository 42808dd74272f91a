//! What is written is read: any member, in pieces of any size.

use proptest::prelude::*;
use wharf_layer::tar::{Kind, Limits, Member, Reader, Time};

use crate::{
    raw::{read, read_with},
    tar_writer::write,
};

fn name() -> impl Strategy<Value = Vec<u8>> {
    let component = prop::collection::vec(
        any::<u8>().prop_filter("no separator", |byte| !matches!(byte, 0 | b'/')),
        1..120,
    )
    .prop_filter("no dots", |component| component != b"." && component != b"..");
    prop::collection::vec(component, 1..6).prop_map(|components| components.join(&b'/'))
}

fn kind() -> impl Strategy<Value = Kind> {
    let device = (0_u32..1 << 21, 0_u32..1 << 21);
    prop_oneof![
        4 => (0_u64..3000).prop_map(|size| Kind::File { size }),
        2 => Just(Kind::Directory),
        1 => name().prop_map(|target| Kind::Symlink { target }),
        1 => name().prop_map(|target| Kind::HardLink { target }),
        1 => device.clone().prop_map(|(major, minor)| Kind::CharacterDevice { major, minor }),
        1 => device.prop_map(|(major, minor)| Kind::BlockDevice { major, minor }),
        1 => Just(Kind::Fifo),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..100_000, 2_097_140_u64..2_097_160, 0_u64..1 << 63]
}

fn owner() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1_u8..=255, 0..40)
}

pub(crate) fn member() -> impl Strategy<Value = Member> {
    let seconds = prop_oneof![
        0_i64..2_000_000_000,
        8_589_934_580_i64..8_589_934_600,
        any::<i64>()
    ];
    let nanoseconds = prop_oneof![Just(0_u32), 0_u32..1_000_000_000];
    let xattr = (
        "[a-z]{1,8}\\.[ -<>-~]{1,20}",
        prop::collection::vec(any::<u8>(), 0..50),
    );
    (
        (name(), kind(), 0_u32..0o10000, number(), number()),
        (owner(), owner(), seconds, nanoseconds),
        prop::collection::vec(xattr, 0..3),
    )
        .prop_map(
            |((name, kind, mode, uid, gid), (user, group, seconds, nanoseconds), xattrs)| {
                let member = Member::new(name, kind)
                    .unwrap()
                    .with_mode(mode)
                    .with_owner(uid, gid)
                    .with_owner_names(user, group)
                    .with_modified(Time::new(seconds.max(i64::MIN + 2), nanoseconds));
                xattrs
                    .into_iter()
                    .fold(member, |member, (name, value)| member.with_xattr(name, value))
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every archive that the writer makes is read as the members it was made of, however it is cut.
    #[test]
    fn members_read_back(members in prop::collection::vec(member(), 0..8), piece in 1_usize..2000) {
        let mut unique: Vec<Member> = Vec::new();
        for member in members {
            if unique.iter().all(|known| known.name() != member.name()) {
                unique.push(member);
            }
        }
        let archive = write(&unique);
        prop_assert_eq!(&archive, &write(&unique));
        let (found, summary) = read(&archive).unwrap();
        prop_assert!(summary.ended);
        prop_assert!(found.iter().all(|found| !found.duplicate));
        let read_back: Vec<Member> = found.iter().map(|found| found.member.clone()).collect();
        prop_assert_eq!(&read_back, &unique);
        let (in_pieces, _) = read_with(Reader::new(Limits::default()), &archive, piece).unwrap();
        prop_assert_eq!(in_pieces, found);
    }

    /// No change of a byte makes the reader panic or return content that its header does not state.
    #[test]
    fn a_damaged_archive_is_read_or_refused(
        members in prop::collection::vec(member(), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut unique: Vec<Member> = Vec::new();
        for member in members {
            if unique.iter().all(|known| known.name() != member.name()) {
                unique.push(member);
            }
        }
        let mut archive = write(&unique);
        for (at, byte) in damage {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        if let Ok((found, _)) = read(&archive) {
            for found in found {
                prop_assert_eq!(found.content.len() as u64, found.member.size());
            }
        }
    }
}
