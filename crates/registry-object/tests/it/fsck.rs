//! Checks of what is stored.

use std::num::NonZeroU32;

use object_store::{ObjectStoreExt as _, path::Path};
use wharf_registry::GcOptions;
use wharf_registry_object::{FsckFinding, FsckOptions, FsckReport};
use wharf_testkit::require_peers;

use crate::stage::{Stage, digest, path};

/// Each kind of row, and what belongs to it: the objects 1 to 6.
const CLEAN: &str = "
    INSERT INTO contents (digest, size, objects, sizes) VALUES
        (name_of('bytesbytes'), 10, ARRAY[object_of(1), object_of(2)], '{5,5}');
    INSERT INTO contents (digest, size, bytes) VALUES (name_of('manifest'), 8, 'manifest');
    INSERT INTO contents (digest, size, objects, sizes) VALUES (name_of('bytes'), 5, ARRAY[object_of(3)], '{5}');
    INSERT INTO blobs (repository, digest, size, user_name, content)
        VALUES (1, name_of('bytesbytes'), 10, 'ada', 1), (2, name_of('bytesbytes'), 10, NULL, 1);
    INSERT INTO manifests (repository, digest, size, user_name, content, subject, record) VALUES
        (1, name_of('manifest'), 8, 'ada', 2, name_of('subject'), json_build_object('media_type', 'a/b', 'size', 8,
            'subject', name_of('subject'), 'manifests', json_build_array(name_of('child'), name_of('child')),
            'blobs', json_build_array(json_build_array(name_of('bytesbytes'), 10)))::text);
    INSERT INTO needs VALUES (1, name_of('bytesbytes'), name_of('manifest'));
    INSERT INTO children VALUES (1, name_of('child'), name_of('manifest'));
    INSERT INTO tags VALUES (1, 'v1', name_of('manifest'));
    UPDATE repository_usage SET bytes = CASE repository WHEN 1 THEN 18 ELSE 10 END;
    INSERT INTO user_usage VALUES ('ada', 18), ('bob', 0);
    INSERT INTO uploads (id, repository, owner, length, objects, sizes)
        VALUES ('upload', 'app', 'user:ada', 5, ARRAY[object_of(4)], '{5}');
    INSERT INTO uploads (id) VALUES ('hidden');
    INSERT INTO pending VALUES (object_of(4), 'upload'), (object_of(5), NULL), (object_of(50), NULL);
    INSERT INTO doomed VALUES (object_of(6)), (object_of(60))";

async fn clean() -> Stage {
    let stage = Stage::new().await;
    stage.sql(CLEAN).await;
    stage.put(1..7).await;
    stage
}

/// All that can be checked.
fn thorough() -> FsckOptions {
    let mut options = FsckOptions::default();
    options.hash_one_in = Some(NonZeroU32::MIN);
    options
}

async fn check(stage: &Stage, options: &FsckOptions) -> (FsckReport, Vec<FsckFinding>) {
    let mut found = Vec::new();
    let report = stage
        .backend()
        .await
        .fsck(options, &mut |finding| found.push(finding))
        .await;
    let report = report.expect("a report");
    let damage = found.iter().filter(|finding| finding.is_damage()).count();
    assert_eq!(
        (report.damage, report.notes),
        (damage as u64, (found.len() - damage) as u64),
        "{found:?}"
    );
    (report, found)
}

#[tokio::test]
async fn nothing_is_found_where_nothing_is_wrong_however_little_memory_there_is() {
    require_peers!("postgres", "psql");
    let stage = clean().await;
    for objects_at_a_time in [1_000_000, 5, 1, 0] {
        let mut options = thorough();
        options.objects_at_a_time = objects_at_a_time;
        let (report, found) = check(&stage, &options).await;
        assert_eq!(found, [], "{objects_at_a_time}");
        let links = (report.repositories, report.tags, report.manifests, report.blobs);
        assert_eq!(links, (2, 1, 1, 2), "{report:?}");
        assert_eq!(
            (report.contents, report.unlinked, report.hashed),
            (3, 1, 3),
            "{report:?}"
        );
        let objects = (report.objects, report.bytes, report.pending, report.doomed);
        assert_eq!(objects, (6, 30, 3, 2), "{report:?}");
    }
    let (report, _) = check(&stage, &FsckOptions::default()).await;
    assert_eq!(report.hashed, 0);
    let mut hashed = 0;
    for _ in 0..4 {
        let mut options = thorough();
        options.hash_one_in = NonZeroU32::new(3);
        hashed += check(&stage, &options).await.0.hashed;
    }
    assert_eq!(hashed, 4, "one of three each time");
}

