//! policy.json: which images a host accepts.

mod document;
mod identity;
mod key_source;
mod object;
mod requirement;
mod rule;
mod scope;
mod signed_by;
mod sigstore_signed;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use wharf_reference::Reference;

use crate::{ConfigError, ConfigErrorKind, ConfigWarning, Locations, document::quoted, file};
pub use identity::{Identity, Remap};
pub use key_source::KeySource;
pub use requirement::Requirement;
pub use rule::{Refusal, Rule, RuleOrigin};
pub use signed_by::{KeyType, SignedBy};
pub use sigstore_signed::{Fulcio, Pki, PkiSubject, SigstoreSigned, SigstoreSigner};

/// A host's trust policy (containers-policy.json(5)).
///
/// It is read as strictly as upstream reads it: whatever is unknown, repeated, missing or of the wrong type
/// makes the whole file an error, since half a policy is none.
///
/// ```
/// use wharf_config::Policy;
/// use wharf_reference::Reference;
///
/// let policy = Policy::parse(
///     r#"{
///         "default": [{"type": "reject"}],
///         "transports": {"docker": {"docker.io/library": [{"type": "insecureAcceptAnything"}]}}
///     }"#,
/// )?;
/// let alpine = Reference::parse("alpine:3.20")?;
/// assert!(policy.rule_for(&alpine).check().is_ok());
/// let stranger = Reference::parse("docker.io/somebody/alpine:3.20")?;
/// let refusal = policy.rule_for(&stranger).check().unwrap_err();
/// assert_eq!(refusal.to_string(), "the default of the trust policy is to reject");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Signatures
///
/// No signature is verified here: a [`Rule`] says what is demanded, with all its data. [`Rule::check`] is for
/// a program that verifies none: what demands a signature (`signedBy`, `sigstoreSigned`) is a refusal then,
/// so that an image that a policy wants signed is never taken for one that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    file: Option<PathBuf>,
    default: Vec<Requirement>,
    transports: BTreeMap<String, Rules>,
    warnings: Vec<ConfigWarning>,
}

/// The requirements of each scope of a transport.
type Rules = BTreeMap<String, Vec<Requirement>>;

/// A transport of containers-transports(5) that keeps images in a file or a directory and is no OCI layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileTransport {
    /// `dir:`.
    Dir,
    /// `oci-archive:`.
    OciArchive,
    /// `docker-archive:`.
    DockerArchive,
}

impl FileTransport {
    /// The name of the transport, without a colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
        }
    }
}

impl Policy {
    /// Reads a policy from text.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::Syntax`], with line and column, for anything that is no policy.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        document::read(text).map_err(|problem| problem.into_error(None))
    }

    /// Reads a policy from a file.
    ///
    /// # Errors
    ///
    /// As [`Policy::parse`], and if the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = file::text(path, file::read(path)?)?;
        let mut policy = document::read(&text).map_err(|problem| problem.into_error(Some(path)))?;
        for warning in &mut policy.warnings {
            warning.file = Some(path.to_owned());
        }
        policy.file = Some(path.to_owned());
        Ok(policy)
    }

    /// The policy of a host, or `None` if it has none: the file named explicitly, else the first of the
    /// user's, the administrator's and the packages'.
    ///
    /// # Deviation
    ///
    /// Podman and Skopeo refuse to work on a host without a policy. Whether that is a reason to refuse is
    /// left to the caller here.
    ///
    /// # Errors
    ///
    /// As [`Policy::read`]; a file that exists and cannot be used is never passed over.
    pub fn load(locations: &Locations) -> Result<Option<Self>, ConfigError> {
        if let Some(path) = locations.explicit_policy() {
            return Self::read(path).map(Some);
        }
        for path in locations.policy_files() {
            match Self::read(&path) {
                Err(error) if error.kind() == ConfigErrorKind::Missing => {}
                read => return read.map(Some),
            }
        }
        Ok(None)
    }

    /// The file it came from.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Warnings about rules that may not match what their author expects, such as a rule for `oci` that names
    /// one image of a directory.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// The rule for an image of a registry: the most specific one alone, or the default if no rule is for the
    /// image.
    ///
    /// `reference` is the name that the user gave, not a mirror's. Rules are for a tag or digest, a
    /// repository, the paths above it, the registry with its port, and `*.` with a domain above its host
    /// (containers-policy.json(5),
    /// *docker:*). If the reference has a tag and a digest, the rule for the digest counts.
    pub fn rule_for(&self, reference: &Reference) -> Rule<'_> {
        self.rule("docker", &crate::scope::of_reference(reference))
    }

    /// The rule for every image of an OCI layout: the rule for its directory or for the nearest directory
    /// above it, or the default if there is none.
    ///
    /// The directory must be an absolute path without symbolic links.
    pub fn rule_for_layout(&self, directory: &Path) -> Rule<'_> {
        self.rule("oci", &scope::of_layout(directory))
    }

    /// The rule for an image in a file or directory: of `dir` and `oci-archive` the rule for its path or for the nearest
    /// directory above it, else the transport's own default or the policy's. For `docker-archive` only defaults count,
    /// as upstream.
    ///
    /// The path must be absolute and without symbolic links.
    pub fn rule_for_file(&self, transport: FileTransport, path: &Path) -> Rule<'_> {
        let scopes = match transport {
            FileTransport::Dir | FileTransport::OciArchive => scope::of_layout(path),
            FileTransport::DockerArchive => Vec::new(),
        };
        self.rule(transport.as_str(), &scopes)
    }

    /// The rule for an image of a daemon, `docker-daemon:`: for its name the rules are as those of
    /// [`Policy::rule_for`], for an image that is read by its ID only defaults count, as upstream.
    pub fn rule_for_daemon(&self, name: Option<&Reference>) -> Rule<'_> {
        let scopes = name.map(crate::scope::of_reference).unwrap_or_default();
        self.rule("docker-daemon", &scopes)
    }

    /// A warning if the policy has a rule for `docker.io/alpine` while the image to judge is
    /// `docker.io/library/alpine`: that rule is for the repositories below the namespace `alpine` and does
    /// not match the image, which its author may have meant.
    #[must_use]
    pub fn overlooked(&self, reference: &Reference) -> Option<ConfigWarning> {
        let repository = reference.repository();
        let image = repository.path().strip_prefix("library/")?;
        let registry = repository.registry();
        let scope = format!("{registry}/{image}");
        let rules = self.transports.get("docker")?;
        (registry.is_docker_hub() && rules.contains_key(&scope)).then(|| ConfigWarning {
            file: self.file.clone(),
            line: None,
            key: quoted(&scope),
            table: "transports.docker".to_owned(),
            message: format!(
                "does not match {repository}: it is for the repositories below that namespace; write {repository} for \
                 the image"
            ),
        })
    }

    /// The default rule: it is for every image that no other rule is for.
    pub const fn default_rule(&self) -> Rule<'_> {
        Rule {
            policy: self,
            scope: None,
            requirements: self.default.as_slice(),
        }
    }

    fn rule(&self, transport: &str, scopes: &[String]) -> Rule<'_> {
        let Some((transport, rules)) = self.transports.get_key_value(transport) else {
            return self.default_rule();
        };
        // The empty scope is the transport's own default.
        let mut scopes = scopes.iter().map(String::as_str).chain([""]);
        let Some((scope, requirements)) = scopes.find_map(|scope| rules.get_key_value(scope)) else {
            return self.default_rule();
        };
        Rule {
            policy: self,
            scope: Some((transport, scope)),
            requirements,
        }
    }
}
