//! Progress on standard error: bars on a terminal, plain lines elsewhere.

use std::{
    collections::HashMap,
    io::{IsTerminal, stderr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use wharf::{Descriptor, Digest, Event, Outcome, Progress, distribution::WarnOnce};

use super::note;

/// Content below this many bytes is not worth a bar.
const SMALL: u64 = 64 * 1024;

/// Progress of what the user calls so.
pub(crate) fn for_stderr(what: String) -> Arc<dyn Progress> {
    if stderr().is_terminal() {
        Arc::new(Bars::default())
    } else {
        Arc::new(Lines {
            what,
            made: Mutex::default(),
        })
    }
}

/// Tells warnings, each once, and nothing else.
pub(crate) fn warnings() -> Arc<WarnOnce> {
    Arc::new(WarnOnce::to(Warnings))
}

struct Warnings;

impl Progress for Warnings {
    fn event(&self, event: Event<'_>) {
        if let Event::Warning { message } = event {
            note(format_args!("warning: {message}"));
        }
    }
}

fn waiting(elapsed: Duration) -> String {
    format!("still waiting for an answer, since {} s", elapsed.as_secs())
}

fn short(descriptor: &Descriptor) -> &str {
    let encoded = descriptor.digest().encoded();
    encoded.get(..12).unwrap_or(encoded)
}

fn kind(descriptor: &Descriptor) -> &'static str {
    let media_type = descriptor.media_type();
    if media_type.is_index() {
        "index"
    } else if media_type.is_manifest() {
        "manifest"
    } else {
        "blob"
    }
}

struct Lines {
    what: String,
    /// The layer whose bytes were made last.
    made: Mutex<String>,
}

impl Progress for Lines {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Resolved { descriptor, .. } => {
                let (what, kind, digest) = (&self.what, kind(descriptor), descriptor.digest());
                note(format_args!("{what} is {kind} {digest}"));
            }
            Event::Finished { descriptor, outcome } => {
                let size = HumanBytes(descriptor.size());
                let (kind, short) = (kind(descriptor), short(descriptor));
                note(format_args!("{outcome}: {kind} {short} ({size})"));
            }
            Event::Made { layer, .. } => {
                let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
                if *made != layer {
                    layer.clone_into(&mut made);
                    note(format_args!("making {layer}"));
                }
            }
            Event::Warning { message } => note(format_args!("warning: {message}")),
            Event::Waiting { elapsed } => note(waiting(elapsed)),
            _ => {}
        }
    }
}

#[derive(Default)]
struct Bars {
    all: MultiProgress,
    open: Mutex<HashMap<Digest, ProgressBar>>,
    /// Layers that are made, whose digests are not known yet.
    made: Mutex<HashMap<String, ProgressBar>>,
}

impl Bars {
    /// Counts bytes of a layer that is made.
    fn make(&self, layer: &str, bytes: u64) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = made.entry(layer.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{prefix} {spinner} {bytes:>10} {bytes_per_sec}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.with_prefix(layer.to_owned())
        });
        bar.inc(bytes);
    }

    /// Removes the bars of layers that were made.
    fn end_made(&self) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.drain().for_each(|(_, bar)| bar.finish_and_clear());
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Digest, ProgressBar>) -> T) -> T {
        act(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Progress for Bars {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Made { layer, bytes } => self.make(layer, bytes),
            Event::Planned { .. } => self.end_made(),
            Event::Started { descriptor } if descriptor.size() >= SMALL => {
                let bar = self.all.add(ProgressBar::new(descriptor.size()));
                let style = "{prefix} [{bar:30}] {bytes:>10} of {total_bytes} {bytes_per_sec}";
                bar.set_style(
                    ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
                );
                bar.set_prefix(short(descriptor).to_owned());
                self.with(|open| open.insert(descriptor.digest().clone(), bar));
            }
            Event::Advanced { descriptor, bytes } => {
                self.with(|open| {
                    if let Some(bar) = open.get(descriptor.digest()) {
                        bar.inc(bytes);
                    }
                });
            }
            Event::Finished { descriptor, outcome } => {
                if let Some(bar) = self.with(|open| open.remove(descriptor.digest())) {
                    bar.finish_and_clear();
                }
                if outcome != Outcome::Present {
                    let size = HumanBytes(descriptor.size());
                    let line = format!("{} {} {outcome} ({size})", kind(descriptor), short(descriptor));
                    self.all.println(line).ok();
                }
            }
            Event::Warning { message } => {
                self.all.println(format!("warning: {message}")).ok();
            }
            Event::Waiting { elapsed } => {
                self.all.println(waiting(elapsed)).ok();
            }
            _ => {}
        }
    }
}
