//! Two handles on one storage: each sees what the other has done, and of two changes that exclude each other one
//! is refused.

use std::{future::poll_fn, task::Poll};

use bytes::Bytes;
use wharf_content::{Error, ErrorKind, Hasher};
use wharf_reference::{Algorithm, Digest};

use super::{
    ConformanceFailure, Run,
    content::now,
    races::{ROUNDS, both},
    records::key,
    session_of,
};
use crate::{
    Backend, BlobRecord, Change, Guard, NewContent, Outcome, Record, RecordKey, RecordRange, RepositoryPath,
    UploadLimits, UploadSession, UploadsOf,
};

impl Run {
    pub(super) async fn visibility(
        &mut self,
        one: &dyn Backend,
        other: &dyn Backend,
    ) -> Result<(), ConformanceFailure> {
        self.case = "what one handle has done";
        let path = self.path("seen")?;
        let blob = self.blob(one, &path, Bytes::from_static(b"{}")).await?;
        let blob_key = RecordKey::Blob(blob.clone());
        let stored = self.linked(other, &path, blob_key.clone()).await?;
        let bytes = self.read(other, &stored, 0..2).await?;
        self.that(bytes == b"{}", "is read by the other")?;
        let (content, mut commit) = self.manifest_of(&blob, 2)?;
        let digest = content.digest().clone();
        let tag = Record::Tag(self.parsed_tag("v1")?, digest.clone());
        commit.changes.push(Change::Put(tag.clone()));
        let outcome = other.link(&path, content, commit).await;
        self.committed(outcome, "may be relied upon by the other")?;
        let value = self.value(one, &path, tag.key()).await?;
        self.that(value == Some(tag.clone()), "is seen at once")?;
        let tags = self.ok(one.range(&path, &RecordRange::Tags, "", 10).await)?;
        self.that(tags == [tag.clone()], "is listed at once")?;
        let exist = (
            self.ok(one.exists(&path).await)?,
            self.ok(other.repositories("", 10).await)?,
            self.ok(other.holders(&blob, 10).await)?,
        );
        self.that(
            exist == (true, vec![path.clone()], vec![path.clone()]),
            "makes a repository exist for both",
        )?;
        let usage = (
            self.ok(one.usage(&path, None).await)?,
            self.ok(other.usage(&path, None).await)?,
        );
        self.that(usage.0 == usage.1 && usage.0.repository > 2, "counts for both")?;
        let changes = [RecordKey::Manifest(digest), blob_key].map(Change::Remove);
        let outcome = one.commit(&path, self.commit_of(changes)?).await;
        self.committed(outcome, "is undone")?;
        let value = self.value(other, &path, tag.key()).await?;
        let exists = self.ok(other.exists(&path).await)?;
        self.that(value.is_none() && !exists, "is gone for both at once")
    }

    /// Each handle moves a tag from where it has seen it: no move is lost, and none is made twice.
    pub(super) async fn overtaken_commits(
        &mut self,
        one: &dyn Backend,
        other: &dyn Backend,
    ) -> Result<(), ConformanceFailure> {
        self.case = "commits that are overtaken";
        let path = self.path("overtaken")?;
        let tag = self.parsed_tag("v1")?;
        let mut targets = Vec::new();
        let mut changes = Vec::new();
        for number in 0..=2 * ROUNDS {
            let name = format!("target {number}");
            changes.push(Change::Put(self.manifest(&name, None, String::new())?));
            targets.push(self.name(&name)?);
        }
        let outcome = one.commit(&path, self.commit_of(changes)?).await;
        self.committed(outcome, "have manifests to point at")?;
        let seen = self.ok(one.values(&path, &[key(&tag)]).await)?;
        self.that(seen == [None], "begin with nothing")?;
        let first = self.put(Record::Tag(tag.clone(), self.name("target 0")?))?;
        let first = first.with_guard(Guard::Tag(tag.clone(), None));
        let second = self.put(Record::Tag(tag.clone(), self.name("target 1")?))?;
        let second = second.with_guard(Guard::Tag(tag.clone(), None));
        let outcome = one.commit(&path, first).await;
        self.committed(outcome, "are made by who is first")?;
        let outcome = other.commit(&path, second).await;
        self.refused(outcome, 0, "are refused to who is second")?;
        let moved = both(
            self.move_tag(one, &path, &targets),
            self.move_tag(other, &path, &targets),
        );
        let (moved_one, moved_other) = moved.await;
        let moved = moved_one? + moved_other?;
        let value = self.value(one, &path, key(&tag)).await?;
        let last = targets.get(moved).cloned().map(|target| Record::Tag(tag, target));
        self.that(
            moved == 2 * ROUNDS && value == last,
            "are lost or made twice never",
        )?;
        let changes = targets
            .into_iter()
            .map(|target| Change::Remove(RecordKey::Manifest(target)));
        let outcome = one.commit(&path, self.commit_of(changes)?).await;
        self.committed(outcome, "leave nothing behind")
    }

