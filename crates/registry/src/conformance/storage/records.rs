use std::collections::BTreeMap;

use super::super::{ConformanceFailure, Run};
use crate::{BlobRecord, Change, Record, RecordKey, RepositoryPath, Storage};

const KEPT: &str = "kept/after/closing";
type Map = BTreeMap<(RepositoryPath, RecordKey), Record>;

impl Run {
    pub(super) async fn records(&mut self, storage: &dyn Storage) -> Result<(), ConformanceFailure> {
        self.case = "records";
        let (one, other) = (self.path("a/b")?, self.path("a")?);
        let map = self.map(storage).await?;
        self.that(map.is_empty(), "are none in the beginning")?;
        let [first, second] = [self.tag("v1", "first")?, self.tag("v1", "second")?];
        let blob = Record::Blob(self.name("blob")?, BlobRecord::new(7).with_user("ada"));
        let absent = RecordKey::Tag(self.parsed_tag("none")?);
        let changes = [
            Change::Put(first.clone()),
            Change::Put(blob.clone()),
            Change::Put(second.clone()),
            Change::Remove(absent),
        ];
        self.ok(storage.record(&one, &changes).await)?;
        self.ok(storage.record(&other, &[Change::Put(first.clone())]).await)?;
        self.ok(storage.record(&other, &[]).await)?;
        let expected = [
            ((one.clone(), second.key()), second.clone()),
            ((one.clone(), blob.key()), blob.clone()),
            ((other.clone(), first.key()), first.clone()),
        ];
        let map = self.map(storage).await?;
        self.that(
            map == Map::from(expected),
            "are what the last change in order says",
        )?;
        let manifest = self.manifest("manifest", Some("a/x"), "x".repeat(1_000_000))?;
        self.ok(storage.record(&one, &[Change::Put(manifest.clone())]).await)?;
        let map = self.map(storage).await?;
        let found = map.get(&(one.clone(), manifest.key()));
        self.that(found == Some(&manifest), "may be large")?;
        let gone = [manifest.key(), blob.key(), second.key()].map(Change::Remove);
        self.ok(storage.record(&one, &gone).await)?;
        let map = self.map(storage).await?;
        let left = Map::from([((other.clone(), first.key()), first.clone())]);
        self.that(map == left, "are removed in their own repository alone")?;
        self.ok(storage.record(&other, &[Change::Remove(first.key())]).await)?;
        let map = self.map(storage).await?;
        self.that(map.is_empty(), "go when they are removed")?;
        self.ok(storage.health())?;
        self.that(true, "are healthy")
    }

    pub(super) async fn leave_records(&mut self, storage: &dyn Storage) -> Result<(), ConformanceFailure> {
        self.case = "records that are left behind";
        let changes = self.kept()?.map(Change::Put);
        self.ok(storage.record(&self.path(KEPT)?, &changes).await)
    }

    /// Looks for the records that [`Run::leave_records`] left.
    pub(super) async fn find_records(&mut self, storage: &dyn Storage) -> Result<(), ConformanceFailure> {
        let map = self.map(storage).await?;
        let path = self.path(KEPT)?;
        let kept = self.kept()?;
        let expected = kept.map(|record| ((path.clone(), record.key()), record));
        self.that(map == Map::from(expected), "records do")
    }

    async fn map(&self, storage: &dyn Storage) -> Result<Map, ConformanceFailure> {
        let all = self.all(storage.records().await).await?;
        let length = all.len();
        let pairs = all
            .into_iter()
            .map(|(path, record)| ((path, record.key()), record));
        let map = pairs.collect::<Map>();
        if map.len() != length {
            return Err(self.fail("are listed twice"));
        }
        Ok(map)
    }
}
