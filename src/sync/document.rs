//! The document of `skopeo sync --src yaml`.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    marker::PhantomData,
    path::PathBuf,
};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use wharf_auth::{Credential, Secret};
use wharf_reference::{Digest, Reference, Registry, Repository, Tag};

use super::{
    SyncSet, TagPattern, Versions,
    set::{SetSource, TagFilter},
};
use crate::{arguments::written, overrides::RegistrySettings};

/// Registries and the images that are wanted of them.
pub(super) struct Document(SyncSet);

impl Document {
    pub(super) fn into_set(self) -> SyncSet {
        self.0
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Pairs::<Option<Entry>>::deserialize(deserializer)?;
        let (mut set, mut registries) = (SyncSet::default(), HashMap::new());
        for (name, entry) in entries.0 {
            let registry = Registry::parse(&name)
                .map_err(|error| de::Error::custom(format!("{name:?} is no registry: {error}")))?;
            if let Some(other) = registries.insert(registry.clone(), name.clone()) {
                let message = format!("{other:?} and {name:?} are one registry, and stand apart");
                return Err(de::Error::custom(message));
            }
            let entry = entry.unwrap_or_default();
            entry
                .add_to(&mut set, registry, &name)
                .map_err(de::Error::custom)?;
        }
        Ok(Self(set))
    }
}

/// One registry.
#[derive(Default, Deserialize)]
#[serde(
    default,
    rename_all = "kebab-case",
    deny_unknown_fields,
    expecting = "the images and settings of a registry"
)]
struct Entry {
    images: Pairs<Option<Vec<String>>>,
    images_by_tag_regex: Pairs<TagPattern>,
    images_by_semver: Pairs<Versions>,
    credentials: Option<Login>,
    tls_verify: Option<bool>,
    cert_dir: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a username and a password")]
struct Login {
    username: String,
    #[serde(deserialize_with = "secret")]
    password: Secret,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::from)
}

impl Entry {
    /// `name` is the registry as it is written.
    fn add_to(self, set: &mut SyncSet, registry: Registry, name: &str) -> Result<(), String> {
        for (path, wanted) in self.images.0 {
            let repository = repository(name, &path)?;
            let wanted = wanted.unwrap_or_default();
            if wanted.is_empty() {
                let tags = TagFilter::All;
                set.sources.push(SetSource::Repository { repository, tags });
                continue;
            }
            for one in wanted {
                set.sources.push(SetSource::Image(image(&repository, &one)?));
            }
        }
        for (path, pattern) in self.images_by_tag_regex.0 {
            let repository = repository(name, &path)?;
            let tags = TagFilter::Matching(pattern);
            set.sources.push(SetSource::Repository { repository, tags });
        }
        for (path, versions) in self.images_by_semver.0 {
            let repository = repository(name, &path)?;
            let tags = TagFilter::Versions(versions);
            set.sources.push(SetSource::Repository { repository, tags });
        }
        let settings = RegistrySettings {
            registry,
            credential: self
                .credentials
                .map(|Login { username, password }| Credential::basic(username, password)),
            tls_verify: self.tls_verify,
            cert_dir: self
                .cert_dir
                .filter(|directory| !directory.as_os_str().is_empty()),
        };
        if !settings.is_empty() {
            set.registries.push(settings);
        }
        Ok(())
    }
}

fn repository(registry: &str, path: &str) -> Result<Repository, String> {
    let reference = written(&format!("{registry}/{path}")).map_err(|error| error.to_string())?;
    if reference.has_tag() || reference.has_digest() {
        return Err(format!(
            "{path:?} is no repository: write tags and digests into its list"
        ));
    }
    Ok(reference.normalise().repository())
}

/// An image by its tag or digest.
fn image(repository: &Repository, text: &str) -> Result<Reference, String> {
    let reference = Reference::new(repository);
    if let Ok(digest) = Digest::parse(text) {
        return Ok(reference.with_digest(&digest));
    }
    match Tag::parse(text) {
        Ok(tag) => Ok(reference.with_tag(&tag)),
        Err(error) => Err(format!(
            "{repository}: {text:?} is neither a tag nor a digest: {error}"
        )),
    }
}

