use std::{collections::HashMap, mem};

use wharf_content::{Descriptor, Error, ErrorKind, Event, Manifest, Platform};
use wharf_reference::Digest;

use crate::{
    Action, Options, Selection, Step,
    levels::{MAX_DEPTH, too_deep},
    parallel::each,
    places::{Places, Visited},
    selection::no_such_platform,
};

/// The most manifests one operation reads (threat row I6).
const MAX_MANIFESTS: usize = 2_000;
/// The most manifests and blobs one operation deals with.
const MAX_PIECES: usize = 20_000;
/// The most bytes that the manifests of one operation may have together, since all are held in memory.
const MAX_MANIFEST_BYTES: u64 = 32 << 20;

/// Finds what is below a manifest, one level at a time, everything of a level at once.
pub(crate) struct Walk<'a> {
    pub(crate) places: &'a Places,
    pub(crate) options: &'a Options,
    /// The size of each piece, told apart by whether it is a manifest: an index may list the same bytes as both.
    seen: HashMap<(Digest, bool), u64>,
    manifest_count: usize,
    manifest_bytes: u64,
    /// Platforms of which an index must have an image, and whether one was found.
    platforms: Vec<(Platform, bool)>,
    /// Blobs, and manifests that are there.
    pub(crate) steps: Vec<Step>,
    /// Manifests to be pushed, other than the root.
    pub(crate) pending: Vec<Manifest>,
    /// All manifests met.
    pub(crate) manifests: Vec<Digest>,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(places: &'a Places, options: &'a Options) -> Self {
        let platforms = match &options.selection {
            Selection::Platforms(platforms) => platforms.iter().map(|one| (one.clone(), false)).collect(),
            _ => Vec::new(),
        };
        Self {
            places,
            options,
            seen: HashMap::new(),
            manifest_count: 0,
            manifest_bytes: 0,
            platforms,
            steps: Vec::new(),
            pending: Vec::new(),
            manifests: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Takes in what is below the root, but not the root itself.
    pub(crate) async fn below_root(&mut self, root: &Manifest, present: bool) -> Result<(), Error> {
        self.note(root.descriptor())?;
        self.manifests.push(root.digest().clone());
        let mut children = Vec::new();
        self.expand(root, present, &mut children)?;
        self.below(children).await?;
        // What refers to an image is copied whole.
        let platforms = mem::take(&mut self.platforms);
        match platforms.iter().find(|(_, found)| !found) {
            Some((missing, _)) if root.is_index() => Err(no_such_platform(root, missing)),
            _ => Ok(()),
        }
    }

    /// Takes in manifests and what is below them.
    pub(crate) async fn trees(&mut self, roots: Vec<Visited>) -> Result<(), Error> {
        let mut children = Vec::new();
        for visited in roots {
            self.keep(visited, &mut children)?;
        }
        self.below(children).await
    }

    async fn below(&mut self, mut children: Vec<Descriptor>) -> Result<(), Error> {
        let mut depth = 1;
        while !children.is_empty() {
            depth += 1;
            if depth > MAX_DEPTH {
                return Err(too_deep());
            }
            let visits = mem::take(&mut children)
                .into_iter()
                .map(|child| self.places.clone().visit(child))
                .collect();
            for visited in each(self.options.concurrency, visits).await? {
                self.keep(visited, &mut children)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, visited: Visited, children: &mut Vec<Descriptor>) -> Result<(), Error> {
        let Visited {
            descriptor,
            present,
            manifest,
        } = visited;
        self.manifests.push(descriptor.digest().clone());
        if let Some(manifest) = &manifest {
            self.expand(manifest, present, children)?;
        }
        match manifest {
            Some(manifest) if !present => self.pending.push(manifest),
            _ => self.steps.push(Step {
                descriptor,
                action: Action::Skip,
            }),
        }
        Ok(())
    }

    /// What a manifest points at and was not met before. An image that is there is complete; of an index that
    /// is there, images may be missing.
    fn expand(
        &mut self,
        manifest: &Manifest,
        present: bool,
        children: &mut Vec<Descriptor>,
    ) -> Result<(), Error> {
        if manifest.is_index() {
            for descriptor in self.selected(manifest) {
                if !self.note(&descriptor)? {
                    continue;
                }
                if descriptor.media_type().is_manifest() {
                    children.push(descriptor);
                } else {
                    self.ask(descriptor); // an index may list any content
                }
            }
        } else if !present {
            for descriptor in manifest.blobs().map(Descriptor::as_blob) {
                if self.note(&descriptor)? {
                    self.ask(descriptor);
                }
            }
        }
        Ok(())
    }

    fn selected(&mut self, index: &Manifest) -> Vec<Descriptor> {
        let entries = index.manifests();
        if self.platforms.is_empty() {
            return entries.to_vec();
        }
        let mut selected: Vec<Descriptor> = Vec::new();
        for (platform, found) in &mut self.platforms {
            let chosen = platform.choose(entries);
            if let Some(descriptor) = chosen.filter(|entry| entry.media_type().is_manifest()) {
                *found = true;
                selected.push(descriptor.clone());
            }
        }
        let nested = entries.iter().filter(|entry| entry.media_type().is_index());
        selected.extend(nested.cloned());
        selected
    }

    fn ask(&mut self, descriptor: Descriptor) {
        let action = if descriptor.is_elsewhere() && !self.options.nondistributable {
            Action::Leave
        } else {
            Action::Ask
        };
        self.steps.push(Step { descriptor, action });
    }

    /// Whether a piece is new. All bounds are checked here, before it is asked for or read.
    pub(crate) fn note(&mut self, descriptor: &Descriptor) -> Result<bool, Error> {
        let is_manifest = descriptor.media_type().is_manifest();
        let (digest, size) = (descriptor.digest(), descriptor.size());
        if let Some(known) = self.seen.get(&(digest.clone(), is_manifest)) {
            if *known != size {
                let message = format!("{digest} is described with {known} bytes and with {size} bytes");
                return Err(Error::new(ErrorKind::Mismatch, message));
            }
            return Ok(false);
        }
        if is_manifest {
            self.manifest_count += 1;
            self.manifest_bytes = self.manifest_bytes.saturating_add(size);
        }
        let too_large = |message| Err(Error::new(ErrorKind::TooLarge, message));
        if self.manifest_count > MAX_MANIFESTS {
            return too_large(format!("more than {MAX_MANIFESTS} manifests in one image"));
        }
        if self.manifest_bytes > MAX_MANIFEST_BYTES {
            return too_large(format!(
                "more than {MAX_MANIFEST_BYTES} bytes of manifests in one image"
            ));
        }
        if self.seen.len() >= MAX_PIECES {
            return too_large(format!("more than {MAX_PIECES} manifests and blobs in one image"));
        }
        self.seen.insert((digest.clone(), is_manifest), size);
        Ok(true)
    }

    pub(crate) fn knows(&self, manifest: &Digest) -> bool {
        self.seen.contains_key(&(manifest.clone(), true))
    }

    pub(crate) fn warn(&mut self, message: String) {
        self.options.progress.event(Event::Warning { message: &message });
        self.warnings.push(message);
    }
}
