//! The tables and the layout of a release.

use super::DatabaseOptions;

/// The migrations, of which the first makes version 1. A migration that was released is never changed; it only adds,
/// so that processes of the release before go on.
const MIGRATIONS: [&str; 2] = [
    include_str!("../../sql/migrations/1.sql"),
    include_str!("../../sql/migrations/2.sql"),
];
/// The oldest version that a process may know to write what this release writes, but for contents in external objects:
/// the first of these raises it in the table to 2.
const OLDEST: i32 = 1;
/// The version of the store's layout.
const LAYOUT: u32 = 1;

/// The tables and the layout that a process writes.
pub(crate) struct Release {
    pub(super) migrations: Vec<&'static str>,
    /// The oldest version of the tables that a process must know to write them afterwards.
    pub(super) oldest: i32,
    /// The version of the store's layout.
    pub(crate) layout: u32,
}

impl Release {
    #[cfg(not(feature = "testing"))]
    pub(super) fn of(_: &DatabaseOptions) -> Self {
        Self::this()
    }

    #[cfg(feature = "testing")]
    pub(super) fn of(options: &DatabaseOptions) -> Self {
        match options.next {
            Some(next) => Self::this().followed_by(next),
            None => Self::this(),
        }
    }

    fn this() -> Self {
        Self {
            migrations: MIGRATIONS.to_vec(),
            oldest: OLDEST,
            layout: LAYOUT,
        }
    }

    /// The version of the tables.
    pub(super) fn version(&self) -> i32 {
        i32::try_from(self.migrations.len()).unwrap_or(i32::MAX)
    }
}

/// The release after this one, as tests play it. Its processes are this code.
#[cfg(feature = "testing")]
#[derive(Debug, Clone, Copy)]
pub enum NextRelease {
    /// Its migration, which is these statements, only adds: processes of this release go on.
    Adds(&'static str),
    /// Its migration forbids processes of this release to write.
    Forbids(&'static str),
    /// Its tables are those of this release, and its layout of the store is another.
    Layout,
}

#[cfg(feature = "testing")]
impl Release {
    fn followed_by(mut self, next: NextRelease) -> Self {
        match next {
            NextRelease::Adds(migration) => self.migrations.push(migration),
            NextRelease::Forbids(migration) => {
                self.migrations.push(migration);
                self.oldest = self.version();
            }
            NextRelease::Layout => self.layout += 1,
        }
        self
    }
}
