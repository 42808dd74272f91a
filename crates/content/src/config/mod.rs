mod body;
mod builder;

use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;
use wharf_reference::Digest;

use self::body::{Body, Runtime};
pub use self::{body::History, builder::ImageConfigBuilder};
use crate::{Error, ErrorKind, Platform};

/// The largest config that is read, in bytes; upstream has the same limit (threat X1 in docs/threats.md).
pub const MAX_CONFIG_SIZE: u64 = 4 * 1024 * 1024;

/// The config of a container image (image-spec, *Image Configuration*): the exact bytes, and views of their
/// members.
///
/// The bytes are never changed, so unknown keys remain. A member that is absent, null or an empty text is
/// not set. As for Go's tools, a member of another type than the specification gives it, such as a number
/// for a text, is an error.
///
/// ```
/// use wharf_content::ImageConfig;
///
/// let bytes = br#"{"architecture":"arm64","os":"linux","config":{"Cmd":["/bin/sh"]},"x-future":1}"#.as_slice();
/// let config = ImageConfig::parse(bytes.into())?;
/// assert_eq!(config.architecture(), "arm64");
/// assert_eq!(config.cmd(), Some(["/bin/sh".to_owned()].as_slice()));
/// assert_eq!(config.bytes(), bytes);
/// # Ok::<(), wharf_content::Error>(())
/// ```
#[derive(Clone)]
pub struct ImageConfig {
    bytes: Bytes,
    body: Arc<Body>,
    platform: Arc<Platform>,
}

impl ImageConfig {
    /// Parses a config.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is no config, [`ErrorKind::TooLarge`] with more than
    /// [`MAX_CONFIG_SIZE`] bytes or 10,000 history entries.
    pub fn parse(bytes: Bytes) -> Result<Self, Error> {
        if bytes.len() as u64 > MAX_CONFIG_SIZE {
            let message = format!(
                "the config has {} bytes, more than the limit of {MAX_CONFIG_SIZE}",
                bytes.len()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let (body, platform) = Body::read(&bytes)?;
        Ok(Self {
            bytes,
            body: Arc::new(body),
            platform: Arc::new(platform),
        })
    }

    /// Makes a builder of a config for this platform.
    ///
    /// ```
    /// use wharf_content::{ImageConfig, Platform};
    ///
    /// let config = ImageConfig::builder(Platform::new("linux", "amd64"))
    ///     .with_entrypoint(["/srv/app"])
    ///     .with_env("PORT", "8080")
    ///     .with_exposed_port("8080/tcp")
    ///     .build()?;
    /// assert_eq!(config.env(), Some(["PORT=8080".to_owned()].as_slice()));
    /// # Ok::<(), wharf_content::Error>(())
    /// ```
    pub fn builder(platform: Platform) -> ImageConfigBuilder {
        ImageConfigBuilder::new(platform)
    }

    /// The exact bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The platform the image is for; `None` if the config does not state both operating system and
    /// architecture.
    #[must_use]
    pub fn platform(&self) -> Option<&Platform> {
        let platform = &*self.platform;
        (!platform.os.is_empty() && !platform.architecture.is_empty()).then_some(platform)
    }

    /// The CPU architecture in Go's terms (`amd64`); empty if not stated.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.platform.architecture
    }

    /// The operating system in Go's terms (`linux`); empty if not stated.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.platform.os
    }

