use std::fmt;

use wharf_content::{Descriptor, Location, Manifest, Platform};

use crate::{Options, ends::Ends};

/// What a copy will do, decided before anything is written.
pub struct Plan {
    pub(crate) ends: Ends,
    pub(crate) options: Options,
    pub(crate) resolved: Descriptor,
    pub(crate) platform: Option<Platform>,
    pub(crate) root: Manifest,
    /// Blobs and what is there, then the manifests to be pushed in the order of their levels, then the root.
    pub(crate) steps: Vec<Step>,
    /// Manifests below the root that are to be pushed, children before parents.
    pub(crate) levels: Vec<Vec<Manifest>>,
    pub(crate) warnings: Vec<String>,
}

/// A blob or manifest, and the action for it.
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
    /// Move the bytes.
    Copy,
    /// Let the destination take it from the source by itself; move the bytes if it does not.
    Mount,
    /// Find out first whether the destination has it. A plan that was shown has none of these.
    Ask,
    /// Nothing: it is there.
    Skip,
    /// Nothing: it may not be distributed, and is had from its own URLs.
    Omit,
}

impl Step {
    pub(crate) const fn is_open(&self) -> bool {
        !matches!(self.action, Action::Skip | Action::Omit)
    }
}

/// How much there is of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Amount {
    /// How many manifests and blobs.
    pub count: usize,
    /// Their sizes together, in bytes.
    pub bytes: u64,
}

impl Amount {
    fn of<'a>(steps: impl Iterator<Item = &'a Step>) -> Self {
        steps.fold(Self::default(), |amount, step| Self {
            count: amount.count + 1,
            bytes: amount.bytes.saturating_add(step.descriptor.size()),
        })
    }
}

/// What the ends will be asked to do. At a registry each is one request, a pushed blob two (distribution-spec,
/// *Pushing a blob in two requests*), tokens and redirects not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Calls {
    /// Blobs read from the source.
    pub reads: usize,
    /// Questions to the destination.
    pub questions: usize,
    /// Blobs the destination is to take by itself.
    pub mounts: usize,
    /// Blobs pushed to the destination.
    pub blobs: usize,
    /// Manifests pushed to the destination.
    pub manifests: usize,
}

impl Plan {
    /// What will be done about each blob and manifest; the root comes last.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How much of it an action is done to.
    #[must_use]
    pub fn amount(&self, action: Action) -> Amount {
        Amount::of(self.steps.iter().filter(|step| step.action == action))
    }

    /// How much the image has, whatever is done about it.
    #[must_use]
    pub fn total(&self) -> Amount {
        Amount::of(self.steps.iter())
    }

    /// How many bytes will move, more only if the destination does not mount what it could.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let [copied, asked] = [Action::Copy, Action::Ask].map(|action| self.amount(action).bytes);
        copied.saturating_add(asked)
    }

    /// How many manifests and blobs something will be done about.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.steps.iter().filter(|step| step.is_open()).count()
    }

    /// What source and destination will be asked to do.
    #[must_use]
    pub fn calls(&self) -> Calls {
        let mut calls = Calls::default();
        for step in &self.steps {
            match step.action {
                Action::Skip | Action::Omit => {}
                _ if step.descriptor.media_type().is_manifest() => calls.manifests += 1,
                Action::Mount => calls.mounts += 1,
                Action::Copy | Action::Ask => {
                    calls.questions += usize::from(step.action == Action::Ask);
                    calls.reads += usize::from(step.descriptor.data().is_none());
                    calls.blobs += 1;
                }
            }
        }
        if self.options.name.is_some() && self.root_is_present() {
            calls.manifests += 1; // the name is given by pushing it again
        }
        calls
    }

    /// Where the bytes come from.
    #[must_use]
    pub fn source(&self) -> Location {
        self.ends.source.location()
    }

    /// Where they go.
    #[must_use]
    pub fn sink(&self) -> Location {
        self.ends.sink.location()
    }

    /// What the name at the destination will mean.
    #[must_use]
    pub const fn root(&self) -> &Manifest {
        &self.root
    }

    /// The platform for which an image of an index was chosen, as the index states it.
    #[must_use]
    pub const fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// What the user should know and is no failure: referrers that were not believed.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn root_is_present(&self) -> bool {
        self.steps.last().is_some_and(|step| step.action == Action::Skip)
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
