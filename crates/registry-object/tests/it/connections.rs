//! Connections to a database whose statements wait, are given up, or cannot be made.

use std::{sync::Arc, time::Duration};

use tokio::task::{JoinHandle, yield_now};
use wharf_content::{Error, ErrorKind, Hasher};
use wharf_registry::{BlobRecord, Change, Commit, Outcome, Record, RecordKey, Records as _, RepositoryPath};
use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl};
use wharf_testkit::{PostgreSql, require_peers};

use crate::races::Session;

fn path(name: &str) -> RepositoryPath {
    RepositoryPath::parse(name).expect("a path")
}

fn blob(text: &str) -> Record {
    Record::Blob(Hasher::sha256(text.as_bytes()), BlobRecord::new(1))
}

fn put(text: &str) -> Commit {
    Commit::new(vec![Change::Put(blob(text))]).expect("random bits")
}

fn key(text: &str) -> RecordKey {
    blob(text).key()
}

/// A database of its own, a handle with so many connections and so much time, and another session.
struct Scene {
    name: String,
    database: Arc<Database>,
    holder: Session,
}

impl Scene {
    async fn new(connections: usize, seconds: u64) -> Self {
        let server = PostgreSql::shared();
        let name = server.create_database();
        let mut options = DatabaseOptions::default();
        options.connections = connections;
        options.request_time = Duration::from_secs(seconds);
        let url = server.socket_url(&name);
        let parsed = DatabaseUrl::parse(&url).expect("a URL");
        let database = Database::open(&parsed, options).await.expect("a database");
        let scene = Self {
            database: Arc::new(database),
            holder: Session::connect(&url).await,
            name,
        };
        for repository in ["app", "lib"] {
            let made = scene.database.commit(&path(repository), put("first")).await;
            assert_eq!(made.expect("an outcome"), Outcome::Committed);
        }
        scene
    }

    /// A number that the server has of the sessions of the handle.
    fn count(&self, condition: &str) -> usize {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = '{}' AND application_name = 'wharf-registry' AND {condition}",
            self.name
        );
        PostgreSql::shared()
            .query("postgres", &sql)
            .parse()
            .expect("a number")
    }

    /// Waits until the server has so many sessions that wait for a lock.
    async fn wait_for(&self, waiting: usize) {
        while self.count("wait_event_type = 'Lock'") < waiting {
            yield_now().await;
        }
    }

    /// Begins a commit.
    fn start(&self, repository: &str, text: &str) -> JoinHandle<Result<Outcome, Error>> {
        let (database, repository, commit) = (Arc::clone(&self.database), path(repository), put(text));
        tokio::spawn(async move { database.commit(&repository, commit).await })
    }

    /// Ends the transaction that the commits wait for: none has ended before, and all are made then.
    async fn release(&self, waiting: Vec<JoinHandle<Result<Outcome, Error>>>) {
        assert!(waiting.iter().all(|commit| !commit.is_finished()));
        self.holder.run("COMMIT").await;
        for commit in waiting {
            let made = commit.await.expect("no panic");
            assert_eq!(made.expect("an outcome"), Outcome::Committed);
        }
    }
}

/// A client that hangs up ends its request, and not the statement that the server has begun for it: one that asks and
/// hangs up again and again would take all connections that the server has.
#[tokio::test]
async fn requests_that_are_given_up_leave_no_statement_behind() {
    require_peers!("postgres", "psql");
    let scene = Scene::new(2, 600).await;
    scene
        .holder
        .run("BEGIN; SELECT FROM repositories FOR UPDATE")
        .await;
    for round in 0..8 {
        let request = scene.start("app", &round.to_string());
        scene.wait_for(1).await;
        request.abort();
        let _ = request.await;
        while scene.count("wait_event_type = 'Lock'") > 0 {
            yield_now().await;
        }
        assert!(scene.count("true") <= 2, "in round {round}");
    }
    scene.holder.run("COMMIT").await;
    let made = scene.database.commit(&path("app"), put("last")).await;
    assert_eq!(made.expect("an outcome"), Outcome::Committed);
    let keys: Vec<_> = (0..8).map(|round| key(&round.to_string())).collect();
    let found = scene
        .database
        .values(&path("app"), &keys)
        .await
        .expect("an answer");
    assert_eq!(
        found,
        vec![None; keys.len()],
        "nothing of those that were given up"
    );
}

