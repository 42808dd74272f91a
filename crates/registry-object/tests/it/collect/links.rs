//! Links of repositories.

use std::sync::Arc;

use wharf_content::MediaType;
use wharf_registry::{
    Change, Commit, GcOptions, ManifestRecord, Outcome, Record, Records as _, RepositoryPath,
};
use wharf_testkit::require_peers;

use crate::stage::{Stage, digest};

/// Puts a manifest with a subject, children and blobs.
async fn put(stage: &Stage, name: &str, subject: Option<&str>, children: &[&str], blobs: &[&str]) {
    let record = serde_json::json!({
        "media_type": MediaType::OCI_INDEX, "size": 10, "user": "ada",
        "subject": subject.map(digest),
        "manifests": children.iter().map(|child| digest(child)).collect::<Vec<_>>(),
        "blobs": blobs.iter().map(|blob| (digest(blob), 1)).collect::<Vec<_>>(),
    });
    let record: ManifestRecord = serde_json::from_value(record).expect("a record");
    let commit = Commit::new(vec![Change::Put(Record::Manifest(
        digest(name),
        Arc::new(record),
    ))]);
    let path = RepositoryPath::parse("app").expect("a path");
    let outcome = stage.database.commit(&path, commit.expect("random bits")).await;
    assert_eq!(outcome.expect("an outcome"), Outcome::Committed);
}

