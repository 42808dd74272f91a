use std::{collections::HashSet, fmt, sync::Arc};

use tokio::{sync::Semaphore, task::JoinSet};
use wharf_content::{Descriptor, Error, ErrorKind, Event, Manifest, Platform, Sink, Source, Target};
use wharf_reference::Digest;

use crate::{Options, Selection};

/// The deepest nesting of indexes that is followed (threat row I6).
const MAX_DEPTH: usize = 4;
/// The most manifests one operation reads.
const MAX_MANIFESTS: usize = 2_000;

/// What a copy will do, decided before anything is written.
pub struct Plan {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) options: Options,
    pub(crate) resolved: Descriptor,
    pub(crate) platform: Option<Platform>,
    pub(crate) root: Manifest,
    /// Manifests below the root, parents before children.
    pub(crate) below: Vec<Manifest>,
    pub(crate) steps: Vec<Step>,
}

/// One piece of content and what will be done about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Step {
    /// The content.
    pub descriptor: Descriptor,
    /// What will be done.
    pub action: Action,
}

/// What a [`Step`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Move the bytes, or let the destination adopt them if it can.
    Copy,
    /// As [`Action::Copy`], unless the destination turns out to have it. A plan that was shown has none of these.
    Ask,
    /// Nothing: it is there.
    Skip,
}

impl Plan {
    /// What will be done about each blob and manifest; the root comes last.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many bytes will move at most.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pending().map(Descriptor::size).sum()
    }

    /// How many manifests and blobs will move at most.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.pending().count()
    }

    /// What the name at the destination will mean.
    #[must_use]
    pub const fn root(&self) -> &Manifest {
        &self.root
    }

    pub(crate) fn pending(&self) -> impl Iterator<Item = &Descriptor> {
        self.steps
            .iter()
            .filter(|step| step.action != Action::Skip)
            .map(|step| &step.descriptor)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("root", self.root.digest())
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

/// Finds out what copying `target` takes. Reads manifests and asks the destination what it has; writes nothing.
///
/// # Errors
///
/// As [`copy`](crate::copy()).
pub async fn plan(
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    target: &Target,
    options: Options,
) -> Result<Plan, Error> {
    let mut plan = walk(source, sink, target, options).await?;
    plan.ask().await?;
    Ok(plan)
}

/// A plan that leaves it to the execution to ask for each blob whether it is there: one round trip less on the
/// way to the first byte.
pub(crate) async fn walk(
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    target: &Target,
    options: Options,
) -> Result<Plan, Error> {
    let top = source.manifest(target).await?;
    let resolved = top.descriptor().clone();
    options.progress.event(Event::Resolved {
        target,
        descriptor: &resolved,
    });
    let (root, platform) = select_root(&*source, top, &options.selection).await?;
    let mut walk = Walk {
        source: &*source,
        sink: &*sink,
        options: &options,
        seen: HashSet::new(),
        below: Vec::new(),
        steps: Vec::new(),
    };
    walk.tree(&root).await?;
    let Walk { below, steps, .. } = walk;
    Ok(Plan {
        source,
        sink,
        options,
        resolved,
        platform,
        root,
        below,
        steps,
    })
}

impl Plan {
    /// Asks the destination for every blob that is still open, several at a time.
    async fn ask(&mut self) -> Result<(), Error> {
        let permits = Arc::new(Semaphore::new(self.options.concurrency.get()));
        let mut questions = JoinSet::new();
        for (position, step) in self.steps.iter().enumerate() {
            if step.action == Action::Ask {
                let (sink, permits) = (Arc::clone(&self.sink), Arc::clone(&permits));
                let descriptor = step.descriptor.clone();
                questions.spawn(async move {
                    let _permit = permits.acquire().await;
                    (position, sink.contains(&descriptor).await)
                });
            }
        }
        while let Some(answer) = questions.join_next().await {
            let (position, present) = answer.map_err(|failure| {
                Error::new(ErrorKind::Other, "a question ended without an answer").with_source(failure)
            })?;
            let action = if present? { Action::Skip } else { Action::Copy };
            if let Some(step) = self.steps.get_mut(position) {
                step.action = action;
            }
        }
        Ok(())
    }
}

/// The image of an index that a selection means: the manifest itself if it is an image, and the first
/// platform's where a selection has several.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if the index has no image for the platform, and the failures of the source.
pub async fn select(source: &dyn Source, top: Manifest, selection: &Selection) -> Result<Manifest, Error> {
    let single = match selection {
        Selection::Platform(_) => selection.clone(),
        Selection::Platforms(platforms) => {
            Selection::Platform(platforms.first().cloned().unwrap_or_else(Platform::host))
        }
        Selection::All => Selection::default(),
    };
    Ok(select_root(source, top, &single).await?.0)
}

/// The manifest that the name at the destination will mean, and the platform it was chosen for.
async fn select_root(
    source: &dyn Source,
    top: Manifest,
    selection: &Selection,
) -> Result<(Manifest, Option<Platform>), Error> {
    let Selection::Platform(wanted) = selection else {
        return Ok((top, None));
    };
    if !top.is_index() {
        return Ok((top, None));
    }
    let chosen = wanted
        .choose(top.manifests())
        .ok_or_else(|| no_such_platform(&top, wanted))?;
    let manifest = read_child(source, chosen).await?;
    Ok((manifest, chosen.platform().cloned()))
}

fn no_such_platform(index: &Manifest, wanted: &Platform) -> Error {
    let offered: Vec<String> = index
        .manifests()
        .iter()
        .filter_map(Descriptor::platform)
        .take(20)
        .map(ToString::to_string)
        .collect();
    let message = format!(
        "the index {} has no image for {wanted}; it has {}",
        index.digest(),
        if offered.is_empty() {
            "none that names a platform".to_owned()
        } else {
            offered.join(", ")
        }
    );
    Error::new(ErrorKind::NotFound, message)
}

/// A manifest that an index points at; it must be what the index says it is.
async fn read_child(source: &dyn Source, descriptor: &Descriptor) -> Result<Manifest, Error> {
    let manifest = source
        .manifest(&Target::Digest(descriptor.digest().clone()))
        .await?;
    let size = manifest.bytes().len() as u64;
    if size != descriptor.size() || manifest.media_type() != descriptor.media_type() {
        let message = format!(
            "the index describes {} as {} of {} bytes, but it is {} of {size} bytes",
            descriptor.digest(),
            descriptor.media_type(),
            descriptor.size(),
            manifest.media_type(),
        );
        return Err(Error::new(ErrorKind::Mismatch, message));
    }
    Ok(manifest)
}

struct Walk<'a> {
    source: &'a dyn Source,
    sink: &'a dyn Sink,
    options: &'a Options,
    seen: HashSet<Digest>,
    below: Vec<Manifest>,
    steps: Vec<Step>,
}

