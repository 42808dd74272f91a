//! Parts of a file that look like credentials and are none: why a look-up that finds nothing found nothing.

use super::{AuthFile, AuthFormat, CredentialKey, key};
use crate::{
    ConfigWarning,
    json::{Cursor, Member, Value},
};

/// Such parts of a file as a whole, by their lines.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// The first entry that stands at the top, as in `.dockercfg`.
    bare_entry: Option<usize>,
    /// The `credsStore` of a file whose form has none.
    store: Option<usize>,
}

impl Unread {
    pub(super) fn of(root: &[Member<'_>], format: AuthFormat) -> Self {
        let named = |name: &str| root.iter().find(|member| member.is(name));
        let known = ["auths", "credHelpers", "credsStore"];
        let is_bare = known.into_iter().all(|name| named(name).is_none());
        let bare_entry = root.iter().find(|member| is_bare && is_entry(member.value));
        let store = named("credsStore").filter(|store| {
            let is_named = !matches!(store.value.text(), "\"\"" | "null");
            format == AuthFormat::Containers && is_named
        });
        let line = |member: &Member<'_>| Cursor::new(member.value).advance(member.value).line;
        Self {
            bare_entry: bare_entry.map(line),
            store: store.map(line),
        }
    }

    /// The warnings for the author of a file that has no credential for this key. They do not name the file:
    /// the caller adds it.
    pub(super) fn warnings(&self, file: &AuthFile, key: &CredentialKey) -> Vec<ConfigWarning> {
        let bare = self.bare_entry.map(|line| {
            let message =
                "entries are read within `auths` only: write {\"auths\": before the text and } after it";
            warning(line, "", String::new(), message)
        });
        let store = self.store.map(|line| {
            let message =
                "not asked: it is read in Docker's config.json only; name the helper by `credHelpers`";
            warning(line, "", "credsStore".to_owned(), message)
        });
        let host = key.registry().as_str();
        let entry = match file.entry(key) {
            Some(entry) => entry.fields().unread().map(|reason| (entry, reason.to_owned())),
            None => file
                .entries()
                .find(|entry| key::is_host_with_slash(entry.key(), host))
                .map(|entry| {
                    (
                        entry,
                        format!("not found: no registry's name ends in a slash; write {host}"),
                    )
                }),
        };
        let entry =
            entry.map(|(entry, message)| warning(entry.line(), "auths", key::shown(entry.key()), &message));
        [bare, store, entry].into_iter().flatten().collect()
    }
}

fn is_entry(value: Value<'_>) -> bool {
    let members = value.object("an entry").ok().flatten().unwrap_or_default();
    members.iter().any(|member| member.is("auth"))
}

fn warning(line: usize, table: &str, key: String, message: &str) -> ConfigWarning {
    ConfigWarning {
        file: None,
        line: Some(line),
        key,
        table: table.to_owned(),
        message: message.to_owned(),
    }
}
