use std::sync::Arc;

use wharf_content::MediaType;

use super::{
    ConformanceFailure, Run,
    races::{ROUNDS, both},
    records::key,
};
use crate::{
    BlobRecord, Change, Guard, ManifestRecord, Outcome, Record, RecordKey, Records, RepositoryPath, Usage,
};

impl Run {
    pub(super) async fn guards(&mut self, records: &dyn Records) -> Result<(), ConformanceFailure> {
        self.case = "guards";
        let path = self.path("guarded")?;
        let manifest = self.manifest("there", None, String::new())?;
        let blob = Record::Blob(self.name("blob")?, BlobRecord::new(7));
        let tag = self.tag("v1", "there")?;
        let there = [manifest.key(), blob.key(), tag.key()];
        let changes = [manifest, blob, tag].map(Change::Put);
        let outcome = records.commit(&path, self.commit_of(changes)?).await;
        self.committed(outcome, "are not needed")?;
        let (v1, v2) = (self.parsed_tag("v1")?, self.parsed_tag("v2")?);
        let (here, elsewhere) = (self.name("there")?, self.name("elsewhere")?);
        let absent = [
            RecordKey::Manifest(elsewhere.clone()),
            RecordKey::Blob(here.clone()),
            key(&v2),
        ];
        let mut holding = vec![
            Guard::Tag(v1.clone(), Some(here.clone())),
            Guard::Tag(v2.clone(), None),
            Guard::MediaType(here.clone(), MediaType::OCI_INDEX),
            Guard::MediaType(elsewhere.clone(), MediaType::OCI_MANIFEST),
        ];
        holding.extend(there.iter().cloned().map(Guard::Present));
        holding.extend(absent.iter().cloned().map(Guard::Absent));
        let mut failing = vec![
            Guard::Tag(v1.clone(), None),
            Guard::Tag(v1, Some(elsewhere.clone())),
            Guard::Tag(v2, Some(here.clone())),
            Guard::MediaType(here, MediaType::OCI_MANIFEST),
        ];
        failing.extend(absent.into_iter().map(Guard::Present));
        failing.extend(there.into_iter().map(Guard::Absent));
        let probe = self.tag("probe", "there")?;
        let outcome = records
            .commit(&path, self.put(probe.clone())?.with_guards(holding.clone()))
            .await;
        self.committed(outcome, "that hold let pass")?;
        let outcome = records
            .commit(&path, self.remove(probe.key())?.with_guards(holding.clone()))
            .await;
        self.committed(outcome, "that hold let pass what removes")?;
        for guard in failing {
            let mut guards = holding.clone();
            guards.truncate(2);
            guards.push(guard.clone());
            guards.push(guard.clone());
            let other = self.tag("other", "there")?;
            let changes = [probe.clone(), other].map(Change::Put);
            let outcome = records
                .commit(&path, self.commit_of(changes)?.with_guards(guards))
                .await;
            self.refused(outcome, 2, &format!("tell the first that fails: {guard:?}"))?;
            let value = self.value(records, &path, probe.key()).await?;
            self.that(value.is_none(), "that fail let nothing change")?;
        }
        self.empty(records, &path).await
    }

    /// Of two commits that run side by side and demand that what they put is not there, one is made.
    pub(super) async fn guards_side_by_side(
        &mut self,
        records: &dyn Records,
    ) -> Result<(), ConformanceFailure> {
        self.case = "guards of commits that run side by side";
        let path = self.path("guarded/twice")?;
        let manifest = self.manifest("there", None, String::new())?;
        let outcome = records.commit(&path, self.put(manifest)?).await;
        self.committed(outcome, "are not needed")?;
        let blob = Record::Blob(self.name("blob")?, BlobRecord::new(7));
        let tag = self.tag("v1", "there")?;
        for record in [blob, tag] {
            for _ in 0..ROUNDS {
                let absent = || Guard::Absent(record.key());
                let commits = (self.put(record.clone())?, self.put(record.clone())?);
                let commits = (commits.0.with_guard(absent()), commits.1.with_guard(absent()));
                let (one, other) = (records.commit(&path, commits.0), records.commit(&path, commits.1));
                let (one, other) = both(one, other).await;
                let made = [self.ok(one)?, self.ok(other)?];
                let made = made
                    .iter()
                    .filter(|outcome| **outcome == Outcome::Committed)
                    .count();
                self.that(made == 1, "let one of two pass")?;
                let outcome = records.commit(&path, self.remove(record.key())?).await;
                self.committed(outcome, "are not needed to remove")?;
            }
        }
        self.empty(records, &path).await
    }

    /// Removes what [`Run::guards`] and [`Run::quotas`] leave.
    async fn empty(
        &mut self,
        records: &dyn Records,
        path: &RepositoryPath,
    ) -> Result<(), ConformanceFailure> {
        let mut changes = Vec::new();
        for name in ["there", "blob", "b1", "b2", "m1"] {
            changes.push(Change::Remove(RecordKey::Manifest(self.name(name)?)));
            changes.push(Change::Remove(RecordKey::Blob(self.name(name)?)));
        }
        let outcome = records.commit(path, self.commit_of(changes)?).await;
        self.committed(outcome, "are not needed to remove")?;
        let exists = self.ok(records.exists(path).await)?;
        self.that(!exists, "leave nothing behind")
    }

