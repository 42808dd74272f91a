//! The requests of a push and a pull to the store, and their transactions in the database.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use super::{
    client::{Client, Style},
    engines::{Engines, Kind, Registry},
    image::{Image, Size},
};
use crate::link::Link;

/// A config and ten layers of 1 MB: the image that is counted, with which eleven blobs go.
const SIZE: Size = Size {
    layers: 10,
    layer: 1_000_000,
};
/// The object that a process looks up to see whether the store is there, now and then.
const PROBE: &str = "HEAD /";

/// Requests to the store, by kind, and transactions and statements of the database.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Count {
    store: BTreeMap<&'static str, usize>,
    transactions: usize,
    statements: usize,
}

/// A table: a row for each work and registry.
pub fn table(engines: &Engines, kinds: &[Kind]) -> anyhow::Result<String> {
    let mut text = format!(
        "### Requests of a push and a pull: a config and {} layers of 1 MB, one client\n\n",
        SIZE.layers
    );
    text += "| work | registry | requests to the store | of these | transactions | statements |\n";
    text += "|---|---|---|---|---|---|\n";
    let mut rows: BTreeMap<usize, String> = BTreeMap::new();
    for kind in kinds {
        eprintln!("counts: {}", kind.name);
        let registry = engines.registry(kind, 1, Duration::ZERO, true)?;
        for (place, (work, count)) in works(&registry)?.into_iter().enumerate() {
            let store = count.store.iter().map(|(kind, count)| format!("{count} {kind}"));
            let database = registry.database.is_some();
            let of_database = |count: usize| {
                if database {
                    count.to_string()
                } else {
                    String::new()
                }
            };
            let _ = writeln!(
                rows.entry(place).or_default(),
                "| {work} | {} | {} | {} | {} | {} |",
                kind.name,
                count.store.values().sum::<usize>(),
                store.collect::<Vec<_>>().join(", "),
                of_database(count.transactions),
                of_database(count.statements)
            );
        }
    }
    rows.values().for_each(|row| text += row);
    Ok(text + "\n")
}

/// The works, and what each of them asks.
fn works(registry: &Registry) -> anyhow::Result<Vec<(&'static str, Count)>> {
    let mut client = Client::new(registry.address(0));
    // So that buckets, tables and connections are there.
    client.push(&Image::new(1, SIZE), "before", "latest", Style::Put)?;
    let [patched, put] = [2, 3].map(|seed| Image::new(seed, SIZE));
    let mut counted = Vec::new();
    let mut count = |work, run: &mut dyn FnMut() -> anyhow::Result<Duration>| {
        let before = seen(registry);
        run()?;
        counted.push((work, Count::of(&before, &seen(registry))));
        anyhow::Ok(())
    };
    count("push by POST, PATCH, PUT", &mut || {
        client.push(&patched, "counted", "patched", Style::Patch)
    })?;
    count("push by POST, PUT", &mut || {
        client.push(&put, "counted", "put", Style::Put)
    })?;
    count("push again, nothing new", &mut || {
        client.push(&put, "counted", "put", Style::Put)
    })?;
    count("push to another repository", &mut || {
        client.push(&put, "other", "put", Style::Put)
    })?;
    count("pull by tag", &mut || client.pull(&put, "counted", "put"))?;
    Ok(counted)
}

/// All that has passed both links.
fn seen(registry: &Registry) -> [Vec<String>; 2] {
    let requests = |link: &Link| link.traffic().requests;
    [
        requests(&registry.store),
        registry.database.as_ref().map(requests).unwrap_or_default(),
    ]
}

impl Count {
    fn of(before: &[Vec<String>; 2], after: &[Vec<String>; 2]) -> Self {
        let mut count = Self::default();
        for request in &after[0][before[0].len()..] {
            if !is_probe(request) {
                *count.store.entry(kind(request)).or_default() += 1;
            }
        }
        for transaction in &after[1][before[1].len()..] {
            count.transactions += 1;
            let statements = transaction
                .split(' ')
                .nth(1)
                .and_then(|number| number.parse::<usize>().ok());
            count.statements += statements.unwrap_or_default();
        }
        count
    }
}

/// Whether a process only looks whether the store is there.
fn is_probe(request: &str) -> bool {
    request.starts_with(PROBE) && request.ends_with("/v1/format")
}

/// The kind of a request to an S3 server.
fn kind(request: &str) -> &'static str {
    let (method, target) = request.split_once(' ').unwrap_or((request, ""));
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let has = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
    match method {
        "GET" if has("uploads") || has("uploadId") => "list of multipart uploads or parts",
        "GET" if has("list-type") || has("prefix") || has("max-keys") => "LIST",
        "PUT" if has("partNumber") => "part",
        "POST" if has("delete") => "DELETE",
        "POST" | "DELETE" if has("uploads") || has("uploadId") => "begin or end of multipart",
        "GET" => "GET",
        "HEAD" => "HEAD",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_to_a_store_are_of_one_kind_each() {
        for (request, expected) in [
            ("GET /bucket/v1/data/00/0012", "GET"),
            ("GET /bucket?list-type=2&max-keys=1&prefix=a%2F", "LIST"),
            (
                "GET /bucket?prefix=a&uploads=",
                "list of multipart uploads or parts",
            ),
            (
                "GET /bucket/key?max-parts=1000&uploadId=7",
                "list of multipart uploads or parts",
            ),
            ("PUT /bucket/key", "PUT"),
            ("PUT /bucket/key?partNumber=1&uploadId=7", "part"),
            ("POST /bucket/key?uploads", "begin or end of multipart"),
            ("POST /bucket/key?uploadId=7", "begin or end of multipart"),
            ("DELETE /bucket/key?uploadId=7", "begin or end of multipart"),
            ("POST /bucket?delete=", "DELETE"),
            ("DELETE /bucket/key", "DELETE"),
            ("HEAD /bucket/uploads", "HEAD"),
        ] {
            assert_eq!(kind(request), expected, "{request}");
        }
    }

    #[test]
    fn probes_are_not_counted() {
        let of = |requests: &[&str], transactions: &[&str]| {
            let text = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
            [text(requests), text(transactions)]
        };
        let before = of(&["PUT /b/a"], &["SINGLE 1"]);
        let after = of(
            &["PUT /b/a", "HEAD /b/v1/format", "PUT /b/c", "GET /b/c"],
            &["SINGLE 1", "COMMIT 3", "SINGLE 1"],
        );
        let expected = Count {
            store: BTreeMap::from([("GET", 1), ("PUT", 1)]),
            transactions: 2,
            statements: 4,
        };
        assert_eq!(Count::of(&before, &after), expected);
    }
}
