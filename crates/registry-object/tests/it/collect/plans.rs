//! The work of a collection.

use std::sync::Arc;

use object_store::memory::InMemory;
use wharf_registry::{Backend as _, GcOptions};
use wharf_registry_object::{ObjectBackend, ObjectOptions};
use wharf_testkit::{PostgreSql, require_peers};

use crate::open;

/// A table that is read for each part of another is read by an index: a collection of twice as many links takes twice
/// as long.
#[tokio::test]
async fn a_collection_reads_no_table_again_for_each_part() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let url = server.socket_url(&name);
    let store = Arc::new(InMemory::new());
    let backend = async || {
        let database = open(&url).await.expect("a database");
        let opened = ObjectBackend::open(database, Arc::clone(&store) as _, ObjectOptions::default()).await;
        opened.expect("a backend")
    };
    drop(backend().await);
    server.query(
        &name,
        "INSERT INTO repositories (name) VALUES ('app');
         INSERT INTO repository_usage VALUES (1, 40000);
         CREATE FUNCTION name_of(n integer) RETURNS text LANGUAGE sql
             RETURN 'sha256:' || encode(sha256(int4send(n)), 'hex');
         INSERT INTO contents (digest, size, objects, sizes)
             SELECT name_of(n), 1, ARRAY[md5(n::text)], '{1}' FROM generate_series(1, 20000) AS n;
         INSERT INTO blobs SELECT 1, name_of(n), 1, NULL, n, now() - interval '2 hours' FROM generate_series(1, 20000) AS n;
         INSERT INTO manifests (repository, digest, size, record, touched)
             SELECT 1, name_of(n), 1, '{}', now() - interval '2 hours' FROM generate_series(1, 20000) AS n;
         INSERT INTO needs SELECT 1, name_of(n), name_of(n) FROM generate_series(1, 20000) AS n;
         INSERT INTO children SELECT 1, name_of(n), name_of(n / 2) FROM generate_series(2, 20000) AS n;
         INSERT INTO tags SELECT 1, 'v' || n, name_of(n) FROM generate_series(1, 20000) AS n WHERE n < 15000;
         ANALYZE",
    );
    let read = "SELECT relname || ' ' || seq_tup_read FROM pg_stat_user_tables
        WHERE relname IN ('tags', 'needs', 'children', 'blobs', 'manifests', 'contents') ORDER BY 1";
    let count = |text: String| -> Vec<(String, u64)> {
        let lines = text.lines().map(|line| {
            let (table, count) = line.split_once(' ').expect("two columns");
            (table.to_owned(), count.parse().expect("a number"))
        });
        lines.collect()
    };
    let before = count(server.query(&name, read));
    let backend = backend().await;
    let report = backend.collect(&GcOptions::default().with_untagged(true)).await;
    let report = report.expect("a report");
    assert_eq!((report.manifests, report.blobs, report.content), (0, 0, 0));
    drop(backend); // a connection tells what it has read when it ends
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    while server.query(&name, others) != "0" {
        tokio::task::yield_now().await;
    }
    // The count of what is stored, made at the opening, reads each table once.
    for ((table, before), (_, after)) in before.into_iter().zip(count(server.query(&name, read))) {
        let most = match table.as_str() {
            "blobs" | "manifests" | "contents" => 20_000 * 15, // its own parts, of which there are few, may be sorted
            _ => 20_000,
        };
        assert!(after - before <= most, "{table}: {}", after - before);
    }
}