    pub(super) async fn quotas(&mut self, records: &dyn Records) -> Result<(), ConformanceFailure> {
        self.case = "quotas";
        let (path, second) = (self.path("quota")?, self.path("quota/second")?);
        let blob = |name: &str, size: u64, user: &str| -> Result<Record, ConformanceFailure> {
            Ok(Record::Blob(
                self.name(name)?,
                BlobRecord::new(size).with_user(user),
            ))
        };
        let (b1, b2) = (blob("b1", 60, "ada")?, blob("b2", 50, "ada")?);
        let of_eve = blob("b1", 60, "eve")?;
        let Record::Manifest(digest, record) = self.manifest("m1", None, String::new())? else {
            return Err(self.fail("have a manifest"));
        };
        let record = ManifestRecord {
            size: 40,
            ..(*record).clone()
        };
        let m1 = Record::Manifest(digest, Arc::new(record));
        let limited = |run: &Self, record: &Record, limit: u64| -> Result<_, ConformanceFailure> {
            let guards = [
                Guard::RepositoryQuota(limit),
                Guard::UserQuota("ada".into(), limit),
            ];
            Ok(run.put(record.clone())?.with_guards(guards))
        };
        let outcome = records.commit(&path, limited(self, &b1, 59)?).await;
        self.refused(outcome, 0, "refuse one byte too many")?;
        let outcome = records.commit(&path, limited(self, &b1, 60)?).await;
        self.committed(outcome, "let pass the last byte")?;
        let usage = self.ok(records.usage(&path, Some("ada")).await)?;
        self.that(usage == used(60, 60), "count blobs")?;
        let outcome = records.commit(&path, limited(self, &b1, 1)?).await;
        self.committed(outcome, "let pass what adds nothing")?;
        let outcome = records.commit(&path, limited(self, &m1, 99)?).await;
        self.refused(outcome, 0, "count manifests and blobs together")?;
        let outcome = records.commit(&path, limited(self, &m1, 100)?).await;
        self.committed(outcome, "let pass a manifest")?;
        let outcome = records.commit(&second, limited(self, &b2, 149)?).await;
        self.refused(outcome, 1, "count a user's in all repositories")?;
        let outcome = records.commit(&second, limited(self, &b2, 150)?).await;
        self.committed(outcome, "count a repository's in it alone")?;
        let usage = self.ok(records.usage(&second, Some("ada")).await)?;
        self.that(usage == used(50, 150), "count both")?;
        let outcome = records.commit(&path, limited(self, &of_eve, 1)?).await;
        self.committed(outcome, "of one user do not bind another")?;
        let usage = self.ok(records.usage(&path, Some("ada")).await)?;
        self.that(usage == used(100, 90), "count for who pushed last")?;
        let outcome = records.commit(&path, limited(self, &b1, 149)?).await;
        self.refused(outcome, 1, "count what moves to a user")?;
        let outcome = records.commit(&path, self.remove(m1.key())?).await;
        self.committed(outcome, "do not bind what removes")?;
        let usage = self.ok(records.usage(&path, Some("eve")).await)?;
        self.that(usage == used(60, 60), "are free again")?;
        let usage = self.ok(records.usage(&path, None).await)?;
        self.that(usage == used(60, 0), "are those of a user if one is named")?;
        self.empty(records, &path).await?;
        self.empty(records, &second).await?;
        let usage = self.ok(records.usage(&second, Some("ada")).await)?;
        self.that(usage == Usage::default(), "are empty in the end")
    }

    pub(super) async fn repetition(&mut self, records: &dyn Records) -> Result<(), ConformanceFailure> {
        self.case = "a commit that is repeated";
        let path = self.path("repeated")?;
        let targets = [
            self.manifest("one", None, String::new())?,
            self.manifest("two", None, String::new())?,
        ];
        let changes = targets.iter().cloned().map(Change::Put);
        let outcome = records.commit(&path, self.commit_of(changes)?).await;
        self.committed(outcome, "has something to point at")?;
        let tag = self.tag("v1", "one")?;
        let name = self.parsed_tag("v1")?;
        let commit = self.put(tag.clone())?.with_guard(Guard::Tag(name, None));
        let outcome = records.commit(&path, commit.clone()).await;
        self.committed(outcome, "is made")?;
        let outcome = records.commit(&path, commit.clone()).await;
        self.committed(
            outcome,
            "is made already, although its guards do not hold any more",
        )?;
        let moved = self.tag("v1", "two")?;
        let outcome = records.commit(&path, self.put(moved.clone())?).await;
        self.committed(outcome, "does not stop others")?;
        let outcome = records.commit(&path, commit.clone()).await;
        self.committed(outcome, "is done")?;
        let value = self.value(records, &path, tag.key()).await?;
        self.that(value == Some(moved), "changes nothing")?;
        let outcome = records.commit(&path, self.remove(tag.key())?).await;
        self.committed(outcome, "can be undone")?;
        let refused = self.put(tag.clone())?.with_guard(Guard::Present(tag.key()));
        let outcome = records.commit(&path, refused.clone()).await;
        self.refused(outcome, 0, "may be refused")?;
        let outcome = records.commit(&path, refused).await;
        self.refused(outcome, 0, "is judged anew if it was refused")?;
        let changes = targets.iter().map(|target| Change::Remove(target.key()));
        let outcome = records.commit(&path, self.commit_of(changes)?).await;
        self.committed(outcome, "leaves nothing behind")
    }
}

const fn used(repository: u64, user: u64) -> Usage {
    Usage { repository, user }
}
