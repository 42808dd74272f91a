mod damage;
mod failures;
mod upkeep;

use std::{sync::Arc, time::Duration};

use wharf_content::Hasher;
use wharf_reference::{Digest, Tag};
use wharf_registry::{
    BlobRecord, Change, Commit, Guard, Outcome, Record, RecordKey, Records as _, Refusal, RepositoryPath,
    conformance,
};
use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl};
use wharf_testkit::{PgBouncer, PostgreSql, require_peers};

use super::open;

fn app() -> RepositoryPath {
    RepositoryPath::parse("app").expect("a path")
}

fn digest(text: &str) -> Digest {
    Hasher::sha256(text.as_bytes())
}

fn tag(name: &str) -> Tag {
    Tag::parse(name).expect("a tag")
}

fn blob(text: &str, size: u64, user: &str) -> Record {
    Record::Blob(digest(text), BlobRecord::new(size).with_user(user))
}

fn put(records: impl IntoIterator<Item = Record>) -> Commit {
    Commit::new(records.into_iter().map(Change::Put).collect()).expect("random bits")
}

async fn impatient(url: &str) -> Database {
    let mut options = DatabaseOptions::default();
    options.request_time = Duration::from_secs(2);
    let url = DatabaseUrl::parse(url).expect("a URL");
    Database::open(&url, options).await.expect("a database")
}

#[tokio::test]
async fn records_conform() {
    require_peers!("postgres", "psql", "pgbouncer");
    let server = PostgreSql::shared();
    let database = open(&server.create_schema()).await.expect("a database");
    let direct = conformance::check_records(&database).await.expect("it conforms");
    let pooler = PgBouncer::start(server);
    let database = open(&pooler.url(&server.create_database()))
        .await
        .expect("a database");
    let pooled = conformance::check_records(&database)
        .await
        .expect("it conforms through a pooler");
    assert_eq!(direct, pooled);
    assert!(direct > 100, "{direct}");
}

/// Two processes, each with a handle of its own, and eight pushes at a time.
#[tokio::test]
async fn of_many_commits_with_one_condition_one_is_made() {
    require_peers!("postgres", "psql");
    let url = PostgreSql::shared().create_schema();
    let handles = [open(&url).await.expect("one"), open(&url).await.expect("another")].map(Arc::new);
    for round in 0..5 {
        let mut commits = Vec::new();
        for number in 0..8 {
            let handle = Arc::clone(&handles[number % 2]);
            commits.push(tokio::spawn(async move {
                let name = tag(&format!("v{round}"));
                let target = digest(&format!("{round} {number}"));
                let commit =
                    put([Record::Tag(name.clone(), target.clone())]).with_guard(Guard::Tag(name, None));
                (handle.commit(&app(), commit).await.expect("an outcome"), target)
            }));
        }
        let mut winners = Vec::new();
        for commit in commits {
            match commit.await.expect("no panic") {
                (Outcome::Committed, target) => winners.push(target),
                (outcome, _) => assert_eq!(outcome, Outcome::Refused(Refusal::Guard(0))),
            }
        }
        let key = RecordKey::Tag(tag(&format!("v{round}")));
        let values = handles[1].values(&app(), &[key]).await.expect("the tag");
        let [winner] = winners.as_slice() else {
            panic!("{winners:?}")
        };
        assert!(matches!(&values[..], [Some(Record::Tag(_, target))] if target == winner));
    }
}

#[tokio::test]
async fn a_quota_is_exact_however_many_push_where() {
    require_peers!("postgres", "psql");
    let url = PostgreSql::shared().create_schema();
    let handles = [open(&url).await.expect("one"), open(&url).await.expect("another")].map(Arc::new);
    let mut commits = Vec::new();
    for number in 0..24 {
        let handle = Arc::clone(&handles[number % 2]);
        commits.push(tokio::spawn(async move {
            let path = RepositoryPath::parse(&format!("app/{}", number % 3)).expect("a path");
            // Users in both orders, each with a blob of 10 bytes.
            let users = if number % 2 == 0 {
                ["ada", "bob"]
            } else {
                ["bob", "ada"]
            };
            let records = users.map(|user| blob(&format!("{user} {number}"), 10, user));
            let guards = [
                Guard::UserQuota("ada".into(), 105),
                Guard::UserQuota("bob".into(), 200),
            ];
            handle
                .commit(&path, put(records).with_guards(guards))
                .await
                .expect("an outcome")
        }));
    }
    let mut made = 0;
    for commit in commits {
        match commit.await.expect("no panic") {
            Outcome::Committed => made += 1,
            Outcome::Refused(refusal) => assert_eq!(refusal, Refusal::Guard(0)),
        }
    }
    assert_eq!(made, 10);
    let mut linked = 0;
    for number in 0..3 {
        let path = RepositoryPath::parse(&format!("app/{number}")).expect("a path");
        let usage = handles[0].usage(&path, Some("ada")).await.expect("the usage");
        assert_eq!(usage.user, 100);
        linked += usage.repository;
    }
    assert_eq!(linked, 200);
}
