use std::{fmt, sync::Arc};

use wharf_content::{Error, Gate, Manifest, Role};

/// The settings of a preparation.
///
/// ```
/// use wharf_image::Options;
///
/// let options = Options::default().with_max_size(2 << 30);
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Options {
    pub(crate) gates: Vec<Arc<dyn Gate>>,
    pub(crate) max_size: Option<u64>,
}

impl Options {
    /// Adds a gate that judges the original manifests, before any layer is read; all gates must admit them. A copy of
    /// the result needs no gate: a changed manifest has no signature. Default: none.
    #[must_use]
    pub fn with_gate(mut self, gate: impl Gate + 'static) -> Self {
        self.gates.push(Arc::new(gate));
        self
    }

    /// Sets the most bytes that the original image may have by its descriptors. Default: no limit.
    #[must_use]
    pub const fn with_max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    pub(crate) async fn admit(&self, manifest: &Manifest, role: &Role) -> Result<(), Error> {
        let role = if manifest.is_index() { &Role::Index } else { role };
        for gate in &self.gates {
            let admitted = gate.admit(manifest, role).await;
            admitted.map_err(|rejection| rejection.into_error(manifest.digest()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("max_size", &self.max_size)
            .finish_non_exhaustive()
    }
}
