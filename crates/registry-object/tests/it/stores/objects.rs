//! The behaviour that the backend relies on in every store.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    Error, GetOptions, GetRange, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, path::Path,
};
use wharf_http::{Connect as _, Origin, Peer, Request, ReqwestConnector, TlsSettings};

use super::{Kind, kinds};

/// The smallest part but the last that S3 takes.
const PART: usize = 5 * 1024 * 1024;

fn bytes(length: usize, seed: u8) -> Bytes {
    (0..length)
        .map(|at| u8::try_from(at % 251).expect("it is less") ^ seed)
        .collect::<Vec<_>>()
        .into()
}

#[tokio::test]
async fn an_object_is_read_whole_and_in_ranges_until_it_is_deleted() {
    for kind in kinds() {
        let fresh = kind.fresh();
        let store = fresh.open().await;
        let (objects, path) = (store.objects(), Path::from("v1/data/ab/object"));
        let body = bytes(100_000, 1);
        // Several chunks, as a body that is received has.
        let chunks = [body.slice(..1), body.slice(1..70_000), body.slice(70_000..)];
        objects.put(&path, PutPayload::from_iter(chunks)).await.unwrap();
        assert_eq!(objects.head(&path).await.unwrap().size, 100_000, "{kind:?}");
        assert_eq!(objects.get(&path).await.unwrap().bytes().await.unwrap(), body);
        for (range, expected) in [
            (GetRange::Bounded(0..1), 0..1),
            (GetRange::Bounded(50_000..70_001), 50_000..70_001),
            (GetRange::Bounded(99_999..100_000), 99_999..100_000),
            (GetRange::Offset(99_000), 99_000..100_000),
        ] {
            let options = GetOptions {
                range: Some(range.clone()),
                ..GetOptions::default()
            };
            let read = objects.get_opts(&path, options).await.unwrap();
            assert_eq!(read.meta.size, 100_000, "{kind:?} {range:?}");
            assert_eq!(
                read.bytes().await.unwrap(),
                body.slice(expected),
                "{kind:?} {range:?}"
            );
        }
        let created = objects
            .put_opts(&path, "other".into(), PutOptions::from(PutMode::Create))
            .await;
        assert!(
            matches!(created, Err(Error::AlreadyExists { .. })),
            "{kind:?}: {created:?}"
        );
        objects.put(&path, "other".into()).await.unwrap();
        assert_eq!(objects.get(&path).await.unwrap().bytes().await.unwrap(), "other");
        objects.delete(&path).await.unwrap();
        for read in [objects.get(&path).await.err(), objects.head(&path).await.err()] {
            let error = store.failed("read", path.as_ref(), &read.expect("it was deleted"));
            assert_eq!(
                error.kind(),
                wharf_content::ErrorKind::NotFound,
                "{kind:?}: {error}"
            );
        }
        objects.put(&path, PutPayload::new()).await.unwrap();
        assert_eq!(
            objects.get(&path).await.unwrap().bytes().await.unwrap(),
            "",
            "{kind:?}"
        );
    }
}

/// S3 answers that an absent object was deleted; Azure and a directory tell that it was absent.
#[tokio::test]
async fn deleting_an_absent_object_is_done_or_tells_that_it_is_absent() {
    for kind in kinds() {
        let store = kind.fresh().open().await;
        let deleted = store.objects().delete(&Path::from("v1/data/absent")).await;
        let expected = match kind {
            Kind::Moto | Kind::SeaweedFs => deleted.is_ok(),
            Kind::Directory | Kind::Azurite => matches!(deleted, Err(Error::NotFound { .. })),
        };
        assert!(expected, "{kind:?}: {deleted:?}");
    }
}

