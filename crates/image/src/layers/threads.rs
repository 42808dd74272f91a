/// The threads that encoders share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Threads {
    pub(crate) all: usize,
    /// The compressed bytes of all layers that may be encoded at the same time. 0: one layer at a time.
    pub(crate) bytes: u64,
}

impl Threads {
    /// The threads for a layer of this many compressed bytes: its part of all, so that a layer which is larger than
    /// the others together does not keep one thread busy for long after the others are done.
    pub(crate) fn of(self, layer: u64) -> usize {
        if self.bytes == 0 {
            return self.all;
        }
        let part = (self.all as u128 * u128::from(layer)).div_ceil(u128::from(self.bytes));
        usize::try_from(part)
            .unwrap_or(self.all)
            .clamp(1, self.all.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::Threads;

    #[test]
    fn layers_share_the_threads_by_their_size() {
        // All threads, the bytes of all layers, those of one layer, its threads.
        let cases = [
            (2, 8, 1, 1),
            (2, 100, 50, 1),
            (2, 100, 51, 2),
            (16, 196, 93, 8),
            (16, 196, 1, 1),
            (16, 100, 100, 16),
            (4, 0, 7, 4),
            (4, 100, 0, 1),
            (4, 5, 100, 4),
            (1, 10, 9, 1),
            (usize::MAX, u64::MAX, u64::MAX, usize::MAX),
        ];
        for (all, bytes, layer, expected) in cases {
            let found = Threads { all, bytes }.of(layer);
            assert_eq!(found, expected, "{layer} of {bytes} bytes, {all} threads");
        }
    }
}
