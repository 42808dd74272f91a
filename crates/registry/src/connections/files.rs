/// The number of connections for which the process may open files: each may have one more file open, for a
/// blob, and some are reserved for the registry. `None` if the system does not tell.
pub(crate) fn that_files_allow() -> Option<usize> {
    #[cfg(unix)]
    {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let own = (files / 4).min(64);
        Some(((files - own) / 2).max(1))
    }
    #[cfg(not(unix))]
    None
}