impl Walk<'_> {
    async fn tree(&mut self, root: &Manifest) -> Result<(), Error> {
        self.seen.insert(root.digest().clone());
        self.admit(root).await?;
        if self.sink.contains(root.descriptor()).await? {
            self.push(root.descriptor().clone(), Action::Skip);
            return Ok(());
        }
        let mut level = self.children(root).await?;
        let mut depth = 1;
        self.blobs(root);
        while !level.is_empty() {
            depth += 1;
            if depth > MAX_DEPTH {
                let message = format!("indexes are nested deeper than {MAX_DEPTH} levels");
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
            let mut next = Vec::new();
            for manifest in level {
                self.admit(&manifest).await?;
                self.blobs(&manifest);
                next.extend(self.children(&manifest).await?);
                self.below.push(manifest);
            }
            level = next;
        }
        for manifest in self.below.iter().rev() {
            self.steps.push(Step {
                descriptor: manifest.descriptor().clone(),
                action: Action::Copy,
            });
        }
        self.push(root.descriptor().clone(), Action::Copy);
        Ok(())
    }

    /// The manifests of an index that are selected and not yet at the destination.
    async fn children(&mut self, parent: &Manifest) -> Result<Vec<Manifest>, Error> {
        let mut children = Vec::new();
        for descriptor in self.selected(parent) {
            if !self.seen.insert(descriptor.digest().clone()) {
                continue;
            }
            if self.seen.len() > MAX_MANIFESTS {
                let message = format!("more than {MAX_MANIFESTS} manifests and blobs in one image");
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
            if !descriptor.media_type().is_manifest() {
                self.push(descriptor.clone(), Action::Ask); // an index may list any content
            } else if self.sink.contains(descriptor).await? {
                self.push(descriptor.clone(), Action::Skip);
            } else {
                children.push(read_child(self.source, descriptor).await?);
            }
        }
        Ok(children)
    }

    fn selected<'m>(&self, parent: &'m Manifest) -> Vec<&'m Descriptor> {
        match &self.options.selection {
            Selection::Platforms(platforms) => platforms
                .iter()
                .filter_map(|platform| platform.choose(parent.manifests()))
                .collect(),
            _ => parent.manifests().iter().collect(),
        }
    }

    fn blobs(&mut self, manifest: &Manifest) {
        for descriptor in manifest.blobs() {
            if self.seen.insert(descriptor.digest().clone()) {
                self.push(descriptor.clone(), Action::Ask);
            }
        }
    }

    async fn admit(&self, manifest: &Manifest) -> Result<(), Error> {
        let Some(gate) = &self.options.gate else {
            return Ok(());
        };
        gate.admit(manifest).await.map_err(|rejection| {
            Error::new(
                ErrorKind::Rejected,
                format!("{} was refused: {rejection}", manifest.digest()),
            )
        })
    }

    fn push(&mut self, descriptor: Descriptor, action: Action) {
        self.steps.push(Step { descriptor, action });
    }
}
