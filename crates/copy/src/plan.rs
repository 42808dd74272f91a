use std::fmt;

use wharf_content::{Descriptor, Location, Manifest, Platform};

use crate::{Options, ends::Ends, signatures::SignaturePlan};

/// The steps of a copy, decided before anything is written. Made by [`plan`](crate::plan()).
pub struct Plan {
    pub(crate) ends: Ends,
    pub(crate) options: Options,
    pub(crate) resolved: Descriptor,
    pub(crate) platform: Option<Platform>,
    pub(crate) root: Manifest,
    /// Blobs and skipped manifests, then the manifests to be pushed in the order of their levels, then the
    /// root.
    pub(crate) steps: Vec<Step>,
    /// Manifests below the root that are to be pushed, children before parents.
    pub(crate) levels: Vec<Vec<Manifest>>,
    pub(crate) signatures: SignaturePlan,
    pub(crate) warnings: Vec<String>,
}

/// A blob or manifest, and the action for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Step {
    /// The blob or manifest.
    pub descriptor: Descriptor,
    /// The action for it.
    pub action: Action,
}

/// The action of a [`Step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Copy the bytes.
    Copy,
    /// Let the sink mount the blob from the source; copy the bytes if it does not.
    Mount,
    /// Ask the sink first whether it has the blob. Only in plans made by [`copy`](crate::copy());
    /// [`plan`](crate::plan()) resolves every `Ask`.
    Ask,
    /// Nothing, because the sink has it.
    Skip,
    /// Nothing, because it may not be distributed. Its descriptor has URLs to get it from.
    Omit,
}

impl Step {
    pub(crate) const fn is_open(&self) -> bool {
        !matches!(self.action, Action::Skip | Action::Omit)
    }
}

/// A number of blobs and manifests, and their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Amount {
    /// The number of manifests and blobs.
    pub count: usize,
    /// The sum of their sizes in bytes.
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

/// The number of requests that a plan needs; a pushed blob needs two (distribution-spec,
/// *Pushing a blob in two requests*); tokens and redirects are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RequestCounts {
    /// Blobs read from the source.
    pub reads: usize,
    /// Questions to the sink whether it has a blob.
    pub questions: usize,
    /// Blobs that the sink is to mount.
    pub mounts: usize,
    /// Blobs pushed to the sink.
    pub blobs: usize,
    /// Manifests pushed to the sink.
    pub manifests: usize,
}

impl Plan {
    /// The steps, one for each blob and manifest; the root is last.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The number and size of the blobs and manifests with this action.
    #[must_use]
    pub fn amount(&self, action: Action) -> Amount {
        Amount::of(self.steps.iter().filter(|step| step.action == action))
    }

    /// The number and size of all blobs and manifests of the image.
    #[must_use]
    pub fn total(&self) -> Amount {
        Amount::of(self.steps.iter())
    }

    /// The number of bytes that will be copied; more if the sink does not mount a blob that it
    /// might.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let [copied, asked] = [Action::Copy, Action::Ask].map(|action| self.amount(action).bytes);
        copied.saturating_add(asked)
    }

    /// The number of manifests and blobs that are not skipped or omitted.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.steps.iter().filter(|step| step.is_open()).count()
    }

    /// The number of requests to source and sink.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        let mut requests = RequestCounts::default();
        for step in &self.steps {
            match step.action {
                Action::Skip | Action::Omit => {}
                _ if step.descriptor.media_type().is_manifest() => requests.manifests += 1,
                Action::Mount => requests.mounts += 1,
                Action::Copy | Action::Ask => {
                    requests.questions += usize::from(step.action == Action::Ask);
                    requests.reads += usize::from(step.descriptor.data().is_none());
                    requests.blobs += 1;
                }
            }
        }
        if self.options.name.is_some() && self.root_is_present() {
            requests.manifests += 1; // the name is given by pushing it again
        }
        requests
    }

    /// The location of the source.
    #[must_use]
    pub fn source(&self) -> Location {
        self.ends.source.location()
    }

    /// The location of the sink.
    #[must_use]
    pub fn sink(&self) -> Location {
        self.ends.sink.location()
    }

    /// The manifest or index that the name in the sink will mean.
    #[must_use]
    pub const fn root(&self) -> &Manifest {
        &self.root
    }

    /// The platform for which an image of an index was chosen, as the index states it.
    #[must_use]
    pub const fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// Messages for the user that are no failures: referrers that were left out because they are not what
    /// the list states.
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
