//! Test tooling of the wharf workspace.
