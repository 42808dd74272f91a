use std::{collections::BTreeMap, sync::Arc};

use wharf_content::{Manifest, MediaType};
use wharf_reference::{Digest, Tag};

use super::{ConformanceFailure, Run};
use crate::{
    BlobRecord, Change, ManifestRecord, Record, RecordKey, RecordRange, Records, RepositoryPath, Usage,
};

const KEPT: &str = "kept/after/closing";
/// A manifest without anything that could be missing.
const INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

impl Run {
    pub(super) async fn no_records(&mut self, records: &dyn Records) -> Result<(), ConformanceFailure> {
        self.case = "records in the beginning";
        let (path, digest) = (self.path("a")?, self.name("nothing")?);
        let keys = [
            RecordKey::Blob(digest.clone()),
            RecordKey::Manifest(digest.clone()),
            RecordKey::Tag(self.parsed_tag("v1")?),
        ];
        let values = self.ok(records.values(&path, &keys).await)?;
        self.that(values == [None, None, None], "are none")?;
        let values = self.ok(records.touch(&path, &keys).await)?;
        self.that(values == [None, None, None], "are not made by a touch")?;
        let tags = self.ok(records.range(&path, &RecordRange::Tags, "", 10).await)?;
        self.that(tags.is_empty(), "have no range")?;
        let repositories = self.ok(records.repositories("", 10).await)?;
        self.that(repositories.is_empty(), "are in no repository")?;
        let exists = self.ok(records.exists(&path).await)?;
        let holders = self.ok(records.holders(&digest, 10).await)?;
        self.that(!exists && holders.is_empty(), "make no repository exist")?;
        let usage = self.ok(records.usage(&path, Some("ada")).await)?;
        self.that(usage == Usage::default(), "count for nobody")?;
        self.ok(records.health())?;
        self.that(true, "are healthy")
    }

    pub(super) async fn lookups(&mut self, records: &dyn Records) -> Result<(), ConformanceFailure> {
        self.case = "records";
        let (one, other) = (self.path("a/b")?, self.path("a")?);
        let blob = Record::Blob(self.name("blob")?, BlobRecord::new(7).with_user("ada"));
        let (first, second) = (self.tag("v1", "first")?, self.tag("v1", "second")?);
        let absent = RecordKey::Tag(self.parsed_tag("none")?);
        let manifest = self.manifest("first", None, "x".repeat(1_000_000))?;
        let target = self.manifest("second", None, String::new())?;
        let changes = [
            Change::Put(manifest.clone()),
            Change::Put(target.clone()),
            Change::Put(first.clone()),
            Change::Put(blob.clone()),
            Change::Put(second.clone()),
            Change::Remove(absent.clone()),
        ];
        let outcome = records.commit(&one, self.commit_of(changes)?).await;
        self.committed(outcome, "are committed together")?;
        let outcome = records.commit(&other, self.put(blob.clone())?).await;
        self.committed(outcome, "of two repositories are apart")?;
        let outcome = records.commit(&other, self.commit_of([])?).await;
        self.committed(outcome, "may be none")?;
        let keys = [absent, second.key(), blob.key(), manifest.key(), blob.key()];
        let expected = [
            None,
            Some(second.clone()),
            Some(blob.clone()),
            Some(manifest.clone()),
            Some(blob.clone()),
        ];
        let values = self.ok(records.values(&one, &keys).await)?;
        self.that(values == expected, "are what the last change in order says")?;
        let values = self.ok(records.touch(&one, &keys).await)?;
        self.that(values == expected, "are the same when they are touched")?;
        let value = self.value(records, &other, second.key()).await?;
        self.that(value.is_none(), "are not those of another repository")?;
        let mut holders = self.ok(records.holders(&self.name("blob")?, 10).await)?;
        holders.sort_unstable();
        self.that(holders == [other.clone(), one.clone()], "tell who has a blob")?;
        let holders = self.ok(records.holders(&self.name("blob")?, 1).await)?;
        self.that(holders.len() == 1, "tell no more than is asked for")?;
        let outcome = records.commit(&one, self.remove(manifest.key())?).await;
        self.committed(outcome, "are removed")?;
        let value = self.value(records, &one, second.key()).await?;
        self.that(
            value == Some(second.clone()),
            "are removed with their own tags alone",
        )?;
        let changes = [blob.key(), second.key(), target.key()].map(Change::Remove);
        let outcome = records.commit(&one, self.commit_of(changes)?).await;
        self.committed(outcome, "are removed together")?;
        let values = self.ok(records.values(&one, &keys).await)?;
        self.that(values.iter().all(Option::is_none), "go when they are removed")?;
        let value = self.value(records, &other, blob.key()).await?;
        self.that(value == Some(blob.clone()), "are removed in one repository alone")?;
        let exist = (
            self.ok(records.exists(&one).await)?,
            self.ok(records.exists(&other).await)?,
        );
        self.that(
            exist == (false, true),
            "make a repository exist while it has some",
        )?;
        let outcome = records.commit(&other, self.remove(blob.key())?).await;
        self.committed(outcome, "of the last repository go")
    }

