use futures_util::FutureExt as _;
use serde_json::json;
use wharf_content::ErrorKind;
use wharf_distribution::Detail;
use wharf_testkit::hostile::{Answer, Match, Rule};

use super::scene::Scene;

fn page(tags: &[&str], link: Option<&str>) -> Answer {
    let answer = Answer::json(&json!({ "name": "team/app", "tags": tags }));
    match link {
        Some(link) => answer.header("Link", link),
        None => answer,
    }
}

/// Every answer to the first page: how many tags there are in the end, or the error.
#[tokio::test]
async fn n08_lists_end_and_stay_at_home() {
    let next = |target: &str| format!("<{target}>; rel=\"next\"");
    let scene = Scene::new().await;
    let here = "/v2/team/app/tags/list?n=1000";
    let table: [(&str, Result<usize, Option<Detail>>); 22] = [
        (&next(here), Err(Some(Detail::PaginationLoop))),
        (&next("/v2/team/app/tags/list?last=a"), Ok(3)),
        (
            &next("https://registry.example.test/v2/team/app/tags/list?last=a"),
            Ok(3),
        ),
        (
            &next("/v2/team/app/tags/list?loop=1"),
            Err(Some(Detail::PaginationLoop)),
        ),
        (
            &next("/v2/team/app/tags/list?none=1"),
            Err(Some(Detail::PaginationLoop)),
        ),
        (&next("https://evil.test/v2/team/app/tags/list"), Err(None)),
        (&next("//evil.test/"), Err(None)),
        (&next("http://evil.test/"), Err(None)),
        (&next("https://registry.example.test@evil.test/"), Err(None)),
        (&next(""), Err(None)),
        // The next page at the registry itself, whatever it calls itself.
        (&next("https://evil.test/v2/team/app/tags/list?last=a"), Ok(3)),
        (
            &next("http://localhost:24817/v2/team/app/tags/list?last=a"),
            Ok(3),
        ),
        (
            &next("http://registry.example.test/v2/team/app/tags/list?last=a"),
            Ok(3),
        ),
        (
            &next("https://back.test/artifacts/v2/team/app/tags/list?last=a"),
            Ok(3),
        ),
        ("/v2/team/app/tags/list?last=a; rel=\"next\"", Ok(3)),
        ("</v2/team/app/tags/list?last=a>; rel='next'", Ok(3)),
        ("</v2/team/app/tags/list?last=a>; rel=next; title=x", Ok(3)),
        // A list that may go on is not at its end.
        ("more: next", Err(None)),
        ("</v2/team/app/tags/list?last=a; rel=next", Err(None)),
        ("<>", Err(None)),
        ("</v2/team/app/tags/list?last=z>; rel=\"prev\"", Ok(1)),
        ("", Ok(1)),
    ];
    for (link, expected) in table {
        scene
            .registry
            .clear()
            .on(
                Match::get("/tags/").and(|r| r.target.contains("last=a")),
                page(&["b", "c"], None),
            )
            .on(
                Match::get("/tags/").and(|r| r.target.contains("loop=1")),
                page(&["b"], Some(&next("/v2/team/app/tags/list?loop=2"))),
            )
            .on(
                Match::get("/tags/").and(|r| r.target.contains("loop=2")),
                page(&["c"], Some(&next("/v2/team/app/tags/list?loop=1"))),
            )
            .on(
                Match::get("/tags/").and(|r| r.target.contains("none=1")),
                page(&[], Some(&next("/v2/team/app/tags/list?none=2"))),
            )
            .on(Match::get("/tags/"), page(&["a"], Some(link)));
        let before = scene.registry.traffic().requests;
        let listed = scene.anonymous().tags().collect().await;
        let requests = scene.registry.traffic().requests - before;
        assert!(requests <= 4, "{link}: {requests}");
        match expected {
            Ok(count) => assert_eq!(listed.unwrap().len(), count, "{link}"),
            Err(detail) => {
                let error = scene.failed(listed);
                if detail.is_some() {
                    assert_eq!(error.detail(), detail, "{link}");
                }
            }
        }
    }
    assert_eq!(scene.evil.traffic().connections, 0);
}

