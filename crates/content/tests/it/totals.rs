//! The sums of a progress bar.

use wharf_content::{Descriptor, Event, Hasher, MediaType, Outcome, Totals};

fn item(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::OCI_LAYER, bytes)
}

#[test]
fn an_item_counts_with_its_size_whatever_has_moved() {
    let (whole, resumed, repeated, present, omitted) = (
        item(b"aaaa"),
        item(b"bbbbb"),
        item(b"cccccc"),
        item(b"d"),
        item(b"ee"),
    );
    let advanced = |descriptor, bytes| Event::Advanced { descriptor, bytes };
    let finished = |descriptor, outcome| Event::Finished { descriptor, outcome };
    let mut totals = Totals::new();
    for (event, done) in [
        (Event::Planned { count: 5, bytes: 18 }, 0),
        (finished(&present, Outcome::Present), 1),
        (finished(&omitted, Outcome::Omitted), 3),
        (Event::Started { descriptor: &whole }, 3),
        (advanced(&whole, 3), 6),
        (advanced(&resumed, 2), 8),
        (advanced(&whole, 1), 9),
        (finished(&whole, Outcome::Copied), 9),
        (finished(&resumed, Outcome::Copied), 12),
        (advanced(&repeated, 5), 17),
        (advanced(&repeated, 5), 18),
        (advanced(&repeated, u64::MAX), 18),
        (Event::Warning { message: "odd" }, 18),
        (finished(&repeated, Outcome::Mounted), 18),
    ] {
        totals.add(&event);
        assert_eq!((totals.done(), totals.length()), (done, 18), "{event:?}");
    }
}

#[test]
fn each_operation_begins_with_new_sums() {
    let layer = item(b"0123456789");
    let mut totals = Totals::new();
    totals.add(&Event::Advanced {
        descriptor: &layer,
        bytes: 4,
    });
    assert_eq!((totals.done(), totals.length()), (0, 0), "nothing is planned");
    for _ in 0..2 {
        totals.add(&Event::Planned { count: 1, bytes: 10 });
        assert_eq!((totals.done(), totals.length()), (0, 10));
        totals.add(&Event::Advanced {
            descriptor: &layer,
            bytes: 4,
        });
        assert_eq!(totals.done(), 4);
    }
}

#[test]
fn sums_of_hostile_sizes_do_not_overflow() {
    let huge = |content: &[u8]| {
        let digest = Hasher::sha256(content);
        Descriptor::new(MediaType::OCI_LAYER, digest, i64::MAX as u64).unwrap()
    };
    let mut totals = Totals::new();
    totals.add(&Event::Planned {
        count: 3,
        bytes: u64::MAX,
    });
    for descriptor in &[huge(b"x"), huge(b"y"), huge(b"z")] {
        totals.add(&Event::Advanced { descriptor, bytes: 7 });
        totals.add(&Event::Finished {
            descriptor,
            outcome: Outcome::Copied,
        });
    }
    assert_eq!(totals.done(), u64::MAX);
}
