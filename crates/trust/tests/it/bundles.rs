//! Bundles that the packages `@sigstore/sign` and `@sigstore/mock` made (tests/golden/bundles/make.cjs): what is good,
//! and what must be refused of each kind.

mod kit;
mod missing;
mod own_log;
mod robust;
mod roots;
mod statements;
pub(crate) mod swaps;
mod verdicts;
