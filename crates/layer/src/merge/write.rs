//! A tree, written as one layer: what has no content first, then the contents, layer by layer.

use std::{
    collections::{HashMap, hash_map::Entry},
    io::{Read, Write},
    iter::Peekable,
    vec,
};

use super::{
    Merged,
    node::{Content, Node, Origin},
};
use crate::{
    Error, ErrorKind,
    compare::{Plan, ROOT},
    members,
    output::Output,
    tar::{Event, Member, Writer},
};

/// A file whose content comes from a layer.
struct Wanted {
    origin: Origin,
    /// The first of its names.
    step: u32,
}

pub(super) fn write<R: Read>(
    merged: &Merged,
    plan: &Plan<'_>,
    out: impl Write,
    mut open: impl FnMut(usize) -> Result<R, Error>,
) -> Result<u64, Error> {
    let mut output = Output::new(out, Writer::new());
    let mut contents = without_contents(merged, plan, &mut output)?;
    while let Some(wanted) = contents.wanted.peek() {
        let layer = wanted.origin.layer;
        let index = usize::try_from(layer).unwrap_or(usize::MAX);
        let mut passage = Passage {
            merged,
            plan,
            output: &mut output,
            contents: &mut contents,
            origin: Origin { layer, member: 0 },
            file: None,
        };
        let locate = |error| super::of_layer(layer, error);
        members::read(open(index)?, merged.reader(), locate, |event| {
            passage.event(event)
        })?;
        passage.finish()?;
    }
    output.finish()
}

/// The files whose contents are still to be written, in the order of the layers and of their members, and the further
/// names of each.
struct Contents {
    wanted: Peekable<vec::IntoIter<Wanted>>,
    links: HashMap<u32, Vec<u32>>,
}

/// Writes all but the regular files.
fn without_contents<W: Write>(
    merged: &Merged,
    plan: &Plan<'_>,
    output: &mut Output<W>,
) -> Result<Contents, Error> {
    let mut first: HashMap<u32, u32> = HashMap::new();
    let mut wanted = Vec::new();
    let mut links: HashMap<u32, Vec<u32>> = HashMap::new();
    for (index, step) in plan.steps() {
        let Some(id) = step.node else {
            output.without_content(&Member::file(plan.name(index), 0)?)?;
            continue;
        };
        let node = merged.nodes.get(id);
        let Some(origin) = node.origin else {
            continue; // no layer states the root
        };
        if node.links > 1 && id != ROOT {
            match first.entry(id) {
                Entry::Vacant(vacant) => {
                    vacant.insert(index);
                }
                Entry::Occupied(first) if matches!(node.content, Content::File { .. }) => {
                    links.entry(*first.get()).or_default().push(index);
                    continue;
                }
                Entry::Occupied(first) => {
                    output.without_content(&node.link(&plan.name(index), plan.name(*first.get()))?)?;
                    continue;
                }
            }
        }
        if matches!(node.content, Content::File { .. }) {
            wanted.push(Wanted { origin, step: index });
        } else {
            output.without_content(&node.member(&plan.name(index))?)?;
        }
    }
    wanted.sort_unstable_by_key(|wanted| wanted.origin);
    Ok(Contents {
        wanted: wanted.into_iter().peekable(),
        links,
    })
}

/// One layer that is read for its contents.
struct Passage<'a, W> {
    merged: &'a Merged,
    plan: &'a Plan<'a>,
    output: &'a mut Output<W>,
    contents: &'a mut Contents,
    /// The member under way.
    origin: Origin,
    /// The file whose content is being written.
    file: Option<u32>,
}

impl<W: Write> Passage<'_, W> {
    fn event(&mut self, event: Event<'_>) -> Result<(), Error> {
        match event {
            Event::Member { member, .. } => {
                self.origin.member += 1;
                self.member(&member)
            }
            Event::Content(bytes) if self.file.is_some() => self.output.content(bytes),
            Event::MemberEnd => match self.file.take() {
                Some(step) => self.end(step),
                None => Ok(()),
            },
            Event::Content(_) | Event::End => Ok(()),
        }
    }

    fn member(&mut self, member: &Member) -> Result<(), Error> {
        let origin = self.origin;
        let Some(wanted) = self.contents.wanted.next_if(|wanted| wanted.origin == origin) else {
            return Ok(());
        };
        let stated = self.node(wanted.step).member(&self.plan.name(wanted.step))?;
        if stated.kind() != member.kind() {
            return Err(self.other_layer(member.name()));
        }
        self.file = Some(wanted.step);
        self.output.begin(&stated)
    }

    /// After the content of a file: its other names.
    fn end(&mut self, step: u32) -> Result<(), Error> {
        self.output.end()?;
        for link in self.contents.links.remove(&step).unwrap_or_default() {
            let link = self
                .node(step)
                .link(&self.plan.name(link), self.plan.name(step))?;
            self.output.without_content(&link)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Error> {
        let layer = self.origin.layer;
        let next = self.contents.wanted.peek();
        match next
            .filter(|next| next.origin.layer == layer)
            .map(|next| next.step)
        {
            Some(missing) => Err(self.other_layer(&self.plan.name(missing))),
            None => Ok(()),
        }
    }

    fn other_layer(&self, member: &[u8]) -> Error {
        let why = "the layer is not the one that was added before; open the same one again";
        super::of_layer(
            self.origin.layer,
            members::refused(ErrorKind::Mismatch, member, why),
        )
    }

    fn node(&self, step: u32) -> &Node {
        let node = self.plan.get(step).and_then(|step| step.node);
        self.merged.nodes.get(node.unwrap_or(ROOT))
    }
}
