use std::{sync::Arc, time::Duration};

use wharf_content::ErrorKind;
use wharf_registry::Outbox as _;
use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl, Migrate};
use wharf_testkit::{PgBouncer, PostgreSql, require_peers};

use super::open;

#[tokio::test]
async fn a_database_opens_at_a_socket_and_a_port_and_keeps_its_id() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let first = open(&server.socket_url(&name)).await.unwrap();
    let second = open(&server.tcp_url(&name)).await.unwrap();
    let id = first.registry_id().await.unwrap();
    assert_eq!(second.registry_id().await.unwrap(), id);
    let other = open(&server.socket_url(&server.create_database())).await.unwrap();
    assert_ne!(other.registry_id().await.unwrap(), id);
    assert_ne!(id, 0);
    second.check().await.unwrap();
}

#[tokio::test]
async fn a_server_that_could_lose_what_was_acknowledged_is_refused() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::builder().start();
    for setting in ["fsync", "full_page_writes"] {
        let change = |value| {
            server.query("postgres", &format!("ALTER SYSTEM SET {setting} = {value}"));
            server.query("postgres", "SELECT pg_reload_conf()");
            // Until a new connection has it.
            while server.query("postgres", &format!("SHOW {setting}")) != value {}
        };
        change("off");
        let error = open(&server.socket_url("postgres")).await.expect_err(setting);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(&format!("{setting} = off")), "{error}");
        let tables = server.query(
            "postgres",
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
        );
        assert_eq!(tables, "0", "nothing is changed in a database that is refused");
        change("on");
    }
    open(&server.socket_url("postgres")).await.unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_hold_records_is_refused() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let latin = server.create_database();
    server.query("postgres", &format!("DROP DATABASE {latin}"));
    server.query(
        "postgres",
        &format!(
            "CREATE DATABASE {latin} ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
        ),
    );
    let read_only = server.create_database();
    server.query(
        "postgres",
        &format!("ALTER DATABASE {read_only} SET default_transaction_read_only = on"),
    );
    let foreign = server.create_database();
    server.query(&foreign, "CREATE TABLE repositories (mine integer)");
    let wrong = server.tcp_url("postgres").replace(PostgreSql::PASSWORD, "wrong");
    for (url, kind, part) in [
        (server.socket_url(&latin), ErrorKind::Unsupported, "UTF8"),
        (
            server.socket_url(&read_only),
            ErrorKind::Denied,
            "does not allow writes",
        ),
        (
            server.socket_url(&foreign),
            ErrorKind::Unsupported,
            "already exists",
        ),
        (server.socket_url("absent"), ErrorKind::Unsupported, "absent"),
        (wrong, ErrorKind::Unauthorized, "password"),
    ] {
        let error = open(&url).await.expect_err(&url);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let count = server.query(
        &foreign,
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
    );
    assert_eq!(count, "1", "a migration that failed leaves nothing");
}

#[tokio::test]
async fn a_server_that_is_away_is_told_and_found_again() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::builder().start();
    let mut options = DatabaseOptions::default();
    options.request_time = Duration::from_secs(2);
    let url = DatabaseUrl::parse(&server.socket_url("postgres")).unwrap();
    let database = Database::open(&url, options.clone()).await.unwrap();
    let id = database.registry_id().await.unwrap();
    server.kill();
    let (id_away, checked, opened) = tokio::join!(
        database.registry_id(),
        database.check(),
        Database::open(&url, options)
    );
    for error in [id_away.err(), checked.err(), opened.err()] {
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Network));
    }
    server.start_again();
    assert_eq!(database.registry_id().await.unwrap(), id);
    database.check().await.unwrap();
}

/// As one that has become a standby, to which a pooler still leads.
#[tokio::test]
async fn a_server_that_accepts_no_changes_any_more_is_left() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::builder().start();
    let mut options = DatabaseOptions::default();
    options.request_time = Duration::from_secs(1);
    let url = DatabaseUrl::parse(&server.socket_url("postgres")).unwrap();
    let database = Database::open(&url, options).await.unwrap();
    let refuse_changes = |value| {
        let change = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        server.query("postgres", &change);
        server.query("postgres", "SELECT pg_reload_conf()");
    };
    refuse_changes("on");
    // Until the connection that is open has heard of it.
    let refused = loop {
        if let Err(error) = database.subscribe("hook").await {
            break error;
        }
    };
    assert_eq!(refused.kind(), ErrorKind::Denied, "{refused}");
    assert!(refused.to_string().contains("does not allow writes"), "{refused}"); // of the next connection
    refuse_changes("off");
    while server.query("postgres", "SHOW default_transaction_read_only") != "off" {}
    database.subscribe("hook").await.unwrap();
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_no_failure() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let database = open(&server.socket_url(&name)).await.unwrap();
    let end = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    for _ in 0..3 {
        database.check().await.unwrap();
        assert_eq!(
            server.query(&name, &end),
            "1",
            "the one connection that is used again"
        );
        database.registry_id().await.unwrap();
        assert_eq!(server.query(&name, &end), "1");
    }
}

#[tokio::test]
async fn more_requests_than_connections_wait_for_one() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let mut options = DatabaseOptions::default();
    options.connections = 2;
    let url = DatabaseUrl::parse(&server.socket_url(&name)).unwrap();
    let database = Arc::new(Database::open(&url, options).await.unwrap());
    let requests: Vec<_> = (0..40)
        .map(|_| {
            let database = Arc::clone(&database);
            tokio::spawn(async move { database.check().await })
        })
        .collect();
    for request in requests {
        request.await.expect("no panic").unwrap();
    }
    let used = format!(
        "SELECT count(*) <= 2 FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    assert_eq!(server.query(&name, &used), "t");
}

#[tokio::test]
async fn tables_are_not_made_by_a_process_that_may_not() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let url = DatabaseUrl::parse(&server.socket_url(&name)).unwrap();
    let mut options = DatabaseOptions::default();
    options.migrate = Migrate::Never;
    let error = Database::open(&url, options.clone())
        .await
        .expect_err("no tables");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("version 0"), "{error}");
    open(&server.socket_url(&name)).await.unwrap();
    Database::open(&url, options).await.unwrap();
}

/// Nothing here belongs to a connection: no prepared statement, setting or lock outlives its transaction.
#[tokio::test]
async fn a_pooler_may_share_connections_out_by_transactions() {
    require_peers!("postgres", "psql", "pgbouncer");
    let server = PostgreSql::shared();
    let pooler = PgBouncer::start(server);
    let name = server.create_database();
    let mut opened = Vec::new();
    for _ in 0..8 {
        let url = pooler.url(&name);
        opened.push(tokio::spawn(async move { open(&url).await.unwrap() }));
    }
    let mut requests = Vec::new();
    for database in opened {
        let database = Arc::new(database.await.unwrap());
        for _ in 0..8 {
            let database = Arc::clone(&database);
            requests.push(tokio::spawn(async move {
                database.check().await.unwrap();
                database.registry_id().await.unwrap()
            }));
        }
    }
    let mut ids = Vec::new();
    for request in requests {
        ids.push(request.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
}