    /// Moves the tag to the next target so many times; the number of moves.
    async fn move_tag(
        &self,
        backend: &dyn Backend,
        path: &RepositoryPath,
        targets: &[Digest],
    ) -> Result<usize, ConformanceFailure> {
        let tag = self.parsed_tag("v1")?;
        let mut moved = 0;
        while moved < ROUNDS {
            let Some(Record::Tag(_, current)) = self.value(backend, path, key(&tag)).await? else {
                return Err(self.fail("lose a tag"));
            };
            let at = targets.iter().position(|target| *target == current);
            let Some(next) = at.and_then(|at| targets.get(at + 1)) else {
                return Err(self.fail("move a tag more often than they say"));
            };
            let commit = self.put(Record::Tag(tag.clone(), next.clone()))?;
            let commit = commit.with_guard(Guard::Tag(tag.clone(), Some(current)));
            if self.ok(backend.commit(path, commit).await)? == Outcome::Committed {
                moved += 1;
            }
        }
        Ok(moved)
    }

    /// A caller that has got no answer asks again, maybe another handle.
    pub(super) async fn lost_replies(
        &mut self,
        one: &dyn Backend,
        other: &dyn Backend,
    ) -> Result<(), ConformanceFailure> {
        self.case = "a reply that is lost";
        let path = self.path("lost")?;
        let blob = self.blob(one, &path, Bytes::from_static(b"{}")).await?;
        let blob_key = RecordKey::Blob(blob.clone());
        let commit = self.remove(blob_key.clone())?;
        let commit = commit.with_guard(Guard::Present(blob_key.clone()));
        let outcome = one.commit(&path, commit.clone()).await;
        self.committed(outcome, "is one to a commit")?;
        let outcome = other.commit(&path, commit.clone()).await;
        self.committed(outcome, "is given again by the other")?;
        self.blob(other, &path, Bytes::from_static(b"{}")).await?;
        let (first, second) = both(one.commit(&path, commit.clone()), other.commit(&path, commit)).await;
        self.committed(first, "is given again after others have committed")?;
        self.committed(second, "is given again by both")?;
        let value = self.value(one, &path, blob_key.clone()).await?;
        self.that(value.is_some(), "makes no commit a second time")?;
        for _ in 0..ROUNDS {
            let (content, commit) = self.manifest_of(&blob, 2)?;
            let manifest = RecordKey::Manifest(content.digest().clone());
            let links = both(
                one.link(&path, content.clone(), commit.clone()),
                other.link(&path, content, commit),
            );
            let (first, second) = links.await;
            self.committed(first, "is the same for a call and its repetition at once")?;
            self.committed(second, "is the same for both")?;
            let outcome = other.commit(&path, self.remove(manifest)?).await;
            self.committed(outcome, "binds nobody later")?;
        }
        let outcome = one.commit(&path, self.remove(blob_key)?).await;
        self.committed(outcome, "leaves nothing behind")
    }

    pub(super) async fn one_quota(
        &mut self,
        one: &dyn Backend,
        other: &dyn Backend,
    ) -> Result<(), ConformanceFailure> {
        self.case = "a quota of two handles";
        let path = self.path("quota")?;
        let fill = async |backend: &dyn Backend, name: &str| -> Result<u64, ConformanceFailure> {
            let mut committed = 0;
            for number in 0..ROUNDS {
                let digest = self.name(&format!("{name} {number}"))?;
                let record = Record::Blob(digest, BlobRecord::new(10).with_user("ada"));
                let commit = self
                    .put(record)?
                    .with_guards([Guard::RepositoryQuota(105), Guard::UserQuota("ada".into(), 105)]);
                if self.ok(backend.commit(&path, commit).await)? == Outcome::Committed {
                    committed += 10;
                }
            }
            Ok(committed)
        };
        let (first, second) = both(fill(one, "one"), fill(other, "other")).await;
        let committed = first? + second?;
        let usage = self.ok(one.usage(&path, Some("ada")).await)?;
        self.that(
            committed == 100 && (usage.repository, usage.user) == (100, 100),
            "is exact",
        )?;
        self.ok(other.collect(&now()).await)?;
        let usage = self.ok(one.usage(&path, Some("ada")).await)?;
        self.that(
            (usage.repository, usage.user) == (0, 0),
            "is free after a collection",
        )
    }

