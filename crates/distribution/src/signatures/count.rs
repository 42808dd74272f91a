//! Whether there are signatures, for a message to the user: with few requests, each sent once.

use http::{HeaderValue, Method, header};
use wharf_auth::Action;
use wharf_config::SignatureStore;
use wharf_content::{
    Descriptor, ErrorKind, MAX_MANIFEST_SIZE, Manifest, MediaType, Wanted, attachments, bundles,
};
use wharf_reference::{Digest, Repository, Tag};

use super::OPERATION;
use crate::{
    Remote, endpoint::Endpoint, error::Error, manifests::content_type, referrers::fallback_tag, send::Call,
};

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.v2+json";

impl Remote {
    /// The number of signatures of a manifest, of the kinds that are wanted, where [`Remote::signatures`] would look for
    /// them. They are not read.
    ///
    /// | kind | counted | requests |
    /// |---|---|---|
    /// | simple | 1 if there is a first one in the lookaside store; those that the registry's API lists | 1 |
    /// | attachments | the layers of the manifest under their tag | 1 |
    /// | bundles | those on the first page of the list of referrers | 1, or 2 where the registry has no such list |
    ///
    /// # Errors
    ///
    /// Whatever does not say how many there are. No request is repeated, and each has the time limit of a question that
    /// only saves work.
    pub async fn count_signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<usize, Error> {
        let (endpoint, store) = self.kept_at(manifest)?;
        let mut count = 0;
        if wanted.simple {
            let known = self.client().host(&endpoint.registry).offers_signatures;
            let repository = endpoint.repository.as_ref().unwrap_or(self.repository());
            count += match (known, store.read()) {
                (Some(true), _) => self.extension(&endpoint, manifest).await?.len(),
                (_, Some(lookaside)) => {
                    let client = self.client();
                    usize::from(client.has_lookaside(lookaside, repository, manifest).await?)
                }
                (_, None) => 0,
            };
        }
        if wanted.attachments && store.attachments() {
            let tag = attachments::name(manifest).and_then(|name| name.to_tag());
            let tag =
                tag.map_err(|error| Error::from_content(OPERATION, self.blob_name(manifest), &error))?;
            let attached = self.tagged(&endpoint, &tag).await?;
            let layers = attached.iter().flat_map(Manifest::layers);
            count += layers
                .filter(|layer| attachments::is_fetched(layer, Wanted::ATTACHMENTS))
                .count();
        }
        if wanted.bundles {
            let listed = self.listed(&endpoint, manifest).await?;
            count += listed.iter().filter(|entry| bundles::is_listed(entry)).count();
        }
        Ok(count)
    }

    /// The reason why [`Remote::signatures`] does not look for all signatures of a manifest that are wanted: the setting
    /// `use-sigstore-attachments`, with its file, and a lookaside store that no file of registries.d names. `None` if it
    /// looks for all kinds that are wanted, where a file says.
    #[must_use]
    pub fn unread_signatures(&self, manifest: &Digest, wanted: Wanted) -> Option<String> {
        let (endpoint, store) = self.kept_at(manifest).ok()?;
        let repository = endpoint.repository.as_ref().unwrap_or(self.repository());
        let has_api = self.client().host(&endpoint.registry).offers_signatures == Some(true);
        let simple = (wanted.simple && !has_api).then(|| unread_simple(&store, repository));
        let attachments =
            (wanted.attachments && !store.attachments()).then(|| unread_attachments(&store, repository));
        match (simple.flatten(), attachments) {
            (Some(simple), Some(attachments)) => Some(format!("{simple}; {attachments}")),
            (simple, attachments) => simple.or(attachments),
        }
    }

    /// The referrers on the first page of the registry's list, or at the fallback tag.
    async fn listed(&self, endpoint: &Endpoint, manifest: &Digest) -> Result<Vec<Descriptor>, Error> {
        let path = self.path(endpoint, &format!("referrers/{manifest}"));
        let index = match self.document(endpoint, self.blob_name(manifest), &path).await? {
            Some(index) => Some(index),
            None => self.tagged(endpoint, &fallback_tag(manifest)?).await?,
        };
        Ok(index.map_or_else(Vec::new, |index| index.manifests().to_vec()))
    }

    async fn tagged(&self, endpoint: &Endpoint, tag: &Tag) -> Result<Option<Manifest>, Error> {
        let path = self.path(endpoint, &format!("manifests/{tag}"));
        self.document(endpoint, format!("{}:{tag}", self.repository()), &path)
            .await
    }

    /// The manifest or list at a path; `None` if the registry answers 404.
    async fn document(
        &self,
        endpoint: &Endpoint,
        subject: String,
        path: &str,
    ) -> Result<Option<Manifest>, Error> {
        let call = Call::new(OPERATION, &subject, Method::GET, path, &[200])
            .with_scopes(self.scopes(endpoint, Action::Pull))
            .with_header(header::ACCEPT, HeaderValue::from_static(ACCEPT))
            .read_whole(MAX_MANIFEST_SIZE)
            .optional();
        let answer = match self.client().send(endpoint, call).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let declared = content_type(&answer.headers).filter(MediaType::is_manifest);
        let manifest = Manifest::parse(answer.bytes, declared.as_ref());
        manifest
            .map(Some)
            .map_err(|error| Error::from_content(OPERATION, &subject, &error))
    }
}

/// The reason why simple signatures may be elsewhere.
fn unread_simple(store: &SignatureStore, repository: &Repository) -> Option<String> {
    let looked = match store.read() {
        Some(lookaside) if lookaside.origin().is_some() => return None,
        Some(lookaside) => format!("simple signatures were looked for in {lookaside} alone"),
        None => "simple signatures were not looked for".to_owned(),
    };
    Some(format!(
        "{looked}: no file of registries.d has a lookaside for {repository}"
    ))
}

/// The reason why attachments are not looked for.
fn unread_attachments(store: &SignatureStore, repository: &Repository) -> String {
    let setting = disabled_attachments(store, repository);
    format!("sigstore attachments were not looked for: {setting}")
}

/// The setting of registries.d that disables attachments, or the section that has none.
pub(super) fn disabled_attachments(store: &SignatureStore, repository: &Repository) -> String {
    match (store.attachments_origin(), store.section()) {
        (Some(origin), _) => format!("use-sigstore-attachments is false at {origin}"),
        (None, Some((scope, origin))) => {
            format!("use-sigstore-attachments: true is missing in the section {scope} at {origin}")
        }
        (None, None) => {
            format!("no file of registries.d has use-sigstore-attachments: true for {repository}")
        }
    }
}
