//! The members of the layer that makes one tree of another, without a file system.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    iter, vec,
};

use crate::{Error, ErrorKind, members, whiteout};

/// The root of every [`Tree`].
pub(crate) const ROOT: u32 = 0;

/// A tree of named nodes.
pub(crate) trait Tree {
    fn is_directory(&self, node: u32) -> bool;
    /// The entries of a directory, sorted by the bytes of their names. None of anything else.
    fn children(&self, node: u32) -> Vec<(&[u8], u32)>;
    /// The number of a node that is the same for all names of one file.
    fn inode(&self, node: u32) -> u32;
    /// True if the node may have several names.
    fn has_links(&self, node: u32) -> bool;
}

/// A tree with nothing in it.
pub(crate) struct Empty;

impl Tree for Empty {
    fn is_directory(&self, _: u32) -> bool {
        true
    }

    fn children(&self, _: u32) -> Vec<(&[u8], u32)> {
        Vec::new()
    }

    fn inode(&self, node: u32) -> u32 {
        node
    }

    fn has_links(&self, _: u32) -> bool {
        false
    }
}

/// One member of the layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    /// The step of the directory that it is in. That of the root is the root's own.
    parent: u32,
    leaf: &'a [u8],
    /// The node of the new tree, or `None` for a whiteout.
    pub(crate) node: Option<u32>,
}

/// The members of the layer in the order of a walk: a directory before what is in it, whiteouts before other entries,
/// both sorted by the bytes of their names. The directories that lead to a member are members, too. A file with
/// several names stands there with all of them or with none.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    steps: Vec<Step<'a>>,
}

impl<'a> Plan<'a> {
    /// The layer that makes `new` of `old`. `same` is asked of two nodes at the same path, which are both directories
    /// or both none, whether a layer would state them alike.
    ///
    /// Fails for a name that would be taken for a whiteout, and as `same` does.
    pub(crate) fn new<O: Tree, N: Tree>(
        old: &'a O,
        new: &'a N,
        same: impl FnMut(u32, u32) -> Result<bool, Error>,
    ) -> Result<Self, Error> {
        let changed = changed(old, new, same)?;
        let mut plan = Self::default();
        plan.walk(old, new, &changed)?;
        for index in 0..plan.len() {
            if let Some(step) = plan.get(index) {
                check_leaf(step.leaf, || plan.name(index))?;
            }
        }
        Ok(plan)
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn get(&self, index: u32) -> Option<Step<'a>> {
        self.steps.get(usize::try_from(index).ok()?).copied()
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = (u32, Step<'a>)> {
        (0..).zip(self.steps.iter().copied())
    }

    /// The name of the member.
    pub(crate) fn name(&self, index: u32) -> Vec<u8> {
        let Some(step) = self.get(index) else {
            return Vec::new();
        };
        let parent = self.path(step.parent);
        match step.node {
            Some(_) => name_of(&self.path(index)),
            None => below(&parent, &whiteout::of(step.leaf)),
        }
    }

    fn path(&self, mut index: u32) -> Vec<u8> {
        let mut leaves = Vec::new();
        while let Some(step) = self.get(index)
            && !step.leaf.is_empty()
        {
            leaves.push(step.leaf);
            index = step.parent;
        }
        leaves.reverse();
        leaves.join(&b'/')
    }

    fn walk<O: Tree, N: Tree>(
        &mut self,
        old: &'a O,
        new: &'a N,
        changed: &HashSet<u32>,
    ) -> Result<(), Error> {
        let root = Step {
            parent: 0,
            leaf: &[],
            node: Some(ROOT),
        };
        let mut levels = vec![self.enter(old, new, root, Some(ROOT), changed.contains(&ROOT))?];
        while let Some(level) = levels.last_mut() {
            let Some(found) = level.pending.next() else {
                let (step, changed) = (level.step, level.changed);
                levels.pop();
                if !changed {
                    self.steps.truncate(usize::try_from(step).unwrap_or_default());
                } else if let Some(above) = levels.last_mut() {
                    above.changed = true;
                }
                continue;
            };
            let step = Step {
                parent: level.step,
                leaf: found.leaf,
                node: found.new,
            };
            let differs = found
                .new
                .is_none_or(|node| found.old.is_none() || changed.contains(&new.inode(node)));
            match found.new {
                Some(node) if new.is_directory(node) => {
                    let level = self.enter(old, new, step, found.old, differs)?;
                    levels.push(level);
                }
                _ if differs => {
                    level.changed = true;
                    self.push(step)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn enter<O: Tree, N: Tree>(
        &mut self,
        old: &'a O,
        new: &'a N,
        step: Step<'a>,
        was: Option<u32>,
        changed: bool,
    ) -> Result<Level<'a>, Error> {
        let (mut pending, kept): (Vec<_>, Vec<_>) = match step.node {
            Some(node) => pairs(old, new, was, node).partition(|found| found.new.is_none()),
            None => Default::default(),
        };
        pending.extend(kept);
        Ok(Level {
            step: self.push(step)?,
            pending: pending.into_iter(),
            changed,
        })
    }

    fn push(&mut self, step: Step<'a>) -> Result<u32, Error> {
        let index = self.len();
        if index == u32::MAX {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "the layer has more than 2^32 members",
            ));
        }
        self.steps.push(step);
        Ok(index)
    }
}

/// A directory of the walk.
struct Level<'a> {
    step: u32,
    pending: vec::IntoIter<Found<'a>>,
    /// True if the directory must be a member.
    changed: bool,
}

/// A name in a directory of one tree or of both.
struct Found<'a> {
    leaf: &'a [u8],
    /// A node that is a directory if the new one is, and not if it is not.
    old: Option<u32>,
    new: Option<u32>,
}

