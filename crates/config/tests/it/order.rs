//! The order of unrelated entries never changes an answer.

use wharf_config::{Intent, Registries, ShortNames};
use wharf_reference::{Reference, Repository, Written};

use crate::support::{candidates, candidates_for};

const ENTRIES: &[&str] = &[
    "[[registry]]\nprefix = 'docker.io'\nlocation = 'docker.io'\n[[registry.mirror]]\nlocation = 'm.lan/hub'\n",
    "[[registry]]\nprefix = '*.ex.com'\nlocation = 'wild.lan'\n",
    "[[registry]]\nprefix = 'a.ex.com'\nlocation = 'exact.lan'\ninsecure = true\n",
    "[[registry]]\nprefix = 'a.ex.com/ns'\nlocation = 'ns.lan/x'\n",
    "[[registry]]\nlocation = 'ns.lan'\nblocked = true\n",
    "[[registry]]\nlocation = 'wild.lan:5000'\n[[registry.mirror]]\nlocation = 'ns.lan'\n",
    "[[registry]]\nprefix = 'b.ex.com:5000'\nlocation = 'port.lan'\n",
    "[[registry]]\nlocation = 'B.ex.com'\nblocked = true\n",
];

const ALIASES: &[&str] = &["a = 'a.ex.com/a'\n", "b = 'b.lan/b'\n", "'b/c' = ''\n"];

const NAMES: &[&str] = &[
    "alpine",
    "ex.com/x",
    "a.ex.com/x",
    "a.ex.com/ns/x",
    "a.ex.com/nsx",
    "a.ex.com:5000/x",
    "b.ex.com/x",
    "b.ex.com:5000/x",
    "c.d.ex.com/x",
    "ns.lan/x",
    "wild.lan/x",
    "wild.lan:5000/x",
    "port.lan/x",
    "other.lan/x",
];

/// Everything that is answered about the names.
fn answers(registries: &Registries) -> Vec<Vec<String>> {
    let resolved = NAMES.iter().flat_map(|name| {
        let reference = Reference::parse(name).unwrap();
        let table = registries.table(&Repository::parse(name).unwrap());
        let prefix = table.map(|table| table.prefix().to_string());
        [
            without_lines(&candidates(registries, name)),
            without_lines(&candidates_for(registries, &reference, Intent::Push)),
            prefix.into_iter().collect(),
        ]
    });
    let names = ShortNames::new(registries);
    let short = ["a", "b", "b/c", "d"].map(|name| {
        let resolved = names.resolve(&Written::parse(name).unwrap(), None);
        let candidates = resolved.map(|resolved| resolved.possible_names().to_vec());
        vec![format!("{:?}", candidates.map_err(|error| error.to_string()))]
    });
    resolved.chain(short).collect()
}

/// Files and lines do change with the order.
fn without_lines(candidates: &[String]) -> Vec<String> {
    candidates
        .iter()
        .map(|candidate| candidate.replace("line ", "").replace("x:", ""))
        .map(|candidate| candidate.replace(|char: char| char.is_ascii_digit(), ""))
        .collect()
}

/// A small generator of permutations: the same every time, and different for every seed.
fn shuffled<T: Clone>(items: &[T], mut seed: u64) -> Vec<T> {
    let mut rest = items.to_vec();
    let mut shuffled = Vec::new();
    while !rest.is_empty() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let index = usize::try_from(seed >> 33).unwrap() % rest.len();
        shuffled.push(rest.remove(index));
    }
    shuffled
}

#[test]
fn the_order_of_unrelated_entries_never_changes_an_answer() {
    let text = |seed| {
        let aliases = format!("[aliases]\n{}", shuffled(ALIASES, seed).concat());
        let mut entries = ENTRIES.to_vec();
        entries.push(&aliases);
        shuffled(&entries, seed).concat()
    };
    let expected = answers(&Registries::parse(&text(0)).unwrap());
    for seed in 1..500 {
        let text = text(seed);
        assert_eq!(answers(&Registries::parse(&text).unwrap()), expected, "{text}");
    }
}

#[test]
fn nor_does_the_file_they_are_in() {
    let expected = answers(&Registries::parse(&ENTRIES.concat()).unwrap());
    for seed in 0..200 {
        let mut registries = Registries::default();
        for entry in shuffled(ENTRIES, seed) {
            registries.merge_drop_in("x".as_ref(), entry).unwrap();
        }
        assert_eq!(answers(&registries), expected);
    }
}

#[test]
fn a_more_specific_entry_changes_no_other_name() {
    let base = Registries::parse(&ENTRIES.concat()).unwrap();
    for name in NAMES {
        let mut more = base.clone();
        let repository = Repository::parse(name).unwrap();
        let entry = format!("[[registry]]\nlocation = '{repository}/deeper'\nblocked = true\n");
        more.merge_drop_in("x".as_ref(), &entry).unwrap();
        assert_eq!(answers(&more), answers(&base));
    }
}
