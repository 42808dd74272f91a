use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::mpsc;
use tokio_postgres::NoTls;
use wharf_content::ErrorKind;
use wharf_registry::{Guard, Outcome, Record, RecordKey, RecordRange, Records as _, RepeatedCommits, Usage};
use wharf_testkit::{PostgreSql, require_peers};

use super::{app, blob, digest, impatient, put, tag};
use crate::{cutting_proxy::CuttingProxy, open};

/// Without the commit's id the repetition would find its own blob and be refused.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_made_once() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let (proxy, database) = CuttingProxy::before(server, &name).await;
    for (number, is_carried_out) in [true, false, true].into_iter().enumerate() {
        let record = blob(&number.to_string(), 7, "ada");
        let commit = put([record.clone()]).with_guard(Guard::Absent(record.key()));
        proxy.cut("COMMIT\0", is_carried_out); // the whole statement, and not a word of another
        let outcome = database.commit(&app(), commit).await.expect("an outcome");
        assert_eq!(outcome, Outcome::Committed);
        assert_eq!(proxy.cuts(), number + 1, "the connection was cut");
    }
    assert_eq!(database.repeated_commits(), RepeatedCommits::new(3, 2));
    let usage = database.usage(&app(), Some("ada")).await.expect("the usage");
    assert_eq!(
        usage,
        Usage {
            repository: 21,
            user: 21
        }
    );
    assert_eq!(server.query(&name, "SELECT count(*) FROM commits"), "3");
}

#[tokio::test]
async fn what_the_server_asks_to_repeat_is_repeated_until_the_time_is_over() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let database = impatient(&server.socket_url(&name)).await;
    for (number, code) in ["40001", "40P01", "55P03", "57P03"].into_iter().enumerate() {
        let count = number * 3;
        server.query(
            &name,
            &format!(
                "CREATE SEQUENCE IF NOT EXISTS tries;
                 SELECT setval('tries', 1, false);
                 CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     IF nextval('tries') <= 3 THEN RAISE EXCEPTION 'again' USING ERRCODE = '{code}'; END IF;
                     RETURN new;
                 END $$;
                 CREATE OR REPLACE TRIGGER failing BEFORE INSERT ON tags FOR EACH ROW EXECUTE FUNCTION fail()"
            ),
        );
        let commit = put([Record::Tag(tag(&format!("v{count}")), digest("target"))]);
        assert_eq!(
            database.commit(&app(), commit).await.expect(code),
            Outcome::Committed
        );
        assert_eq!(server.query(&name, "SELECT last_value FROM tries"), "4");
    }
    assert_eq!(database.repeated_commits(), RepeatedCommits::new(12, 0));
    server.query(
        &name,
        "ALTER SEQUENCE tries INCREMENT -1 MINVALUE -9000; SELECT setval('tries', 1)",
    );
    let commit = put([Record::Tag(tag("never"), digest("target"))]);
    let error = database
        .commit(&app(), commit)
        .await
        .expect_err("it fails each time");
    // The last attempt failed so, or had no time left.
    assert!(
        matches!(error.kind(), ErrorKind::Network | ErrorKind::Timeout),
        "{error}"
    );
    let key = RecordKey::Tag(tag("never"));
    assert_eq!(database.values(&app(), &[key]).await.expect("an answer"), [None]);
}

