//! The requests that are measured.

use anyhow::ensure;
use serde_json::Value;

use super::fill::{Filled, LARGEST};
use crate::{
    http::{Connection, OCTETS, end_of_upload},
    shared::image::{Blob, MANIFEST},
};

/// Sends the request, and fails if the answer is not the right one.
type Run<'a> = dyn FnMut(&mut Connection, u64) -> anyhow::Result<()> + 'a;

/// A request that is sent so often, with another number each time; 0 is the first, which is not measured.
pub struct Probe<'a> {
    pub title: &'static str,
    pub count: u64,
    pub run: Box<Run<'a>>,
}

impl<'a> Probe<'a> {
    fn new(
        title: &'static str,
        count: u64,
        run: impl FnMut(&mut Connection, u64) -> anyhow::Result<()> + 'a,
    ) -> Self {
        Self {
            title,
            count,
            run: Box::new(run),
        }
    }
}

/// All of them, in an order in which each finds what the ones before have left.
pub fn all(filled: &Filled) -> Vec<Probe<'_>> {
    let (tags, middle) = (filled.size.tags, filled.size.tags / 2);
    let (repositories, half) = (filled.size.repositories, filled.size.repositories / 2);
    let mut all = Vec::new();
    for (title, n, after) in [
        ("tags: the first 100", 100, 0),
        ("tags: 100 in the middle", 100, middle),
        ("tags: the first 1,000", 1000, 0),
        ("tags: 1,000 in the middle", 1000, middle),
    ] {
        all.push(Probe::new(title, 200, move |at, _| tag_page(at, n, after, tags)));
    }
    for (title, n, after) in [
        ("catalog: the first 100", 100, 0),
        ("catalog: 1,000 in the middle", 1000, half),
    ] {
        all.push(Probe::new(title, 200, move |at, _| {
            catalog_page(at, n, after, repositories)
        }));
    }
    for (title, method, by_digest) in [
        ("GET of a manifest by tag", "GET", false),
        ("GET of a manifest by digest", "GET", true),
        ("HEAD of a manifest by tag", "HEAD", false),
    ] {
        let look_up = move |at: &mut Connection, number: u64| {
            let number = spread(number, tags);
            let manifest = filled.manifest(number);
            let name = if by_digest {
                manifest.digest.clone()
            } else {
                Filled::tag(number)
            };
            let target = format!("/v2/{LARGEST}/manifests/{name}");
            let answer = at.expect(200, method, &target, None, &[])?;
            ensure!(
                answer.header("docker-content-digest") == Some(&manifest.digest),
                "another digest"
            );
            ensure!(method == "HEAD" || answer.body == *manifest.bytes, "other bytes");
            Ok(())
        };
        all.push(Probe::new(title, 500, look_up));
    }
    all.push(Probe::new("referrers: the first page", 100, |at, _| {
        referrers(at, &filled.subject)
    }));
    all.push(Probe::new("GET of a blob", 500, |at, _| {
        let target = format!("/v2/{LARGEST}/blobs/{}", filled.layer.digest);
        let answer = at.expect(200, "GET", &target, None, &[])?;
        ensure!(answer.body == *filled.layer.bytes, "other bytes");
        Ok(())
    }));
    let fresh = move |number: u64| tags + 1 + number;
    all.push(Probe::new(
        "push of a manifest with a new tag",
        300,
        move |at, number| {
            let manifest = filled.manifest(fresh(number));
            let target = format!("/v2/{LARGEST}/manifests/{}", Filled::tag(fresh(number)));
            at.expect(201, "PUT", &target, Some(MANIFEST), &[&manifest.bytes])?;
            Ok(())
        },
    ));
    all.push(Probe::new("push of a blob", 300, |at, number| {
        let blob = Blob::new(number.to_string().into_bytes());
        let begun = at.expect(202, "POST", &format!("/v2/{LARGEST}/blobs/uploads/"), None, &[])?;
        let target = end_of_upload(begun.upload()?, &blob.digest);
        at.expect(201, "PUT", &target, Some(OCTETS), &[&blob.bytes])?;
        Ok(())
    }));
    all.push(Probe::new("mount of a blob", 300, |at, number| {
        let target = format!(
            "/v2/{}/blobs/uploads/?mount={}&from={LARGEST}",
            Filled::repository(number + 1),
            filled.layer.digest
        );
        at.expect(201, "POST", &target, None, &[])?;
        Ok(())
    }));
    all.push(Probe::new("delete of a tag", 100, move |at, number| {
        let target = format!("/v2/{LARGEST}/manifests/{}", Filled::tag(fresh(number)));
        at.expect(202, "DELETE", &target, None, &[])?;
        at.expect(404, "HEAD", &target, None, &[]).map(drop)
    }));
    all.push(Probe::new(
        "delete of a manifest by digest",
        100,
        move |at, number| {
            let manifest = filled.manifest(fresh(number + 150));
            let target = format!("/v2/{LARGEST}/manifests/{}", manifest.digest);
            at.expect(202, "DELETE", &target, None, &[])?;
            at.expect(404, "HEAD", &target, None, &[]).map(drop)
        },
    ));
    all
}

/// A number from 1 to `end` that is not near that of the number before.
const fn spread(number: u64, end: u64) -> u64 {
    number * 7_919_777 % end + 1
}

fn tag_page(at: &mut Connection, n: u64, after: u64, tags: u64) -> anyhow::Result<()> {
    let last = if after == 0 {
        String::new()
    } else {
        format!("&last={}", Filled::tag(after))
    };
    let target = format!("/v2/{LARGEST}/tags/list?n={n}{last}");
    let answer = at.expect(200, "GET", &target, None, &[])?;
    let document: Value = serde_json::from_slice(&answer.body)?;
    let expected = (after + 1..=tags).take(n as usize).map(Filled::tag);
    ensure!(
        document["tags"] == Value::from_iter(expected),
        "{target}: another page"
    );
    Ok(())
}

fn catalog_page(at: &mut Connection, n: u64, after: u64, repositories: u64) -> anyhow::Result<()> {
    let last = if after == 0 {
        String::new()
    } else {
        format!("&last={}", Filled::repository(after))
    };
    let target = format!("/v2/_catalog?n={n}{last}");
    let answer = at.expect(200, "GET", &target, None, &[])?;
    let document: Value = serde_json::from_slice(&answer.body)?;
    let largest = std::iter::once(LARGEST.to_owned());
    let expected = (after + 1..=repositories)
        .map(Filled::repository)
        .chain(largest)
        .take(n as usize);
    ensure!(
        document["repositories"] == Value::from_iter(expected),
        "{target}: another page"
    );
    Ok(())
}

fn referrers(at: &mut Connection, subject: &str) -> anyhow::Result<()> {
    let target = format!("/v2/{LARGEST}/referrers/{subject}");
    let answer = at.expect(200, "GET", &target, None, &[])?;
    let document: Value = serde_json::from_slice(&answer.body)?;
    let listed = document["manifests"].as_array().map_or(0, Vec::len);
    ensure!(
        listed == 1000 && answer.header("link").is_some(),
        "{listed} referrers on the first page"
    );
    Ok(())
}
