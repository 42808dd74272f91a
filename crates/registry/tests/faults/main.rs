//! The fault program of the registry's journal: a registry is killed at every call of opening, appending and rewriting, and
//! what it has acknowledged must be there afterwards.
//!
//! `cargo test -p wharf-registry --test faults` runs a sample; the environment sets what it does more, as
//! `wharf_testkit::faults` says.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program reports by panicking"
)]

use std::{collections::BTreeMap, fs, path::Path};

use wharf_content::{Error, Hasher, Manifest};
use wharf_reference::{Digest, Tag};
use wharf_registry::{
    Change, Commit, DiskBackend, ManifestRecord, Outcome, Record, RecordKey, Records as _, RepositoryPath,
    Storage as _,
};
use wharf_testkit::faults::{self, Part, Stage, block_on, killed_at_every_call};

/// A journal of the form before the present one, and the number of its records.
const JSON: (&[u8], usize) = (include_bytes!("../../src/disk/journal/tests/golden/journal-2"), 3);

/// A state, and the steps that are disturbed. A step opens the registry and makes commits; it is their number and what is
/// in the annotation of each. What is small is rewritten when the registry is opened, what is large beside the commits.
struct Scenario {
    name: &'static str,
    before: &'static [&'static str],
    spoil: fn(&Path),
    steps: &'static [&'static str],
    /// Records of the state that no step has made.
    others: usize,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a new registry",
        before: &[],
        spoil: |_| {},
        steps: &["1 a", "2 b"],
        others: 0,
    },
    Scenario {
        name: "rewritten when it is opened, again and again",
        before: &["20 a"],
        spoil: |_| {},
        steps: &["20 b", "1 c", "40 d", "1 e"],
        others: 0,
    },
    Scenario {
        name: "rewritten beside commits",
        before: &["40 a"],
        spoil: |_| {},
        steps: &["12 large", "1 b"],
        others: 0,
    },
    Scenario {
        name: "of an older form",
        before: &[],
        spoil: |registry| {
            fs::create_dir(registry).unwrap();
            fs::write(registry.join("journal"), JSON.0).unwrap();
        },
        steps: &["1 a", "1 b"],
        others: JSON.1,
    },
    Scenario {
        name: "of a process that was killed",
        before: &["20 a"],
        spoil: |registry| {
            let journal = registry.join("journal");
            let torn = [&*fs::read(&journal).unwrap(), &[0; 700]].concat();
            fs::write(&journal, torn).unwrap();
            fs::write(registry.join("journal.01234567.new"), b"wharf journal 3 ").unwrap();
        },
        steps: &["1 b", "1 c"],
        others: 0,
    },
];

impl faults::Scenario for Scenario {
    fn name(&self) -> &str {
        self.name
    }

    fn stage(&self) -> Stage {
        let stage = Stage::filled(|_| {});
        let root = stage.path().join("root");
        for step in self.before {
            block_on(commits(&root, step)).unwrap();
        }
        block_on(async { drop(DiskBackend::open(&root).await.unwrap()) });
        if self.others > 0 {
            fs::remove_dir_all(root.join("registry")).unwrap();
        }
        (self.spoil)(&root.join("registry"));
        stage
    }

    fn steps(&self, stage: &Stage) -> Vec<String> {
        let steps = self.steps.iter().map(|step| (*step).to_owned());
        std::iter::once(stage.text("root")).chain(steps).collect()
    }

    fn verify(&self, stage: &Stage, acknowledged: usize, context: &str) {
        let root = stage.path().join("root");
        let backend = block_on(DiskBackend::open(&root));
        let backend = backend.unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = block_on(async { backend.storage().records().await.unwrap().all().await.unwrap() });
        let listed = found.len();
        let found = found.into_iter().map(|(_, record)| (record.key(), record));
        let found = found.collect::<BTreeMap<_, _>>();
        assert_eq!(found.len(), listed, "{context}: each once");
        let made = |steps: &[&str]| {
            let all = steps.iter().flat_map(|step| records(step));
            all.flatten()
                .map(|record| (record.key(), record))
                .collect::<BTreeMap<_, _>>()
        };
        let mut certain = made(self.before);
        certain.extend(made(&self.steps[..acknowledged]));
        let next = self.steps.get(acknowledged).copied();
        for (key, record) in &certain {
            assert_eq!(found.get(key), Some(record), "{context}");
        }
        let possible = made(next.as_slice());
        let more = found.iter().filter(|(key, _)| !certain.contains_key(key));
        let (begun, others): (Vec<_>, Vec<_>) = more.partition(|(key, _)| possible.contains_key(key));
        assert!(
            begun
                .iter()
                .all(|(key, record)| possible.get(*key) == Some(*record)),
            "{context}"
        );
        assert_eq!(others.len(), self.others, "{context}");
        // A commit is whole: its records were put together.
        for commit in next.map(records).into_iter().flatten() {
            let there = commit
                .iter()
                .filter(|record| found.contains_key(&record.key()))
                .count();
            assert!(
                there == 0 || there == commit.len(),
                "{context}: {there} of a commit"
            );
        }
        let mut left = fs::read_dir(root.join("registry")).unwrap();
        let known = |name: &str| ["journal", "notes"].contains(&name);
        assert!(
            left.all(|entry| known(entry.unwrap().file_name().to_str().unwrap())),
            "{context}"
        );
        drop(backend);
        block_on(commits(&root, "1 after")).unwrap_or_else(|error| panic!("{context}: {error}"));
    }
}

/// The records of the commits of a step.
fn records(step: &str) -> Vec<Vec<Record>> {
    let (count, text) = step.split_once(' ').unwrap();
    let document = r#"{"schemaVersion":2,"config":{"mediaType":"application/x","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
    let manifest = Manifest::parse(document.into(), None).unwrap();
    let commit = |number: usize| {
        let mut record = ManifestRecord::of(&manifest, None);
        let length = if text == "large" { 100_000 } else { 300 };
        record.annotations.insert("text".to_owned(), text.repeat(length));
        let digest: Digest = Hasher::sha256(format!("{text} {number}").as_bytes());
        let tag = Tag::parse(&format!("{text}-{number}")).unwrap();
        vec![
            Record::Manifest(digest.clone(), record.into()),
            Record::Tag(tag, digest),
        ]
    };
    (0..count.parse().unwrap()).map(commit).collect()
}

/// Opens the registry and makes the commits of a step.
async fn commits(root: &Path, step: &str) -> Result<(), Error> {
    let backend = DiskBackend::open(root).await?;
    let path = RepositoryPath::parse("a/b").unwrap();
    for records in records(step) {
        let keys = records.iter().map(Record::key).collect::<Vec<RecordKey>>();
        let commit = Commit::new(records.into_iter().map(Change::Put).collect())?;
        assert_eq!(backend.commit(&path, commit).await?, Outcome::Committed);
        let there = backend.values(&path, &keys).await?;
        assert!(there.iter().all(Option::is_some));
    }
    Ok(())
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == faults::WORKER) {
        let step = async |step: &str| commits(Path::new(&arguments[1]), step).await;
        std::process::exit(faults::work(&arguments[2..], &step));
    }
    let kills: Part = |wanted, random| killed_at_every_call(SCENARIOS, wanted, random);
    faults::run(&arguments, &[("kills", kills)]);
}
