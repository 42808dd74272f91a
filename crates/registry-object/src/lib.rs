//! A registry's storage for many processes: records in PostgreSQL, bytes in an object store.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use object_store::ObjectStore;
//! use wharf_registry::Registry;
//! use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl, ObjectBackend, ObjectOptions};
//!
//! # async fn example(store: Arc<dyn ObjectStore>) -> Result<(), wharf_content::Error> {
//! let url = DatabaseUrl::parse("postgres://wharf:secret@db.example.com/registry?sslrootcert=system")?;
//! let database = Database::open(&url, DatabaseOptions::default()).await?;
//! let backend = ObjectBackend::open(database, store, ObjectOptions::default()).await?;
//! let registry = Registry::open(backend).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A [`DatabaseUrl`] says where the database is and how connections to it are protected, by TCP, TLS or a socket. A
//! [`Database`] has the connections; opening it makes the tables and refuses a server that could lose what was
//! acknowledged. It implements [`Records`](wharf_registry::Records): any number of processes that open the same database
//! see one state, and of commits with conditions that exclude each other one is made.
//!
//! A [`Store`] is an object store, which a [`StoreUrl`] names: S3, Google Cloud Storage, Azure's blob storage or a directory. It is
//! checked when it is opened.
//!
//! An [`ObjectBackend`] is a [`Backend`](wharf_registry::Backend) over a database and any
//! [`ObjectStore`](object_store::ObjectStore). Blobs lie in objects whose names are drawn at random and never used
//! twice, manifests in the database. An upload that one process has begun goes on in any other, with its hash.
//!
//! # Content
//!
//! An object has a row from before its first byte: `pending`, until one transaction turns it into content that a repository
//! links, or moves its name to `doomed`, which names what may be deleted. So a process that is killed leaves nothing behind
//! that no row names. A request that appends to an upload writes an object of its own, then moves the upload's end, if that is
//! still where it was. Of two requests at one offset one wins, wherever they are.
//!
//! Content that is there already is linked, not stored again, if its objects are there with their sizes. Sizes and checksums
//! of stored objects are the store's to keep; bytes are hashed when they are received. Content whose
//! objects are found to be missing or of another size, or whose row is damaged or has other bytes, goes into quarantine: it counts as missing until it is pushed
//! again, which heals it for all repositories that link it. Before an object counts as missing, the store is asked whether it is still
//! the registry's: of a directory that is not mounted, or of a bucket that was emptied or replaced, nothing is known, and requests fail until
//! it is back.
//!
//! Such a store takes bytes, too. So a write and a push are acknowledged only if this process has seen the store to be the registry's within the last 5 s: by
//! any look for another request, by [`Backend::ping`](wharf_registry::Backend::ping), or by one that the push makes. However many push, that is one
//! request in 5 s at most. What was acknowledged in the 5 s before such a loss was noticed may have gone to the wrong store; a check names it. Of a
//! directory ([`Reclamation::directory`]) nothing is: each push looks, also for its own objects.
//!
//! Content may also lie in an object that another registry has written in the same bucket, or in a file of its: an import leaves it
//! there ([`ExternalStore`]). The key of such an object is in a column of its own, and the type that reads it has no
//! operation that writes or deletes: neither a collection, nor a check, nor a push changes the object. When it is gone or has
//! another size its content goes into quarantine as any other, and the next push gives it an object of this registry.
//!
//! # Collections
//!
//! Any process collects garbage ([`Backend::collect`](wharf_registry::Backend::collect)) while all serve, and any number of
//! them at the same time. A collection removes links that nothing needs, after the grace, and contents without
//! links; uploads and objects that were begun and given up; and then, after the times of [`Reclamation`], the objects whose
//! names it has moved to `doomed`. Each step is one transaction and judges again what it removes: a repository is locked for it,
//! and who looks a record up or links content meanwhile is seen, or finds it gone. An object is deleted when its row has
//! been there for a while, and a second time a week later, in case that a process which was stopped has written it in between. So a
//! collection that stops anywhere forgets nothing, and no clock but the database's decides.
//!
//! [`ObjectBackend::fsck`] compares all rows with each other and with the objects of the store, while processes serve and
//! collect. What it finds is a [`FsckFinding`].
//!
//! Backups: the database first, then the store; after one came back, a check before the first write. [`Reclamation::hold`] has to be as long as a backup of the database is
//! kept, since its rows need their objects when they come back.
//!
//! # What the server must be
//!
//! PostgreSQL 13 or newer, with `fsync` and `full_page_writes` on, as they are by default, and a database of its own with the
//! encoding UTF-8 and any locale, whose owner the user is, or in which the user may create tables. The tables are in
//! the first schema of the connection's `search_path`. Commits wait for the disk whatever `synchronous_commit` is, and for a
//! standby too where it is `remote_apply`; only the note that an upload was used waits for nothing.
//!
//! A failover must not go back behind what was acknowledged: `synchronous_standby_names` has to be set for that. Of several hosts
//! in a URL the first that accepts writes is used, and after a failover the next connection finds the new one. A connection whose server
//! accepts no writes any more, as behind a pooler, is closed, and the change is made on the next one.
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
//! 1. the row of the repository in `repositories`, `FOR UPDATE`;
//! 2. the row of the commit's id in `commits`, for which a repetition waits that meets its first attempt;
//! 3. the row of the upload in `uploads`, then those of its objects in `pending`;
//! 4. the row of the content in `contents`;
//! 5. rows of blobs, manifests and tags;
//! 6. the row of the repository in `repository_usage`;
//! 7. rows of subscribers' positions in `event_positions`, in the order of the subscribers;
//! 8. the rows of users in `user_usage`, in the byte order of their names.
//!
//! Senders of events lock single rows of `event_positions` and nothing else, never while they deliver.
//!
//! A request that only notes the use of a blob or a manifest changes its row and locks nothing else. The tests of the crate have the
//! race that each rule decides, with the rule and without it.
//!
//! A commit takes four round trips to the server: it begins, locks and looks up, changes and counts, and commits. It takes three
//! more in a new repository, one more for each 16 changes beyond the first, and one or two more if it links content. A look-up takes one,
//! a request that appends to an upload three.
//!
//! # Releases
//!
//! Processes of a release and of the one before share the tables while one replaces the other. The tables have the oldest version that a
//! process must know to change them, and each transaction that changes something begins by asking for it: a process of a release that the next
//! one forbids to write changes nothing after that migration is committed, wherever it was stopped. It reads on, and [`Backend::ping`](wharf_registry::Backend::ping)
//! says why.
//!
//! # Connections
//!
//! A process has at most [`DatabaseOptions::connections`]. Those that may have to wait for a lock are at most three quarters of them,
//! and two of one repository, so that reads and other repositories go on. A statement whose request was given up, or has
//! run out of time, is cancelled at the server, and its connection counts until the server has ended it.
//!
//! # Events
//!
//! The events of a commit are rows that its transaction writes, numbered under the lock of the repository without gaps: the
//! database is the [`Outbox`](wharf_registry::Outbox) of all processes, which must have the same subscribers under the same
//! names. A sender claims a repository for a subscriber, for a minute by the server's clock; whoever dies loses the claim, and
//! the events come again. A subscriber that no process has had for 24 hours is forgotten.
//!
//! Failures that the server asks to repeat (SQLSTATE 40001, 40P01, 55P03 and those of connections) are repeated until the
//! request's time is over. A commit whose answer was lost is found by its id, which is kept for a day, and
//! not made again.
//!
//! | feature | adds |
//! |---|---|
//! | `postgres` | `Database` and `ObjectBackend`, and with them `wharf-registry`, `object_store` and tokio-postgres; on by default |
//! | `store` | `Store` and `StoreUrl`: a directory, or an object store that the caller brings, by `object_store`; on by default |
//! | `aws` | `s3://`, with `http` |
//! | `azure` | `az://`, with `http` |
//! | `gcp` | `gs://`, with `http` |
//! | `testing` | `NextRelease`: a process of a later release, for tests of updates |
//! | `http` | `StoreTransport`: the HTTP of clouds, over `wharf-http`, which is reqwest with rustls and ring |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc)]

