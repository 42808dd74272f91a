use std::{collections::HashMap, mem};

use wharf_content::{Descriptor, Error, ErrorKind, Event, MAX_DEPTH, Manifest, Platform, Role, Visits};
use wharf_reference::Digest;

use crate::{
    Action, Options, Selection, Step,
    ends::{Ends, Visited},
    parallel::each,
};

/// Finds the content below a manifest, level by level; manifests of one level are read concurrently.
pub(crate) struct Walk<'a> {
    pub(crate) ends: &'a Ends,
    pub(crate) options: &'a Options,
    /// Manifests and blobs that were met, within the limits.
    pub(crate) visits: Visits,
    /// The requested platforms, and whether an image was found for each.
    platforms: Vec<(Platform, bool)>,
    /// True if indexes are copied without their images.
    index_only: bool,
    /// Blobs, and manifests that the sink has.
    pub(crate) steps: Vec<Step>,
    /// Manifests to be pushed, other than the root.
    pub(crate) pending: Vec<Manifest>,
    /// All manifests met, the root first.
    pub(crate) manifests: Vec<Descriptor>,
    /// The manifests that the copied indexes list, selected or not, and the index that lists each.
    listed: HashMap<Digest, Digest>,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(ends: &'a Ends, options: &'a Options) -> Self {
        let platforms = match &options.selection {
            Selection::Platforms(platforms) => platforms.iter().map(|one| (one.clone(), false)).collect(),
            _ => Vec::new(),
        };
        Self {
            ends,
            options,
            visits: Visits::new(),
            platforms,
            index_only: options.selection == Selection::IndexOnly,
            steps: Vec::new(),
            pending: Vec::new(),
            manifests: Vec::new(),
            listed: HashMap::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds the content below the root.
    pub(crate) async fn below_root(&mut self, root: &Manifest, present: bool) -> Result<(), Error> {
        self.visits.add(root.descriptor())?;
        self.manifests.push(root.descriptor().clone());
        let mut children = Vec::new();
        self.expand(root, &Role::Index, present, &mut children)?;
        self.below(children).await?;
        // Referrers are copied with all their platforms.
        let platforms = mem::take(&mut self.platforms);
        self.index_only = false;
        match platforms.iter().find(|(_, found)| !found) {
            Some((missing, _)) if root.is_index() => Err(missing.not_in(root, root.manifests())),
            _ => Ok(()),
        }
    }

    /// Adds manifests and the content below them.
    pub(crate) async fn trees(&mut self, roots: Vec<Visited>) -> Result<(), Error> {
        let mut children = Vec::new();
        for visited in roots {
            self.keep(visited, &mut children)?;
        }
        self.below(children).await
    }

    async fn below(&mut self, mut children: Vec<(Descriptor, Role)>) -> Result<(), Error> {
        let mut depth = 1;
        while !children.is_empty() {
            depth += 1;
            if depth > MAX_DEPTH {
                return Err(Visits::too_deep());
            }
            let visits = mem::take(&mut children)
                .into_iter()
                .map(|(child, role)| self.ends.clone().visit(child, role))
                .collect();
            for visited in each(self.options.concurrency, visits).await? {
                self.keep(visited, &mut children)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, visited: Visited, children: &mut Vec<(Descriptor, Role)>) -> Result<(), Error> {
        let Visited {
            descriptor,
            role,
            present,
            manifest,
        } = visited;
        self.manifests.push(descriptor.clone());
        if let Some(manifest) = &manifest {
            self.expand(manifest, &role, present, children)?;
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

    /// Adds the content that a manifest lists and that was not met before. An image that the sink
    /// has is complete; of an index that it has, images may be missing. What a referrer lists came with it.
    fn expand(
        &mut self,
        manifest: &Manifest,
        role: &Role,
        present: bool,
        children: &mut Vec<(Descriptor, Role)>,
    ) -> Result<(), Error> {
        if manifest.is_index() {
            if *role != Role::Referrer {
                let entries = manifest.manifests().iter();
                for entry in entries.filter(|entry| entry.media_type().is_manifest()) {
                    let index = || manifest.digest().clone();
                    self.listed.entry(entry.digest().clone()).or_insert_with(index);
                }
            }
            for descriptor in self.selected(manifest) {
                if !self.visits.add(&descriptor)? {
                    continue;
                }
                if descriptor.media_type().is_manifest() {
                    let role = self.role_of(descriptor.digest());
                    children.push((descriptor, role));
                } else {
                    self.ask(descriptor)?; // an index may list any content
                }
            }
        } else if !present {
            for descriptor in manifest.blobs().map(Descriptor::as_blob) {
                if self.visits.add(&descriptor)? {
                    self.ask(descriptor)?;
                }
            }
        }
        Ok(())
    }

    /// The role of a manifest below another one. What a copied index lists is an instance, also if a selection left it
    /// out and a referrer brings it back: the name of the index would lead to it.
    pub(crate) fn role_of(&self, manifest: &Digest) -> Role {
        match self.listed.get(manifest) {
            Some(index) => Role::Instance { index: index.clone() },
            None => Role::Referrer,
        }
    }

    fn selected(&mut self, index: &Manifest) -> Vec<Descriptor> {
        let entries = index.manifests();
        if self.index_only {
            return Vec::new();
        }
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

    /// Adds a blob. In a sink that keeps blobs and manifests together, one that a copied index lists would be an image
    /// of it, which no gate was asked for.
    fn ask(&mut self, descriptor: Descriptor) -> Result<(), Error> {
        if let Some(index) = self.listed.get(descriptor.digest())
            && !self.ends.gates.is_empty()
            && !self.visits.has_manifest(descriptor.digest())
        {
            let message = format!(
                "{} is an image of the index {index}, and comes as a blob, so that nobody has judged it",
                descriptor.digest()
            );
            return Err(Error::new(ErrorKind::Rejected, message));
        }
        let action = if descriptor.is_nondistributable() && !self.options.nondistributable {
            Action::Omit
        } else {
            Action::Ask
        };
        self.steps.push(Step { descriptor, action });
        Ok(())
    }

    pub(crate) fn warn(&mut self, message: String) {
        self.options.progress.event(Event::Warning { message: &message });
        self.warnings.push(message);
    }
}