#[tokio::test]
async fn a_commit_waits_for_a_repository_no_longer_than_its_time() {
    require_peers!("postgres", "psql");
    let url = PostgreSql::shared().create_schema();
    let database = impatient(&url).await;
    let commit = put([blob("first", 7, "ada")]);
    assert_eq!(
        database.commit(&app(), commit).await.expect("an outcome"),
        Outcome::Committed
    );
    let (holder, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    holder
        .batch_execute("BEGIN; SELECT FROM repositories FOR UPDATE")
        .await
        .expect("the lock");
    let second = put([blob("second", 7, "ada")]);
    let error = database
        .commit(&app(), second.clone())
        .await
        .expect_err("it is locked");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let found = database.values(&app(), &[blob("second", 7, "ada").key()]).await;
    assert_eq!(found.expect("reads do not wait"), [None]);
    holder.batch_execute("ROLLBACK").await.expect("the end");
    assert_eq!(
        database.commit(&app(), second).await.expect("an outcome"),
        Outcome::Committed
    );
}

/// Nothing that could not be looked up is said not to be there.
#[tokio::test]
async fn without_a_server_every_request_fails_and_afterwards_none() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::builder().start();
    let database = impatient(&server.socket_url("postgres")).await;
    let record = blob("there", 7, "ada");
    let commit = put([record.clone()]);
    assert_eq!(
        database.commit(&app(), commit).await.expect("an outcome"),
        Outcome::Committed
    );
    database.health().expect("it is healthy");
    server.kill();
    let keys = [record.key()];
    let (path, layer) = (app(), digest("there"));
    let (values, touched, range, exists, repositories, holders, usage, committed) = tokio::join!(
        database.values(&path, &keys),
        database.touch(&path, &keys),
        database.range(&path, &RecordRange::Tags, "", 10),
        database.exists(&path),
        database.repositories("", 10),
        database.holders(&layer, 10),
        database.usage(&path, Some("ada")),
        database.commit(&path, put([])),
    );
    let failures = [
        values.err(),
        touched.err(),
        range.err(),
        exists.err(),
        repositories.err(),
        holders.err(),
        usage.err(),
        committed.err(),
        database.health().err(),
    ];
    for (number, failure) in failures.into_iter().enumerate() {
        assert_eq!(
            failure.map(|error| error.kind()),
            Some(ErrorKind::Network),
            "{number}"
        );
    }
    server.start_again();
    assert_eq!(
        database.values(&app(), &keys).await.expect("an answer"),
        [Some(record)]
    );
    database.health().expect("it is healthy again");
}

/// The server loses its memory twice while four writers go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_server_that_is_killed() {
    require_peers!("postgres", "psql");
    let server = Arc::new(PostgreSql::builder().start());
    let database = Arc::new(open(&server.socket_url("postgres")).await.expect("a database"));
    let (sender, mut acknowledged) = mpsc::unbounded_channel();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..4 {
        let (database, is_over, sender) = (Arc::clone(&database), Arc::clone(&is_over), sender.clone());
        writers.push(tokio::spawn(async move {
            for number in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let record = blob(&format!("{writer} {number}"), 1, "ada");
                let commit = put([record.clone()]).with_guard(Guard::Absent(record.key()));
                match database.commit(&app(), commit).await {
                    Ok(Outcome::Committed) => sender.send(record).expect("the test counts"),
                    Ok(refused) => panic!("made twice: {refused:?}"),
                    Err(error) => assert!(
                        matches!(error.kind(), ErrorKind::Network | ErrorKind::Timeout),
                        "{error}"
                    ),
                }
            }
        }));
    }
    drop(sender);
    let mut all = Vec::new();
    for _ in 0..2 {
        for _ in 0..25 {
            all.push(acknowledged.recv().await.expect("writers go on"));
        }
        let server = Arc::clone(&server);
        let restarted = tokio::task::spawn_blocking(move || {
            server.kill();
            server.start_again();
        });
        restarted.await.expect("no panic");
    }
    is_over.store(true, Ordering::Relaxed);
    while let Some(record) = acknowledged.recv().await {
        all.push(record);
    }
    for writer in writers {
        writer.await.expect("no panic");
    }
    let keys: Vec<_> = all.iter().map(Record::key).collect();
    let found = database.values(&app(), &keys).await.expect("an answer");
    assert!(
        found.iter().flatten().eq(&all),
        "{} of {}",
        found.iter().flatten().count(),
        all.len()
    );
    let sums = "SELECT (SELECT sum(size) FROM blobs) = (SELECT bytes FROM repository_usage),
        (SELECT sum(size) FROM blobs) = (SELECT bytes FROM user_usage)";
    assert_eq!(server.query("postgres", sums), "t|t");
}
