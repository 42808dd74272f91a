use std::collections::HashMap;

use wharf_reference::Digest;

use crate::Event;

/// The sum of the events of an operation, as a progress bar shows it.
///
/// An item counts with the bytes that have moved, but never with more than its size, and with its size once it
/// is finished: a resumed item moves fewer bytes than its size, a repeated one more. Each operation begins with
/// new sums. Events of several operations that run at the same time need a value each.
///
/// ```
/// use wharf_content::{Descriptor, Event, MediaType, Outcome, Totals};
///
/// let layer = Descriptor::of(MediaType::OCI_LAYER, b"0123456789");
/// let mut totals = Totals::new();
/// totals.add(&Event::Planned { count: 1, bytes: 10 });
/// totals.add(&Event::Advanced { descriptor: &layer, bytes: 4 });
/// assert_eq!((totals.done(), totals.length()), (4, 10));
/// totals.add(&Event::Finished { descriptor: &layer, outcome: Outcome::Copied });
/// assert_eq!(totals.done(), 10);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Totals {
    length: u64,
    done: u64,
    /// The counted bytes of the items that are not finished.
    unfinished: HashMap<Digest, u64>,
}

impl Totals {
    /// Makes sums of no events: 0 of 0 bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event. An event that moves no bytes changes nothing.
    pub fn add(&mut self, event: &Event<'_>) {
        match *event {
            Event::Planned { bytes, .. } => {
                *self = Self {
                    length: bytes,
                    ..Self::default()
                };
            }
            Event::Advanced { descriptor, bytes } => {
                let counted = self.unfinished.entry(descriptor.digest().clone()).or_default();
                let added = bytes.min(descriptor.size().saturating_sub(*counted));
                *counted += added;
                self.done = self.done.saturating_add(added);
            }
            Event::Finished { descriptor, .. } => {
                let counted = self.unfinished.remove(descriptor.digest()).unwrap_or(0);
                let added = descriptor.size().saturating_sub(counted);
                self.done = self.done.saturating_add(added);
            }
            Event::Resolved { .. }
            | Event::Started { .. }
            | Event::Made { .. }
            | Event::Waiting { .. }
            | Event::Warning { .. } => {}
        }
    }

    /// The bytes that are done; at most [`Totals::length`], and equal to it when the operation has succeeded.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.min(self.length)
    }

    /// The bytes of all items of the operation; 0 until they are known.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }
}
