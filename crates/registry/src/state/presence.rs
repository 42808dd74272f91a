//! Whether what is linked is there: a file that somebody has removed or cut is as if it had never been pushed.
//! Links stay, so that a push, or the file's return, heals every repository that has one.

use wharf_content::Error;
use wharf_reference::Digest;

use super::RegistryState;

impl RegistryState {
    /// Whether content of this size is there.
    pub(crate) async fn is_present(&self, digest: &Digest, size: u64) -> Result<bool, Error> {
        Ok(self.backend.size(digest).await? == Some(size))
    }

    /// Whether each of these contents is there with its size.
    pub(crate) async fn are_present(&self, content: &[(Digest, u64)]) -> Result<Vec<bool>, Error> {
        let digests = content
            .iter()
            .map(|(digest, _)| digest.clone())
            .collect::<Vec<_>>();
        let found = self.backend.sizes(&digests).await?;
        let pairs = content.iter().zip(found);
        Ok(pairs.map(|((_, size), found)| found == Some(*size)).collect())
    }
}
