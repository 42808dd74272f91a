//! The number of things that are stored, as they were counted last.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, time::Instant};
use tokio_postgres::Row;
use wharf_content::Error;
use wharf_registry::Inventory;

use super::ObjectBackend;
use crate::{
    Database,
    database::Query as _,
    records::{
        HAS_RECORDS,
        row::{bytes, column},
    },
};

/// The age at which a count is made anew, when somebody asks for it.
const AGE: Duration = Duration::from_secs(60);

const NAMED_OBJECTS: &str =
    "SELECT EXISTS (SELECT FROM contents WHERE objects IS NOT NULL AND objects <> '{}')
     OR EXISTS (SELECT FROM pending WHERE upload IS NOT NULL),
     EXISTS (SELECT FROM contents WHERE external_key IS NOT NULL)";

static COUNT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT (SELECT count(*) FROM repositories WHERE {HAS_RECORDS}),
         (SELECT count(*) FROM tags), (SELECT count(*) FROM manifests), (SELECT count(*) FROM blobs),
         (SELECT coalesce(sum(bytes), 0)::bigint FROM repository_usage),
         (SELECT count(*) FROM uploads WHERE repository IS NOT NULL),
         (SELECT coalesce(sum(length), 0)::bigint FROM uploads WHERE repository IS NOT NULL),
         (SELECT coalesce(sum(last - accepted), 0)::bigint FROM event_positions WHERE accepted < last),
         (SELECT count(*) FROM doomed)"
    )
});

/// The last count, and when it was begun.
#[derive(Default)]
pub(super) struct Counted(Mutex<(Inventory, Option<Instant>)>);

impl Counted {
    fn set(&self, inventory: Inventory) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = inventory;
    }

    /// The last count, and whether a new one is to be made.
    fn get(&self) -> (Inventory, bool) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = counted.1.is_none_or(|begun| begun.elapsed() >= AGE);
        if is_old {
            counted.1 = Some(Instant::now());
        }
        (counted.0, is_old)
    }
}

impl ObjectBackend {
    /// Counts what is stored.
    pub(super) async fn count(&self) -> Result<(), Error> {
        let rows = self.database().query("count what is stored", &COUNT, &[]).await?;
        if let Some(row) = rows.first() {
            self.0.counted.set(inventory(row)?);
        }
        Ok(())
    }

    /// The last count. If it is old, another is begun.
    pub(super) fn counted(&self) -> Inventory {
        let (inventory, is_old) = self.0.counted.get();
        if let Ok(runtime) = Handle::try_current()
            && is_old
        {
            let backend = self.clone();
            // Without a database the last count stays.
            runtime.spawn(async move { backend.count().await });
        }
        inventory
    }
}

/// The kinds of objects in which the database has content or uploads.
#[derive(Default)]
pub(super) struct NamedObjects {
    pub(super) own: bool,
    /// Objects of another registry.
    pub(super) external: bool,
}

pub(super) async fn named_objects(database: &Database) -> Result<NamedObjects, Error> {
    let rows = database.query("look for objects", NAMED_OBJECTS, &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(NamedObjects::default());
    };
    Ok(NamedObjects {
        own: column(row, 0)?,
        external: column(row, 1)?,
    })
}

fn inventory(row: &Row) -> Result<Inventory, Error> {
    let number = |index| {
        let number = bytes(column(row, index)?)?;
        Ok::<_, Error>(usize::try_from(number).unwrap_or(usize::MAX))
    };
    let mut inventory = Inventory::default();
    inventory.repositories = number(0)?;
    inventory.tags = number(1)?;
    inventory.manifests = number(2)?;
    inventory.blobs = number(3)?;
    inventory.bytes = bytes(column(row, 4)?)?;
    inventory.uploads = number(5)?;
    inventory.uploading = bytes(column(row, 6)?)?;
    inventory.events = bytes(column(row, 7)?)?;
    inventory.doomed = bytes(column(row, 8)?)?;
    Ok(inventory)
}
