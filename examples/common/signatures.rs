//! The signatures of an image that is copied or pushed.

use clap::Args;
use wharf::{Options, Signatures as Carried};

/// The treatment of the image's signatures.
#[derive(Args)]
pub(crate) struct Signatures {
    /// Copy no signatures; none are copied without this flag either
    #[arg(long)]
    remove_signatures: bool,
}

impl Signatures {
    /// The options of a copy with these flags. `carried` is true if signatures are to be copied.
    pub(crate) const fn apply(&self, options: Options, carried: bool) -> Options {
        let carried = carried && !self.remove_signatures;
        options.with_signatures(if carried { Carried::Carry } else { Carried::Leave })
    }
}
