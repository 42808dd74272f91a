use wharf_reference::{Reference, Registry, Repository};

use super::prefix::Rest;
use crate::host;

/// The `location` of a table or mirror, which replaces the prefix: a registry, perhaps with the beginning of
/// a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    text: String,
    /// `None` if no name can begin with the text.
    target: Option<Target>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    has_port: bool,
    has_path: bool,
}

impl Location {
    /// Reads the location of a table with this prefix, or of a mirror (no prefix), and what its author should
    /// know of it. One that can never be used is kept.
    pub(crate) fn new(text: &str, prefix: Option<&str>) -> (Self, Option<String>) {
        let (target, warning) = if host::is_plain_label(text) {
            let host = Target {
                has_port: false,
                has_path: false,
            };
            let warning = "usable only for names with a port that the prefix does not have: no name begins \
                           with this host alone";
            let moved = prefix.is_none_or(|prefix| !prefix.eq_ignore_ascii_case(text));
            (Some(host), moved.then(|| warning.to_owned()))
        } else {
            match target(text) {
                Ok(target) => (Some(target), None),
                Err(reason) => (None, Some(reason)),
            }
        };
        let location = Self {
            text: text.to_owned(),
            target,
        };
        (location, warning)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The repository at this location; in words why there is none.
    ///
    /// As upstream, the result must be canonical as it stands: nothing is inserted into it, so `docker.io`
    /// takes no path of one component.
    pub(crate) fn rewrite(&self, rest: Rest<'_>) -> Result<Repository, String> {
        let Some(target) = self.target else {
            return Err(format!("{} cannot begin a repository name", self.text));
        };
        let port = rest.port.map(|port| format!(":{port}")).unwrap_or_default();
        if !port.is_empty() && (target.has_port || target.has_path) {
            return Err(format!(
                "{} cannot be followed by the port {port}, which the prefix does not name; \
                 write a [[registry]] table whose prefix names it",
                self.text
            ));
        }
        let mut name = format!("{}{port}", self.text);
        if !rest.path.is_empty() {
            name.push('/');
            name.push_str(rest.path);
        }
        if !target.has_path && rest.path.is_empty() {
            return Err(format!("{name} is a registry, not a repository"));
        }
        Reference::parse_canonical(&name)
            .map(|reference| reference.repository())
            .map_err(|error| format!("{name} is not a canonical repository name: {error}"))
    }
}

fn target(text: &str) -> Result<Target, String> {
    let (registry, path) = text.split_once('/').unwrap_or((text, ""));
    if registry == "index.docker.io" {
        return Err("never usable: Docker Hub is called docker.io".to_owned());
    }
    let registry = Registry::parse(registry)
        .map_err(|error| format!("never usable: it does not begin with a registry: {error}"))?;
    if !path.is_empty() {
        Repository::new(&registry, path)
            .map_err(|error| format!("never usable: the path cannot begin a repository's: {error}"))?;
    }
    Ok(Target {
        has_port: registry.port().is_some(),
        has_path: !path.is_empty(),
    })
}
