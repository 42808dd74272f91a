use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use wharf_reference::Repository;

/// The longest scope that is read from a challenge, in bytes.
const MAX_LENGTH: usize = 1024;
/// The most scopes that are read from one challenge.
const MAX_SCOPES: usize = 16;

/// What a token may do: resources, each with actions (Docker's token specification, *Scope*). The set is
/// normalised: the same permissions are the same value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Scopes(BTreeMap<(String, String), BTreeSet<String>>);

/// What is done to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Action {
    /// Read.
    Pull,
    /// Read and write.
    Push,
    /// Read and delete.
    Delete,
}

impl Action {
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Pull => &["pull"],
            Self::Push => &["pull", "push"],
            Self::Delete => &["delete", "pull"],
        }
    }
}

impl Scopes {
    /// No permission in particular: what a login asks for.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// This action in a repository, by its path within the registry.
    #[must_use]
    pub fn repository(repository: &Repository, action: Action) -> Self {
        Self::none().with("repository", repository.path(), action.names())
    }

    /// The registry's catalog of repositories.
    #[must_use]
    pub fn catalog() -> Self {
        Self::none().with("registry", "catalog", &["*"])
    }

    fn with(mut self, kind: &str, name: &str, actions: &[&str]) -> Self {
        let entry = self.0.entry((kind.to_owned(), name.to_owned())).or_default();
        entry.extend(actions.iter().map(|action| (*action).to_owned()));
        self
    }

    /// Scopes as a server lists them, separated by spaces. What does not parse, and more than 16, is left
    /// out: it is a server's text, and asking for less is safe.
    #[must_use]
    pub fn parse_lenient(text: &str) -> Self {
        let mut scopes = Self::none();
        for word in text.split(' ').filter(|word| !word.is_empty()).take(MAX_SCOPES) {
            let valid = word.len() <= MAX_LENGTH
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
            let Some(((kind, rest), true)) = word.split_once(':').map(|parts| (parts, valid)) else {
                continue;
            };
            let Some((name, actions)) = rest.rsplit_once(':') else {
                continue;
            };
            let actions: Vec<&str> = actions.split(',').filter(|action| !action.is_empty()).collect();
            if !kind.is_empty() && !name.is_empty() && !actions.is_empty() {
                scopes = scopes.with(kind, name, &actions);
            }
        }
        scopes
    }

    /// These and those.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        for (resource, actions) in &other.0 {
            union
                .0
                .entry(resource.clone())
                .or_default()
                .extend(actions.iter().cloned());
        }
        union
    }

    /// Whether everything in `other` is in here.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let holds = |(resource, actions): (_, &BTreeSet<String>)| {
            self.0.get(resource).is_some_and(|held| actions.is_subset(held))
        };
        other.0.iter().all(holds)
    }

    /// Whether there is no permission in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each scope as a token server takes it: `repository:library/alpine:pull`.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|((kind, name), actions)| {
            let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
            format!("{kind}:{name}:{}", actions.join(","))
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&scope)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_fits_and_prints_it_in_order() {
        let table = [
            ("repository:a/b:push,pull", "repository:a/b:pull,push"),
            ("repository:host:5000/a:pull", "repository:host:5000/a:pull"),
            ("b:x:pull a:y:pull b:x:push", "a:y:pull b:x:pull,push"),
            ("registry:catalog:*", "registry:catalog:*"),
            ("repository(plugin):a:pull", "repository(plugin):a:pull"),
            ("", ""),
            ("junk a:b :x:pull a::pull a:b:", ""),
            ("a:\"b:pull a:é:pull ok:b:pull", "ok:b:pull"),
        ];
        for (text, expected) in table {
            assert_eq!(Scopes::parse_lenient(text).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn union_and_containment() {
        let pull = Scopes::parse_lenient("repository:a:pull");
        let push = Scopes::parse_lenient("repository:a:pull,push");
        let other = Scopes::parse_lenient("repository:b:pull");
        assert!(push.contains(&pull) && !pull.contains(&push) && !push.contains(&other));
        assert!(pull.contains(&Scopes::none()));
        assert_eq!(
            push.union(&other).to_string(),
            "repository:a:pull,push repository:b:pull"
        );
    }
}
