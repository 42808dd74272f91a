use std::{fmt, sync::Arc, time::Duration};

use crate::{Descriptor, Target};

/// A listener for the events of an operation. It is called often, from several tasks and on the threads
/// that move bytes: it must return at once.
///
/// Implemented by every function of an [`Event`], by `()`, which ignores them, and by an `Arc` of a listener.
///
/// # A progress bar
///
/// Set the length of the bar from [`Event::Planned`] and add what [`Event::Advanced`] reports. At
/// [`Event::Finished`] set the item to its full size, because a resumed item has advanced by less and a
/// repeated one by more. Every item is finished once, unless the operation fails.
///
/// ```
/// use std::{collections::HashMap, sync::{Arc, Mutex}};
/// use wharf_content::{Event, Progress};
/// use wharf_reference::Digest;
///
/// #[derive(Default)]
/// struct Bar {
///     length: u64,
///     finished: u64,
///     advanced: HashMap<Digest, u64>,
/// }
///
/// fn draw(bar: &Mutex<Bar>, event: Event<'_>) {
///     let bar = &mut *bar.lock().unwrap();
///     match event {
///         Event::Planned { bytes, .. } => bar.length = bytes,
///         Event::Advanced { descriptor, bytes } => {
///             *bar.advanced.entry(descriptor.digest().clone()).or_default() += bytes;
///         }
///         Event::Finished { descriptor, .. } => {
///             bar.advanced.remove(descriptor.digest());
///             bar.finished += descriptor.size();
///         }
///         _ => {}
///     }
///     let reached = bar.finished + bar.advanced.values().sum::<u64>();
///     eprint!("\r{} of {} bytes", reached.min(bar.length), bar.length);
/// }
///
/// let bar = Arc::new(Mutex::new(Bar::default()));
/// let shared = Arc::clone(&bar);
/// let progress = move |event: Event<'_>| draw(&shared, event);
/// progress.event(Event::Planned { count: 2, bytes: 300 });
/// assert_eq!(bar.lock().unwrap().length, 300);
/// ```
pub trait Progress: Send + Sync {
    /// Receives an event.
    fn event(&self, event: Event<'_>);
}

impl Progress for () {
    fn event(&self, _: Event<'_>) {}
}

impl<F: Fn(Event<'_>) + Send + Sync> Progress for F {
    fn event(&self, event: Event<'_>) {
        self(event);
    }
}

impl<P: Progress + ?Sized> Progress for Arc<P> {
    fn event(&self, event: Event<'_>) {
        (**self).event(event);
    }
}

/// An event of an operation. [`Progress`] shows how to draw a bar from them.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A name was resolved to a manifest.
    Resolved {
        /// The name or digest that was resolved.
        target: &'a Target,
        /// The manifest that it means.
        descriptor: &'a Descriptor,
    },
    /// All blobs and manifests of the operation are known. Those that turn out to be at the destination
    /// already are included.
    Planned {
        /// The number of blobs and manifests.
        count: usize,
        /// The sum of their sizes in bytes.
        bytes: u64,
    },
    /// The transfer of a blob or manifest begins.
    Started {
        /// The content.
        descriptor: &'a Descriptor,
    },
    /// More bytes of a blob or manifest have moved.
    Advanced {
        /// The content.
        descriptor: &'a Descriptor,
        /// The number of bytes since the last such event of this content.
        bytes: u64,
    },
    /// A blob or manifest is complete at the destination, or needs no transfer.
    Finished {
        /// The content.
        descriptor: &'a Descriptor,
        /// The reason why it is complete.
        outcome: Outcome,
    },
    /// The operation waits and nothing has happened meanwhile: a registry may need minutes to fetch content
    /// from its upstream or to assemble an upload. Reported after 10 s, and then each time the wait has
    /// doubled.
    Waiting {
        /// The time since the last other event.
        elapsed: Duration,
    },
    /// A message for the user that is not a failure.
    Warning {
        /// One line of text without control characters.
        message: &'a str,
    },
}

/// The result of an operation for one blob or manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Its bytes were copied.
    Copied,
    /// It was at the destination before.
    Present,
    /// The destination took it from another location by itself ([`Sink::mount`](crate::Sink::mount)).
    Mounted,
    /// It is not at the destination, because it may not be distributed; its descriptor has URLs to get it
    /// from.
    Omitted,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Copied => "copied",
            Self::Present => "already there",
            Self::Mounted => "mounted",
            Self::Omitted => "omitted",
        })
    }
}
