/// Numbers that look random and follow from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

/// The seed of a run of a series.
pub(crate) fn of_run(first: u64, number: u64) -> u64 {
    let mut random = Random::new(first.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
    random.next() >> 16
}

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Whether something happens that does once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let index = self.below(from.len() as u64);
        from.get(usize::try_from(index).unwrap()).unwrap().clone()
    }

    /// Below `end`, small numbers as likely as large ones of the same number of digits.
    pub(crate) fn of_any_size(&mut self, end: u64) -> u64 {
        let bits = u64::from(u64::BITS - end.leading_zeros());
        let shift = self.below(bits.max(1));
        self.below((end >> shift).max(1))
    }
}
