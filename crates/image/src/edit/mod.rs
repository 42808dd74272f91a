//! Edits of a config.

mod members;
mod set;

use wharf_content::{Error, History};

pub(crate) use self::members::{check_time, put_platform};
pub use self::set::{Entries, Set};
use crate::{
    ConfigDocument,
    json::{Json, Object},
};

/// Edits of the config of an image that are made together, and have one entry of its history.
///
/// ```
/// use wharf_content::History;
/// use wharf_image::{Entries, Edit, Recipe, Set};
///
/// let edit = Edit::from([
///     Set::Entrypoint(Some(vec!["/srv/app".into()])),
///     Set::Env(Entries::Add(("PORT".into(), "8080".into()))),
/// ]);
/// let recipe = Recipe::new().edit(edit.with_history(History::default().with_created_by("the configuration")));
/// # let _ = recipe;
/// ```
#[derive(Debug, Clone)]
#[must_use = "an edit does nothing until an image is prepared with it"]
pub struct Edit {
    sets: Vec<Set>,
    history: Recorded,
}

/// The entry of the history that an edit has.
#[derive(Debug, Clone)]
enum Recorded {
    /// One that names the members that are edited.
    Members,
    As(History),
    Not,
}

impl Edit {
    /// Sets the entry of the history. Default: one that names the edited members in `created_by`.
    pub fn with_history(mut self, history: History) -> Self {
        self.history = Recorded::As(history);
        self
    }

    /// Leaves the history as it is.
    pub fn without_history(mut self) -> Self {
        self.history = Recorded::Not;
        self
    }

    /// The platform that the edit sets.
    pub(crate) fn platform(&self) -> Option<&wharf_content::Platform> {
        self.sets.iter().rev().find_map(|set| match set {
            Set::Platform(platform) => Some(platform),
            _ => None,
        })
    }

    /// Checks what needs no image.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.sets.iter().try_for_each(Set::check)?;
        match &self.history {
            Recorded::As(history) => check_history(history),
            Recorded::Members | Recorded::Not => Ok(()),
        }
    }

    /// Edits a document; true if it changed. A member that has the value already is not changed, and an edit that
    /// changes nothing is not recorded.
    ///
    /// `layers` is the number of layers that the image has.
    pub(crate) fn apply(
        &self,
        document: &mut ConfigDocument,
        created: Option<&str>,
        layers: usize,
    ) -> Result<bool, Error> {
        let sets_cmd = self.sets.iter().any(|set| matches!(set, Set::Cmd(_)));
        let mut root = document.root().clone();
        for set in &self.sets {
            set.apply(&mut root)?;
            if matches!(set, Set::Entrypoint(_)) && !sets_cmd {
                Set::Cmd(None).apply(&mut root)?;
            }
        }
        if root == *document.root() {
            return Ok(false);
        }
        let history = match &self.history {
            Recorded::Not => None,
            Recorded::As(history) => Some(history.clone()),
            Recorded::Members => Some(History::default().with_created_by(self.names())),
        };
        if let Some(history) = history {
            record(&mut root, &history.without_layer(), created, layers);
        }
        document.replace(root)?;
        Ok(true)
    }

    fn names(&self) -> String {
        let mut names: Vec<_> = self.sets.iter().map(Set::name).collect();
        names.dedup();
        format!("edit {}", names.join(", "))
    }
}

impl From<Set> for Edit {
    fn from(set: Set) -> Self {
        Self::from(vec![set])
    }
}

impl<const N: usize> From<[Set; N]> for Edit {
    fn from(sets: [Set; N]) -> Self {
        Self::from(Vec::from(sets))
    }
}

impl From<Vec<Set>> for Edit {
    fn from(sets: Vec<Set>) -> Self {
        Self {
            sets,
            history: Recorded::Members,
        }
    }
}

/// Checks an entry of a history that a caller gives.
pub(crate) fn check_history(history: &History) -> Result<(), Error> {
    history
        .created()
        .map_or(Ok(()), |time| check_time("of the history", time))
}

/// Adds an entry to the history of a config. An image that has layers and no history gets none: readers count the
/// entries of layers from the lowest.
pub(crate) fn record(root: &mut Object, history: &History, created: Option<&str>, layers: usize) {
    let entries = root.get("history").and_then(Json::as_list).unwrap_or_default();
    if entries.is_empty() && layers > 0 {
        return;
    }
    let created = history.created().or(created);
    let mut entry = Object::default();
    for (key, value) in [
        ("created", created),
        ("created_by", history.created_by()),
        ("author", history.author()),
        ("comment", history.comment()),
    ] {
        if let Some(value) = value {
            entry.set(key, Json::string(value));
        }
    }
    if history.empty_layer() {
        entry.set("empty_layer", Json::Scalar("true".into()));
    }
    let mut entries = entries.to_vec();
    entries.push(Json::Object(entry));
    root.set("history", Json::List(entries));
}