/// The entries of a map, in their order, with each key once.
struct Pairs<T>(Vec<(String, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PairsVisitor<T> {
    type Value = Pairs<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_unit<E>(self) -> Result<Pairs<T>, E> {
        Ok(Pairs::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
        let (mut pairs, mut seen) = (Vec::new(), HashSet::new());
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom(format!("the key {key:?} stands twice")));
            }
            pairs.push((key, map.next_value()?));
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Vec<String> {
        let set: SyncSet = serde_json::from_str(text).unwrap();
        let shown = set.sources.iter().map(|source| match source {
            SetSource::Image(reference) => reference.to_string(),
            SetSource::Repository { repository, tags } => match tags {
                TagFilter::All => format!("{repository} all"),
                TagFilter::Matching(pattern) => format!("{repository} /{pattern}/"),
                TagFilter::Versions(versions) => format!("{repository} {versions}"),
            },
            other => panic!("{other:?}"),
        });
        shown.collect()
    }

    #[test]
    fn skopeos_document_is_read_in_its_order() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let text = format!(
            r#"{{"r.example:5000": {{"images": {{"b": [], "a/c": ["1.0", "{digest}"], "n": null}},
                "images-by-tag-regex": {{"d": "^1"}}, "images-by-semver": {{"e": ">=1, <2"}}}},
                "docker.io": {{"images": {{"alpine": ["3"]}}}}, "empty.example": {{}}, "null.example": null}}"#
        );
        let expected = [
            "r.example:5000/b all".to_owned(),
            "r.example:5000/a/c:1.0".to_owned(),
            format!("r.example:5000/a/c@{digest}"),
            "r.example:5000/n all".to_owned(),
            "r.example:5000/d /^1/".to_owned(),
            "r.example:5000/e >=1, <2".to_owned(),
            "docker.io/library/alpine:3".to_owned(),
        ];
        assert_eq!(sources(&text), expected);
    }

    #[test]
    fn settings_of_a_registry_are_read_and_secrets_are_not_shown() {
        let text = r#"{"r.example": {"credentials": {"username": "ada", "password": "hunter2-secret"},
                       "tls-verify": false, "cert-dir": "/c"}}"#;
        let set: SyncSet = serde_json::from_str(text).unwrap();
        let [settings] = &set.registries[..] else {
            panic!("{set:?}")
        };
        assert_eq!(settings.tls_verify, Some(false));
        assert_eq!(settings.cert_dir, Some(PathBuf::from("/c")));
        assert!(
            matches!(&settings.credential, Some(Credential::Basic { password, .. }) if password.expose() == "hunter2-secret")
        );
        assert!(!format!("{set:?}").contains("hunter2"));
    }

    #[test]
    fn mistakes_are_errors_that_name_them() {
        for (text, part) in [
            (r#"{"r.example": {"image": {}}}"#, "unknown field `image`"),
            (
                r#"{"r.example": {"credentials": {"username": "a", "password": "b", "token": "c"}}}"#,
                "unknown field `token`",
            ),
            (
                r#"{"r.example": {"images": {"a": [], "a": []}}}"#,
                "the key \"a\" stands twice",
            ),
            (
                r#"{"r.example": {}, "r.example": {}}"#,
                "the key \"r.example\" stands twice",
            ),
            (
                r#"{"r.example": {"images": {"a": ["a b"]}}}"#,
                "\"a b\" is neither a tag nor a digest",
            ),
            (
                r#"{"r.example": {"images": {"a:1": []}}}"#,
                "\"a:1\" is no repository",
            ),
            (
                r#"{"r.example": {"images": {"A": []}}}"#,
                "invalid reference \"r.example/A\"",
            ),
            (
                r#"{"r.example/x": {"images": {}}}"#,
                "\"r.example/x\" is no registry",
            ),
            (
                r#"{"r.example": {"images-by-semver": {"a": "new"}}}"#,
                "malformed constraint of versions",
            ),
            (
                r#"{"r.example": {"images-by-tag-regex": {"a": "("}}}"#,
                "malformed regular expression",
            ),
            (r#"{"r.example": {"tls-verify": "no"}}"#, "expected a boolean"),
            (
                r#"{"r.example": "images"}"#,
                "expected the images and settings of a registry",
            ),
            (
                r#"{"r.example": {"credentials": "a:b"}}"#,
                "expected a username and a password",
            ),
            (
                r#"{"docker.io": {}, "index.docker.io": {}}"#,
                "\"docker.io\" and \"index.docker.io\" are one registry",
            ),
            (
                r#"{"r.example": {"credentials": {"username": "a"}}}"#,
                "missing field `password`",
            ),
        ] {
            let error = serde_json::from_str::<SyncSet>(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
