use std::sync::Arc;

use tokio_postgres::NoTls;
use wharf_content::Hasher;
use wharf_registry::{Change, Outcome, Record, RecordKey, RecordRange, Records as _, RepositoryPath};
use wharf_testkit::{PostgreSql, require_peers};

use super::{app, blob, digest, put, tag};
use crate::open;

#[tokio::test]
async fn a_look_up_by_a_client_counts_as_use_after_a_quarter_of_the_grace() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let database = open(&server.socket_url(&name)).await.expect("a database");
    let record = blob("layer", 7, "ada");
    let keys = [record.key()];
    let commit = put([record.clone()]);
    assert_eq!(
        database.commit(&app(), commit).await.expect("an outcome"),
        Outcome::Committed
    );
    let age = "SELECT extract(epoch FROM now() - touched)::int / 60 FROM blobs";
    for (minutes, looked_up, touched) in [(10, "10", "10"), (16, "16", "0"), (600, "600", "0")] {
        let old = format!("UPDATE blobs SET touched = now() - interval '{minutes} minutes'");
        server.query(&name, &old);
        assert_eq!(
            database.values(&app(), &keys).await.expect("the blob"),
            [Some(record.clone())]
        );
        assert_eq!(server.query(&name, age), looked_up);
        assert_eq!(
            database.touch(&app(), &keys).await.expect("the blob"),
            [Some(record.clone())]
        );
        assert_eq!(server.query(&name, age), touched);
    }
}

/// A client that is told that an old blob is there can rely on it: either the blob was touched before a collection
/// looked, or it is not there.
#[tokio::test]
async fn a_blob_that_is_removed_meanwhile_is_not_said_to_be_there() {
    require_peers!("postgres", "psql");
    let url = PostgreSql::shared().create_schema();
    let database = Arc::new(open(&url).await.expect("a database"));
    let record = blob("layer", 7, "ada");
    let commit = put([record.clone()]);
    assert_eq!(
        database.commit(&app(), commit).await.expect("an outcome"),
        Outcome::Committed
    );
    let (collector, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    collector
        .batch_execute("UPDATE blobs SET touched = now() - interval '2 hours'")
        .await
        .expect("an old blob");
    collector
        .batch_execute("BEGIN; DELETE FROM blobs")
        .await
        .expect("nobody is in the way");
    let touching = {
        let database = Arc::clone(&database);
        tokio::spawn(async move { database.touch(&app(), &[record.key()]).await })
    };
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))";
    while collector
        .query_one(waiting, &[])
        .await
        .expect("a count")
        .get::<_, i64>(0)
        == 0
    {
        assert!(!touching.is_finished(), "it waits for the collector");
    }
    collector.batch_execute("COMMIT").await.expect("the end");
    assert_eq!(touching.await.expect("no panic").expect("an answer"), [None]);
}

#[tokio::test]
async fn ids_of_commits_go_after_a_day() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let database = open(&server.socket_url(&name)).await.expect("a database");
    let old = "INSERT INTO commits SELECT int4send(n), now() - n * interval '1 hour' FROM generate_series(1, 200) AS n";
    server.query(&name, old);
    for number in 0..100 {
        let commit = put([Record::Tag(tag("v1"), digest(&number.to_string()))]);
        assert_eq!(
            database.commit(&app(), commit).await.expect("an outcome"),
            Outcome::Committed
        );
    }
    let left = server.query(
        &name,
        "SELECT count(*), min(committed) > now() - interval '1 day' FROM commits",
    );
    assert_eq!(left, "123|t", "of the old ones 23, and the new ones");
}

/// Most rows are those of one repository, and most repositories have one blob, so that statistics speak for reading all
/// of a table.
#[tokio::test]
async fn no_look_up_and_no_commit_reads_a_table_through() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let url = server.socket_url(&name);
    drop(open(&url).await.expect("a database"));
    server.query(
        &name,
        "INSERT INTO repositories (name) SELECT 'r/' || n FROM generate_series(1, 9999) AS n;
         INSERT INTO repositories (name) VALUES ('app');
         INSERT INTO repository_usage (repository) SELECT id FROM repositories;
         INSERT INTO user_usage SELECT 'user' || n, 0 FROM generate_series(1, 9999) AS n;
         CREATE FUNCTION name_of(n integer) RETURNS text LANGUAGE sql
             RETURN 'sha256:' || encode(sha256(int4send(n)), 'hex');
         INSERT INTO manifests (repository, digest, size, record, subject)
             SELECT 10000, name_of(n), 9, '{\"media_type\": \"a/b\", \"size\": 9}', name_of(0)
             FROM generate_series(1, 20000) AS n;
         INSERT INTO tags SELECT 10000, 'v' || n, name_of(n) FROM generate_series(1, 20000) AS n;
         INSERT INTO blobs (repository, digest, size) SELECT 10000, name_of(n), 9 FROM generate_series(1, 20000) AS n;
         INSERT INTO blobs (repository, digest, size) SELECT n, name_of(0), 9 FROM generate_series(1, 5000) AS n;
         INSERT INTO needs SELECT 10000, name_of(n / 2), name_of(n) FROM generate_series(1, 20000) AS n;
         INSERT INTO commits SELECT int4send(n) FROM generate_series(1, 20000) AS n;
         ANALYZE",
    );
    let read = "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE n_live_tup > 500 ORDER BY 1";
    let before = server.query(&name, read);
    assert_eq!(before.lines().count(), 8, "{before}");
    let database = open(&url).await.expect("a database");
    let all = digest("");
    let (base, some) = (
        Hasher::sha256(&0_i32.to_be_bytes()),
        Hasher::sha256(&7_i32.to_be_bytes()),
    );
    let keys = [
        RecordKey::Blob(some.clone()),
        RecordKey::Manifest(some.clone()),
        RecordKey::Tag(tag("v7")),
        RecordKey::Blob(all.clone()),
    ];
    let values = database.touch(&app(), &keys).await.expect("records");
    assert_eq!(values.iter().flatten().count(), 3);
    for (range, count) in [
        (RecordRange::Tags, 50),
        (RecordRange::Referrers(base.clone(), None), 50),
        (RecordRange::Needing(some.clone()), 2),
        (RecordRange::Needing(all.clone()), 0),
    ] {
        let found = database.range(&app(), &range, "", 50).await.expect("a page");
        assert_eq!(found.len(), count, "{range:?}");
    }
    assert_eq!(database.repositories("r/1", 50).await.expect("a page").len(), 50);
    for (name, exists) in [("app", true), ("r/7", true), ("r/9998", false), ("none", false)] {
        let path = RepositoryPath::parse(name).expect("a path");
        assert_eq!(database.exists(&path).await.expect("an answer"), exists, "{name}");
    }
    for (blob, count) in [(&base, 5), (&some, 1), (&all, 0)] {
        assert_eq!(database.holders(blob, 5).await.expect("holders").len(), count);
    }
    database.usage(&app(), Some("user7")).await.expect("the usage");
    let mut commit = put([blob("new", 7, "user7"), Record::Tag(tag("new"), some.clone())]);
    commit
        .changes
        .push(Change::Remove(RecordKey::Manifest(some.clone())));
    commit.changes.push(Change::Remove(RecordKey::Blob(some)));
    assert_eq!(
        database.commit(&app(), commit).await.expect("an outcome"),
        Outcome::Committed
    );
    drop(database); // a connection tells what it has read when it ends
    let others =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'";
    while server.query(&name, others) != "0" {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.query(&name, read), before);
}
