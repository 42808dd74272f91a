use std::marker::PhantomData;

/// The upper bounds of a histogram's buckets.
pub(super) trait Bounds {
    const BOUNDS: [f64; 8];
}

#[derive(Default)]
pub(super) struct Seconds;

impl Bounds for Seconds {
    const BOUNDS: [f64; 8] = [0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0];
}

#[derive(Default)]
pub(super) struct Bytes;

impl Bounds for Bytes {
    /// 1 KiB to 16 GiB.
    const BOUNDS: [f64; 8] = [
        1024.0,
        16_384.0,
        262_144.0,
        4_194_304.0,
        67_108_864.0,
        1_073_741_824.0,
        4_294_967_296.0,
        17_179_869_184.0,
    ];
}

/// A histogram whose buckets are cumulative.
#[derive(Default)]
pub(super) struct Histogram<B> {
    buckets: [u64; 8],
    pub(super) count: u64,
    pub(super) sum: f64,
    bounds: PhantomData<B>,
}

impl<B: Bounds> Histogram<B> {
    pub(super) fn add(&mut self, value: f64) {
        for (count, bound) in self.buckets.iter_mut().zip(B::BOUNDS) {
            *count += u64::from(value <= bound);
        }
        self.count += 1;
        self.sum += value;
    }

    /// The bounds with their counts.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        B::BOUNDS.into_iter().zip(self.buckets)
    }

    /// Adds what another histogram has.
    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(other.buckets) {
            *count += more;
        }
        self.count += other.count;
        self.sum += other.sum;
    }
}
