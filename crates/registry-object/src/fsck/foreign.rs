//! Objects below the registry's prefix that are none of its own.

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use wharf_content::Error;

use super::{Check, FsckFinding};
use crate::{database::Value, records::row::column};

/// The most objects in one statement.
const BATCH: usize = 1000;

const EXTERNAL: &str = "SELECT DISTINCT external_key FROM contents WHERE external_key = ANY ($1)";

impl Check<'_> {
    /// Tells of objects beside those that [`Check::objects`] lists, unless content lies in them.
    pub(super) async fn foreign(&mut self) -> Result<(), Error> {
        let objects = self.backend.objects().clone();
        let mut foreign = objects.list_foreign();
        let mut batch = Vec::new();
        while let Some(object) = foreign.try_next().await? {
            batch.push(object);
            if batch.len() == BATCH {
                self.judge_foreign(std::mem::take(&mut batch)).await?;
            }
        }
        self.judge_foreign(batch).await
    }

    async fn judge_foreign(&mut self, batch: Vec<(Path, u64)>) -> Result<(), Error> {
        let external = self.backend.objects().external().ok().cloned();
        let key = |path: &Path| external.as_ref().map(|external| external.key_of(path));
        let keys: Vec<String> = batch.iter().filter_map(|(path, _)| key(path)).collect();
        let mut used: Vec<String> = Vec::new();
        if !keys.is_empty() {
            for row in &self.rows(EXTERNAL, [Value::Texts(keys)]).await? {
                used.push(column(row, 0)?);
            }
        }
        for (path, size) in batch {
            if key(&path).is_none_or(|key| !used.contains(&key)) {
                let path = path.to_string();
                self.tell(FsckFinding::Foreign { path, size });
            }
        }
        Ok(())
    }
}
