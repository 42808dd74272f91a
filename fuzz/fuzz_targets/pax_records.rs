//! The records of a PAX header, in an archive that is right otherwise: see `README.md`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_layer::tar::{Event, Limits, Reader};

/// A ustar header of this type and size, with its checksum.
fn header(type_flag: u8, size: usize) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..4].copy_from_slice(b"name");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[148..156].copy_from_slice(b"        ");
    block[156] = type_flag;
    block[157..161].copy_from_slice(b"link");
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fuzz_target!(|records: &[u8]| {
    for (extension, member) in [(b'x', b'0'), (b'x', b'1'), (b'x', b'2'), (b'g', b'0')] {
        let mut archive = header(extension, records.len());
        archive.extend_from_slice(records);
        archive.resize(archive.len().next_multiple_of(512), 0);
        archive.extend(header(member, 0));
        let mut reader = Reader::new(Limits::default());
        let mut input = archive.as_slice();
        if let Ok(Some(Event::Member { member, .. })) = reader.next_event(&mut input) {
            let name = member.name();
            assert!(!name.is_empty() && name.len() <= 4096 && !name.contains(&0));
            assert!(name.split(|byte| *byte == b'/').all(|part| !part.is_empty() && part != b".."));
            if extension == b'g' {
                assert_eq!((name, member.uid(), member.xattrs().count()), (b"name".as_slice(), 0, 0));
            }
            // No more content than the archive can have is asked for, and none is made up.
            assert!(reader.skip_content() >= member.size());
        }
    }
});