/// Damage to a row, what undoes it, and the parts of what is told, one of each finding.
const ROWS: &[(&str, &str, &[&str])] = &[
    (
        "UPDATE repositories SET name = 'No/Name' WHERE id = 2",
        "UPDATE repositories SET name = 'lib' WHERE id = 2",
        &["No/Name of repositories"],
    ),
    (
        "UPDATE repository_usage SET bytes = 17 WHERE repository = 1",
        "UPDATE repository_usage SET bytes = 18 WHERE repository = 1",
        &["repository app counts 17 bytes, and links 18"],
    ),
    (
        "DELETE FROM repository_usage WHERE repository = 2",
        "INSERT INTO repository_usage VALUES (2, 10)",
        &["repository lib has no count of bytes, and links 10"],
    ),
    (
        "UPDATE user_usage SET bytes = 7",
        "UPDATE user_usage SET bytes = CASE name WHEN 'ada' THEN 18 ELSE 0 END",
        &["user ada counts 7", "user bob counts 7 bytes, and links 0"],
    ),
    (
        "INSERT INTO blobs (repository, digest, size, user_name)
             SELECT n, name_of('huge'), 9223372036854775807, 'ada' FROM generate_series(1, 2) AS n",
        "DELETE FROM blobs WHERE size = 9223372036854775807",
        &[
            "repository app counts 18 bytes, and links 9223372036854775807",
            "repository lib counts 10 bytes, and links 9223372036854775807",
            "user ada counts 18 bytes, and links 9223372036854775807",
            "app@sha256:",
            "lib@sha256:",
        ],
    ),
    (
        "INSERT INTO subscribers (name) VALUES ('hook'), ('cluster');
         UPDATE subscribers SET unsubscribed = name = 'cluster';
         INSERT INTO event_positions (subscriber, repository, accepted, last)
             SELECT id, 1, 1, 4 FROM subscribers WHERE name = 'hook';
         INSERT INTO event_positions (subscriber, repository, accepted, last)
             SELECT id, 2, 1, 1 FROM subscribers WHERE name = 'cluster';
         UPDATE repository_usage SET events = 4 WHERE repository = 1;
         INSERT INTO events VALUES (1, 2, '{}'), (1, 4, 'nonsense')",
        "DELETE FROM subscribers; DELETE FROM events; UPDATE repository_usage SET events = 0",
        &[
            "app 2 of events is damaged",
            "app 4 of events is damaged",
            "app has 2 of the 3 events that wait for hook",
            "lib counts 0 events, and had one with the number 1",
            "cluster wants no events any more, and 1 repositories",
        ],
    ),
    (
        "DELETE FROM user_usage",
        "INSERT INTO user_usage VALUES ('ada', 18), ('bob', 0)",
        &["user ada has no count of bytes, and links 18"],
    ),
    (
        "INSERT INTO tags VALUES (1, 'v2', name_of('gone')), (1, '/', name_of('manifest'))",
        "DELETE FROM tags WHERE name <> 'v1'",
        &[
            "app:/ of tags is damaged",
            "app:v2 points at a manifest that is not there",
        ],
    ),
    (
        "UPDATE blobs SET content = NULL",
        "UPDATE blobs SET content = 1",
        &["app@sha256:", "lib@sha256:"],
    ),
    (
        "UPDATE contents SET quarantined = now() WHERE id = 1",
        "UPDATE contents SET quarantined = NULL",
        &["lib@sha256:", "app@sha256:"],
    ),
    (
        "UPDATE blobs SET content = 3 WHERE repository = 2",
        "UPDATE blobs SET content = 1",
        &["the content of another digest or size"],
    ),
    (
        "UPDATE blobs SET digest = 'nonsense' WHERE repository = 2",
        "UPDATE blobs SET digest = name_of('bytesbytes')",
        &["lib@nonsense of blobs is damaged"],
    ),
    (
        "UPDATE blobs SET size = 9 WHERE repository = 2",
        "UPDATE blobs SET size = 10",
        &[
            "repository lib counts 10 bytes, and links 9",
            "another digest or size",
        ],
    ),
    (
        "INSERT INTO needs VALUES (1, name_of('more'), name_of('manifest'))",
        "DELETE FROM needs WHERE blob = name_of('more')",
        &["needs and children", "which the repository does not have"],
    ),
    (
        "DELETE FROM children",
        "INSERT INTO children VALUES (1, name_of('child'), name_of('manifest'))",
        &["needs and children"],
    ),
    (
        "UPDATE manifests SET subject = NULL",
        "UPDATE manifests SET subject = name_of('subject')",
        &["needs and children"],
    ),
    (
        "UPDATE manifests SET record = '{' || record",
        "UPDATE manifests SET record = substr(record, 2)",
        &["of manifests is damaged"],
    ),
    (
        "UPDATE contents SET digest = 'nonsense' WHERE id = 3",
        "UPDATE contents SET digest = name_of('bytes') WHERE id = 3",
        &["the row 3 of contents is damaged"],
    ),
    (
        "UPDATE contents SET digest = 'md5:00' WHERE id = 3",
        "UPDATE contents SET digest = name_of('bytes') WHERE id = 3",
        &["the row 3 of contents is damaged"],
    ),
    (
        "UPDATE contents SET sizes = '{5,6}' WHERE id = 1",
        "UPDATE contents SET sizes = '{5,5}' WHERE id = 1",
        &["the row 1 of contents is damaged"],
    ),
    (
        "UPDATE contents SET sizes = '{5}' WHERE id = 1",
        "UPDATE contents SET sizes = '{5,5}' WHERE id = 1",
        &["the row 1 of contents is damaged"],
    ),
    (
        "UPDATE contents SET bytes = 'manifes' WHERE id = 2",
        "UPDATE contents SET bytes = 'manifest' WHERE id = 2",
        &["the row 2 of contents is damaged"],
    ),
    (
        "UPDATE contents SET bytes = 'MANIFEST' WHERE id = 2",
        "UPDATE contents SET bytes = 'manifest' WHERE id = 2",
        &["has the bytes of sha256:"],
    ),
    (
        "UPDATE contents SET objects[1] = '../escape' WHERE id = 1",
        "UPDATE contents SET objects[1] = object_of(1) WHERE id = 1",
        &["the row 1 of contents is damaged", " bytes belongs to nothing"],
    ),
    (
        "INSERT INTO doomed VALUES (object_of(2))",
        "DELETE FROM doomed WHERE object = object_of(2)",
        &["is to be deleted"],
    ),
    (
        "INSERT INTO pending VALUES (object_of(2))",
        "DELETE FROM pending WHERE object = object_of(2)",
        &["is to be deleted"],
    ),
    (
        "UPDATE contents SET objects = ARRAY[object_of(2)] WHERE id = 3; DELETE FROM doomed",
        "UPDATE contents SET objects = ARRAY[object_of(3)] WHERE id = 3; INSERT INTO doomed VALUES (object_of(6)), (object_of(60))",
        &[
            "belongs to another content as well",
            " bytes belongs to nothing",
            " bytes belongs to nothing",
        ],
    ),
    (
        "DELETE FROM pending WHERE upload IS NOT NULL",
        "INSERT INTO pending VALUES (object_of(4), 'upload')",
        &["upload upload: an object of it is to be deleted"],
    ),
    (
        "UPDATE uploads SET owner = 'group:x' WHERE id = 'upload'",
        "UPDATE uploads SET owner = 'user:ada' WHERE id = 'upload'",
        &["the row upload of uploads is damaged"],
    ),
    (
        "UPDATE uploads SET length = 6 WHERE id = 'upload'",
        "UPDATE uploads SET length = 5 WHERE id = 'upload'",
        &["the row upload of uploads is damaged"],
    ),
    (
        "DELETE FROM pending WHERE object = object_of(5)",
        "INSERT INTO pending VALUES (object_of(5), NULL)",
        &["of 5 bytes belongs to nothing"],
    ),
];

