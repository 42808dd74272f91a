//! Settings of a writer.

use wharf_content::Platform;
use wharf_layer::tar::Time;

/// The form that an archive is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WriterForm {
    /// An OCI image layout that is a docker-archive at the same time: Docker, Podman and Skopeo read it, and
    /// every byte of the image is kept. Layers are not decompressed, so a Docker without support for zstd cannot
    /// load layers that are compressed with it ([`WrittenArchive::has_zstd`](crate::WrittenArchive::has_zstd)).
    #[default]
    Hybrid,
    /// An OCI image layout alone, as Skopeo's `oci-archive:`.
    Oci,
    /// A docker-archive for what reads no other, equal to that of Skopeo's `docker-archive:` if the blobs are pushed in
    /// the order of the manifest. Layers are decompressed, so manifests have no place in it and digests of layers
    /// change; the config, and with it the image ID, stays. It holds images, of an index that for one platform. Names
    /// are expanded as Docker does. A stream takes layers that are not compressed; a file takes all.
    DockerLegacy,
}

/// Settings of a [`Writer`](crate::Writer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterOptions {
    form: WriterForm,
    replace: bool,
    time: i64,
    platform: Platform,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            form: WriterForm::default(),
            replace: false,
            time: 0,
            platform: Platform::host(),
        }
    }
}

impl WriterOptions {
    /// Sets the form. By default, a hybrid.
    #[must_use]
    pub const fn with_form(mut self, form: WriterForm) -> Self {
        self.form = form;
        self
    }

    /// With `true`, a file that exists is replaced when the new one is whole. By default, it is an error.
    #[must_use]
    pub const fn with_replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Sets the modification time of all members, in seconds since 1970, such as the value of
    /// `SOURCE_DATE_EPOCH`. By default 0.
    #[must_use]
    pub const fn with_time(mut self, seconds: i64) -> Self {
        self.time = seconds;
        self
    }

    /// Sets the platform whose image of an index `docker load` sees. By default, the host's.
    #[must_use]
    pub fn with_platform(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self
    }

    pub(super) const fn form(&self) -> WriterForm {
        self.form
    }

    pub(super) const fn replaces(&self) -> bool {
        self.replace
    }

    pub(super) const fn time(&self) -> Time {
        Time::new(self.time, 0)
    }

    pub(super) const fn platform(&self) -> &Platform {
        &self.platform
    }
}
