//! The number of things that are stored, as they were counted last.

use std::{
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};
use tokio_postgres::Row;
use wharf_content::Error;
use wharf_registry::Inventory;

use super::ObjectBackend;
use crate::{
    Database,
    database::{Query as _, Statement, Value},
    records::{
        HAS_RECORDS,
        row::{bytes, column},
    },
};

/// The age at which a count is made anew, when somebody asks for it.
const AGE: Duration = Duration::from_secs(60);

/// The time for which an opening waits for the first count, which takes long where much is stored.
const AT_OPENING: Duration = Duration::from_secs(5);

const NAMED_OBJECTS: &str =
    "SELECT EXISTS (SELECT FROM contents WHERE objects IS NOT NULL AND objects <> '{}')
     OR EXISTS (SELECT FROM pending WHERE upload IS NOT NULL),
     EXISTS (SELECT FROM contents WHERE external_key IS NOT NULL)";

static COUNT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT (SELECT count(*) FROM repositories WHERE {HAS_RECORDS}),
         (SELECT count(*) FROM tags), (SELECT count(*) FROM manifests), (SELECT count(*) FROM blobs),
         (SELECT least(coalesce(sum(bytes), 0), 9223372036854775807)::bigint FROM repository_usage),
         (SELECT count(*) FROM uploads WHERE repository IS NOT NULL),
         (SELECT least(coalesce(sum(length), 0), 9223372036854775807)::bigint FROM uploads WHERE repository IS NOT NULL),
         (SELECT least(coalesce(sum(last - accepted), 0), 9223372036854775807)::bigint FROM event_positions WHERE accepted < last),
         (SELECT count(*) FROM doomed)"
    )
});

/// The last count.
#[derive(Default)]
pub(super) struct Counted(Mutex<Count>);

#[derive(Default)]
struct Count {
    inventory: Inventory,
    /// The time from which another is to be made; `None`: now.
    next: Option<Instant>,
    is_under_way: bool,
}

impl Counted {
    /// Ends a count, which took this time. Without a result the last one stays.
    fn end(&self, inventory: Option<Inventory>, took: Duration) {
        let mut count = self.lock();
        count.inventory = inventory.unwrap_or(count.inventory);
        count.next = Some(Instant::now() + took.max(AGE));
        count.is_under_way = false;
    }

    /// The last count, and whether a new one is to be made, of which one is under way at a time.
    fn get(&self) -> (Inventory, bool) {
        let mut count = self.lock();
        let is_due = !count.is_under_way && count.next.is_none_or(|next| next <= Instant::now());
        count.is_under_way |= is_due;
        (count.inventory, is_due)
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectBackend {
    /// Counts what is stored, for as long as it takes. If it fails, the last count stays.
    async fn count(&self) {
        let begun = Instant::now();
        let statement = Statement::new("count what is stored", &COUNT, [] as [Value; 0]);
        let counted = match self.database().run_long(&statement).await {
            Ok(rows) => rows.first().and_then(|row| inventory(row).ok()),
            Err(_) => None,
        };
        self.0.counted.end(counted, begun.elapsed());
    }

    /// Counts what is stored, unless that takes long: then it is counted when somebody asks.
    pub(super) async fn count_at_opening(&self) {
        let _ = timeout(AT_OPENING, self.count()).await;
    }

    /// The last count. If it is old, another is begun.
    pub(super) fn counted(&self) -> Inventory {
        let (inventory, is_old) = self.0.counted.get();
        if let Ok(runtime) = Handle::try_current()
            && is_old
        {
            let backend = self.clone();
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
