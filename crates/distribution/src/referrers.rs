//! Manifests with a subject (distribution-spec, *Listing Referrers* and *Referrers Tag Schema*).

use std::collections::HashSet;

use wharf_auth::Action;
use wharf_content::{Descriptor, ErrorKind, Manifest, MediaType, Target};
use wharf_reference::{Digest, Tag};

use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Error, Operation},
    manifests::content_type,
    pages::Pages,
};

const EXPECTED: &str = "an index of referrers";
const OPERATION: Operation = Operation::ListReferrers;
/// The most entries of one list of referrers (docs/threats.md, I10).
const MAX_REFERRERS: usize = 1000;

impl Remote {
    /// The referrers of the manifest with this digest, as the registry lists them. The list is not
    /// verified; use [`Remote::referrer`] to read and verify an entry.
    ///
    /// They are asked of the candidate that served the manifest to this value, as its
    /// [signatures](Remote::signatures) are.
    ///
    /// With an artifact type, only the entries that have it. If the registry has no referrers API, the list
    /// at the fallback tag is read. Only "not found" counts as an empty list (docs/threats.md, I10).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] for more than 1,000 entries; [`ErrorKind::Server`] for an answer that is not
    /// an index. Otherwise see [`Error::kind`].
    pub async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&MediaType>,
    ) -> Result<Vec<Descriptor>, Error> {
        let endpoint = match self.served().endpoint(subject) {
            Some(endpoint) => endpoint,
            None => self.primary(OPERATION)?,
        };
        self.referrers_at(&endpoint, subject, artifact_type).await
    }

    pub(crate) async fn referrers_at(
        &self,
        endpoint: &Endpoint,
        subject: &Digest,
        artifact_type: Option<&MediaType>,
    ) -> Result<Vec<Descriptor>, Error> {
        let mut path = self.path(endpoint, &format!("referrers/{subject}"));
        if let Some(artifact_type) = artifact_type {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("artifactType", artifact_type.as_str())
                .finish();
            path.push('?');
            path.push_str(&query);
        }
        let name = self.blob_name(subject);
        let mut pages = Pages::new(OPERATION, name, path, self.scopes(endpoint, Action::Pull))
            .with_accept("application/vnd.oci.image.index.v1+json")
            .expecting(&[200, 404]);
        let mut found = Vec::new();
        while let Some(page) = pages.next(self.client(), endpoint).await? {
            if page.status == 404 && pages.is_beyond_first() {
                let reason = "the next page of the list is missing (404)";
                return Err(pages.error(ErrorKind::Server, reason, &page.url));
            }
            if page.status == 404 {
                found = self
                    .fallback_list(endpoint, subject)
                    .await?
                    .map(|index| index.manifests().to_vec())
                    .unwrap_or_default();
                break;
            }
            if content_type(&page.headers).is_some_and(|stated| !may_be_index(&stated)) {
                return Err(pages.unexpected(EXPECTED, &page));
            }
            let index = Manifest::parse(page.body.clone(), Some(&MediaType::OCI_INDEX)).map_err(|error| {
                let why = format!("the registry's list of referrers cannot be used: {error}");
                pages.unreadable(EXPECTED, &page, why)
            })?;
            pages.check_progress(index.manifests().len(), &page)?;
            found.extend_from_slice(index.manifests());
            if found.len() > MAX_REFERRERS {
                let reason = format!("there are more than {MAX_REFERRERS}");
                return Err(pages.error(ErrorKind::TooLarge, reason, &page.url));
            }
        }
        Ok(filtered(found, artifact_type))
    }

    /// Reads a manifest from a list of referrers. It is verified to have the digest of the entry, and
    /// `subject` as its subject.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`] if it has another subject. Otherwise as [`Remote::manifest`].
    pub async fn referrer(&self, entry: &Descriptor, subject: &Digest) -> Result<Manifest, Error> {
        let target = Target::Digest(entry.digest().clone());
        let manifest = self.manifest(&target).await?;
        if manifest.subject().is_some_and(|own| own.digest() == subject) {
            return Ok(manifest);
        }
        let reason = format!("it was listed as a referrer of {subject}, but is not one");
        Err(Error::new(
            ErrorKind::Mismatch,
            OPERATION,
            self.name_of(&target),
            reason,
        ))
    }

    /// The index at the fallback tag; `None` if there is none, or other content is at that tag.
    async fn fallback_list(&self, endpoint: &Endpoint, subject: &Digest) -> Result<Option<Manifest>, Error> {
        match self.at_fallback_tag(endpoint, subject).await {
            // Some registries read such a tag as the digest: there is no list.
            Ok(manifest) if manifest.digest() == subject => Ok(None),
            Ok(manifest) if *manifest.media_type() == MediaType::OCI_INDEX => Ok(Some(manifest)),
            Ok(_) => Ok(None),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Ambiguous
                    if error.status() != Some(400) =>
                {
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }

    /// The manifest at the fallback tag. A list that is to be changed is read from the registry itself: that of a mirror
    /// may be older than the last write.
    pub(crate) async fn at_fallback_tag(
        &self,
        endpoint: &Endpoint,
        subject: &Digest,
    ) -> Result<Manifest, Error> {
        let target = Target::Name(fallback_tag(subject)?.into());
        self.manifest_at(endpoint.clone(), &target).await
    }
}

/// True if an answer with this media type may be an index: some registries send a generic type.
fn may_be_index(stated: &MediaType) -> bool {
    let generic = ["application/json", "text/plain", "application/octet-stream"];
    *stated == MediaType::OCI_INDEX || generic.contains(&stated.as_str())
}

fn filtered(found: Vec<Descriptor>, artifact_type: Option<&MediaType>) -> Vec<Descriptor> {
    let mut seen = HashSet::new();
    found
        .into_iter()
        .filter(|entry| artifact_type.is_none_or(|wanted| entry.artifact_type() == Some(wanted)))
        .filter(|entry| seen.insert(entry.digest().clone()))
        .collect()
}

/// The fallback tag of a digest (distribution-spec, *Referrers Tag Schema*): at most 32 characters of the
/// algorithm, a hyphen, and at most 64 of the encoded part. Characters that no tag may have become hyphens.
pub(crate) fn fallback_tag(subject: &Digest) -> Result<Tag, Error> {
    let part = |text: &str, limit| -> String {
        let fits =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-');
        text.chars()
            .take(limit)
            .map(|character| if fits(character) { character } else { '-' })
            .collect()
    };
    let text = format!(
        "{}-{}",
        part(subject.algorithm_name(), 32),
        part(subject.encoded(), 64)
    );
    Tag::parse(&text).map_err(|error| {
        Error::new(
            ErrorKind::Invalid,
            OPERATION,
            subject,
            "no tag can be made of this digest",
        )
        .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_s_examples() {
        let table = [
            (
                "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
                "sha256-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            (
                format!("sha512:{}", "b".repeat(128)),
                "sha512-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
            ),
            (
                "test+algorithm+using+algorithm+separators+and+lots+of+characters+to+excercise+overall+truncation:\
                 alsoSome=InTheEncodedSectionToShowHyphenReplacementAndLotsAndLotsOfCharactersToExcerciseEncodedTruncation"
                    .to_owned(),
                "test-algorithm-using-algorithm-s-alsoSome-InTheEncodedSectionToShowHyphenReplacementAndLotsAndLot",
            ),
        ];
        for (digest, tag) in table {
            assert_eq!(fallback_tag(&Digest::parse(&digest).unwrap()).unwrap(), tag);
        }
    }
}