    pub(super) async fn ranges(&mut self, records: &dyn Records) -> Result<(), ConformanceFailure> {
        self.case = "ranges";
        let target = self.manifest("target", None, String::new())?;
        let paths = ["a", "a-b", "a.b", "a/b", "a/b/c", "a0", "b"];
        for path in paths {
            let outcome = records.commit(&self.path(path)?, self.put(target.clone())?).await;
            self.committed(outcome, "have something to show")?;
        }
        let names = |paths: Vec<RepositoryPath>| paths.iter().map(|path| path.as_str().to_owned()).collect();
        let all: Vec<String> = names(self.ok(records.repositories("", 100).await)?);
        self.that(all == paths, "of repositories are in byte order")?;
        let page: Vec<String> = names(self.ok(records.repositories("a.a", 3).await)?);
        self.that(page == ["a.b", "a/b", "a/b/c"], "of repositories have pages")?;
        let last: Vec<String> = names(self.ok(records.repositories("b", 3).await)?);
        self.that(last.is_empty(), "of repositories end")?;

        let path = self.path("a")?;
        let tags = ["1", "10", "2", "A", "B", "_a", "a", "a-b", "a.b", "aB"];
        let mut changes = Vec::new();
        for tag in tags.iter().rev() {
            changes.push(Change::Put(self.tag(tag, "target")?));
        }
        let outcome = records.commit(&path, self.commit_of(changes)?).await;
        self.committed(outcome, "have tags to show")?;
        let names = |found: Vec<Record>| {
            let tags = found.into_iter().filter_map(|record| match record {
                Record::Tag(tag, _) => Some(tag.as_str().to_owned()),
                _ => None,
            });
            tags.collect::<Vec<_>>()
        };
        let found = self.ok(records.range(&path, &RecordRange::Tags, "", 100).await)?;
        self.that(names(found) == tags, "of tags are in byte order")?;
        let found = self.ok(records.range(&path, &RecordRange::Tags, "AA", 3).await)?;
        self.that(
            names(found) == ["B", "_a", "a"],
            "of tags have pages after any name",
        )?;
        let found = self.ok(records.range(&path, &RecordRange::Tags, "aB", 3).await)?;
        self.that(found.is_empty(), "of tags end")?;
        self.referrers(records, &path).await?;
        for name in paths {
            let outcome = records
                .commit(&self.path(name)?, self.remove(target.key())?)
                .await;
            self.committed(outcome, "are emptied")?;
        }
        let found = self.ok(records.range(&path, &RecordRange::Tags, "", 100).await)?;
        self.that(found.is_empty(), "lose the tags of a manifest that is removed")
    }

