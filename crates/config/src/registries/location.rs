use wharf_reference::{Reference, Registry, Repository};

use super::prefix::Rest;

/// Where a table or a mirror sends what its prefix matched: a registry, perhaps with the beginning of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    text: String,
    /// `None` if no name can begin with the text.
    target: Option<Target>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    registry: Registry,
    path: String,
}

impl Location {
    /// Reads a location. One that can never be used is kept, with the reason.
    pub(crate) fn new(text: &str) -> (Self, Option<String>) {
        let (target, reason) = match target(text) {
            Ok(target) => (Some(target), None),
            Err(reason) => (None, Some(reason)),
        };
        let location = Self {
            text: text.to_owned(),
            target,
        };
        (location, reason)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The repository at this location; in words why there is none.
    ///
    /// As upstream, the result must be canonical as it stands: nothing is inserted into it, so `docker.io`
    /// takes no path of one component.
    pub(crate) fn rewrite(&self, rest: Rest<'_>) -> Result<Repository, String> {
        let Some(target) = &self.target else {
            return Err(format!("{} cannot begin a repository name", self.text));
        };
        let port = rest.port.map(|port| format!(":{port}")).unwrap_or_default();
        if !port.is_empty() && (target.registry.port().is_some() || !target.path.is_empty()) {
            return Err(format!(
                "{} cannot be followed by the port {port} that the wildcard matched",
                self.text
            ));
        }
        let mut name = format!("{}{port}", self.text);
        if !rest.path.is_empty() {
            name.push('/');
            name.push_str(rest.path);
        }
        if target.path.is_empty() && rest.path.is_empty() {
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
        registry,
        path: path.to_owned(),
    })
}