#[cfg(feature = "postgres")]
mod backend;
#[cfg(feature = "postgres")]
mod collect;
#[cfg(feature = "postgres")]
mod content;
#[cfg(feature = "postgres")]
mod database;
#[cfg(feature = "postgres")]
mod events;
#[cfg(feature = "postgres")]
mod external;
#[cfg(feature = "postgres")]
mod fsck;
#[cfg(feature = "postgres")]
mod objects;
#[cfg(feature = "postgres")]
mod records;
#[cfg(feature = "store")]
mod store;
#[cfg(any(feature = "postgres", feature = "store"))]
mod store_error;
#[cfg(any(feature = "postgres", feature = "store"))]
mod text;
#[cfg(feature = "postgres")]
mod uploads;

#[cfg(feature = "postgres")]
pub use backend::{ObjectBackend, ObjectOptions};
#[cfg(feature = "postgres")]
pub use collect::Reclamation;
#[cfg(feature = "testing")]
pub use database::NextRelease;
#[cfg(feature = "postgres")]
pub use database::{Database, DatabaseOptions, DatabaseUrl, Migrate};
#[cfg(feature = "postgres")]
pub use external::ExternalStore;
#[cfg(feature = "postgres")]
pub use fsck::{FsckFinding, FsckOptions, FsckReport};
#[cfg(feature = "postgres")]
pub use objects::ObjectTree;
#[cfg(feature = "store")]
pub use store::{Store, StoreOptions, StoreUrl};
#[cfg(feature = "http")]
pub use store::{StoreClock, StoreTransport};
