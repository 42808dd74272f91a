//! Contents, uploads and their objects.

use std::{
    fs::File,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path,
};
use wharf_registry::{Backend as _, GcOptions};
use wharf_testkit::require_peers;

use crate::stage::{Stage, now, path};

/// Contents of `app` and of nobody, with two objects each, and one in the database.
const CONTENTS: &str = "INSERT INTO contents (digest, size, objects, sizes)
         SELECT name_of(n::text), 10, ARRAY[object_of(n), object_of(n + 10)], '{5,5}' FROM generate_series(0, 3) AS n;
     INSERT INTO contents (digest, size, bytes) VALUES (name_of('manifest'), 5, 'bytes'), (name_of('loose'), 5, 'bytes');
     INSERT INTO blobs (repository, digest, size, content) SELECT 1, digest, size, id FROM contents WHERE id IN (1, 2);
     INSERT INTO manifests (repository, digest, size, content, record)
         SELECT 1, digest, size, id, '{}' FROM contents WHERE id IN (2, 3, 5);
     UPDATE repository_usage SET bytes = 35 WHERE repository = 1";

#[tokio::test]
async fn content_that_nobody_links_goes_and_its_objects_follow_in_two_steps() {
    require_peers!("postgres", "psql");
    let stage = Stage::new().await;
    stage.sql(CONTENTS).await;
    stage.put(0..4).await;
    stage.put(10..14).await;
    for dry_run in [true, false] {
        let report = stage
            .collect(&GcOptions::default().with_dry_run(dry_run))
            .await
            .expect("a report");
        assert_eq!((report.content, report.bytes, report.failed), (2, 15, 0));
    }
    assert_eq!(
        stage.sql("SELECT id FROM contents ORDER BY 1").await,
        ["1", "2", "3", "5"]
    );
    let doomed = "SELECT object = object_of(3) OR object = object_of(13), swept IS NULL FROM doomed";
    assert_eq!(stage.sql(doomed).await, ["t|t", "t|t"]);
    let all = [0, 1, 2, 3, 10, 11, 12, 13];
    for (minutes, objects, rows) in [(9, &all[..], "t"), (10, &[0, 1, 2, 10, 11, 12], "f")] {
        stage
            .sql(&format!("UPDATE doomed SET doomed = ago({minutes})"))
            .await;
        stage.collect(&GcOptions::default()).await.expect("a report");
        assert_eq!(stage.objects().await, objects, "after {minutes} minutes");
        assert_eq!(stage.sql("SELECT swept IS NULL FROM doomed").await, [rows, rows]);
    }
    // A writer that was stopped goes on, and its object comes once more.
    stage.put(3..4).await;
    for (days, comes, rows) in [(6, true, 2), (7, false, 0)] {
        stage
            .sql(&format!("UPDATE doomed SET swept = ago({days} * 24 * 60)"))
            .await;
        stage.collect(&GcOptions::default()).await.expect("a report");
        assert_eq!(stage.objects().await.contains(&3), comes, "after {days} days");
        assert_eq!(stage.sql("SELECT object FROM doomed").await.len(), rows);
    }
}

#[tokio::test]
async fn what_was_begun_and_not_ended_goes_after_a_day() {
    require_peers!("postgres", "psql");
    let stage = Stage::new().await;
    stage.sql(
        "INSERT INTO uploads (id, repository, owner, objects, sizes, used)
             SELECT hours::text, 'app', 'user:ada', ARRAY[object_of(hours)], '{5}', ago(hours * 60)
             FROM unnest('{23,24,100}'::integer[]) AS hours;
         INSERT INTO uploads (id, used) VALUES ('hidden', ago(25 * 60));
         INSERT INTO pending SELECT object_of(hours), hours::text, ago(100 * 60)
             FROM unnest('{23,24,100}'::integer[]) AS hours;
         INSERT INTO pending SELECT object_of(200 + hours), NULL, ago(hours * 60)
             FROM unnest('{0,23,24,48}'::integer[]) AS hours;
         INSERT INTO commits SELECT int4send(hours), ago(hours * 60) FROM unnest('{1,23,25,48}'::integer[]) AS hours",
    ).await;
    let dry = stage.collect(&GcOptions::default().with_dry_run(true)).await;
    dry.expect("a report");
    assert_eq!(
        stage.sql("SELECT id FROM uploads").await.len(),
        4,
        "a dry run removes nothing"
    );
    stage.collect(&GcOptions::default()).await.expect("a report");
    assert_eq!(stage.sql("SELECT id FROM uploads").await, ["23"]);
    let pending = "SELECT hours FROM pending JOIN generate_series(0, 500) AS hours ON object = object_of(hours) ORDER BY 1";
    assert_eq!(stage.sql(pending).await, ["23", "200", "223"]);
    assert_eq!(
        stage.sql(&pending.replace("pending", "doomed")).await,
        ["24", "100", "224", "248"]
    );
    assert_eq!(stage.sql("SELECT count(*) FROM commits").await, ["2"]);
}

