//! Signs of life of a writer.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use tokio::task::JoinHandle;

use crate::{
    Database,
    database::{RELAXED, Statement, Value},
};

/// The time between two renewals of an upload that is written to, and of its object. An object that was not renewed for a
/// day is swept; an upload may be dropped after the time that a registry sets.
const INTERVAL: Duration = Duration::from_secs(60);

/// A renewal that the server loses is made up for by the next.
static RENEW: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH used AS (UPDATE uploads SET used = now() WHERE id = $1 RETURNING {RELAXED})
         UPDATE pending SET renewed = now() WHERE object = $2 AND upload IS NULL"
    )
});

/// Renews an upload and an object until it is dropped.
pub(super) struct Renewal(JoinHandle<()>);

impl Renewal {
    pub(super) fn begin(database: Arc<Database>, upload: &str, object: &str) -> Self {
        let values = [Value::text(upload), Value::text(object)];
        let statement = Statement::new("renew an upload", &RENEW, values);
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                // One that fails is made up for by the next: the object lives for a day.
                let _ = statement.run(&*database).await;
            }
        }))
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}