/// The names, of these, of a table that are in `app`.
async fn left(stage: &Stage, table: &str, names: &[&str]) -> String {
    let found = stage
        .sql(&format!("SELECT digest FROM {table} WHERE repository = 1"))
        .await;
    let is_left = |name: &&&str| found.contains(&digest(name).to_string());
    names
        .iter()
        .filter(is_left)
        .copied()
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn a_blob_goes_when_nothing_needs_it_and_the_grace_is_over() {
    require_peers!("postgres", "psql");
    let stage = Stage::new().await;
    put(&stage, "manifest", None, &[], &["needed"]).await;
    put(&stage, "index", None, &["child"], &[]).await;
    for (name, minutes, user) in [
        ("needed", 600, "ada"),
        ("child", 600, "ada"),
        ("new", 0, "ada"),
        ("touched", 59, "ada"),
        ("old", 61, "ada"),
        ("older", 600, "bob"),
        ("anonymous", 600, ""),
    ] {
        stage.sql(&format!(
            "INSERT INTO blobs (repository, digest, size, user_name, touched)
             SELECT n, name_of('{name}'), 100, nullif('{user}', ''), ago({minutes}) FROM generate_series(1, 2) AS n"
        )).await;
    }
    stage
        .sql(
            "DELETE FROM user_usage; INSERT INTO user_usage VALUES ('ada', 1020), ('bob', 200);
         UPDATE repository_usage SET bytes = CASE repository WHEN 1 THEN 720 ELSE 700 END",
        )
        .await;
    let report = stage
        .collect(&GcOptions::default().with_dry_run(true))
        .await
        .expect("a report");
    assert_eq!((report.manifests, report.blobs), (0, 8));
    let names = ["needed", "child", "new", "touched", "old", "older", "anonymous"];
    assert_eq!(
        left(&stage, "blobs", &names).await,
        names.join(" "),
        "a dry run removes nothing"
    );
    let report = stage.collect(&GcOptions::default()).await.expect("a report");
    assert_eq!((report.manifests, report.blobs), (0, 8));
    assert_eq!(left(&stage, "blobs", &names).await, "needed child new touched");
    let usage = "SELECT bytes FROM repository_usage ORDER BY repository";
    assert_eq!(stage.sql(usage).await, ["420", "200"]);
    assert_eq!(
        stage.sql("SELECT * FROM user_usage ORDER BY 1").await,
        ["ada|620", "bob|0"]
    );
    let report = stage.collect(&GcOptions::default()).await.expect("a report");
    assert_eq!((report.manifests, report.blobs), (0, 0));
}

#[tokio::test]
async fn a_manifest_goes_when_no_tag_leads_to_it_and_the_grace_is_over() {
    require_peers!("postgres", "psql");
    let stage = Stage::new().await;
    let all = [
        ("tagged", None, vec![], true),
        ("index", None, vec!["child", "nested", "missing"], true),
        ("child", None, vec![], true),
        ("nested", None, vec!["grandchild"], true),
        ("grandchild", None, vec![], true),
        ("signature", Some("grandchild"), vec![], true),
        ("of signature", Some("signature"), vec![], true),
        ("alone", None, vec![], false),
        ("of alone", Some("alone"), vec![], false),
        ("of missing", Some("missing"), vec![], false),
        ("untagged index", None, vec!["its child"], false),
        ("its child", None, vec![], false),
        ("subject", None, vec![], false),
        ("tagged referrer", Some("subject"), vec![], true),
        ("itself", None, vec!["itself"], false),
        ("one", None, vec!["other"], false),
        ("other", Some("one"), vec!["one"], false),
        ("recent index", None, vec!["its old child"], true),
        ("its old child", None, vec![], true),
    ];
    for (name, subject, children, _) in &all {
        put(&stage, name, *subject, children, &[]).await;
    }
    stage
        .sql(
            "UPDATE manifests SET touched = ago(61) WHERE digest <> name_of('recent index');
         INSERT INTO tags SELECT 1, replace(name, ' ', '-'), name_of(name)
         FROM unnest('{tagged,index,missing,tagged referrer}'::text[]) AS name",
        )
        .await;
    let names: Vec<&str> = all.iter().map(|(name, ..)| *name).collect();
    let stay: Vec<&str> = all
        .iter()
        .filter(|(.., stays)| *stays)
        .map(|(name, ..)| *name)
        .collect();
    stage.collect(&GcOptions::default()).await.expect("a report");
    assert_eq!(
        left(&stage, "manifests", &names).await,
        names.join(" "),
        "unless it is asked for"
    );
    let untagged = GcOptions::default().with_untagged(true);
    for dry_run in [true, false] {
        let report = stage
            .collect(&untagged.clone().with_dry_run(dry_run))
            .await
            .expect("a report");
        assert_eq!(report.manifests, (names.len() - stay.len()) as u64);
    }
    assert_eq!(left(&stage, "manifests", &names).await, stay.join(" "));
    let bytes = (stay.len() * 10).to_string();
    let counted = "SELECT bytes FROM repository_usage WHERE repository = 1
        UNION ALL SELECT bytes FROM user_usage WHERE name = 'ada'";
    assert_eq!(stage.sql(counted).await, [bytes.clone(), bytes]);
    let report = stage.collect(&untagged).await.expect("a report");
    assert_eq!(report.manifests, 0);
}

/// The parts and batches of 5,000 and 1,000 have ends.
#[tokio::test]
async fn a_collection_goes_through_as_many_links_as_there_are() {
    require_peers!("postgres", "psql");
    let stage = Stage::new().await;
    stage
        .sql(
            "INSERT INTO blobs (repository, digest, size, touched)
             SELECT 1 + n % 2, name_of(n::text), 1, ago(61) FROM generate_series(1, 10001) AS n;
         INSERT INTO manifests (repository, digest, size, record, touched)
             SELECT 1, name_of(n::text), 1, '{}', ago(61) FROM generate_series(1, 5000) AS n;
         UPDATE repository_usage SET bytes = CASE repository WHEN 1 THEN 10000 ELSE 5001 END",
        )
        .await;
    let report = stage
        .collect(&GcOptions::default().with_untagged(true))
        .await
        .expect("a report");
    assert_eq!((report.manifests, report.blobs), (5000, 10001));
    let left = "SELECT (SELECT count(*) FROM blobs) + (SELECT count(*) FROM manifests) + sum(bytes) FROM repository_usage";
    assert_eq!(stage.sql(left).await, ["0"]);
}