#[tokio::test]
async fn damaged_rows_are_told() {
    require_peers!("postgres", "psql");
    let stage = clean().await;
    for (damage, undo, expected) in ROWS {
        stage.sql(damage).await;
        let (_, found) = check(&stage, &thorough()).await;
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), expected.len(), "{damage}: {told:#?}");
        for part in *expected {
            assert!(told.iter().any(|text| text.contains(part)), "{damage}: {told:#?}");
        }
        stage.sql(undo).await;
    }
    assert_eq!(check(&stage, &thorough()).await.1, [], "all is undone");
}

#[tokio::test]
async fn objects_that_are_damaged_or_belong_to_nothing_are_told() {
    require_peers!("postgres", "psql");
    let own = |number| path(number).filename().expect("a name").to_owned();
    let content = format!("content {}", digest("bytesbytes"));
    let damaged = |owner: &str, number, found| FsckFinding::DamagedObject {
        owner: owner.to_owned(),
        object: own(number),
        size: 5,
        found,
    };
    let foreign = |path: &str| FsckFinding::Foreign {
        path: path.to_owned(),
        size: 3,
    };
    let stage = clean().await;
    for (object, bytes, expected) in [
        (path(1), None, damaged(&content, 1, None)),
        (path(2), Some("byte"), damaged(&content, 2, Some(4))),
        (
            path(2),
            Some("BYTES"),
            FsckFinding::DamagedContent {
                digest: digest("bytesbytes").to_string(),
                found: digest("bytesBYTES").to_string(),
            },
        ),
        (path(4), None, damaged("upload upload", 4, None)),
        (
            path(7),
            Some("new"),
            FsckFinding::Unnamed {
                object: own(7),
                size: 3,
            },
        ),
        (Path::from("other"), Some("new"), foreign("other")),
        (Path::from("v1/other"), Some("new"), foreign("v1/other")),
        (Path::from("v1/data/other"), Some("new"), foreign("v1/data/other")),
        (Path::from("v1/data/0/00"), Some("new"), foreign("v1/data/0/00")),
        (Path::from("v1/data/00/0"), Some("new"), foreign("v1/data/00/0")),
        (
            Path::from(format!("v1/data/01/{}", own(2))),
            Some("new"),
            foreign(&format!("v1/data/01/{}", own(2))),
        ),
        (
            Path::from(format!("v1/data/02/x/{}", own(2))),
            Some("new"),
            foreign(&format!("v1/data/02/x/{}", own(2))),
        ),
        (Path::from("v2/format"), Some("new"), foreign("v2/format")),
        (Path::from("v1/format/x"), Some("new"), foreign("v1/format/x")),
        (
            Path::from("other/v1/data/00/0"),
            Some("new"),
            foreign("other/v1/data/00/0"),
        ),
    ] {
        let before = match stage.store.get(&object).await {
            Ok(got) => Some(got.bytes().await.expect("bytes")),
            Err(_) => None,
        };
        match bytes {
            Some(bytes) => drop(stage.store.put(&object, bytes.into()).await.expect("room")),
            None => stage.store.delete(&object).await.expect("an object"),
        }
        let (_, found) = check(&stage, &thorough()).await;
        assert_eq!(found, [expected], "{object}");
        match before {
            Some(bytes) => drop(stage.store.put(&object, bytes.into()).await.expect("room")),
            None => stage.store.delete(&object).await.expect("an object"),
        }
    }
    assert_eq!(check(&stage, &thorough()).await.1, [], "all is undone");
}

