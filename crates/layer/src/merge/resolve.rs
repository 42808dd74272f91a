//! Directories of a tree, by name: symbolic links are followed inside the root, as they are where layers are applied.

use super::{
    node::{Attributes, Content, Directory, Origin},
    nodes::{Full, Nodes},
};
use crate::compare::ROOT;

/// The most symbolic links of one name, as the kernel has it.
const MAX_LINKS: u32 = 40;

/// There is no directory of a name.
#[derive(Debug)]
pub(super) enum Unresolved {
    Missing,
    NotDirectory,
    Loop,
    Full(Full),
}

/// The directory of this name, empty for the root. Its last component may be a symbolic link, too. With `make`,
/// directories that are missing are made for that member.
pub(super) fn directory(nodes: &mut Nodes, name: &[u8], make: Option<Origin>) -> Result<u32, Unresolved> {
    let mut current = ROOT;
    let mut pending = reversed(name);
    let mut links = 0;
    while let Some(component) = pending.pop() {
        if &*component == b".." {
            current = nodes.get(current).directory().map_or(ROOT, |found| found.parent);
            continue;
        }
        let Some(child) = nodes.child(current, &component) else {
            let origin = make.ok_or(Unresolved::Missing)?;
            let (content, attributes) = (Content::Directory(Directory::default()), Attributes::of_missing());
            let made = nodes.insert(current, &component, content, attributes, origin);
            current = made.map_err(Unresolved::Full)?;
            continue;
        };
        match &nodes.get(child.node).content {
            Content::Directory(_) => current = child.node,
            Content::Symlink(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Unresolved::Loop);
                }
                if target.starts_with(b"/") {
                    current = ROOT;
                }
                pending.extend(reversed(target));
            }
            _ => return Err(Unresolved::NotDirectory),
        }
    }
    Ok(current)
}

/// The components of a name, the first one last.
fn reversed(name: &[u8]) -> Vec<Box<[u8]>> {
    let components = name.rsplit(|byte| *byte == b'/');
    let components = components.filter(|component| !component.is_empty() && *component != b".");
    components.map(Into::into).collect()
}
