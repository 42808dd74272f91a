//! Open files: reads and writes at an offset, stamps, other names.

use std::{fs::File, io, time::Duration};

use wharf_fs::Stamp;

#[test]
fn reads_at_an_offset_end_with_the_buffer_or_the_file() {
    let file = tempfile::tempfile().unwrap();
    wharf_fs::write_all_at(&file, b"0123456789", 0).unwrap();
    for (offset, length, expected) in [
        (0, 10, "0123456789"),
        (0, 4, "0123"),
        (3, 4, "3456"),
        (8, 4, "89"),
        (10, 4, ""),
        (100, 4, ""),
        (0, 0, ""),
    ] {
        let mut buffer = vec![b'-'; length];
        let read = wharf_fs::fill_at(&file, &mut buffer, offset).unwrap();
        assert_eq!(&buffer[..read], expected.as_bytes(), "{offset}, {length}");
        assert!(buffer[read..].iter().all(|byte| *byte == b'-'));
    }
}

#[test]
fn writes_at_an_offset_replace_and_extend() {
    let file = tempfile::tempfile().unwrap();
    for (bytes, offset, expected) in [
        ("abc", 0, "abc"),
        ("x", 1, "axc"),
        ("", 7, "axc"),
        ("yz", 2, "axyz"),
        ("!", 5, "axyz\0!"),
    ] {
        wharf_fs::write_all_at(&file, bytes.as_bytes(), offset).unwrap();
        let mut content = [0; 16];
        let length = wharf_fs::fill_at(&file, &mut content, 0).unwrap();
        assert_eq!(&content[..length], expected.as_bytes(), "{bytes}, {offset}");
    }
}

#[test]
fn a_file_that_is_open_for_reading_alone_is_not_written() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("file");
    std::fs::write(&path, "text").unwrap();
    let file = wharf_fs::open_regular(&path).unwrap();
    assert!(wharf_fs::write_all_at(&file, b"x", 0).is_err());
    let directory = File::options().write(true).open(&path).unwrap();
    assert!(wharf_fs::fill_at(&directory, &mut [0; 4], 0).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"text");
}

#[test]
fn a_stamp_differs_after_a_write_and_for_another_file() {
    let scratch = tempfile::tempdir().unwrap();
    let file = |name: &str| -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        options.open(scratch.path().join(name))
    };
    let (one, other) = (file("one").unwrap(), file("other").unwrap());
    let before = Stamp::of(&one).unwrap();
    assert_eq!(before, Stamp::of(&file("one").unwrap()).unwrap());
    wharf_fs::write_all_at(&one, b"x", 0).unwrap();
    let after = Stamp::of(&one).unwrap();
    assert_ne!(after, before);
    assert_eq!((before.size, after.size), (0, 1));
    assert!(after.same_file(&before));
    let other = Stamp::of(&other).unwrap();
    assert_ne!(after, other);
    // Elsewhere, files that were created within one tick of the clock are told apart by their size and times alone.
    if cfg!(all(unix, not(wharf_portable_fs))) {
        assert!(!after.same_file(&other));
    }
}

#[test]
fn the_age_of_a_file_is_the_time_since_it_was_written() {
    let file = tempfile::tempfile().unwrap();
    let hour = Duration::from_secs(3600);
    let now = std::time::SystemTime::now();
    file.set_modified(now - hour).unwrap();
    let age = Stamp::of(&file).unwrap().age();
    assert!(age >= hour && age < 2 * hour, "{age:?}");
    file.set_modified(now + hour).unwrap();
    let stamp = Stamp::of(&file).unwrap();
    assert_eq!(stamp.age(), Duration::ZERO);
    assert!(stamp.is_racy());
}

#[cfg(unix)]
#[test]
fn other_names_of_a_file_are_seen() {
    let scratch = tempfile::tempdir().unwrap();
    let (one, other) = (scratch.path().join("one"), scratch.path().join("other"));
    let file = File::create(&one).unwrap();
    assert!(!wharf_fs::has_other_names(&file).unwrap());
    std::fs::hard_link(&one, &other).unwrap();
    assert!(wharf_fs::has_other_names(&file).unwrap());
    std::fs::remove_file(&other).unwrap();
    assert!(!wharf_fs::has_other_names(&file).unwrap());
}

#[test]
fn blocks_are_shared_whole_or_not_at_all() {
    let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    wharf_fs::write_all_at(&from, &[7; 8192], 0).unwrap();
    let shared = wharf_fs::reflink(&from, &to);
    let mut content = vec![0; 10_000];
    let length = wharf_fs::fill_at(&to, &mut content, 0).unwrap();
    assert_eq!(length, if shared { 8192 } else { 0 });
    assert!(content[..length].iter().all(|byte| *byte == 7));
}
