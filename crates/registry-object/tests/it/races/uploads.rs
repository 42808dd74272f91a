//! Objects that are written before a transaction says what they are, and the offsets of uploads.

use wharf_testkit::require_peers;

use super::{Race, Session};

const SWEEP: &str =
    "WITH swept AS (DELETE FROM pending WHERE renewed < now() - interval '1 day' RETURNING object)
    INSERT INTO doomed (object) SELECT object FROM swept RETURNING object";
const CLAIM: &str = "DELETE FROM pending WHERE object IN ('one', 'two') RETURNING object";
const KEEP: &str =
    "INSERT INTO contents (digest, size, objects, sizes) VALUES ('new', 2, '{one,two}', '{1,1}')";
const LOST: &str =
    "SELECT object FROM (SELECT unnest(objects) AS object FROM contents) AS kept JOIN doomed USING (object)";

/// Two objects, the first of which was not renewed for two days.
async fn with_pending() -> Race {
    let race = Race::new().await;
    race.see(
        "INSERT INTO pending (object, renewed) VALUES ('one', now() - interval '2 days'), ('two', now())",
    )
    .await;
    race
}

/// Turns the objects into content if all of them are still pending, or in any case.
async fn keep(writer: &Session, claimed: &[String], checks: bool) {
    if checks && claimed.len() != 2 {
        writer.run("ROLLBACK").await;
    } else {
        writer.run(KEEP).await;
        writer.run("COMMIT").await;
    }
}

async fn content_after_sweep(checks: bool) -> Vec<String> {
    let race = with_pending().await;
    let (writer, sweeper) = (race.session().await, race.session().await);
    sweeper.run("BEGIN").await;
    assert_eq!(sweeper.run(SWEEP).await, ["one"]);
    writer.run("BEGIN").await;
    let claimed = writer.start(CLAIM);
    assert!(race.waits(&claimed).await);
    sweeper.run("COMMIT").await;
    let claimed = claimed.end().await.expect("the rows that are left");
    keep(&writer, &claimed, checks).await;
    race.see(LOST).await
}

#[tokio::test]
async fn an_object_that_was_swept_meanwhile_does_not_become_content() {
    require_peers!("postgres", "psql");
    assert!(content_after_sweep(true).await.is_empty());
    assert_eq!(
        content_after_sweep(false).await,
        ["one"],
        "without counting the rows"
    );
}

/// Returns the objects of contents that are doomed.
async fn sweep_after_content(sweeps_by_row: bool) -> Vec<String> {
    let race = with_pending().await;
    let (writer, sweeper) = (race.session().await, race.session().await);
    let old = sweeper
        .run("SELECT object FROM pending WHERE renewed < now() - interval '1 day'")
        .await;
    writer.run("BEGIN").await;
    let claimed = writer.run(CLAIM).await;
    let by_list = format!(
        "INSERT INTO doomed (object) VALUES ('{}'); DELETE FROM pending WHERE object = '{0}'",
        old.concat()
    );
    let swept = sweeper.start(if sweeps_by_row { SWEEP } else { &by_list });
    assert!(race.waits(&swept).await);
    keep(&writer, &claimed, true).await;
    swept.end().await.expect("nothing is left to sweep");
    race.see(LOST).await
}

#[tokio::test]
async fn an_object_that_became_content_meanwhile_is_not_swept() {
    require_peers!("postgres", "psql");
    assert!(sweep_after_content(true).await.is_empty());
    assert_eq!(
        sweep_after_content(false).await,
        ["one"],
        "by a list that was read before"
    );
}

#[tokio::test]
async fn an_object_that_is_renewed_meanwhile_is_not_swept() {
    require_peers!("postgres", "psql");
    let race = with_pending().await;
    let (writer, sweeper) = (race.session().await, race.session().await);
    writer.run("BEGIN").await;
    writer
        .run("UPDATE pending SET renewed = now() WHERE object = 'one'")
        .await;
    let swept = sweeper.start(SWEEP);
    assert!(race.waits(&swept).await);
    writer.run("COMMIT").await;
    assert_eq!(
        swept.end().await,
        Ok(vec![]),
        "the condition is judged again after the wait"
    );
    assert_eq!(race.see("SELECT count(*) FROM pending").await, ["2"]);
}

/// Two writers append five bytes each to the same end. Returns how many believe that they did.
async fn writers_at_one_offset(compares: bool) -> usize {
    let race = Race::new().await;
    race.see("INSERT INTO uploads (id, length) VALUES ('id', 0)")
        .await;
    let append = if compares {
        "UPDATE uploads SET length = 5 WHERE id = 'id' AND length = 0 RETURNING length"
    } else {
        "UPDATE uploads SET length = 5 WHERE id = 'id' RETURNING length"
    };
    let (first, second) = (race.session().await, race.session().await);
    first.run("BEGIN").await;
    let one = first.run(append).await;
    let other = second.start(append);
    assert!(race.waits(&other).await);
    first.run("COMMIT").await;
    one.len() + other.end().await.expect("an answer").len()
}

#[tokio::test]
async fn one_writer_at_an_offset_wins() {
    require_peers!("postgres", "psql");
    assert_eq!(writers_at_one_offset(true).await, 1);
    assert_eq!(writers_at_one_offset(false).await, 2, "without comparing");
}

/// An upload of five bytes is closed while five more are appended. Returns whether both believe that they did.
async fn append_while_closing(compares: bool, closes_first: bool) -> bool {
    let race = Race::new().await;
    race.see("INSERT INTO uploads (id, length) VALUES ('id', 5)")
        .await;
    let append = "UPDATE uploads SET length = 10 WHERE id = 'id' AND length = 5 RETURNING length";
    let close = if compares {
        "DELETE FROM uploads WHERE id = 'id' AND length = 5 RETURNING id"
    } else {
        "DELETE FROM uploads WHERE id = 'id' RETURNING id"
    };
    let (first, second) = (race.session().await, race.session().await);
    let (early, late) = if closes_first {
        (close, append)
    } else {
        (append, close)
    };
    first.run("BEGIN").await;
    assert_eq!(first.run(early).await.len(), 1);
    let late = second.start(late);
    assert!(race.waits(&late).await);
    first.run("COMMIT").await;
    late.end().await.expect("an answer").len() == 1
}

#[tokio::test]
async fn an_upload_is_closed_or_appended_to() {
    require_peers!("postgres", "psql");
    assert!(!append_while_closing(true, true).await);
    assert!(!append_while_closing(true, false).await);
    assert!(append_while_closing(false, false).await, "without comparing");
}
