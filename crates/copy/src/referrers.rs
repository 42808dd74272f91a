use std::{collections::HashSet, num::NonZeroUsize};

use wharf_content::{Descriptor, Error, ErrorKind, Manifest, MediaType, Role};
use wharf_reference::Digest;

use crate::{
    ends::{Ends, Visited},
    parallel::each,
    walk::Walk,
};

/// The most referrers that one manifest may have (threat I10 in docs/threats.md).
const MAX_REFERRERS: usize = 1_000;

/// The referrers that are copied with an image: signatures, SBOMs, attestations.
///
/// ```
/// use wharf_copy::{Options, Referrers};
/// let options = Options::default().with_referrers(Referrers::default());
/// ```
///
/// A list of referrers is not verified. Each referrer is read; one that differs from its entry, or whose
/// subject is another manifest, is left out with a warning (threat I10 in docs/threats.md).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Referrers {
    depth: NonZeroUsize,
    types: Vec<MediaType>,
}

impl Default for Referrers {
    /// Referrers of the copied manifests, of every type, but not referrers of referrers.
    fn default() -> Self {
        Self {
            depth: NonZeroUsize::MIN,
            types: Vec::new(),
        }
    }
}

impl Referrers {
    /// Sets how many levels of referrers are followed: with 2 also the signature of an SBOM.
    #[must_use]
    pub const fn with_depth(mut self, depth: NonZeroUsize) -> Self {
        self.depth = depth;
        self
    }

    /// Copies only referrers with one of these artifact types. A manifest without one has its config's type
    /// (image-spec, *Guidelines for Artifact Usage*).
    #[must_use]
    pub fn with_types(mut self, types: impl IntoIterator<Item = MediaType>) -> Self {
        self.types = types.into_iter().collect();
        self
    }

    fn wants(&self, artifact_type: Option<&MediaType>) -> bool {
        self.types.is_empty() || artifact_type.is_some_and(|stated| self.types.contains(stated))
    }
}

/// The result of checking an entry of a list of referrers.
enum Verdict {
    Good(Box<Visited>),
    /// Its type is not wanted.
    Unwanted,
    /// It is not what the list states, with the reason.
    False(String),
}

impl Walk<'_> {
    /// Adds the referrers of the manifests met so far.
    pub(crate) async fn referrers(&mut self, wanted: &Referrers) -> Result<(), Error> {
        let met = self.manifests.iter().map(Descriptor::digest);
        let mut subjects: Vec<Digest> = met.cloned().collect();
        for _ in 0..wanted.depth.get() {
            let lists = subjects
                .into_iter()
                .map(|subject| self.ends.clone().list(subject))
                .collect();
            let mut entries = Vec::new();
            let mut met = HashSet::new();
            for (subject, list) in each(self.options.concurrency, lists).await? {
                for entry in list {
                    let stated = entry.artifact_type();
                    if (stated.is_none() || wanted.wants(stated))
                        && !self.visits.has_manifest(entry.digest())
                        && met.insert((subject.clone(), entry.digest().clone()))
                    {
                        entries.push((subject.clone(), entry));
                    }
                }
            }
            let checks = entries
                .into_iter()
                .map(|(subject, entry)| {
                    let role = self.role_of(entry.digest());
                    self.ends.clone().check(subject, entry, role, wanted.clone())
                })
                .collect();
            let mut good = Vec::new();
            for verdict in each(self.options.concurrency, checks).await? {
                match verdict {
                    Verdict::Good(visited) => {
                        if self.visits.add(&visited.descriptor)? {
                            good.push(*visited);
                        }
                    }
                    Verdict::False(message) => self.warn(message),
                    Verdict::Unwanted => {}
                }
            }
            if good.is_empty() {
                break;
            }
            subjects = good
                .iter()
                .map(|visited| visited.descriptor.digest().clone())
                .collect();
            self.trees(good).await?;
        }
        Ok(())
    }
}

impl Ends {
    async fn list(self, subject: Digest) -> Result<(Digest, Vec<Descriptor>), Error> {
        let list = self.source.referrers(&subject).await?;
        if list.len() > MAX_REFERRERS {
            let message = format!("{subject} is said to have more than {MAX_REFERRERS} referrers");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok((subject, list))
    }

    async fn check(
        self,
        subject: Digest,
        entry: Descriptor,
        role: Role,
        wanted: Referrers,
    ) -> Result<Verdict, Error> {
        let digest = entry.digest();
        let not_believed = |why: &str| {
            Verdict::False(format!(
                "{digest} is listed as a referrer of {subject}, but {why}"
            ))
        };
        if !entry.media_type().is_manifest() {
            return Ok(not_believed("it is no manifest"));
        }
        let present = self.sink.contains(&entry).await?;
        let manifest = match self.read(&entry, present).await {
            Ok(manifest) => manifest,
            Err(error) if error.kind().is_about_content() => return Ok(not_believed(&error.to_string())),
            Err(error) => return Err(error),
        };
        if manifest.subject().map(Descriptor::digest) != Some(&subject) {
            return Ok(not_believed("it has another subject"));
        }
        if !wanted.wants(artifact_type(&manifest)) {
            return Ok(Verdict::Unwanted);
        }
        self.admit(&manifest, &role).await?;
        Ok(Verdict::Good(Box::new(Visited {
            descriptor: manifest.descriptor().clone(),
            role,
            present,
            manifest: Some(manifest),
        })))
    }
}

fn artifact_type(manifest: &Manifest) -> Option<&MediaType> {
    manifest
        .artifact_type()
        .or_else(|| manifest.config().map(Descriptor::media_type))
}
