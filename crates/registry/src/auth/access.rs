//! Rights: the actions on a repository, and the decision who may do them.

use std::sync::Arc;

/// The right that a request to a repository needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Action {
    /// Reads manifests, blobs and lists.
    Pull,
    /// Uploads blobs, puts manifests and moves tags.
    Push,
    /// Deletes tags, manifests and blobs.
    Delete,
}

impl Action {
    pub(crate) const ALL: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];

    /// The action's name in a token's scope.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }

    /// The actions that a challenge asks for: a push asks for pulls too, so that one token serves the whole
    /// push.
    pub(super) const fn scope(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
            Self::Delete => "delete",
        }
    }
}

/// Decides what users may do: the rights of a registry, for
/// [`Registry::with_access`](crate::Registry::with_access). A function with the parameters of
/// [`Access::allows`] implements it.
///
/// Rights are checked before anything is looked up, so that a refusal does not reveal whether something
/// exists.
///
/// ```
/// use wharf_registry::{Access, Action, Registry};
///
/// /// Users do everything below their own name; everybody pulls below `public`.
/// struct OwnNamespace;
///
/// impl Access for OwnNamespace {
///     fn allows(&self, user: Option<&str>, path: &str, action: Action) -> bool {
///         let (namespace, _) = path.split_once('/').unwrap_or((path, ""));
///         user == Some(namespace) || namespace == "public" && action == Action::Pull
///     }
/// }
///
/// assert!(OwnNamespace.allows(Some("ada"), "ada/app", Action::Push));
/// assert!(!OwnNamespace.allows(None, "public/app", Action::Push));
/// let registry = Registry::memory()
///     .with_basic("ada", "secret")
///     .with_anonymous(true)
///     .with_access(OwnNamespace);
/// # let _ = registry;
/// ```
pub trait Access: Send + Sync {
    /// Whether `user` may do this to the repository at `path`. `None` stands for a client without
    /// credentials; such clients are only admitted by
    /// [`Registry::with_anonymous`](crate::Registry::with_anonymous). Called for every request, so it must
    /// not block.
    fn allows(&self, user: Option<&str>, path: &str, action: Action) -> bool;
}

impl<F: Fn(Option<&str>, &str, Action) -> bool + Send + Sync> Access for F {
    fn allows(&self, user: Option<&str>, path: &str, action: Action) -> bool {
        self(user, path, action)
    }
}

impl<T: Access + ?Sized> Access for Arc<T> {
    fn allows(&self, user: Option<&str>, path: &str, action: Action) -> bool {
        (**self).allows(user, path, action)
    }
}
