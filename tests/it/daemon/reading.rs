//! What is read, and what a daemon sends.

use wharf::{
    Client, DaemonImage, ErrorKind, Name, Platform, SinkExt as _, Source as _, Target, WithCauses,
    archive::{Writer, WriterOptions},
    store::{Layout, Memory},
};
use wharf_testkit::{DaemonAct, Sandbox, ScriptedDaemon};

use super::{NAME, answer, daemon, image, send};

fn scripted(sandbox: &Sandbox, script: &[DaemonAct]) -> ScriptedDaemon {
    ScriptedDaemon::at_socket(&sandbox.path("daemon"), "1.48", script)
}

/// An archive with an image of two names, and the IDs of the image.
pub(super) async fn archive(sandbox: &Sandbox) -> (Vec<u8>, wharf::BuiltImage) {
    let image = image(100_000);
    let path = sandbox.path("image.tar");
    let options = WriterOptions::default().with_replace(true);
    let writer = Writer::create_with(&path, options).await.unwrap();
    for name in [NAME, "quay.io/other/name:2"] {
        writer
            .push_image(&image, Some(&Name::parse(name).unwrap()))
            .await
            .unwrap();
    }
    writer.finish().await.unwrap();
    (std::fs::read(path).unwrap(), image)
}

#[tokio::test]
async fn an_image_gets_the_name_that_was_asked_for_and_no_other() {
    let sandbox = Sandbox::new();
    let (bytes, image) = archive(&sandbox).await;
    let id = image.root().config().unwrap().digest();
    for (asked, names) in [
        ("app:1".to_owned(), vec![NAME]),
        (id.to_string(), vec![]),
        (image.digest().to_string(), vec![]),
        ("quay.io/other/name:2".to_owned(), vec!["quay.io/other/name:2"]),
        ("quay.io/third/name:3".to_owned(), vec![]),
    ] {
        let scripted = scripted(&sandbox, &[answer("200 OK", &bytes)]);
        let store = Memory::new();
        let asked: DaemonImage = asked.parse().unwrap();
        let loaded = daemon(&scripted).get(&asked, &store).await.unwrap();
        assert_eq!(loaded.descriptor.digest(), image.digest());
        assert_eq!(loaded.image_id.as_ref(), Some(id));
        let set: Vec<String> = loaded.names.iter().map(ToString::to_string).collect();
        assert_eq!(set, names, "{asked}");
        for name in [NAME, "quay.io/other/name:2"] {
            let found = store.resolve(&Target::from(Name::parse(name).unwrap())).await;
            assert_eq!(found.is_ok(), names.contains(&name), "{asked} {name}");
        }
        let request = scripted.request();
        let expected = format!(
            "names={}",
            asked.to_string().replace('/', "%2F").replace(':', "%3A")
        );
        assert!(
            request.head.starts_with("GET /v1.48/images/get?"),
            "{}",
            request.head
        );
        assert!(request.head.contains(&expected), "{}", request.head);
        assert!(!request.head.contains("platform"));
    }
}

