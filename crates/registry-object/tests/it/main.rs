//! Tests against PostgreSQL, which they start.
#![cfg(all(unix, feature = "postgres"))]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_push_string,
    reason = "a test that fails panics"
)]

mod backend;
mod collect;
mod connections;
mod cutting_proxy;
mod database;
mod events;
mod fsck;
mod in_place;
mod migrations;
mod plans;
mod races;
mod records;
mod releases;
mod secrets;
mod stage;
mod stalls;
mod stores;
mod tls;

use wharf_content::Error;
use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl};

/// Opens a database with default options.
async fn open(url: &str) -> Result<Database, Error> {
    Database::open(&DatabaseUrl::parse(url)?, DatabaseOptions::default()).await
}