/// A list that another host answers for the registry goes on at the registry, on the list's own path.
#[tokio::test]
async fn n08_a_list_at_another_host_goes_on_at_the_registry() {
    for link in [
        "</mirror/team/app/tags/list?last=a>; rel=\"next\"",
        "<https://cdn.test/mirror/team/app/tags/list?last=a>; rel=next",
        "<https://registry.example.test/v2/private/tags/list?last=a>; rel=next",
        "<https://evil.test/?last=a>; rel=next",
    ] {
        let scene = Scene::new().await;
        let second = |request: &wharf_testkit::Request| request.query("last") == ["a"];
        scene
            .registry
            .on(
                Match::get("/v2/team/app/tags/list").and(second),
                page(&["b"], None),
            )
            .on(
                Match::get("/v2/team/app/tags/list"),
                Answer::redirect(307, "https://cdn.test/mirror/team/app/tags/list"),
            );
        scene.cdn.on(Match::any(), page(&["a"], Some(link)));
        let listed = scene.anonymous().tags().collect().await.unwrap();
        assert_eq!(listed.len(), 2, "{link}");
        assert_eq!(scene.registry.requests().len(), 2, "{link}");
        assert_eq!(scene.evil.traffic().connections, 0, "{link}");
    }
}

#[tokio::test]
async fn n08_a_list_without_end_is_given_up() {
    let scene = Scene::new().await;
    scene.registry.rule(Rule::call(Match::get("/tags/"), |request| {
        let number: u64 = request
            .query("page")
            .first()
            .map_or(0, |page| page.parse().unwrap());
        let link = format!("</v2/team/app/tags/list?page={}>; rel=\"next\"", number + 1);
        page(&[&format!("t{number}")], Some(&link))
    }));
    let error = scene.failed(scene.anonymous().tags().collect().await);
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::TooLarge, Some(Detail::TooManyPages))
    );
    assert!(scene.registry.traffic().requests <= 1001);
}

#[tokio::test]
async fn n08_strange_pages_are_read_or_refused() {
    let table = [
        (r#"{"name":"team/app","tags":null}"#, Some(0)),
        (r#"{"name":"team/app"}"#, Some(0)),
        (r#"{"name":"someone/else","tags":["a"]}"#, Some(1)),
        (
            r#"{"tags":["a","","../../x","b\u0000","sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}"#,
            Some(1),
        ),
        (r#"{"tags":"a"}"#, None),
        (r#"{"tags":[1,2]}"#, None),
        ("[]", None),
        (r#"[["a"]]"#, None),
        ("null", None),
        ("<html>", None),
        ("", None),
    ];
    let scene = Scene::new().await;
    for (body, expected) in table {
        scene.registry.clear().on(Match::get("/tags/"), Answer::ok(body));
        let listed = scene.anonymous().tags().collect().await;
        match expected {
            Some(count) => assert_eq!(listed.unwrap().len(), count, "{body}"),
            None => drop(scene.failed(listed)),
        }
    }
}

/// A page that failed, or that nobody waited for, is asked for again: it is not the end of the list.
#[tokio::test]
async fn a_list_that_was_interrupted_is_not_at_its_end() {
    let second = || Match::get("/tags/").and(|request| request.target.contains("last=a"));
    let scene = Scene::new().await;
    scene
        .registry
        .rule(Rule::new(second(), Answer::error(403, "DENIED", "no")).times(1))
        .on(second(), page(&["b"], None))
        .on(
            Match::get("/tags/"),
            page(&["a"], Some("</v2/team/app/tags/list?last=a>; rel=\"next\"")),
        );
    let mut tags = scene.anonymous().tags();
    assert!(tags.next().now_or_never().is_none());
    assert_eq!(tags.next().await.unwrap().unwrap(), "a");
    scene.failed(tags.next().await);
    assert!(tags.next().now_or_never().is_none());
    assert_eq!(tags.next().await.unwrap().unwrap(), "b");
    assert!(tags.next().await.unwrap().is_none());
    assert!(tags.next().await.unwrap().is_none());
}
