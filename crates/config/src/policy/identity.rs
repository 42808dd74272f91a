use wharf_reference::{Reference, Registry, Repository};

use super::object::Object;
use crate::{
    ConfigError, ConfigErrorKind,
    document::quoted,
    host,
    json::{Problem, Value},
};

/// Which name a signature must be for (containers-policy.json(5), `signedIdentity`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Identity {
    /// `matchExact`: the name of the image, with the same tag or digest.
    MatchExact,
    /// `matchRepoDigestOrExact`: the name of the image with the same tag; for an image that is named by
    /// digest alone, any tag or digest of its repository.
    #[default]
    MatchRepoDigestOrExact,
    /// `matchRepository`: any name in the repository of the image.
    MatchRepository,
    /// `exactReference`: this name, whatever the image is called. It has a tag or digest.
    ExactReference(Reference),
    /// `exactRepository`: any name in this repository, whatever the image is called.
    ExactRepository(Repository),
    /// `remapIdentity`: as [`Identity::MatchRepoDigestOrExact`], for images that are copies of signed ones.
    Remap(Remap),
}

/// Replaces a prefix of the image's name by the signed prefix, for images that are copies of signed ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Remap {
    prefix: String,
    signed_prefix: String,
}

impl Remap {
    /// Both are a registry, or a registry with a namespace or repository. They begin names at whole
    /// components only.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::Value`] if one of them is none.
    pub fn new(prefix: &str, signed_prefix: &str) -> Result<Self, ConfigError> {
        let remap = Self {
            prefix: prefix.to_owned(),
            signed_prefix: signed_prefix.to_owned(),
        };
        remap
            .check()
            .map_err(|message| ConfigError::new(ConfigErrorKind::Value, message))?;
        Ok(remap)
    }

    /// The prefix of the names of copies, which the signed prefix replaces.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The prefix of the signed names, which stands in its place.
    #[must_use]
    pub fn signed_prefix(&self) -> &str {
        &self.signed_prefix
    }

    fn check(&self) -> Result<(), String> {
        match [&self.prefix, &self.signed_prefix]
            .into_iter()
            .find(|text| !is_prefix(text))
        {
            None => Ok(()),
            Some(text) => Err(format!(
                "{} is no registry, namespace or repository",
                quoted(text)
            )),
        }
    }
}

impl Identity {
    pub(super) fn read(value: Value<'_>) -> Result<Self, Problem> {
        let mut object = Object::read(value, "an identity")?;
        let identity = match object.string("type")?.as_str() {
            "matchExact" => Self::MatchExact,
            "matchRepoDigestOrExact" => Self::MatchRepoDigestOrExact,
            "matchRepository" => Self::MatchRepository,
            "exactReference" => {
                let text = object.string("dockerReference")?;
                let reference = Reference::parse(&text).ok();
                let complete = reference.filter(|reference| reference.has_tag() || reference.has_digest());
                Self::ExactReference(complete.ok_or_else(|| {
                    object.problem(format!("{} is no reference with a tag or digest", quoted(&text)))
                })?)
            }
            "exactRepository" => {
                let text = object.string("dockerRepository")?;
                // With a tag or digest too, which count for nothing.
                let reference = Reference::parse(&text)
                    .map_err(|_| object.problem(format!("{} is no repository", quoted(&text))))?;
                Self::ExactRepository(reference.repository())
            }
            "remapIdentity" => {
                let remap = Remap {
                    prefix: object.string("prefix")?,
                    signed_prefix: object.string("signedPrefix")?,
                };
                remap.check().map_err(|message| object.problem(message))?;
                Self::Remap(remap)
            }
            other => return Err(object.problem(format!("unknown type of identity {}", quoted(other)))),
        };
        object.finish()?;
        Ok(identity)
    }

    /// The `signedIdentity` of a requirement, or the default.
    pub(super) fn read_optional(requirement: &mut Object<'_>) -> Result<Self, Problem> {
        let identity = requirement.optional("signedIdentity");
        identity.map_or_else(|| Ok(Self::default()), Self::read)
    }
}

/// Whether the names of images may begin with this text: a host, perhaps with components of a path
/// (`docker.io/library`). As upstream, the host needs no dot, and an address in brackets is refused.
fn is_prefix(text: &str) -> bool {
    let (host, path) = match text.split_once('/') {
        Some((host, path)) => (host, Some(path)),
        None => (text, None),
    };
    let registry = Registry::parse(host).is_ok() && !host.starts_with('[');
    if !registry && !host::is_plain_label(host) {
        return false;
    }
    // Components are the same below every host.
    path.is_none_or(|path| Registry::parse("localhost").is_ok_and(|any| Repository::new(&any, path).is_ok()))
}