    async fn referrers(
        &mut self,
        records: &dyn Records,
        path: &RepositoryPath,
    ) -> Result<(), ConformanceFailure> {
        let mut all = Vec::new();
        for (name, artifact_type) in [("r1", "a/x"), ("r2", "a/y"), ("r3", "a/x"), ("r4", "a/x")] {
            all.push(self.manifest(name, Some(artifact_type), String::new())?);
        }
        let changes = all.iter().cloned().map(Change::Put);
        let outcome = records.commit(path, self.commit_of(changes)?).await;
        self.committed(outcome, "have referrers to show")?;
        all.sort_by_key(digest_of);
        let subject = self.name("subject")?;
        let range = |artifact_type: Option<&str>| {
            RecordRange::Referrers(subject.clone(), artifact_type.map(str::to_owned))
        };
        let found = self.ok(records.range(path, &range(None), "", 100).await)?;
        self.that(found == all, "of referrers are in the order of digests")?;
        let after = all.first().and_then(digest_of).unwrap_or_default();
        let found = self.ok(records.range(path, &range(None), &after, 2).await)?;
        self.that(Some(found.as_slice()) == all.get(1..3), "of referrers have pages")?;
        let found = self.ok(records.range(path, &range(Some("a/x")), "", 100).await)?;
        let of_type = |record: &Record| matches!(record, Record::Manifest(_, record) if record.artifact_type.as_ref().map(MediaType::as_str) == Some("a/x"));
        let expected = all.iter().filter(|record| of_type(record)).cloned();
        self.that(found == expected.collect::<Vec<_>>(), "of referrers have a type")?;
        let needing = RecordRange::Needing(self.name("blob")?);
        let found = self.ok(records.range(path, &needing, "", 100).await)?;
        self.that(found == all, "tell which manifests need a blob")?;
        let nobody = RecordRange::Needing(self.name("another")?);
        let found = self.ok(records.range(path, &nobody, "", 100).await)?;
        self.that(found.is_empty(), "tell that no manifest needs a blob")?;
        let changes = all.iter().map(|record| Change::Remove(record.key()));
        let outcome = records.commit(path, self.commit_of(changes)?).await;
        self.committed(outcome, "lose what is removed")?;
        let found = self.ok(records.range(path, &range(None), "", 100).await)?;
        self.that(found.is_empty(), "of referrers are empty then")
    }

    pub(super) async fn leave_links(&mut self, records: &dyn Records) -> Result<(), ConformanceFailure> {
        self.case = "records that are left behind";
        let kept = self.kept()?;
        let changes = kept.into_iter().map(Change::Put);
        let outcome = records.commit(&self.path(KEPT)?, self.commit_of(changes)?).await;
        self.committed(outcome, "are committed")
    }

    /// Looks for the records that [`Run::leave_links`] left.
    pub(super) async fn find_links(&mut self, records: &dyn Records) -> Result<(), ConformanceFailure> {
        let kept = self.kept()?;
        let keys = kept.iter().map(Record::key).collect::<Vec<_>>();
        let values = self.ok(records.values(&self.path(KEPT)?, &keys).await)?;
        self.that(values == kept.map(Some), "records do")
    }

    /// Records that no collection removes.
    pub(super) fn kept(&self) -> Result<[Record; 3], ConformanceFailure> {
        let manifest = self.manifest("manifest", Some("a/x"), "an annotation\n\"in quotes\"".to_owned())?;
        Ok([
            Record::Blob(self.name("blob")?, BlobRecord::new(1 << 40)),
            manifest,
            self.tag("v1", "manifest")?,
        ])
    }

    pub(super) fn tag(&self, tag: &str, target: &str) -> Result<Record, ConformanceFailure> {
        Ok(Record::Tag(self.parsed_tag(tag)?, self.name(target)?))
    }

    /// The record of a manifest; with an artifact type it is a referrer that needs a blob.
    pub(super) fn manifest(
        &self,
        name: &str,
        artifact_type: Option<&str>,
        annotation: String,
    ) -> Result<Record, ConformanceFailure> {
        let manifest = self.ok(Manifest::parse(INDEX.into(), None))?;
        let mut record = ManifestRecord::of(&manifest, Some("ada"));
        if let Some(artifact_type) = artifact_type {
            record.subject = Some(self.name("subject")?);
            record.artifact_type = Some(self.ok(MediaType::parse(artifact_type))?);
            record.blobs = vec![(self.name("blob")?, 7)];
        }
        record.annotations = BTreeMap::from([("key".to_owned(), annotation)]);
        record.manifests = vec![self.name("child")?];
        Ok(Record::Manifest(self.name(name)?, Arc::new(record)))
    }
}

fn digest_of(record: &Record) -> Option<String> {
    match record {
        Record::Manifest(digest, _) => Some(Digest::as_str(digest).to_owned()),
        Record::Blob(..) | Record::Tag(..) => None,
    }
}

/// A tag as a key.
pub(super) fn key(tag: &Tag) -> RecordKey {
    RecordKey::Tag(tag.clone())
}
