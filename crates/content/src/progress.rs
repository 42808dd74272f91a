use std::{fmt, sync::Arc, time::Duration};

use crate::{Descriptor, Target};

/// A listener for the events of an operation. It is called often and from several tasks, and must return at once.
///
/// Implemented by every function of an [`Event`], by `()`, which ignores them, and by an `Arc` of a listener:
///
/// ```
/// use wharf_content::{Event, Progress};
///
/// fn accept(listener: impl Progress + 'static) {}
///
/// accept(|event: Event<'_>| {
///     if let Event::Planned { count, bytes } = event {
///         println!("{count} items, {bytes} bytes");
///     }
/// });
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

/// What happens during an operation.
///
/// A bar of progress needs three of them. `Planned` gives its length. Every piece of it is `Finished` once, unless
/// the operation fails; a piece counts as a whole then, whatever `Advanced` said: a resumed one advances by
/// less than its size, a repeated one by more.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A name was resolved to a manifest.
    Resolved {
        /// What was asked for.
        target: &'a Target,
        /// What it is.
        descriptor: &'a Descriptor,
    },
    /// What there is to do is known: this many pieces of content, and this many bytes of them, those that will
    /// turn out to be there already included.
    Planned {
        /// How many blobs and manifests.
        count: usize,
        /// Their sizes together.
        bytes: u64,
    },
    /// Bytes of this content begin to move.
    Started {
        /// The content.
        descriptor: &'a Descriptor,
    },
    /// More bytes of it have moved.
    Advanced {
        /// The content.
        descriptor: &'a Descriptor,
        /// How many bytes since the last event.
        bytes: u64,
    },
    /// The content is at the destination, complete.
    Finished {
        /// The content.
        descriptor: &'a Descriptor,
        /// How it got there.
        outcome: Outcome,
    },
    /// Nothing has happened for a while, and the operation still waits: a registry may need minutes to fetch what it
    /// is asked for or to assemble what it was sent. Told after 10 s, and then each time the wait has doubled.
    Waiting {
        /// How long nothing has happened.
        elapsed: Duration,
    },
    /// Something to tell the user that is not a failure.
    Warning {
        /// One line, safe to print.
        message: &'a str,
    },
}

/// How content came to be at its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Its bytes moved.
    Copied,
    /// It was there before.
    Present,
    /// The destination took it from elsewhere by itself: a mount, a link.
    Mounted,
    /// It is not at the destination: it may not be distributed, and is had from its own URLs.
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
