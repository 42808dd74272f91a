use wharf_content::ErrorKind;
use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl, Migrate};
use wharf_testkit::{PostgreSql, require_peers};

use super::open;

#[tokio::test]
async fn processes_that_start_together_migrate_once() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let url = server.socket_url(&server.create_database());
    let opened: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { open(&url).await.unwrap().registry_id().await })
        })
        .collect();
    let mut ids = Vec::new();
    for opened in opened {
        ids.push(opened.await.unwrap().unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_newer_release_that_only_adds_keeps_this_one_going_and_one_that_does_not_ends_it() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let url = server.socket_url(&name);
    open(&url).await.unwrap();
    server.query(
        &name,
        "ALTER TABLE tags ADD COLUMN pinned boolean; INSERT INTO schema_versions VALUES (3, 1)",
    );
    open(&url).await.unwrap();
    server.query(&name, "INSERT INTO schema_versions VALUES (4, 4)");
    let error = open(&url).await.expect_err("it may not write any more");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("run a newer release"), "{error}");
}

/// The tables of the first version, with a row of each kind of content.
#[tokio::test]
async fn what_an_older_release_has_recorded_stays_and_processes_of_it_go_on() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let url = server.socket_url(&name);
    server.query(
        &name,
        "CREATE TABLE schema_versions (
            version integer PRIMARY KEY, oldest integer NOT NULL, applied timestamptz NOT NULL DEFAULT now())",
    );
    server.query(&name, include_str!("../../sql/migrations/1.sql"));
    let rows = "INSERT INTO schema_versions VALUES (1, 1);
        INSERT INTO contents (digest, size, bytes) VALUES ('sha256:a', 5, 'bytes');
        INSERT INTO contents (digest, size, objects, sizes) VALUES ('sha256:b', 5, ARRAY['c', 'd'], '{2,3}'),
            ('sha256:e', 0, '{}', '{}')";
    server.query(&name, rows);
    let mut never = DatabaseOptions::default();
    never.migrate = Migrate::Never;
    let refused = Database::open(&DatabaseUrl::parse(&url).unwrap(), never).await;
    assert_eq!(
        refused.expect_err("it may not migrate").kind(),
        ErrorKind::Unsupported
    );
    open(&url).await.unwrap();
    let versions = "SELECT max(version), max(oldest) FROM schema_versions";
    assert_eq!(server.query(&name, versions), "2|1");
    let contents = "SELECT digest, size, objects, sizes, external_key IS NULL FROM contents ORDER BY id";
    assert_eq!(
        server.query(&name, contents),
        "sha256:a|5|||t\nsha256:b|5|{c,d}|{2,3}|t\nsha256:e|0|{}|{}|t"
    );
    // A process of that release goes on writing.
    let insert =
        "INSERT INTO contents (digest, size, objects, sizes) VALUES ('sha256:f', 1, ARRAY['g'], '{1}')";
    server.query(&name, insert);
}

#[tokio::test]
async fn names_are_in_the_order_of_their_bytes() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    open(&server.socket_url(&name)).await.unwrap();
    let mut names = ["a", "B", "a-b", "a.b", "a/b", "a_b", "ab", "_", "é", "z", "1"];
    let values = names.map(|name| format!("('{name}')")).join(", ");
    server.query(&name, &format!("INSERT INTO repositories (name) VALUES {values}"));
    names.sort_unstable();
    assert_eq!(
        server.query(&name, "SELECT name FROM repositories ORDER BY name"),
        names.join("\n")
    );
    let columns =
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'text'
        AND collation_name IS DISTINCT FROM 'C' AND column_name NOT IN ('record')";
    assert_eq!(
        server.query(&name, columns),
        "0",
        "no column is compared by a locale"
    );
}