#[tokio::test]
async fn a_repair_puts_damage_in_quarantine_and_dooms_what_belongs_to_nothing() {
    require_peers!("postgres", "psql");
    let stage = clean().await;
    stage
        .sql("UPDATE contents SET bytes = 'MANIFEST' WHERE id = 2; UPDATE repository_usage SET bytes = 7")
        .await;
    stage.store.delete(&path(2)).await.expect("an object");
    stage.store.put(&path(3), "BYTES".into()).await.expect("room");
    stage.put(7..9).await;
    stage
        .store
        .put(&Path::from("other"), "new".into())
        .await
        .expect("room");
    let kinds = |found: &[FsckFinding]| {
        found
            .iter()
            .map(|finding| format!("{finding:?}"))
            .map(|text| text.split(' ').next().expect("a word").to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let all = "WrongUsage WrongUsage DamagedObject DamagedContent DamagedContent Unnamed Unnamed Foreign";
    for repair in [false, true] {
        let mut options = thorough();
        options.repair = repair;
        let (_, found) = check(&stage, &options).await;
        assert_eq!(kinds(&found), all, "{found:#?}");
    }
    assert_eq!(
        stage
            .sql("SELECT id FROM contents WHERE quarantined IS NOT NULL ORDER BY 1")
            .await,
        ["1", "2", "3"]
    );
    let (_, found) = check(&stage, &thorough()).await;
    assert_eq!(
        kinds(&found),
        "WrongUsage WrongUsage Unstored Unstored Unstored Foreign",
        "{found:#?}"
    );
    stage.sql("UPDATE doomed SET doomed = ago(11)").await;
    stage.collect(&GcOptions::default()).await.expect("a report");
    assert_eq!(stage.objects().await, [1, 3, 4, 5], "and not those in quarantine");
    stage
        .store
        .head(&Path::from("other"))
        .await
        .expect("what is foreign stays");
}

#[test]
fn findings_are_told_without_control_characters() {
    let finding = FsckFinding::DanglingTag {
        repository: "a\u{1b}[31m".to_owned(),
        tag: "b\n".to_owned(),
    };
    assert_eq!(
        finding.to_string(),
        "a\\u{1b}[31m:b\\n points at a manifest that is not there"
    );
}
