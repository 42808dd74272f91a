//! Tar archives: see `README.md`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_layer::{
    Error,
    tar::{Event, Limits, Member, Reader, Writer},
};

/// The members with their contents, where the bytes are given in pieces of this size.
fn read(bytes: &[u8], piece: usize) -> Result<Vec<(Member, Vec<u8>)>, Error> {
    let mut reader = Reader::new(Limits::default());
    let mut found: Vec<(Member, Vec<u8>)> = Vec::new();
    for mut input in bytes.chunks(piece) {
        while let Some(event) = reader.next_event(&mut input)? {
            match event {
                Event::Member { member, .. } => found.push((member, Vec::new())),
                Event::Content(bytes) => found.last_mut().unwrap().1.extend_from_slice(bytes),
                _ => {}
            }
        }
    }
    reader.finish()?;
    Ok(found)
}

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, bytes.len().max(1));
    let pieces = read(bytes, 7);
    let (Ok(found), Ok(same)) = (&whole, &pieces) else {
        assert_eq!(whole.unwrap_err().to_string(), pieces.unwrap_err().to_string());
        return;
    };
    assert_eq!(found, same);
    // What was read can be written, unless it is there twice, and is read again as it was.
    let mut writer = Writer::new();
    let mut archive = Vec::new();
    let mut written = Vec::new();
    for (member, content) in found {
        assert_eq!(member.size(), content.len() as u64);
        let Ok(header) = writer.member(member) else {
            continue;
        };
        archive.extend_from_slice(&header);
        writer.content(content.len()).unwrap();
        archive.extend_from_slice(content);
        archive.extend_from_slice(writer.end_member().unwrap());
        written.push((member.clone(), content.clone()));
    }
    archive.extend_from_slice(writer.finish().unwrap());
    assert_eq!(read(&archive, 512).unwrap(), written);
});
