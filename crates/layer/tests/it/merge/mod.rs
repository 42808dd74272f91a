//! Stacks of layers merged to one, without a file system.

mod bad;
mod onto;
mod stacks;

use std::fmt::Write as _;

use wharf_layer::{
    Error, Merged,
    tar::{Event, Kind, Limits, Member, Reader, Writer},
};

pub(crate) type Part = (Member, &'static str);

/// A name for messages, a stack, and the members of what it is merged to.
pub(crate) type Case<'a> = (&'a str, &'a [&'a [Part]], &'a [&'a str]);

/// A layer with these members, also with several of one name.
pub(crate) fn layer(members: &[Part]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (member, content) in members {
        let mut writer = Writer::new(); // a writer refuses a name that it has written
        tar.extend(writer.member(member).unwrap());
        writer.content(content.len()).unwrap();
        tar.extend_from_slice(content.as_bytes());
        tar.extend_from_slice(writer.end_member().unwrap());
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

pub(crate) fn file(name: &str, content: &'static str) -> Part {
    (Member::file(name, content.len() as u64).unwrap(), content)
}

pub(crate) fn directory(name: &str) -> Part {
    (Member::directory(name).unwrap(), "")
}

pub(crate) fn symlink(name: &str, target: &str) -> Part {
    (Member::symlink(name, target).unwrap(), "")
}

pub(crate) fn hard_link(name: &str, target: &str) -> Part {
    (Member::hard_link(name, target).unwrap(), "")
}

pub(crate) fn merged(layers: &[Vec<u8>]) -> Merged {
    let mut merged = Merged::new();
    for layer in layers {
        merged.add(layer.as_slice()).unwrap();
    }
    assert_eq!(merged.layers(), layers.len());
    merged
}

/// A stack as one tar.
pub(crate) fn flat(layers: &[Vec<u8>]) -> Vec<u8> {
    let mut flat = Vec::new();
    let mut opened = Vec::new();
    let length = merged(layers)
        .write(&mut flat, |layer| {
            opened.push(layer);
            Ok::<_, Error>(layers[layer].as_slice())
        })
        .unwrap();
    assert_eq!(length, flat.len() as u64);
    assert!(opened.is_sorted_by(|one, next| one < next), "{opened:?}");
    flat
}

/// The members of a tar, each as a line, in their order.
pub(crate) fn members(tar: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(Limits::default());
    let mut input = tar;
    let mut lines: Vec<String> = Vec::new();
    while let Some(event) = reader.next_event(&mut input).unwrap() {
        match event {
            Event::Member {
                member, duplicate, ..
            } => {
                assert!(!duplicate, "{member:?} is there twice");
                let name = String::from_utf8_lossy(member.name()).into_owned();
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                lines.push(match member.kind() {
                    Kind::File { .. } => format!("{name} = "),
                    Kind::Directory => format!("{name}/"),
                    Kind::Symlink { target } => format!("{name} -> {}", text(target)),
                    Kind::HardLink { target } => format!("{name} == {}", text(target)),
                    kind => format!("{name} {kind:?}"),
                });
            }
            Event::Content(bytes) => {
                write!(lines.last_mut().unwrap(), "{}", String::from_utf8_lossy(bytes)).unwrap();
            }
            _ => {}
        }
    }
    reader.finish().unwrap();
    lines
}

/// The members of a stack that was merged.
pub(crate) fn lines(stack: &[Vec<Part>]) -> Vec<String> {
    let layers: Vec<Vec<u8>> = stack.iter().map(|members| layer(members)).collect();
    members(&flat(&layers))
}