#[tokio::test]
async fn more_objects_than_a_page_has_are_listed_and_deleted() {
    for kind in kinds() {
        // A page of Azure's has 5,000, which take its emulator too long.
        let count = if kind == Kind::Azurite { 60 } else { 1_050 };
        let fresh = kind.fresh();
        let store = fresh.open().await;
        let objects = store.objects();
        let name = |number: usize| Path::from(format!("v1/data/{:02x}/{number:06}", number % 3));
        let puts =
            stream::iter(0..count).map(|number| async move { objects.put(&name(number), "x".into()).await });
        puts.buffer_unordered(16).try_collect::<Vec<_>>().await.unwrap();
        objects
            .put(&Path::from("v1/database/other"), "x".into())
            .await
            .unwrap();
        let listed = objects.list(Some(&Path::from("v1/data")));
        let listed: Vec<_> = listed
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .unwrap();
        let expected: BTreeSet<Path> = (0..count).map(name).collect();
        assert_eq!(listed.len(), count, "{kind:?}: each is listed once");
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), expected, "{kind:?}");
        let names = stream::iter(expected.into_iter().map(Ok)).boxed();
        let deleted: Vec<_> = objects.delete_stream(names).try_collect().await.unwrap();
        assert_eq!(deleted.len(), count, "{kind:?}");
        let left = objects.list(None).map_ok(|object| object.location.to_string());
        assert_eq!(
            left.try_collect::<Vec<_>>().await.unwrap(),
            ["v1/database/other"],
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn an_upload_in_parts_is_seen_when_it_is_completed() {
    for kind in kinds() {
        let fresh = kind.fresh();
        let store = fresh.open().await;
        let Some(multipart) = store.multipart() else {
            assert_eq!(kind, Kind::Directory);
            continue;
        };
        let path = Path::from("v1/data/ab/parts");
        let parts = [bytes(PART, 1), bytes(PART, 2), bytes(17, 3)];
        let id = multipart.create_multipart(&path).await.unwrap();
        let puts = parts.iter().enumerate().rev(); // in any order
        let mut made = Vec::new();
        for (index, part) in puts {
            made.push(
                multipart
                    .put_part(&path, &id, index, part.clone().into())
                    .await
                    .unwrap(),
            );
        }
        made.reverse();
        assert!(
            store.objects().head(&path).await.is_err(),
            "{kind:?}: it is not complete"
        );
        multipart.complete_multipart(&path, &id, made).await.unwrap();
        let whole = store.objects().get(&path).await.unwrap().bytes().await.unwrap();
        assert!(whole == parts.concat(), "{kind:?}: the parts are in order");
        let id = multipart.create_multipart(&path).await.unwrap();
        multipart.put_part(&path, &id, 0, "other".into()).await.unwrap();
        multipart.abort_multipart(&path, &id).await.unwrap();
        assert_eq!(
            store.objects().head(&path).await.unwrap().size,
            whole.len() as u64
        );
    }
}

#[tokio::test]
async fn a_signed_url_is_fetched_without_a_key_until_it_is_changed() {
    for kind in kinds() {
        let fresh = kind.fresh();
        let store = fresh.open().await;
        let Some(signer) = store.signer() else {
            assert_eq!(kind, Kind::Directory);
            continue;
        };
        let path = Path::from("v1/data/ab/signed");
        store.objects().put(&path, "the bytes".into()).await.unwrap();
        store
            .objects()
            .put(&Path::from("v1/data/ab/other"), "others".into())
            .await
            .unwrap();
        let lifetime = Duration::from_secs(300);
        let url = signer
            .signed_url(http::Method::GET, &path, lifetime)
            .await
            .unwrap();
        let shown = url.path().to_owned();
        assert!(
            shown.ends_with("/a/registry/v1/data/ab/signed"),
            "{kind:?}: {shown}"
        );
        let (status, body) = fetch(http::Method::GET, &url).await;
        assert_eq!((status, body.as_str()), (200, "the bytes"), "{kind:?}");
        if kind == Kind::Moto {
            continue; // it checks no signature
        }
        let other = url
            .as_str()
            .replace("ab/signed", "ab/other")
            .parse()
            .expect("a URL");
        assert_eq!(
            fetch(http::Method::GET, &other).await.0,
            403,
            "{kind:?}: of another object"
        );
        assert_ne!(
            fetch(http::Method::PUT, &url).await.0,
            200,
            "{kind:?}: for another method"
        );
    }
}

/// The status and the text of an answer.
async fn fetch(method: http::Method, url: &url::Url) -> (u16, String) {
    let peer = Peer::named(Origin::of(url).expect("an origin"), TlsSettings::default().into());
    let service = ReqwestConnector::new().connect(&peer).expect("a service");
    let answer = service
        .call(Request::new(method, url.clone()))
        .await
        .expect("an answer");
    let status = answer.status().as_u16();
    let body = answer.into_body().read(1 << 20).await.expect("a body");
    (status, String::from_utf8_lossy(&body).into_owned())
}
