//! Collections that cannot do all.

use wharf_content::ErrorKind;
use wharf_registry::GcOptions;
use wharf_testkit::require_peers;

use crate::stage::Stage;

#[tokio::test]
async fn a_repository_that_cannot_be_collected_leaves_the_others_alone() {
    require_peers!("postgres", "psql");
    let stage = Stage::new().await;
    stage
        .sql(
            "INSERT INTO blobs (repository, digest, size, touched)
                 SELECT n, name_of('loose'), 1, ago(61) FROM generate_series(1, 2) AS n;
             INSERT INTO manifests (repository, digest, size, record, touched)
                 SELECT n, name_of('untagged'), 1, '{}', ago(61) FROM generate_series(1, 2) AS n;
             UPDATE repository_usage SET bytes = 2;
             CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
             CREATE TRIGGER failing BEFORE DELETE ON blobs FOR EACH ROW WHEN (old.repository = 1) EXECUTE FUNCTION fail();
             CREATE TRIGGER failing BEFORE DELETE ON manifests FOR EACH ROW WHEN (old.repository = 1)
                 EXECUTE FUNCTION fail()",
        )
        .await;
    let untagged = GcOptions::default().with_untagged(true);
    let error = stage.collect(&untagged).await.expect_err("one fails");
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    let left = "SELECT repository FROM blobs UNION ALL SELECT repository FROM manifests";
    assert_eq!(stage.sql(left).await, ["1", "1"]);
    stage
        .sql("DROP TRIGGER failing ON blobs; DROP TRIGGER failing ON manifests")
        .await;
    let report = stage.collect(&untagged).await.expect("a report");
    assert_eq!((report.manifests, report.blobs), (1, 1));
}
