use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use wharf_content::{Event, MediaType, Name, Outcome, Progress};
use wharf_copy::{Options, copy};
use wharf_reference::Digest;

use crate::test_store::{pair, target};

/// What a bar needs.
#[derive(Default)]
struct Bar(Mutex<State>);

#[derive(Default)]
struct State {
    planned: Option<(usize, u64)>,
    started: Vec<Digest>,
    advanced: HashMap<Digest, u64>,
    finished: HashMap<Digest, (u64, Outcome)>,
}

impl Progress for Bar {
    fn event(&self, event: Event<'_>) {
        let mut state = self.0.lock().unwrap();
        match event {
            Event::Planned { count, bytes } => assert_eq!(state.planned.replace((count, bytes)), None),
            Event::Started { descriptor } => {
                assert!(state.planned.is_some());
                state.started.push(descriptor.digest().clone());
            }
            Event::Advanced { descriptor, bytes } => {
                assert!(state.started.contains(descriptor.digest()));
                *state.advanced.entry(descriptor.digest().clone()).or_default() += bytes;
            }
            Event::Finished { descriptor, outcome } => {
                let end = (descriptor.size(), outcome);
                let before = state.finished.insert(descriptor.digest().clone(), end);
                assert_eq!(before, None);
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_length_of_a_bar_is_known_first_and_reached_in_the_end() {
    let (source, sink) = pair();
    let image = source.image("a", &["one", "two", "three"]);
    source.name("x", &image);
    sink.add(MediaType::OCI_LAYER, b"two");
    for (round, copied) in [(1, 4), (2, 0)] {
        let bar = Arc::new(Bar::default());
        let options = Options::default()
            .with_name(Name::parse("x").unwrap())
            .with_concurrency(NonZeroUsize::MIN)
            .with_progress_listener(bar.clone());
        let report = copy(source.clone(), sink.clone(), &target("x"), options)
            .await
            .unwrap();
        let state = bar.0.lock().unwrap();
        let (count, bytes) = state.planned.unwrap();
        assert_eq!(state.finished.len(), count);
        assert_eq!(state.finished.values().map(|(size, _)| size).sum::<u64>(), bytes);
        assert_eq!(state.started.len(), copied, "round {round}");
        for digest in &state.started {
            assert_eq!(state.finished[digest], (state.advanced[digest], Outcome::Copied));
        }
        assert_eq!(report.bytes_moved(), state.advanced.values().sum::<u64>());
        assert_eq!(report.bytes_moved(), report.bytes_copied());
    }
}

#[tokio::test]
async fn a_bar_of_bytes_grows_to_its_length_in_each_copy() {
    let (source, sink) = pair();
    let image = source.image("a", &["one", "two", "three"]);
    source.name("x", &image);
    sink.add(MediaType::OCI_LAYER, b"two");
    let drawn = Arc::new(Mutex::new(Vec::new()));
    let draw = Arc::clone(&drawn);
    let options = Options::default()
        .with_name(Name::parse("x").unwrap())
        .with_byte_progress(move |done, length| draw.lock().unwrap().push((done, length)));
    for _ in 0..2 {
        copy(source.clone(), sink.clone(), &target("x"), options.clone())
            .await
            .unwrap();
        let drawn = std::mem::take(&mut *drawn.lock().unwrap());
        let (done, length) = *drawn.last().unwrap();
        assert_eq!(done, length);
        assert_eq!(drawn[0], (0, length));
        assert!(
            drawn
                .windows(2)
                .all(|pair| pair[0].0 < pair[1].0 && pair[1].1 == length)
        );
    }
}
