use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use wharf_reference::Repository;

/// The longest scope that is read from a challenge, in bytes.
const MAX_LENGTH: usize = 1024;
/// The most scopes that are read from one challenge.
const MAX_SCOPES: usize = 16;

/// The permissions of a token: resources, each with its actions (Docker's token specification, *Scope*).
/// The set is normalised, so that equal permissions are equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Scopes(BTreeMap<(String, String), BTreeSet<String>>);

/// The kind of access to a repository.
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
    /// No permissions: the scope of a login.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One action in one repository. The scope has the path of the repository within its registry.
    #[must_use]
    pub fn repository(repository: &Repository, action: Action) -> Self {
        Self::none().with("repository", repository.path(), action.names())
    }

    /// The scope of the catalog, the list of all repositories.
    #[must_use]
    pub fn catalog() -> Self {
        Self::none().with("registry", "catalog", &["*"])
    }

    fn with(mut self, kind: &str, name: &str, actions: &[&str]) -> Self {
        let entry = self.0.entry((kind.to_owned(), name.to_owned())).or_default();
        entry.extend(actions.iter().map(|action| (*action).to_owned()));
        self
    }

    /// Parses the scopes that a server lists, separated by spaces. Entries that do not parse, that are
    /// longer than 1,024 bytes, and all after the first 16 are left out: the text comes from a server, and
    /// it is safe to ask for less.
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

    /// The permissions of both.
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

    /// True if `self` has all permissions of `other`.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let holds = |(resource, actions): (_, &BTreeSet<String>)| {
            self.0.get(resource).is_some_and(|held| actions.is_subset(held))
        };
        other.0.iter().all(holds)
    }

    /// True if there are no permissions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes in the syntax of token requests: `repository:library/alpine:pull`.
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
