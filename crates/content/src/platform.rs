use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Descriptor, Error, ErrorKind, Manifest, unset};

/// The platform of an image (image-spec, *Image Index*): operating system, architecture and, for some
/// architectures, a variant, in Go's terms (`linux/arm64/v8`). Where a document leaves one unset, `os` or
/// `architecture` is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `GOOS`: `linux`, `windows`.
    #[serde(default, deserialize_with = "unset::text_or_empty")]
    pub os: String,
    /// `GOARCH`: `amd64`, `arm64`, `arm`.
    #[serde(default, deserialize_with = "unset::text_or_empty")]
    pub architecture: String,
    /// The CPU's variant, `v7` for 32-bit ARM.
    #[serde(
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub variant: Option<String>,
    /// The version of the operating system, for Windows.
    #[serde(
        rename = "os.version",
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Features the operating system must have.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "unset::list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
}

impl Platform {
    /// A platform without a variant.
    pub fn new(os: impl Into<String>, architecture: impl Into<String>) -> Self {
        Self {
            os: os.into(),
            architecture: architecture.into(),
            variant: None,
            os_version: None,
            os_features: Vec::new(),
        }
    }

    /// Sets the variant.
    #[must_use]
    pub fn with_variant(mut self, variant: impl Into<String>) -> Self {
        self.variant = Some(variant.into());
        self
    }

    /// The platform that this program was compiled for, but `linux` on macOS, where images run in a virtual
    /// machine with Linux.
    #[must_use]
    pub fn host() -> Self {
        let os = match std::env::consts::OS {
            "macos" => "linux",
            other => other,
        };
        let (architecture, variant) = canonical_architecture(std::env::consts::ARCH, None);
        Self {
            variant,
            ..Self::new(os, architecture)
        }
    }

    /// True if no member is set.
    pub(crate) fn is_unset(&self) -> bool {
        *self == Self::new("", "")
    }

    /// Chooses the manifest that fits this platform best, among those of an index.
    ///
    /// The requested variant ranks first, then lower ones, then none. If no variant is requested, an entry
    /// without one ranks first, then for ARM the others, highest first; on other architectures a variant
    /// (`amd64/v3`) is chosen only on request. Entries that state no platform rank after those that fit,
    /// and entries whose type is no manifest after these. Attestations (`unknown/unknown`) and nested
    /// indexes are never chosen: the caller reads nested indexes and passes their entries.
    #[must_use]
    pub fn choose<'a>(&self, manifests: &'a [Descriptor]) -> Option<&'a Descriptor> {
        manifests
            .iter()
            .enumerate()
            .filter(|(_, descriptor)| !descriptor.media_type().is_index())
            .filter_map(|(position, descriptor)| {
                let rank = match descriptor.platform() {
                    Some(platform) => self.rank(platform)?,
                    None => usize::MAX,
                };
                let is_other = !descriptor.media_type().is_manifest();
                Some(((is_other, rank, position), descriptor))
            })
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, descriptor)| descriptor)
    }

    /// True if this platform, as an index states it, and that of a config may be the same: configs often omit
    /// the variant.
    #[must_use]
    pub fn agrees_with(&self, config: &Self) -> bool {
        let variants = self.variant.as_ref().zip(config.variant.as_ref());
        self.os == config.os
            && self.architecture == config.architecture
            && variants.is_none_or(|(index, config)| index == config)
    }

    /// The error for an index that has no image for this platform. It lists the platforms of `entries`,
    /// twenty at most.
    #[must_use]
    pub fn not_in(&self, index: &Manifest, entries: &[Descriptor]) -> Error {
        let offered: Vec<String> = entries
            .iter()
            .filter_map(Descriptor::platform)
            .take(20)
            .map(Self::bounded)
            .collect();
        let message = format!(
            "the index {} has no image for {}; it has {}",
            index.digest(),
            self.bounded(),
            if offered.is_empty() {
                "none that names a platform".to_owned()
            } else {
                offered.join(", ")
            }
        );
        Error::new(ErrorKind::NotFound, message)
    }

    /// The platform as text for a message: at most 60 characters, control characters escaped.
    #[must_use]
    pub fn bounded(&self) -> String {
        self.to_string()
            .chars()
            .take(60)
            .flat_map(char::escape_default)
            .collect()
    }

    /// The rank of an image for `offered` on this platform: 0 is best, `None` if it does not run.
    fn rank(&self, offered: &Self) -> Option<usize> {
        if offered.os != self.os || offered.architecture != self.architecture {
            return None;
        }
        if let (Some(wanted), Some(version)) = (&self.os_version, &offered.os_version)
            && wanted != version
        {
            return None;
        }
        let offered = offered.variant.as_deref().unwrap_or_default();
        self.acceptable_variants()
            .iter()
            .position(|variant| variant == offered)
    }

    fn acceptable_variants(&self) -> Vec<String> {
        let known: &[&str] = match self.architecture.as_str() {
            "arm" => &["v8", "v7", "v6", "v5"],
            "arm64" => &["v8"],
            _ => &[],
        };
        let wanted = self.variant.as_deref().unwrap_or_default();
        let mut accepted: Vec<String> = Vec::new();
        if wanted.is_empty() {
            accepted.push(String::new());
            accepted.extend(known.iter().map(|&variant| variant.to_owned()));
        } else if let Some(start) = known.iter().position(|variant| *variant == wanted) {
            accepted.extend(known.iter().skip(start).map(|&variant| variant.to_owned()));
            accepted.push(String::new());
        } else {
            accepted.push(wanted.to_owned());
            accepted.push(String::new());
        }
        accepted
    }
}

/// Converts other names of an architecture, which people and compilers use, to Go's.
fn canonical_architecture(architecture: &str, variant: Option<&str>) -> (String, Option<String>) {
    let (architecture, implied) = match architecture {
        "x86_64" | "x86-64" => ("amd64", None),
        "i386" | "i686" | "x86" => ("386", None),
        "aarch64" => ("arm64", None),
        "armhf" => ("arm", Some("v7")),
        "armel" => ("arm", Some("v6")),
        "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", None),
        "loongarch64" => ("loong64", None),
        other => (other, None),
    };
    (architecture.to_owned(), variant.or(implied).map(str::to_owned))
}

impl FromStr for Platform {
    type Err = Error;

    /// Parses `os/architecture[/variant]`; also accepts `x86_64`, `aarch64` and other common names.
    fn from_str(text: &str) -> Result<Self, Error> {
        let valid = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match *parts.as_slice() {
            [os, architecture] if valid(os) && valid(architecture) => (os, architecture, None),
            [os, architecture, variant] if parts.iter().all(|part| valid(part)) => {
                (os, architecture, Some(variant))
            }
            _ => {
                let text = crate::bounded(text);
                let message = format!("invalid platform {text:?}: expected OS/ARCH or OS/ARCH/VARIANT");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        };
        let (architecture, variant) = canonical_architecture(&architecture.to_ascii_lowercase(), variant);
        Ok(Self {
            variant,
            ..Self::new(os.to_ascii_lowercase(), architecture)
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}