/// The server does not know the time of a statement outside a transaction.
#[tokio::test]
async fn a_request_whose_time_is_over_ends_its_statement() {
    require_peers!("postgres", "psql");
    let scene = Scene::new(4, 1).await;
    scene
        .holder
        .run("BEGIN; LOCK TABLE blobs IN ACCESS EXCLUSIVE MODE")
        .await;
    for _ in 0..3 {
        let late = scene.database.values(&path("app"), &[key("first")]).await;
        assert_eq!(late.expect_err("it is locked").kind(), ErrorKind::Timeout);
        while scene.count("wait_event_type = 'Lock'") > 0 {
            yield_now().await;
        }
    }
    scene.holder.run("COMMIT").await;
    let found = scene.database.values(&path("app"), &[key("first")]).await;
    assert_eq!(found.expect("an answer"), [Some(blob("first"))]);
}

/// A process that was stopped while it had the lock of a repository, or a repository that all push to.
#[tokio::test]
async fn a_repository_that_is_locked_holds_up_no_other() {
    require_peers!("postgres", "psql");
    let scene = Scene::new(8, 60).await;
    scene
        .holder
        .run("BEGIN; SELECT FROM repositories WHERE name = 'app' FOR UPDATE")
        .await;
    let waiting: Vec<_> = (0..20)
        .map(|number| scene.start("app", &number.to_string()))
        .collect();
    scene.wait_for(2).await;
    let found = scene.database.values(&path("app"), &[key("first")]).await;
    assert_eq!(found.expect("an answer"), [Some(blob("first"))]);
    let made = scene.database.commit(&path("lib"), put("second")).await;
    assert_eq!(made.expect("an outcome"), Outcome::Committed);
    scene.release(waiting).await;
}

/// Several repositories whose locks are held take connections of those who push to them, and leave some for reads.
#[tokio::test]
async fn repositories_that_are_locked_leave_connections_for_reads() {
    require_peers!("postgres", "psql");
    let scene = Scene::new(8, 60).await;
    for number in 0..10 {
        let made = scene
            .database
            .commit(&path(&format!("app/{number}")), put("first"))
            .await;
        assert_eq!(made.expect("an outcome"), Outcome::Committed);
    }
    scene
        .holder
        .run("BEGIN; SELECT FROM repositories FOR UPDATE")
        .await;
    let waiting: Vec<_> = (0..10)
        .map(|number| scene.start(&format!("app/{number}"), "second"))
        .collect();
    scene.wait_for(6).await;
    let found = scene.database.values(&path("lib"), &[key("first")]).await;
    assert_eq!(found.expect("an answer"), [Some(blob("first"))]);
    scene.release(waiting).await;
}

/// A server that has no connection left refuses one more, while those that are there go on.
#[tokio::test]
async fn a_process_is_healthy_again_when_requests_are_answered() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let role = format!("role_{name}");
    server.query(
        "postgres",
        &format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 1; GRANT ALL ON DATABASE {name} TO {role}"),
    );
    server.query(&name, &format!("GRANT ALL ON SCHEMA public TO {role}"));
    let url = server.socket_url(&name);
    let user = url
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split(['@', ':']).next());
    let url = url.replacen(user.expect("a user"), &role, 1);
    let mut options = DatabaseOptions::default();
    options.request_time = Duration::from_secs(60);
    let parsed = DatabaseUrl::parse(&url).expect("a URL");
    let database = Database::open(&parsed, options).await.expect("a database");
    let requests = (0..8).map(|_| database.check());
    for answer in futures_util::future::join_all(requests).await {
        if let Err(refused) = answer {
            assert_eq!(refused.kind(), ErrorKind::RateLimited, "{refused}");
        }
    }
    database.check().await.expect("an answer");
    database.health().expect("it is healthy");
}
