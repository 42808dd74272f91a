use std::{collections::BTreeMap, sync::Arc};

use wharf_content::{Manifest, MediaType};
use wharf_reference::{Algorithm, Digest, Tag};

use super::{ConformanceFailure, Run};
use crate::{BlobRecord, Change, ManifestRecord, Record, RecordKey, Records, RepositoryPath};

const KEPT: &str = "kept/after/closing";
/// A manifest without anything that could be missing.
const INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

type Map = BTreeMap<(RepositoryPath, RecordKey), Record>;

impl Run {
    pub(super) async fn records(&mut self, records: &dyn Records) -> Result<(), ConformanceFailure> {
        self.case = "records";
        let (one, other) = (self.path("a/b")?, self.path("a")?);
        let map = self.map(records).await?;
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
        self.ok(records.commit(&one, &changes).await)?;
        self.ok(records.commit(&other, &[Change::Put(first.clone())]).await)?;
        self.ok(records.commit(&other, &[]).await)?;
        let expected = [
            ((one.clone(), second.key()), second.clone()),
            ((one.clone(), blob.key()), blob.clone()),
            ((other.clone(), first.key()), first.clone()),
        ];
        let map = self.map(records).await?;
        self.that(
            map == Map::from(expected),
            "are what the last change in order says",
        )?;
        let manifest = self.manifest("x".repeat(1_000_000))?;
        self.ok(records.commit(&one, &[Change::Put(manifest.clone())]).await)?;
        let map = self.map(records).await?;
        let found = map.get(&(one.clone(), manifest.key()));
        self.that(found == Some(&manifest), "may be large")?;
        let gone = [manifest.key(), blob.key(), second.key()].map(Change::Remove);
        self.ok(records.commit(&one, &gone).await)?;
        let map = self.map(records).await?;
        let left = Map::from([((other.clone(), first.key()), first.clone())]);
        self.that(map == left, "are removed in their own repository alone")?;
        self.ok(records.commit(&other, &[Change::Remove(first.key())]).await)?;
        let map = self.map(records).await?;
        self.that(map.is_empty(), "go when they are removed")?;
        self.ok(records.health())?;
        self.that(true, "are healthy")
    }

    pub(super) async fn leave_records(&mut self, records: &dyn Records) -> Result<(), ConformanceFailure> {
        self.case = "records that are left behind";
        let changes = self.kept()?.map(Change::Put);
        self.ok(records.commit(&self.path(KEPT)?, &changes).await)
    }

    /// Looks for the records that [`Run::leave_records`] left.
    pub(super) async fn find_records(&mut self, records: &dyn Records) -> Result<(), ConformanceFailure> {
        let map = self.map(records).await?;
        let path = self.path(KEPT)?;
        let kept = self.kept()?;
        let expected = kept.map(|record| ((path.clone(), record.key()), record));
        self.that(map == Map::from(expected), "records do")
    }

    fn kept(&self) -> Result<[Record; 3], ConformanceFailure> {
        Ok([
            Record::Blob(self.name("blob")?, BlobRecord::new(u64::MAX)),
            self.manifest("an annotation\n\"in quotes\"".to_owned())?,
            self.tag("v1", "manifest")?,
        ])
    }

    async fn map(&self, records: &dyn Records) -> Result<Map, ConformanceFailure> {
        let all = self.all(records.records().await).await?;
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

    fn path(&self, text: &str) -> Result<RepositoryPath, ConformanceFailure> {
        self.ok(RepositoryPath::parse(text))
    }

    /// A digest that is as good as any.
    fn name(&self, text: &str) -> Result<Digest, ConformanceFailure> {
        self.digest(Algorithm::Sha256, text.as_bytes())
    }

    fn parsed_tag(&self, text: &str) -> Result<Tag, ConformanceFailure> {
        Tag::parse(text).map_err(|error| self.fail(error.to_string()))
    }

    fn tag(&self, tag: &str, target: &str) -> Result<Record, ConformanceFailure> {
        Ok(Record::Tag(self.parsed_tag(tag)?, self.name(target)?))
    }

    fn manifest(&self, annotation: String) -> Result<Record, ConformanceFailure> {
        let manifest = self.ok(Manifest::parse(INDEX.into(), None))?;
        let mut record = ManifestRecord::of(&manifest, Some("ada"));
        record.subject = Some(self.name("subject")?);
        record.artifact_type = Some(MediaType::OCI_INDEX);
        record.annotations.insert("key".to_owned(), annotation);
        record.blobs = vec![(self.name("blob")?, 7)];
        record.manifests = vec![self.name("child")?];
        Ok(Record::Manifest(self.name("manifest")?, Arc::new(record)))
    }
}
