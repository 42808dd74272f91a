//! The database of a registry whose processes share one storage: PostgreSQL, opened, checked and migrated.
//!
//! ```no_run
//! use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl};
//!
//! # async fn example() -> Result<(), wharf_content::Error> {
//! let url = DatabaseUrl::parse("postgres://wharf:secret@db.example.com/registry?sslrootcert=system")?;
//! let database = Database::open(&url, DatabaseOptions::default()).await?;
//! println!("registry {:032x} is in {database:?}", database.registry_id().await?);
//! # Ok(())
//! # }
//! ```
//!
//! A [`DatabaseUrl`] says where the database is and how connections to it are protected, by TCP, TLS or a socket. A
//! [`Database`] has the connections; opening it makes the tables and refuses a server that could lose what was acknowledged.
//!
//! The crate has no engine for `wharf-registry` yet: nothing here reads or writes records.
//!
//! # What the server must be
//!
//! PostgreSQL 13 or newer, with `fsync` and `full_page_writes` on, as they are by default, and a database of its own with the
//! encoding UTF-8 and any locale, whose owner the user is, or in which the user may create tables. The tables are in
//! the first schema of the connection's `search_path`. Commits wait for the disk whatever `synchronous_commit` is, and for a
//! standby too where it is `remote_apply`.
//!
//! A failover must not go back behind what was acknowledged: `synchronous_standby_names` has to be set for that. Of several hosts
//! in a URL the first that accepts writes is used, and after a failover the next connection finds the new one.
//!
//! A pooler that shares connections out by transactions, as PgBouncer does with `pool_mode = transaction`, is supported and
//! tested: no prepared statement, setting or lock outlives its transaction. A URL through such a pooler cannot
//! have `options`, which poolers refuse.
//!
//! # Order of locks
//!
//! Whoever writes to these tables takes locks in one order, so that nobody waits in a circle, at the level READ COMMITTED, at which
//! a statement sees what was committed while the one before it waited:
//!
//! 1. the row of the repository in `repositories`: `FOR UPDATE` to change or remove, `FOR SHARE` to add;
//! 2. the row of the commit's id in `commits`, for which a repetition waits that meets its first attempt;
//! 3. rows of what changes;
//! 4. the row of the repository in `repository_usage`, with the number of an event;
//! 5. the rows of users in `user_usage`, in the byte order of their names.
//!
//! The tests of the crate have the race that each rule decides, with the rule and without it.
//!
//! | feature | adds |
//! |---|---|
//! | `postgres` | `Database`; on by default |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc)]

#[cfg(feature = "postgres")]
mod database;

#[cfg(feature = "postgres")]
pub use database::{Database, DatabaseOptions, DatabaseUrl, Migrate};
