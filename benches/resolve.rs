//! How fast a registries.conf is read, and a repository resolved by it.
#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::{fmt::Write as _, hint::black_box};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wharf_config::{Intent, Registries, Resolve as _};
use wharf_reference::Repository;

/// As many registries, each with two mirrors; one in ten matches a wildcard.
fn configuration(tables: usize) -> String {
    let mut text = "unqualified-search-registries = ['docker.io']\n".to_owned();
    for number in 0..tables {
        let prefix = if number % 10 == 0 {
            format!("*.zone{number}.example")
        } else {
            format!("registry{number}.example/team")
        };
        let location = format!("real{number}.example/team");
        let _ = write!(
            text,
            "[[registry]]\nprefix = '{prefix}'\nlocation = '{location}'\n"
        );
        for mirror in ["a", "b"] {
            let _ = write!(
                text,
                "[[registry.mirror]]\nlocation = '{mirror}{number}.example/mirror'\n"
            );
        }
    }
    text
}

fn resolve(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("registries.conf");
    for tables in [1, 10, 100] {
        let text = configuration(tables);
        group.bench_function(BenchmarkId::new("parse", tables), |bencher| {
            bencher.iter(|| Registries::parse(black_box(&text)));
        });
        let registries = Registries::parse(&text).expect("a valid configuration");
        let names = [
            ("no table", "quay.io/prometheus/node-exporter".to_owned()),
            (
                "the last table",
                format!("registry{}.example/team/service", tables - 1),
            ),
        ];
        for (which, name) in names {
            let repository = Repository::parse(&name).expect("a repository");
            group.bench_function(BenchmarkId::new(which, tables), |bencher| {
                bencher.iter(|| registries.resolve(black_box(&repository), Intent::PullTag));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, resolve);
criterion_main!(benches);
