//! Images to push, pull and copy: small ones made in memory, one large one of this machine's own files.

mod builder;
mod index;
mod layout;
mod real;

pub use builder::{Image, ImageBuilder};
pub use index::Index;
pub use layout::write_layout;
pub use real::RealImage;

use crate::Random;

/// `length` bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(seed ^ 0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.number().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