    /// The variant of the architecture (`v8`).
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.platform.variant.as_deref()
    }

    /// The time at which the image was made, as the config states it: a time of RFC 3339.
    #[must_use]
    pub fn created(&self) -> Option<&str> {
        self.body.created.as_deref()
    }

    /// The moment at which the image was made; `None` also if the config states it in another form than RFC 3339.
    #[must_use]
    pub fn created_at(&self) -> Option<SystemTime> {
        crate::parse_time(self.created()?)
    }

    /// Name or address of the person or entity that made the image.
    #[must_use]
    pub fn author(&self) -> Option<&str> {
        self.body.author.as_deref()
    }

    /// The version of Docker that made the image (Docker's *Image Specification v1.2*, `docker_version`).
    #[must_use]
    pub fn docker_version(&self) -> Option<&str> {
        self.body.docker_version.as_deref()
    }

    /// The user that the process runs as, and after a colon the group: names or numbers.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.runtime().user.as_deref()
    }

    /// The environment, each entry as `NAME=value`; `None` if it is not set.
    #[must_use]
    pub fn env(&self) -> Option<&[String]> {
        self.runtime().env.as_deref()
    }

    /// The command line to which the arguments are appended; `None` if it is not set. Docker's form of one
    /// text is read as a list of one.
    #[must_use]
    pub fn entrypoint(&self) -> Option<&[String]> {
        self.runtime().entrypoint.as_deref()
    }

    /// The arguments of the entrypoint, or the whole command line where there is none; `None` if it is not
    /// set. Docker's form of one text is read as a list of one.
    #[must_use]
    pub fn cmd(&self) -> Option<&[String]> {
        self.runtime().cmd.as_deref()
    }

    /// The directory that the process starts in.
    #[must_use]
    pub fn working_dir(&self) -> Option<&str> {
        self.runtime().working_dir.as_deref()
    }

    /// The signal that ends the process gently, as `SIGTERM` or `SIGRTMIN+3`.
    #[must_use]
    pub fn stop_signal(&self) -> Option<&str> {
        self.runtime().stop_signal.as_deref()
    }

    /// The labels; `None` if they are not set.
    #[must_use]
    pub fn labels(&self) -> Option<&BTreeMap<String, String>> {
        self.runtime().labels.as_ref()
    }

    /// The ports that a container listens on, each as `port`, `port/tcp` or `port/udp`, in alphabetical
    /// order.
    pub fn exposed_ports(&self) -> impl Iterator<Item = &str> {
        self.runtime().exposed_ports.iter().map(String::as_str)
    }

    /// The directories for data that the process writes, in alphabetical order.
    pub fn volumes(&self) -> impl Iterator<Item = &str> {
        self.runtime().volumes.iter().map(String::as_str)
    }

    /// The digests of the uncompressed layers, lowest first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if one is no digest.
    pub fn diff_ids(&self) -> Result<Vec<Digest>, Error> {
        let parse = |(number, text): (usize, &String)| {
            Digest::parse(text).map_err(|error| {
                let message = format!(
                    "diff_id {} of the config is no digest: {:?}",
                    number + 1,
                    crate::bounded(text)
                );
                Error::new(ErrorKind::Invalid, message).with_source(error)
            })
        };
        self.body.rootfs.diff_ids.iter().enumerate().map(parse).collect()
    }

    /// The history of the layers, lowest first; entries with [`History::empty_layer`] have no layer. Empty
    /// if the config states none.
    #[must_use]
    pub fn history(&self) -> &[History] {
        &self.body.history
    }

    fn runtime(&self) -> &Runtime {
        &self.body.config
    }
}

#[cfg(feature = "oci-spec")]
impl ImageConfig {
    /// The whole document in oci-spec's type.
    ///
    /// ```
    /// use wharf_content::{ImageConfig, Platform};
    ///
    /// let config = ImageConfig::builder(Platform::new("linux", "amd64")).build()?;
    /// assert_eq!(config.to_config()?.architecture().to_string(), "amd64");
    /// # Ok::<(), wharf_content::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] where oci-spec is stricter than this crate: it knows fewer architectures, and
    /// requires some members that the config may lack.
    pub fn to_config(&self) -> Result<oci_spec::image::ImageConfiguration, Error> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| Error::new(ErrorKind::Invalid, crate::why_unreadable(&error)))
    }
}

impl fmt::Debug for ImageConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageConfig")
            .field("platform", &self.platform())
            .field("size", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl PartialEq for ImageConfig {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for ImageConfig {}