#[tokio::test]
async fn what_is_read_by_its_id_is_listed_in_a_store_unless_it_is_another() {
    let sandbox = Sandbox::new();
    let (bytes, image) = archive(&sandbox).await;
    let id = image.root().config().unwrap().digest().to_string();
    let other = format!("sha256:{}", "0".repeat(64));
    for (number, (asked, listed)) in [
        (id.as_str(), vec![None]),
        ("quay.io/third/name:3", vec![None]),
        ("app:1", vec![Some(NAME.to_owned())]),
        (other.as_str(), vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        let store = Layout::create(sandbox.path(format!("store{number}")))
            .await
            .unwrap();
        let asked: DaemonImage = asked.parse().unwrap();
        let one = scripted(&sandbox, &[answer("200 OK", &bytes)]);
        let read = daemon(&one).get(&asked, &store).await;
        assert_eq!(read.is_ok(), !listed.is_empty(), "{asked}");
        let names = async || -> Vec<Option<String>> {
            let images = store.images().await.unwrap();
            let name = |image: &wharf::store::Image| image.name().map(ToString::to_string);
            images.iter().map(name).collect()
        };
        assert_eq!(names().await, listed, "{asked}");
    }
}

#[tokio::test]
async fn several_images_are_read_at_once_and_a_platform_is_asked_for_where_that_is_known() {
    let sandbox = Sandbox::new();
    let (bytes, _) = archive(&sandbox).await;
    let images = ["app:1".parse().unwrap(), "quay.io/other/name:2".parse().unwrap()];
    for (version, platform) in [("1.47", false), ("1.48", true), ("2.0", true), ("", false)] {
        let scripted =
            ScriptedDaemon::at_socket(&sandbox.path("daemon"), version, &[answer("200 OK", &bytes)]);
        let daemon = daemon(&scripted).with_platform(Platform::new("linux", "arm64"));
        let loaded = daemon.get_all(&images, &Memory::new()).await.unwrap();
        assert_eq!(loaded[0].names.len(), 2);
        let head = scripted.request().head;
        assert_eq!(head.matches("names=").count(), 2);
        assert_eq!(head.contains("platform=%7B"), platform, "{version}: {head}");
        assert_eq!(head.contains("arm64"), platform, "{version}: {head}");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_is_no_whole_image_is_an_error_and_sets_no_name() {
    use ErrorKind::{Corrupt, Invalid, Mismatch, Network, NotFound, Server, Unsupported};
    let sandbox = Sandbox::new();
    let (bytes, _) = archive(&sandbox).await;
    let half = &bytes[..bytes.len() / 2];
    let with_error = |prefix: &[u8]| {
        let mut body = prefix.to_vec();
        body.extend_from_slice(
            b"{\"errorDetail\":{\"message\":\"the store\\u0007 broke\"},\"error\":\"x\"}\r\n",
        );
        answer("200 OK", body)
    };
    let sized = |body: &[u8]| {
        let mut whole = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n".to_vec();
        whole.extend_from_slice(body);
        send(whole)
    };
    let other = format!("sha256:{}", "0".repeat(64));
    let missing = "{\"cause\":\"image not known\",\"message\":\"a:1: image not known\",\"response\":500}";
    for (name, asked, act, kinds, part) in [
        (
            "half",
            "app:1",
            answer("200 OK", half),
            &[Corrupt][..],
            "app:1 from the daemon",
        ),
        (
            "half of what was declared",
            "app:1",
            sized(half),
            &[Network],
            "stopped sending",
        ),
        (
            "an error in the middle",
            "app:1",
            with_error(half),
            &[Server],
            "the store\\u{7} broke",
        ),
        (
            "an error after a header",
            "app:1",
            with_error(&bytes[..512]),
            &[Server],
            "the store\\u{7} broke",
        ),
        (
            "an error alone",
            "app:1",
            with_error(b""),
            &[Server],
            "the store\\u{7} broke",
        ),
        (
            "nothing",
            "app:1",
            answer("200 OK", ""),
            &[Corrupt, Invalid],
            "app:1",
        ),
        (
            "a page",
            "app:1",
            answer("200 OK", "<html>".repeat(500)),
            &[Corrupt, Invalid],
            "app:1",
        ),
        (
            "another image",
            &other,
            answer("200 OK", &bytes),
            &[Mismatch],
            "sends the image sha256:",
        ),
        (
            "Docker's 404",
            "a:1",
            answer("404 Not Found", "{\"message\":\"No such image: a:1\"}"),
            &[NotFound],
            "No such image",
        ),
        (
            "Podman's 500",
            "a:1",
            answer("500 Internal Server Error", missing),
            &[NotFound],
            "image not known",
        ),
        (
            "another 500",
            "a:1",
            answer("500 Oops", "{\"message\":\"oops\"}"),
            &[Server],
            "oops",
        ),
        (
            "bzip2",
            "a:1",
            answer("200 OK", "BZh91AY&SY".repeat(100)),
            &[Unsupported],
            "bzip2",
        ),
    ] {
        let scripted = scripted(&sandbox, &[act]);
        let store = Memory::new();
        let error = daemon(&scripted)
            .get(&asked.parse().unwrap(), &store)
            .await
            .unwrap_err();
        assert!(kinds.contains(&error.kind()), "{name}: {error:?}");
        let text = WithCauses(&error).to_string();
        assert!(text.contains(part), "{name}: {error}");
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{name}: {error:?}"
        );
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines
                .windows(2)
                .all(|pair| !pair[0].ends_with(pair[1].trim_start_matches("  because: "))),
            "{name} says it twice: {text}"
        );
        assert!(
            store
                .resolve(&Target::from(Name::parse(NAME).unwrap()))
                .await
                .is_err(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_daemon_that_sends_less_than_was_asked_for_is_an_error() {
    let sandbox = Sandbox::new();
    let (bytes, image) = archive(&sandbox).await;
    let id = image.root().config().unwrap().digest().to_string();
    let unknown = format!("sha256:{}", "1".repeat(64));
    let pinned = format!("quay.io/x@{unknown}");
    for (asked, missing) in [
        (vec!["app:1", &id], None),
        (vec![&id], None),
        (vec!["app:1", &pinned], None),
        (vec!["app:1", "third:3"], Some("library/third:3")),
        (vec!["third:3"], Some("library/third:3")),
        (vec!["app:1", &unknown], Some(&*unknown)),
        (vec![&id, "app:2"], Some("library/app:2")),
    ] {
        let scripted = scripted(&sandbox, &[answer("200 OK", &bytes)]);
        let images: Vec<DaemonImage> = asked.iter().map(|image| image.parse().unwrap()).collect();
        let loaded = daemon(&scripted).get_all(&images, &Memory::new()).await;
        match missing {
            None => assert_eq!(loaded.unwrap().len(), 1, "{asked:?}"),
            Some(missing) => {
                let error = loaded.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Mismatch, "{asked:?}: {error}");
                assert!(error.to_string().contains(missing), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn the_policy_has_rules_for_images_of_a_daemon() {
    let sandbox = Sandbox::new();
    let (bytes, image) = archive(&sandbox).await;
    let id = image.root().config().unwrap().digest().to_string();
    for (scope, by_name, by_id) in [
        ("", false, false),
        ("docker.io/library/app:1", false, true),
        ("docker.io/library", false, true),
        ("docker.io/library/other", true, true),
    ] {
        let policy = format!(
            r#"{{"default":[{{"type":"insecureAcceptAnything"}}],"transports":{{"docker-daemon":{{"{scope}":[{{"type":"reject"}}]}}}}}}"#
        );
        for (asked, accepted) in [("app:1", by_name), (id.as_str(), by_id)] {
            let scripted = scripted(&sandbox, &[answer("200 OK", &bytes)]);
            let policy = wharf::config::Policy::parse(&policy).unwrap();
            let client = Client::builder()
                .with_policy(policy)
                .with_daemon(daemon(&scripted))
                .build()
                .unwrap();
            let to = format!("oci:{}:x", sandbox.path("out").display());
            let copied = client.copy(format!("docker-daemon:{asked}"), to).await;
            assert_eq!(copied.is_ok(), accepted, "{scope:?} {asked}");
            if let Err(error) = copied {
                assert_eq!(error.kind(), ErrorKind::Rejected, "{error:?}");
            }
        }
    }
    let scoped = format!(
        r#"{{"default":[{{"type":"reject"}}],"transports":{{"docker-daemon":{{"{id}":[{{"type":"reject"}}]}}}}}}"#
    );
    assert!(wharf::config::Policy::parse(&scoped).is_err()); // as upstream: an ID is no scope
}

#[tokio::test]
async fn an_image_that_is_read_leaves_no_file_behind() {
    let sandbox = Sandbox::new();
    let (bytes, image) = archive(&sandbox).await;
    let half = &bytes[..bytes.len() / 2];
    for (body, succeeds) in [(&bytes[..], true), (half, false)] {
        let scratch = sandbox.path("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        let scripted = scripted(&sandbox, &[answer("200 OK", body)]);
        let client = Client::builder()
            .with_daemon(daemon(&scripted).with_scratch(&scratch))
            .build()
            .unwrap();
        let inspected = client.inspect("docker-daemon:app:1").await;
        assert_eq!(inspected.is_ok(), succeeds);
        if let Ok(inspected) = inspected {
            assert_eq!(inspected.digest, *image.digest());
        }
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn an_image_goes_from_a_daemon_straight_into_a_store() {
    let sandbox = Sandbox::new();
    let (bytes, image) = archive(&sandbox).await;
    let scripted = scripted(&sandbox, &[answer("200 OK", &bytes)]);
    let scratch = sandbox.path("absent"); // nothing could be kept there
    let client = Client::builder()
        .with_daemon(daemon(&scripted).with_scratch(scratch))
        .build()
        .unwrap();
    let store = sandbox.path("store");
    let copied = client
        .copy("docker-daemon:app:1", format!("oci:{}", store.display()))
        .await
        .unwrap();
    assert_eq!(copied.digest(), image.digest());
    let images = Layout::open(&store).await.unwrap().images().await.unwrap();
    let names: Vec<String> = images
        .iter()
        .filter_map(|image| image.name())
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, [NAME]);
}
