use std::{error, fmt, sync::Arc};

use crate::Manifest;
use async_trait::async_trait;

/// A policy that decides, before any byte is written, whether an image may be copied: a trust policy, a
/// limit to the number of layers.
///
/// ```
/// use async_trait::async_trait;
/// use wharf_content::{Gate, Manifest, Rejection};
///
/// struct FewLayers(usize);
///
/// #[async_trait]
/// impl Gate for FewLayers {
///     async fn admit(&self, manifest: &Manifest) -> Result<(), Rejection> {
///         let count = manifest.layers().len();
///         if count > self.0 {
///             return Err(Rejection::new(format!("it has {count} layers, more than {}", self.0)));
///         }
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Gate: Send + Sync {
    /// Admits a manifest that will be in the sink, or rejects it with the reason.
    ///
    /// Called for every image manifest, for the index if the index is copied, and for referrers, also if
    /// the sink has them already. Calls may overlap.
    async fn admit(&self, manifest: &Manifest) -> Result<(), Rejection>;
}

#[async_trait]
impl<G: Gate + ?Sized> Gate for Arc<G> {
    async fn admit(&self, manifest: &Manifest) -> Result<(), Rejection> {
        (**self).admit(manifest).await
    }
}

/// The reason why a [`Gate`] rejected an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    reason: String,
}

impl Rejection {
    /// Makes a rejection. `reason` is shown to the user.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl error::Error for Rejection {}
