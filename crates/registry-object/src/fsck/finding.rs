use std::fmt;

/// A fact that a check has found. Names are those of rows and objects, which may be damaged: an operator's terminal is
/// protected by [`Display`](fmt::Display), which escapes them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FsckFinding {
    /// A row that cannot be read, or that contradicts itself.
    DamagedRow {
        /// The table.
        table: &'static str,
        /// The key.
        key: String,
        /// The reason.
        reason: String,
    },
    /// A blob or a manifest that nobody can pull: it has no content, or one that is in quarantine. It comes back when
    /// it is pushed again.
    Unstored {
        /// The repository.
        repository: String,
        /// The digest.
        digest: String,
    },
    /// A blob or a manifest whose content has another digest or size.
    OtherContent {
        /// The repository.
        repository: String,
        /// The digest.
        digest: String,
    },
    /// A tag that points at a manifest that is not there.
    DanglingTag {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// A manifest that needs a blob which its repository does not have, as it may be for layers from elsewhere.
    Incomplete {
        /// The repository.
        repository: String,
        /// The manifest.
        manifest: String,
        /// The blob, the first of several.
        blob: String,
    },
    /// An object that is not there, or has another size than was written.
    DamagedObject {
        /// The content or the upload whose object it is.
        owner: String,
        /// The object.
        object: String,
        /// The size that was written, in bytes.
        size: u64,
        /// The size that was found; `None` if the object is not there.
        found: Option<u64>,
    },
    /// Content that does not have its digest.
    DamagedContent {
        /// The digest.
        digest: String,
        /// The digest that was found.
        found: String,
    },
    /// An object of a content that is to be deleted, is not known to be written, or belongs to another content as well.
    Endangered {
        /// The content or the upload whose object it is.
        owner: String,
    },
    /// A number of bytes that counts against quotas, and that is not the sum of what is linked.
    WrongUsage {
        /// The repository or the user.
        of: String,
        /// The number; `None` if there is none.
        counted: Option<i64>,
        /// The sum.
        sum: i64,
    },
    /// Events that a subscriber is not told of, since they are not there any more.
    LostEvents {
        /// The subscriber.
        subscriber: String,
        /// The repository.
        repository: String,
        /// The events that the subscriber has not accepted.
        waiting: i64,
        /// Those of them that are there.
        found: i64,
    },
    /// A repository whose next event would get a number that another one has had.
    RepeatedNumbers {
        /// The repository.
        repository: String,
        /// The number of its last event as it is counted; `None` if it is not.
        counted: Option<i64>,
        /// The number of the last event that there was.
        last: i64,
    },
    /// Rows of a subscriber that wants no events any more.
    Unsubscribed {
        /// The subscriber.
        subscriber: String,
        /// The number of rows.
        rows: i64,
    },
    /// An object of the registry that no row names.
    Unnamed {
        /// The object.
        object: String,
        /// The size in bytes.
        size: u64,
    },
    /// An object below the registry's prefix that is none of its own.
    Foreign {
        /// The path.
        path: String,
        /// The size in bytes.
        size: u64,
    },
}

impl FsckFinding {
    /// Whether something that was acknowledged is lost, or in danger. What is not only takes room, or may be right.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        !matches!(
            self,
            Self::Incomplete { .. } | Self::Unsubscribed { .. } | Self::Unnamed { .. } | Self::Foreign { .. }
        )
    }
}

impl fmt::Display for FsckFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::DamagedRow { table, key, reason } => {
                format!("the row {key} of {table} is damaged: {reason}")
            }
            Self::Unstored { repository, digest } => {
                format!("{repository}@{digest} has no content: push it again")
            }
            Self::OtherContent { repository, digest } => {
                format!("{repository}@{digest} has the content of another digest or size")
            }
            Self::DanglingTag { repository, tag } => {
                format!("{repository}:{tag} points at a manifest that is not there")
            }
            Self::Incomplete {
                repository,
                manifest,
                blob,
            } => format!("{repository}@{manifest} needs {blob}, which the repository does not have"),
            Self::DamagedObject {
                owner,
                object,
                size,
                found: None,
            } => format!("{owner}: the object {object} of {size} bytes is not there"),
            Self::DamagedObject {
                owner,
                object,
                size,
                found: Some(found),
            } => format!("{owner}: the object {object} has {found} bytes instead of {size}"),
            Self::DamagedContent { digest, found } => format!("content {digest} has the bytes of {found}"),
            Self::Endangered { owner } => {
                format!("{owner}: an object of it is to be deleted, or belongs to another content as well")
            }
            Self::WrongUsage {
                of,
                counted: Some(counted),
                sum,
            } => format!("{of} counts {counted} bytes, and links {sum}"),
            Self::WrongUsage {
                of,
                counted: None,
                sum,
            } => format!("{of} has no count of bytes, and links {sum}"),
            Self::LostEvents {
                subscriber,
                repository,
                waiting,
                found,
            } => format!("{repository} has {found} of the {waiting} events that wait for {subscriber}"),
            Self::RepeatedNumbers {
                repository,
                counted,
                last,
            } => format!(
                "{repository} counts {} events, and had one with the number {last}: the next ones repeat numbers",
                counted.unwrap_or_default()
            ),
            Self::Unsubscribed { subscriber, rows } => {
                format!("{subscriber} wants no events any more, and {rows} repositories have some for it")
            }
            Self::Unnamed { object, size } => {
                format!("the object {object} of {size} bytes belongs to nothing")
            }
            Self::Foreign { path, size } => format!("{path} of {size} bytes is no object of the registry"),
        };
        text.chars().try_for_each(|character| {
            if character.is_control() {
                write!(f, "{}", character.escape_default())
            } else {
                write!(f, "{character}")
            }
        })
    }
}