/// The names that a directory has in one of the trees, sorted.
fn pairs<'a, O: Tree, N: Tree>(
    old: &'a O,
    new: &'a N,
    was: Option<u32>,
    is: u32,
) -> impl Iterator<Item = Found<'a>> {
    let before = was.map(|node| old.children(node)).unwrap_or_default();
    let mut before = before.into_iter().peekable();
    let mut after = new.children(is).into_iter().peekable();
    iter::from_fn(move || {
        let (leaf, old_node, new_node) = match (before.peek().copied(), after.peek().copied()) {
            (Some((leaf, node)), next) if next.is_none_or(|(other, _)| leaf < other) => {
                before.next();
                (leaf, Some(node), None)
            }
            (Some((leaf, was)), Some((other, node))) if leaf == other => {
                before.next();
                after.next();
                (leaf, Some(was), Some(node))
            }
            (_, Some((leaf, node))) => {
                after.next();
                (leaf, None, Some(node))
            }
            (None | Some(_), None) => return None, // the first arm has the latter
        };
        let comparable =
            |was: &u32| new_node.is_none_or(|node| old.is_directory(*was) == new.is_directory(node));
        Some(Found {
            leaf,
            old: old_node.filter(comparable),
            new: new_node,
        })
    })
}

/// The inodes of the new tree that must be stated again, though each of their names was there before.
///
/// Names of one file that were names of another, or of several, are changed: a layer that leaves them alone would leave
/// them linked as before.
fn changed<O: Tree, N: Tree>(
    old: &O,
    new: &N,
    mut same: impl FnMut(u32, u32) -> Result<bool, Error>,
) -> Result<HashSet<u32>, Error> {
    let mut changed = HashSet::new();
    let (mut heirs, mut origins) = (HashMap::new(), HashMap::new());
    if !same(ROOT, ROOT)? {
        changed.insert(ROOT);
    }
    let mut directories = vec![(Some(ROOT), ROOT)];
    while let Some((was, is)) = directories.pop() {
        for found in pairs(old, new, was, is) {
            let Some(node) = found.new else { continue };
            let inode = new.inode(node);
            let is_directory = new.is_directory(node);
            if is_directory {
                directories.push((found.old, node));
            }
            let Some(was) = found.old else {
                changed.insert(inode);
                continue;
            };
            if !changed.contains(&inode) && !same(was, node)? {
                changed.insert(inode);
            }
            if !is_directory && (new.has_links(node) || old.has_links(was)) {
                let origin = old.inode(was);
                let is_heir = is_first(&mut heirs, origin, inode);
                let has_one = is_first(&mut origins, inode, origin);
                if !is_heir || !has_one {
                    changed.insert(inode);
                }
            }
        }
    }
    Ok(changed)
}

/// True if `value` is the first one of `key`.
fn is_first(map: &mut HashMap<u32, u32>, key: u32, value: u32) -> bool {
    match map.entry(key) {
        Entry::Vacant(vacant) => {
            vacant.insert(value);
            true
        }
        Entry::Occupied(occupied) => *occupied.get() == value,
    }
}

/// Refuses a name that would be taken for a whiteout.
pub(crate) fn check_leaf(leaf: &[u8], name: impl Fn() -> Vec<u8>) -> Result<(), Error> {
    if !whiteout::is_whiteout(leaf) {
        return Ok(());
    }
    let why = "its name begins with .wh., which a layer takes for a whiteout; rename it";
    Err(members::refused(ErrorKind::Invalid, &name(), why))
}

/// The name of a member with this path.
fn name_of(path: &[u8]) -> Vec<u8> {
    if path.is_empty() { b"." } else { path }.to_vec()
}

/// The path of an entry of a directory.
pub(crate) fn below(directory: &[u8], leaf: &[u8]) -> Vec<u8> {
    match directory {
        b"" => leaf.to_vec(),
        _ => [directory, leaf].join(&b'/'),
    }
}
