use std::sync::Arc;

use wharf_content::{ErrorKind, MediaType};
use wharf_registry::{Outcome, Record, RecordRange, Records as _};
use wharf_testkit::{PostgreSql, require_peers};

use super::{app, blob, digest, put, tag};
use crate::open;

#[tokio::test]
async fn rows_that_are_damaged_are_told_and_panic_nobody() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    for damage in [
        "UPDATE tags SET manifest = 'nonsense'",
        "UPDATE tags SET manifest = ''",
        "UPDATE tags SET name = '/'",
        "UPDATE manifests SET record = '{'",
        "UPDATE manifests SET record = '[]'",
        "UPDATE manifests SET record = '{\"media_type\": 7, \"size\": 1}'",
        "UPDATE manifests SET digest = 'sha256:1', subject = (SELECT digest FROM blobs)",
        "UPDATE blobs SET digest = 'md5:00'",
        "UPDATE repositories SET name = 'No/Name'",
        "UPDATE repository_usage SET bytes = -1",
        "UPDATE user_usage SET bytes = -1",
    ] {
        let name = server.create_database();
        let database = open(&server.socket_url(&name)).await.expect("a database");
        let manifest =
            serde_json::json!({"media_type": MediaType::OCI_INDEX, "size": 1, "subject": digest("layer")});
        let manifest = serde_json::from_value(manifest).expect("a record");
        let records = [
            blob("layer", 7, "ada"),
            Record::Manifest(digest("manifest"), Arc::new(manifest)),
            Record::Tag(tag("v1"), digest("manifest")),
        ];
        let keys = records.clone().map(|record| record.key());
        assert_eq!(
            database.commit(&app(), put(records)).await.expect("an outcome"),
            Outcome::Committed
        );
        server.query(&name, damage);
        let referrers = RecordRange::Referrers(digest("layer"), None);
        let found = [
            database
                .values(&app(), &keys)
                .await
                .map(|values| values.contains(&None)),
            database
                .range(&app(), &RecordRange::Tags, "", 10)
                .await
                .map(|tags| tags.is_empty()),
            database
                .range(&app(), &referrers, "", 10)
                .await
                .map(|referrers| referrers.is_empty()),
            database.repositories("", 10).await.map(|all| all.is_empty()),
            database
                .holders(&digest("layer"), 10)
                .await
                .map(|all| all.is_empty()),
            database.usage(&app(), Some("ada")).await.map(|_| false),
        ];
        let kinds: Vec<_> = found
            .iter()
            .filter_map(|found| found.as_ref().err())
            .map(wharf_content::Error::kind)
            .collect();
        let is_renamed = damage.contains("digest = 'md5") || damage.contains("name = '/'");
        assert!(
            is_renamed || kinds.contains(&ErrorKind::Corrupt),
            "{damage}: {found:?}"
        );
        assert!(
            kinds.iter().all(|kind| *kind == ErrorKind::Corrupt),
            "{damage}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_sum_that_is_gone_is_told_by_the_commit_that_needs_it() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let name = server.create_database();
    let database = open(&server.socket_url(&name)).await.expect("a database");
    let commit = put([blob("first", 7, "ada")]);
    assert_eq!(
        database.commit(&app(), commit).await.expect("an outcome"),
        Outcome::Committed
    );
    server.query(&name, "DELETE FROM repository_usage");
    let second = blob("second", 7, "ada");
    let error = database
        .commit(&app(), put([second.clone()]))
        .await
        .expect_err("a damaged database");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(
        database.values(&app(), &[second.key()]).await.expect("an answer"),
        [None]
    );
}

#[tokio::test]
async fn a_size_that_no_column_holds_is_refused() {
    require_peers!("postgres", "psql");
    let database = open(&PostgreSql::shared().create_schema())
        .await
        .expect("a database");
    for (size, kind) in [
        (u64::MAX, Some(ErrorKind::TooLarge)),
        (1 << 63, Some(ErrorKind::TooLarge)),
        ((1 << 63) - 1, None),
    ] {
        let record = blob("layer", size, "ada");
        let made = database.commit(&app(), put([record.clone()])).await;
        assert_eq!(made.err().map(|error| error.kind()), kind, "{size}");
        let found = database.values(&app(), &[record.key()]).await.expect("an answer");
        assert_eq!(found, [kind.is_none().then_some(record)], "{size}");
    }
}
