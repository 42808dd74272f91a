//! Bytes that count, and the quotas that bound them.

use wharf_testkit::require_peers;

use super::Race;

fn add(user: &str) -> String {
    format!("UPDATE user_usage SET bytes = bytes + 1 WHERE name = '{user}'")
}

/// Two commits count for the same two users. Returns how many of them succeed.
async fn commits_for_two_users(first_order: [&str; 2], second_order: [&str; 2]) -> usize {
    let race = Race::new().await;
    let (first, second) = (race.session().await, race.session().await);
    first.run("BEGIN").await;
    second.run("BEGIN").await;
    first.run(&add(first_order[0])).await;
    let second_begins = second.start(&add(second_order[0]));
    let waits = race.waits(&second_begins).await;
    let one = first.start(&format!("{}; COMMIT", add(first_order[1])));
    if waits {
        one.end().await.expect("nobody is in the way");
        second_begins.end().await.expect("the first is done");
        second.run(&format!("{}; COMMIT", add(second_order[1]))).await;
        return 2;
    }
    second_begins.end().await.expect("nobody was in the way");
    let other = second.start(&format!("{}; COMMIT", add(second_order[1])));
    let ends = [one.end().await, other.end().await];
    for failure in ends.iter().filter_map(|end| end.as_ref().err()) {
        assert_eq!(failure, "40P01");
    }
    ends.iter().filter(|end| end.is_ok()).count()
}

#[tokio::test]
async fn users_are_counted_in_one_order() {
    require_peers!("postgres", "psql");
    assert_eq!(commits_for_two_users(["ada", "bob"], ["ada", "bob"]).await, 2);
    assert_eq!(
        commits_for_two_users(["ada", "bob"], ["bob", "ada"]).await,
        1,
        "in the order in which they come"
    );
}

/// Two commits of four bytes for a user who may have five. Returns what the user has then.
async fn commits_at_a_quota(is_one_statement: bool) -> Vec<String> {
    let race = Race::new().await;
    let (first, second) = (race.session().await, race.session().await);
    let fits = "bytes + 4 <= 5";
    let (check, add) = if is_one_statement {
        (
            "SELECT 1".to_owned(),
            format!("UPDATE user_usage SET bytes = bytes + 4 WHERE name = 'ada' AND {fits} RETURNING 1"),
        )
    } else {
        let check = format!("SELECT 1 FROM user_usage WHERE name = 'ada' AND {fits}");
        (
            check,
            "UPDATE user_usage SET bytes = bytes + 4 WHERE name = 'ada' RETURNING 1".to_owned(),
        )
    };
    for session in [&first, &second] {
        session.run("BEGIN").await;
        assert_eq!(session.run(&check).await, ["1"]);
    }
    assert_eq!(first.run(&add).await, ["1"]);
    let late = second.start(&add);
    assert!(race.waits(&late).await);
    first.run("COMMIT").await;
    let end = if late.end().await.expect("an answer").is_empty() {
        "ROLLBACK"
    } else {
        "COMMIT"
    };
    second.run(end).await;
    race.see("SELECT bytes FROM user_usage WHERE name = 'ada'").await
}

#[tokio::test]
async fn a_quota_is_exact() {
    require_peers!("postgres", "psql");
    assert_eq!(commits_at_a_quota(true).await, ["4"]);
    assert_eq!(
        commits_at_a_quota(false).await,
        ["8"],
        "checked by a statement of its own"
    );
}
