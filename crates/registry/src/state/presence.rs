//! The presence of linked content: content whose file is missing or has another size is treated as if it had
//! never been pushed. The links stay, so that a push, or the return of the file, heals all repositories that
//! link it.

use wharf_content::Error;
use wharf_reference::Digest;

use super::RegistryState;

impl RegistryState {
    /// Whether the content is there with this size.
    pub(crate) async fn is_present(&self, digest: &Digest, size: u64) -> Result<bool, Error> {
        Ok(self.backend.size(digest).await? == Some(size))
    }

    /// Whether each of these contents is there with its size, in their order.
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
