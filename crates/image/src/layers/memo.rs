use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use wharf_reference::Digest;

/// The most results that are kept in memory. When a new one exceeds it, all are dropped.
const MAX_ENTRIES: usize = 10_000;

/// Remembers layers that were encoded before, so that they need not be again. A memo in a file is the program's
/// own.
///
/// An entry is believed: a wrong one ends in an error when its layer is read, or in an image that refers to another
/// layer that the sink has. So a memo must be kept where nobody else writes.
pub trait Memo: Send + Sync {
    /// The result for a layer.
    fn get(&self, key: &MemoKey) -> Option<MemoEntry>;

    /// Keeps the result for a layer.
    fn put(&self, key: &MemoKey, entry: &MemoEntry);
}

/// The inputs that a result depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MemoKey {
    /// The digest of the original layer.
    pub layer: Digest,
    /// The encoder: codec, level and version ([`Profile::id`](wharf_layer::Profile::id)).
    pub encoder: String,
}

/// The result for a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoEntry {
    /// The digest of the new layer.
    pub digest: Digest,
    /// The size of the new layer in bytes.
    pub size: u64,
    /// The digest of the tar, which both layers have.
    pub diff_id: Digest,
}

/// A memo in memory, for 10,000 layers.
#[derive(Debug, Default)]
pub struct MemoryMemo {
    entries: Mutex<HashMap<MemoKey, MemoEntry>>,
}

impl MemoryMemo {
    /// An empty memo.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Memo for MemoryMemo {
    fn get(&self, key: &MemoKey) -> Option<MemoEntry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).cloned()
    }

    fn put(&self, key: &MemoKey, entry: &MemoEntry) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert(key.clone(), entry.clone());
    }
}