    pub(super) async fn moving_sessions(
        &mut self,
        one: &dyn Backend,
        other: &dyn Backend,
    ) -> Result<(), ConformanceFailure> {
        self.case = "a session that moves";
        let path = self.path("moving")?;
        let session = session_of("ada", &path);
        let id = self.ok(crate::random::id())?;
        self.ok(one.begin(&id, Some(&session)).await)?;
        let written = self.write(other, &id, 0, &[b"0123"]).await;
        let written = self.ok(written)?;
        self.that(written.offset == 4, "goes on with the other handle")?;
        let stale = self.write(one, &id, 0, &[b"xyz"]).await;
        let conflict = matches!(stale, Err(error) if error.kind() == ErrorKind::Conflict);
        self.that(conflict, "refuses who has not seen that")?;
        let upload = self.ok(one.status(&id).await)?;
        self.that(
            upload.is_some_and(|upload| upload.offset == 4),
            "tells where it is",
        )?;
        let (first, second) = both(
            self.write(one, &id, 4, &[b"45", b"67"]),
            self.write(other, &id, 4, &[b"45", b"67"]),
        )
        .await;
        let won = [&first, &second].map(Result::is_ok);
        let lost = [first, second]
            .into_iter()
            .filter_map(Result::err)
            .all(|error| error.kind() == ErrorKind::Conflict);
        self.that(
            won != [true, true] && won != [false, false] && lost,
            "has one writer at an offset",
        )?;
        let upload = self.resume(other, &id).await?;
        self.that(upload.offset == 8, "has the bytes of the winner")?;
        let proof = if let Some(hasher) = upload.hasher {
            self.ok(hasher.prove())?
        } else {
            let bytes = self.ok(one.read_upload(&id).await)?;
            let bytes = self.ok(super::collect(bytes).await)?;
            let mut hasher = self.ok(Hasher::new(Algorithm::Sha256))?;
            hasher.update(&bytes);
            self.ok(hasher.prove())?
        };
        let expected = self.proof(Algorithm::Sha256, b"01234567")?;
        self.that(proof == expected, "has the right hash wherever it goes")?;
        let open = self.ok(other.open(UploadsOf::Repository(&path)).await)?;
        self.that(open.len() == 1, "is listed once")?;
        let blob = RecordKey::Blob(proof.digest().clone());
        let record = Record::Blob(proof.digest().clone(), BlobRecord::new(8));
        let content = NewContent::Upload(id.clone(), proof);
        let (link, late) = both(
            one.link(&path, content, self.put(record)?),
            self.write(other, &id, 8, &[b"late"]),
        )
        .await;
        let late_won = late.is_ok();
        let linked = matches!(link, Ok(Outcome::Committed));
        self.that(linked != late_won, "ends or grows, and not both")?;
        if linked {
            let stored = self.linked(other, &path, blob.clone()).await?;
            let bytes = self.read(other, &stored, 0..8).await?;
            self.that(bytes == b"01234567", "becomes content for both")?;
        }
        self.ok(other.discard(&id).await)?;
        let resumed = self.ok(one.resume(&id).await)?;
        self.that(resumed.is_none(), "is gone for both")?;
        let written = self.write(one, &id, 8, &[b"more"]).await;
        self.missing(written, "takes nothing when it is gone")?;
        let outcome = one.commit(&path, self.remove(blob)?).await;
        self.committed(outcome, "leaves nothing behind")
    }

    /// However many begin at a time, no more than so many are open.
    pub(super) async fn limited_sessions(
        &mut self,
        one: &dyn Backend,
        other: &dyn Backend,
    ) -> Result<(), ConformanceFailure> {
        self.case = "sessions within limits";
        let limit = 3;
        for (round, limits) in [
            UploadLimits {
                repository: limit,
                owner: None,
            },
            UploadLimits {
                repository: usize::MAX,
                owner: Some(limit),
            },
        ]
        .into_iter()
        .enumerate()
        {
            let mut begun = Vec::new();
            for number in 0..2 * ROUNDS {
                let id = self.ok(crate::random::id())?;
                // A limit of an owner is one of all repositories.
                let path = self.path(&format!("limited/{round}/{}", number * round))?;
                begun.push((id, session_of("bob", &path)));
            }
            let (first, second) = begun.split_at(ROUNDS);
            let begin = |backend, sessions| begin_all(backend, sessions, limits);
            let (first, second) = both(begin(one, first), begin(other, second)).await;
            let count = self.ok(first)? + self.ok(second)?;
            self.that(count == limit, "are no more, and no fewer, than the limits say")?;
            for (id, _) in &begun {
                self.ok(one.discard(id).await)?;
            }
        }
        Ok(())
    }
}

/// Begins sessions at the same time, and returns how many have begun.
async fn begin_all(
    backend: &dyn Backend,
    sessions: &[(String, UploadSession)],
    limits: UploadLimits,
) -> Result<usize, Error> {
    let mut beginning: Vec<_> = sessions
        .iter()
        .map(|(id, session)| backend.begin_within(id, session, limits))
        .collect();
    let mut begun = 0;
    poll_fn(|context| {
        let mut failure = None;
        beginning.retain_mut(|begin| match begin.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(Ok(has_begun)) => {
                begun += usize::from(has_begun);
                false
            }
            Poll::Ready(Err(error)) => {
                failure = Some(error);
                false
            }
        });
        match failure {
            Some(error) => Poll::Ready(Err(error)),
            None if beginning.is_empty() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    })
    .await?;
    Ok(begun)
}
