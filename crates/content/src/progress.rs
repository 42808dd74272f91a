use std::{fmt, sync::Arc, time::Duration};

use crate::{Descriptor, Target};

/// A listener for the events of an operation. It is called often, from several tasks and on the threads
/// that move bytes: it must return at once.
///
/// Implemented by every function of an [`Event`], by `()`, which ignores them, and by an `Arc` of a listener.
///
/// [`Totals`](crate::Totals) sums the events up for a progress bar.
///
/// ```
/// use wharf_content::{Event, Progress};
///
/// struct Warnings;
///
/// impl Progress for Warnings {
///     fn event(&self, event: Event<'_>) {
///         if let Event::Warning { message } = event {
///             eprintln!("warning: {message}");
///         }
///     }
/// }
/// # Warnings.event(Event::Planned { count: 2, bytes: 300 });
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

/// An event of a copy, pull or push.
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
    /// All blobs and manifests of the operation are known. Those that turn out to be in the sink
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
    /// A blob or manifest is complete in the sink, or needs no transfer.
    Finished {
        /// The content.
        descriptor: &'a Descriptor,
        /// The reason why it is complete.
        outcome: Outcome,
    },
    /// More bytes of a layer were made that is compressed or added. It is written as it is made, and its digest is known at
    /// its end, so that it has no descriptor yet. When it is copied, it is in the sink already.
    Made {
        /// The layer in words, such as `added layer 1`.
        layer: &'a str,
        /// The number of bytes, as they are stored, since the last such event of this layer.
        bytes: u64,
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

/// The result of a copy, pull or push for one blob or manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Its bytes were copied.
    Copied,
    /// It was in the sink before.
    Present,
    /// The sink took it from another location by itself ([`Sink::mount`](crate::Sink::mount)).
    Mounted,
    /// It is not in the sink, because it may not be distributed; its descriptor has URLs to get it
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
