//! A collection against one other transaction, which began first and ends when the collection waits for it, or has ended.

use std::cell::Cell;

use wharf_registry::GcOptions;
use wharf_testkit::require_peers;

use crate::races::Session;
use crate::stage::Stage;

/// The repository `app` with old things: a blob that nobody needs, an untagged index with a child, content without links, an
/// object under way and an upload.
const OLD: &str = "
    INSERT INTO contents (digest, size, objects, sizes) VALUES (name_of('loose'), 5, ARRAY[object_of(1)], '{5}');
    INSERT INTO blobs (repository, digest, size, touched) VALUES (1, name_of('blob'), 5, ago(61));
    INSERT INTO manifests (repository, digest, size, record, touched)
        SELECT 1, name_of(name), 5, '{}', ago(61) FROM unnest('{index,child}'::text[]) AS name;
    INSERT INTO children VALUES (1, name_of('child'), name_of('index'));
    UPDATE repository_usage SET bytes = 15 WHERE repository = 1;
    INSERT INTO uploads (id, used) VALUES ('upload', ago(25 * 60));
    INSERT INTO pending VALUES (object_of(2), NULL, ago(25 * 60)), (object_of(3), 'upload', ago(25 * 60))";

/// Everything that can be collected.
const THINGS: &str = "SELECT 'blob' FROM blobs WHERE digest = name_of('blob')
    UNION ALL SELECT name FROM manifests JOIN unnest('{index,child}'::text[]) AS name ON digest = name_of(name)
    UNION ALL SELECT 'content' FROM contents UNION ALL SELECT 'upload' FROM uploads
    UNION ALL SELECT 'pending' FROM pending WHERE upload IS NULL UNION ALL SELECT 'segment' FROM pending WHERE upload IS NOT NULL
    ORDER BY 1";

#[tokio::test]
async fn what_is_used_meanwhile_stays() {
    require_peers!("postgres", "psql");
    let lock = "SELECT id FROM repositories WHERE id = 1 FOR UPDATE";
    let push = format!("{lock}; INSERT INTO needs VALUES (1, name_of('blob'), name_of('index'))");
    let tag = format!("{lock}; INSERT INTO tags VALUES (1, 'v1', name_of('index'))");
    for (use_it, waits, stays) in [
        ("SELECT 1", false, ""),
        // A client that pushes or looks a record up.
        ("UPDATE blobs SET touched = now()", true, "blob"),
        (
            "UPDATE manifests SET touched = now() WHERE digest = name_of('index')",
            true,
            "child index",
        ),
        (
            "UPDATE manifests SET touched = now() WHERE digest = name_of('child')",
            true,
            "child",
        ),
        // A manifest that needs the blob, of which nothing else is known, goes with it.
        (&push, true, ""),
        (
            &format!("{push}; UPDATE manifests SET touched = now()"),
            true,
            "blob child index",
        ),
        (&tag, true, "child index"),
        // A link by a mount or a push of the same bytes.
        (
            "INSERT INTO blobs (repository, digest, size, content) VALUES (2, name_of('loose'), 5, 1)",
            false,
            "content",
        ),
        ("UPDATE contents SET quarantined = now()", false, "content"),
        // A writer that goes on.
        (
            "UPDATE pending SET renewed = now() WHERE upload IS NULL",
            false,
            "pending",
        ),
        ("UPDATE uploads SET used = now()", false, "segment upload"),
        (
            "INSERT INTO pending VALUES (object_of(4), 'upload')",
            false,
            "segment segment upload",
        ),
        // Another collection.
        ("DELETE FROM contents", false, ""),
        ("DELETE FROM pending WHERE upload IS NULL", false, ""),
        (&format!("{lock}; DELETE FROM blobs"), true, ""),
    ] {
        let stage = Stage::new().await;
        stage.sql(OLD).await;
        let session = Session::connect(&stage.url).await;
        let id = session.run("SELECT pg_backend_pid()").await.concat();
        let waiting =
            format!("SELECT count(*) FROM pg_stat_activity WHERE {id} = ANY (pg_blocking_pids(pid))");
        session.run(&format!("BEGIN; {use_it}")).await;
        let (ended, options) = (Cell::new(false), GcOptions::default().with_untagged(true));
        let collection = async {
            let report = stage.collect(&options).await;
            ended.set(true);
            report.unwrap_or_else(|error| panic!("{use_it}: {error}"))
        };
        let release = async {
            let mut has_waited = false;
            while !ended.get() && !has_waited {
                has_waited = stage.sql(&waiting).await != ["0"];
            }
            session.run("COMMIT").await;
            has_waited
        };
        let (_, has_waited) = tokio::join!(collection, release);
        assert_eq!(has_waited, waits, "{use_it}");
        assert_eq!(stage.sql(THINGS).await.join(" "), stays, "{use_it}");
        let sums = "SELECT (SELECT coalesce(sum(size), 0) FROM blobs WHERE repository = 1)
            + (SELECT coalesce(sum(size), 0) FROM manifests) = bytes FROM repository_usage WHERE repository = 1";
        if !use_it.contains("DELETE FROM blobs") {
            assert_eq!(stage.sql(sums).await, ["t"], "{use_it}");
        }
    }
}
