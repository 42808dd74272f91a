use std::collections::BTreeMap;

use wharf_reference::Digest;

use super::{History, ImageConfig, body::Body};
use crate::{Error, ErrorKind, Platform, parse_timestamp};

/// A builder of an [`ImageConfig`].
///
/// It reads neither clock nor host, so the same calls make the same bytes.
///
/// ```
/// use wharf_content::{Hasher, History, ImageConfig, ImageConfigBuilder, Platform};
///
/// let builder: ImageConfigBuilder = ImageConfig::builder(Platform::new("linux", "arm64"));
/// let config = builder
///     .with_created("2026-01-01T00:00:00Z")
///     .with_label("org.opencontainers.image.version", "1.0")
///     .with_diff_id(&Hasher::sha256(b"a tar of files"))
///     .with_history(History::default().with_created_by("COPY . /srv"))
///     .build()?;
/// assert_eq!(config.diff_ids()?.len(), 1);
/// # Ok::<(), wharf_content::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct ImageConfigBuilder {
    platform: Platform,
    body: Body,
}

impl ImageConfigBuilder {
    pub(super) fn new(platform: Platform) -> Self {
        Self {
            platform,
            body: Body::default(),
        }
    }

    /// Sets the time at which the image was made, as RFC 3339 writes it: `2026-01-01T00:00:00Z`.
    pub fn with_created(mut self, time: impl Into<String>) -> Self {
        self.body.created = Some(time.into());
        self
    }

    /// Sets the name or address of the person or entity that makes the image.
    pub fn with_author(mut self, author: impl Into<String>) -> Self {
        self.body.author = Some(author.into());
        self
    }

    /// Sets the user that the process runs as, and after a colon the group: names or numbers.
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.body.config.user = Some(user.into());
        self
    }

    /// Sets an environment variable. A variable of the same name is replaced at its position.
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        let entries = self.body.config.env.get_or_insert_default();
        let has_name = |entry: &&mut String| entry.split_once('=').is_some_and(|(set, _)| set == name);
        let entry = format!("{name}={value}");
        match entries.iter_mut().find(has_name) {
            Some(set) => *set = entry,
            None => entries.push(entry),
        }
        self
    }

    /// Sets the command line to which the arguments are appended.
    pub fn with_entrypoint(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.body.config.entrypoint = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the arguments of the entrypoint, or the whole command line where there is none.
    pub fn with_cmd(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.body.config.cmd = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the directory that the process starts in.
    pub fn with_working_dir(mut self, path: impl Into<String>) -> Self {
        self.body.config.working_dir = Some(path.into());
        self
    }

    /// Sets the signal that ends the process gently, as `SIGTERM`.
    pub fn with_stop_signal(mut self, signal: impl Into<String>) -> Self {
        self.body.config.stop_signal = Some(signal.into());
        self
    }

    /// Adds or replaces a label.
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let labels = self.body.config.labels.get_or_insert_with(BTreeMap::new);
        labels.insert(key.into(), value.into());
        self
    }

    /// Adds a port that the container listens on: `8080`, `8080/tcp` or `53/udp`.
    pub fn with_exposed_port(mut self, port: impl Into<String>) -> Self {
        self.body.config.exposed_ports.insert(port.into());
        self
    }

    /// Adds a directory for data that the process writes.
    pub fn with_volume(mut self, path: impl Into<String>) -> Self {
        self.body.config.volumes.insert(path.into());
        self
    }

    /// Adds a layer on top of those added before, by the digest of its tar before compression
    /// ([`Hasher::sha256`](crate::Hasher::sha256)). An [`ImageBuilder`](crate::ImageBuilder) with this
    /// config needs as many layers, in this order.
    pub fn with_diff_id(mut self, uncompressed: &Digest) -> Self {
        self.body.rootfs.diff_ids.push(uncompressed.to_string());
        self
    }

    /// Adds a history entry of the next layer. Without any entry the config states no history; otherwise
    /// there must be one entry for each layer.
    pub fn with_history(mut self, history: History) -> Self {
        self.body.history.push(history);
        self
    }

    /// Builds the config.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a platform without operating system or architecture, an environment
    /// variable or label without a name, an invalid port, a time that is not RFC 3339, or history with
    /// another number of layers than were added; [`ErrorKind::TooLarge`] above
    /// [`MAX_CONFIG_SIZE`](crate::MAX_CONFIG_SIZE).
    pub fn build(self) -> Result<ImageConfig, Error> {
        self.check()
            .map_err(|message| Error::new(ErrorKind::Invalid, message))?;
        ImageConfig::parse(self.body.write(&self.platform)?.into())
    }

    fn check(&self) -> Result<(), String> {
        let Self { platform, body } = self;
        if platform.os.is_empty() || platform.architecture.is_empty() {
            return Err("the platform of a config needs operating system and architecture".to_owned());
        }
        let runtime = &body.config;
        for entry in runtime.env.iter().flatten() {
            if entry.starts_with('=') || entry.contains('\0') {
                return Err(format!(
                    "invalid environment variable {entry:?}: expected NAME=value"
                ));
            }
        }
        if runtime.labels.iter().flatten().any(|(key, _)| key.is_empty()) {
            return Err("a label of the config has no key".to_owned());
        }
        if let Some(port) = runtime.exposed_ports.iter().find(|port| !is_port(port)) {
            return Err(format!(
                "invalid port {port:?}: expected as in 8080, 8080/tcp or 53/udp"
            ));
        }
        let times = body
            .history
            .iter()
            .filter_map(History::created)
            .chain(body.created.as_deref());
        for time in times {
            if parse_timestamp(time).is_none() {
                return Err(format!(
                    "invalid time {time:?}: expected RFC 3339, as in 2026-01-01T00:00:00Z"
                ));
            }
        }
        let (layers, made) = (
            body.rootfs.diff_ids.len(),
            body.history.iter().filter(|entry| !entry.empty_layer()).count(),
        );
        if !body.history.is_empty() && made != layers {
            return Err(format!(
                "the config has history of {made} layers, but {layers} layers"
            ));
        }
        Ok(())
    }
}

fn is_port(text: &str) -> bool {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits && number.parse::<u16>().is_ok() && matches!(protocol, "tcp" | "udp" | "sctp")
}