#[tokio::test]
async fn objects_that_cannot_be_deleted_are_deleted_by_a_later_collection() {
    require_peers!("postgres", "psql");
    let mut stage = Stage::new().await;
    stage.reclamation.hold = Duration::ZERO;
    stage.put(1..8).await;
    stage
        .sql("INSERT INTO doomed SELECT object_of(n) FROM generate_series(1, 9) AS n")
        .await; // 8 and 9 were never written
    let refusing = Arc::new(Refusing {
        inner: Arc::clone(&stage.store),
        paths: vec![path(3), path(5)],
    });
    let report = stage
        .backend_over(refusing)
        .await
        .collect(&now())
        .await
        .expect("a report");
    assert!(
        (2..=4).contains(&report.failed),
        "{report:?}: those two, and what was under way"
    );
    let left = stage.objects().await;
    assert!(left.contains(&3) && left.contains(&5), "{left:?}");
    let away = Arc::new(Refusing {
        inner: Arc::clone(&stage.store),
        paths: (1..10).map(path).collect(),
    });
    let error = stage
        .backend_over(away)
        .await
        .collect(&now())
        .await
        .expect_err("a store that is away");
    assert!(error.to_string().contains("cannot delete an object"), "{error}");
    let report = stage.collect(&now()).await.expect("a report");
    assert_eq!((report.failed, stage.objects().await), (0, vec![]));
    assert_eq!(
        stage.sql("SELECT count(*), count(swept) FROM doomed").await,
        ["9|9"]
    );
}

#[tokio::test]
async fn partial_files_of_a_directory_go_after_a_day() {
    require_peers!("postgres", "psql");
    let directory = tempfile::tempdir().expect("a directory");
    let mut stage = Stage::new().await;
    stage.reclamation.directory = Some(directory.path().to_owned());
    let below = directory.path().join("v1/data/ab");
    std::fs::create_dir_all(&below).expect("a directory");
    for (name, hours, stays) in [
        ("ab01#1", 25, false),
        ("ab01#27", 23, true),
        ("ab02", 100, true),
        ("ab03#", 100, true),
        ("ab04#x1", 100, true),
        ("#5", 100, false),
    ] {
        let path = below.join(name);
        let file = File::create(&path).expect("a file");
        let old = SystemTime::now() - Duration::from_secs(hours * 60 * 60);
        file.set_modified(old).expect("a time");
        stage.collect(&GcOptions::default()).await.expect("a report");
        assert_eq!(path.exists(), stays, "{name}");
    }
}

/// A store that refuses to delete some objects.
#[derive(Debug)]
struct Refusing {
    inner: Arc<InMemory>,
    paths: Vec<Path>,
}

impl std::fmt::Display for Refusing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a store that refuses to delete")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Refusing {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let refused = self.paths.clone();
        let inner = Arc::clone(&self.inner);
        let deleted = locations.then(move |location| {
            let (inner, refused) = (Arc::clone(&inner), refused.clone());
            async move {
                let location = location?;
                if refused.contains(&location) {
                    return Err(object_store::Error::Generic {
                        store: "test",
                        source: "no deletion today".into(),
                    });
                }
                inner
                    .delete_stream(futures_util::stream::iter([Ok(location)]).boxed())
                    .next()
                    .await
                    .expect("an answer")
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
