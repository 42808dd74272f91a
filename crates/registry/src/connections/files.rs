/// How many connections the process has files for: each may have one more open, for a blob, and some are the
/// registry's own. `None` if this system does not say.
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
