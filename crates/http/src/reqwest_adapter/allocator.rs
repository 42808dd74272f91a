//! The memory of bodies.

use std::{hint::black_box, sync::Once};

/// The size in bytes of the block that is freed. Twice as much is what a heap retains.
const BLOCK: usize = 4 * 1024 * 1024;

/// Lets glibc's allocator retain up to 8 MiB of freed memory in each heap for later allocations, instead of 128 KiB.
///
/// hyper allocates the buffers of a body on one thread, and its consumer frees them on another, half a megabyte at once. What
/// is freed beyond the limit goes back to the system, which clears each page again for the next buffer: that was a
/// fifth of the processor time of a download. glibc raises the limit to twice the size of the largest block that had a
/// mapping of its own and was freed (mallopt(3), `M_MMAP_THRESHOLD`), unless the program has set it. No page of the block is
/// touched. Other allocators have no such limit, and ignore this.
pub(super) fn retain_freed_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(black_box(Vec::<u8>::with_capacity(BLOCK))));
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    const PAGE: usize = 4096;
    const BUFFER: usize = 32 * 1024;

    /// The pages that the system has given to this thread.
    fn page_faults() -> usize {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    /// As a download does: one thread fills buffers, another one frees many of them at once.
    #[test]
    fn buffers_that_another_thread_has_freed_are_used_again_without_page_faults() {
        retain_freed_memory();
        // Bounded channels: others allocate as they are used, at the end of the heap.
        let (full, batches) = mpsc::sync_channel::<Vec<Vec<u8>>>(1);
        let (freed, free) = mpsc::sync_channel(1);
        let consumer = thread::spawn(move || {
            for batch in batches {
                drop(batch);
                freed.send(()).unwrap();
            }
        });
        let round = |buffers: usize| {
            let batch = (0..buffers).map(|_| black_box(vec![1; BUFFER])).collect();
            full.send(batch).unwrap();
            free.recv().unwrap();
        };
        // What the channels allocate when they are first used must not be at the end of the heap.
        round(1);
        let before = page_faults();
        let (rounds, buffers) = (50, 64);
        (0..rounds).for_each(|_| round(buffers));
        drop(full);
        consumer.join().unwrap();
        let (taken, all) = (page_faults() - before, rounds * buffers * BUFFER / PAGE);
        assert!(taken < all / 10, "{taken} of {all} pages came from the system");
    }
}
