//! Commits that are repeated because their answer was lost, and the numbers of events.

use wharf_testkit::require_peers;

use super::Race;

const ID: &str = "INSERT INTO commits (id) VALUES ('request') ON CONFLICT DO NOTHING RETURNING 1";
const MOVE: &str = "INSERT INTO tags VALUES (1, 'latest', 'ours')
    ON CONFLICT (repository, name) DO UPDATE SET manifest = excluded.manifest";
const LATEST: &str = "SELECT manifest FROM tags WHERE name = 'latest'";

/// A tag is moved, the answer is lost, another request moves it on, and the first is repeated. Returns where it is.
async fn repetition_after_another_move(has_id: bool) -> Vec<String> {
    let race = Race::new().await;
    let (first, second) = (race.session().await, race.session().await);
    first.run(&format!("BEGIN; {ID}; {MOVE}; COMMIT")).await; // the answer never arrives
    race.see("UPDATE tags SET manifest = 'theirs'").await;
    second.run("BEGIN").await;
    let is_new = second.run(ID).await == ["1"];
    if is_new || !has_id {
        second.run(MOVE).await;
    }
    second.run("COMMIT").await;
    race.see(LATEST).await
}

#[tokio::test]
async fn a_tag_does_not_move_twice_for_one_request() {
    require_peers!("postgres", "psql");
    assert_eq!(repetition_after_another_move(true).await, ["theirs"]);
    assert_eq!(
        repetition_after_another_move(false).await,
        ["ours"],
        "without the id"
    );
}

/// A repetition meets the first attempt, whose connection is lost and whose end nobody has seen yet. Returns whether the
/// repetition finds that there is nothing left to do.
async fn repetition_before_the_end(end: &str) -> bool {
    let race = Race::new().await;
    let (first, second) = (race.session().await, race.session().await);
    first.run(&format!("BEGIN; {ID}; {MOVE}")).await;
    second.run("BEGIN").await;
    let repeated = second.start(ID);
    assert!(race.waits(&repeated).await, "for the first attempt");
    first.run(end).await;
    repeated.end().await.expect("an answer").is_empty()
}

#[tokio::test]
async fn a_repetition_waits_for_the_first_attempt() {
    require_peers!("postgres", "psql");
    assert!(repetition_before_the_end("COMMIT").await);
    assert!(!repetition_before_the_end("ROLLBACK").await);
}

const COUNTED: &str =
    "WITH next AS (UPDATE repository_usage SET events = events + 1 WHERE repository = 1 RETURNING events)
    INSERT INTO events (repository, number, event) SELECT 1, events, '' FROM next";
const FROM_SEQUENCE: &str =
    "INSERT INTO events (repository, number, event) VALUES (1, nextval('event_numbers'), '')";

/// Two commits of a repository write an event each, and the first to draw a number ends last. A sender looks in between
/// and goes on after the last number that it has seen. Returns the numbers that it sends.
async fn events_seen_by_a_sender(write: &str) -> Vec<String> {
    let race = Race::new().await;
    let (first, second) = (race.session().await, race.session().await);
    first.run(&format!("BEGIN; {write}")).await;
    let late = second.start(&format!("BEGIN; {write}; COMMIT"));
    if race.waits(&late).await {
        first.run("COMMIT").await;
    }
    late.end().await.expect("the event");
    let mut seen = race.see("SELECT number FROM events ORDER BY number").await;
    first.run("COMMIT").await; // without effect if it was made already
    let last = seen.last().cloned().unwrap_or("0".to_owned());
    seen.extend(
        race.see(&format!(
            "SELECT number FROM events WHERE number > {last} ORDER BY number"
        ))
        .await,
    );
    seen
}

#[tokio::test]
async fn the_numbers_of_events_follow_the_commits() {
    require_peers!("postgres", "psql");
    assert_eq!(events_seen_by_a_sender(COUNTED).await, ["1", "2"]);
    assert_eq!(
        events_seen_by_a_sender(FROM_SEQUENCE).await,
        ["2"],
        "a sequence waits for nobody"
    );
}
