use http::Method;
use wharf_auth::Action;
use wharf_content::Manifest;
use wharf_reference::{Digest, Tag};

use crate::{
    Remote,
    error::{Error, Operation},
    send::Call,
};

impl Remote {
    /// Deletes a manifest, and with it every tag that points at it.
    ///
    /// Fails with [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if it is not there, and with
    /// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) if the registry has deleting switched
    /// off.
    pub async fn delete_manifest(&self, digest: &Digest) -> Result<(), Error> {
        self.delete(
            &format!("manifests/{digest}"),
            format!("{}@{digest}", self.repository()),
        )
        .await
    }

    /// Deletes a manifest that refers to another. On a registry without the referrers API it is taken out of
    /// the list that stands in for it (distribution-spec, *Deleting Manifests*).
    pub async fn delete_referrer(&self, manifest: &Manifest) -> Result<(), Error> {
        self.delete_manifest(manifest.digest()).await?;
        match manifest.subject() {
            Some(subject) => self.remove_referrer(subject.digest(), manifest.digest()).await,
            None => Ok(()),
        }
    }

    /// Deletes a tag; what it points at stays. Many registries cannot: they delete by digest only.
    pub async fn delete_tag(&self, tag: &Tag) -> Result<(), Error> {
        self.delete(
            &format!("manifests/{tag}"),
            format!("{}:{tag}", self.repository()),
        )
        .await
    }

    /// Deletes a blob. What refers to it is broken afterwards.
    pub async fn delete_blob(&self, digest: &Digest) -> Result<(), Error> {
        self.delete(&format!("blobs/{digest}"), self.blob_name(digest))
            .await
    }

    async fn delete(&self, rest: &str, subject: String) -> Result<(), Error> {
        let operation = Operation::Delete;
        let endpoint = self.primary(operation)?;
        let path = self.path(&endpoint, rest);
        let call = Call::new(operation, &subject, Method::DELETE, &path, &[200, 202, 204, 404])
            .with_scopes(self.scopes(&endpoint, Action::Delete));
        let mut budget = self.client().budget();
        let answer = self.client().send(&endpoint, call, &mut budget).await?;
        answer.check_home(operation, &subject)?;
        // After a try whose answer was lost, not being there is what was wanted (X5).
        if answer.status == 404 && budget.attempts() == 1 {
            return Err(crate::send::not_there(operation, &subject, &answer.url));
        }
        Ok(())
    }
}
