use std::{fmt, sync::Arc};

use wharf_content::{Platform, Progress};
use wharf_layer::ApplyOptions;

use crate::Options;

/// The settings of [`unpack`](crate::unpack()).
///
/// ```
/// use wharf_content::Platform;
/// use wharf_image::UnpackOptions;
///
/// let options = UnpackOptions::default().with_platform(Platform::new("linux", "arm64"));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct UnpackOptions {
    pub(crate) platform: Option<Platform>,
    pub(crate) apply: ApplyOptions,
    pub(crate) reading: Options,
    pub(crate) trust_magic: bool,
    pub(crate) progress: Arc<dyn Progress>,
}

impl Default for UnpackOptions {
    /// No platform, the owners of the layers, no gate, the default limits, no listener.
    fn default() -> Self {
        Self {
            platform: None,
            apply: ApplyOptions::default(),
            reading: Options::default(),
            trust_magic: false,
            progress: Arc::new(()),
        }
    }
}

impl UnpackOptions {
    /// Sets the platform whose image of an index is unpacked. An image that is in no index is unpacked whatever its
    /// platform is. Default: none, an index is an error.
    #[must_use]
    pub fn with_platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// The platform whose image of an index is unpacked.
    #[must_use]
    pub const fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// The gates and limits.
    #[must_use]
    pub const fn reading(&self) -> &Options {
        &self.reading
    }

    /// The listener for the progress.
    #[must_use]
    pub fn progress(&self) -> &Arc<dyn Progress> {
        &self.progress
    }

    /// Sets how layers become a tree: who owns it, what becomes of devices, the limits of a tar.
    #[must_use]
    pub fn with_apply(mut self, apply: ApplyOptions) -> Self {
        self.apply = apply;
        self
    }

    /// Sets the gates that judge the manifests, the most bytes of the image and of its unpacked layers, and the limits
    /// of decoders. The rest of these options has no meaning here.
    #[must_use]
    pub fn with_reading(mut self, options: Options) -> Self {
        self.reading = options;
        self
    }

    /// With `true`, the first bytes of a layer say how it is compressed, as for Docker and Podman. By default its media
    /// type says it, and a layer that is compressed otherwise is [`ErrorKind::Corrupt`](wharf_content::ErrorKind).
    #[must_use]
    pub const fn with_trust_magic(mut self, trust: bool) -> Self {
        self.trust_magic = trust;
        self
    }

    /// Sets the listener for the progress. It is told of each layer.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Progress + 'static) -> Self {
        self.progress = Arc::new(progress);
        self
    }
}

impl fmt::Debug for UnpackOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnpackOptions")
            .field("platform", &self.platform)
            .field("apply", &self.apply)
            .field("reading", &self.reading)
            .field("trust_magic", &self.trust_magic)
            .finish_non_exhaustive()
    }
}
