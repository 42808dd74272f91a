use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::program::{self, ProgramError, ProgramLimits, ProgramOutput, StandardError};

/// The search path and environment variables of helper programs: of this host, all of them
/// ([`Locations::helper_environment`](crate::Locations::helper_environment)).
#[derive(Clone, Default)]
pub struct HelperEnvironment {
    directories: Vec<PathBuf>,
    variables: Vec<(OsString, OsString)>,
}

impl HelperEnvironment {
    /// Programs are found in these directories, in the form of `PATH`; empty and relative entries are left
    /// out, so that nothing is ever run from the working directory. There are no variables but `PATH`.
    #[must_use]
    pub fn new(search_path: impl AsRef<OsStr>) -> Self {
        Self {
            directories: env::split_paths(&search_path)
                .filter(|dir| dir.is_absolute())
                .collect(),
            variables: Vec::new(),
        }
    }

    /// Adds a variable for the helpers.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The value of a variable of the helpers.
    #[must_use]
    pub fn variable(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        let name = name.as_ref();
        let mut variables = self.variables.iter().rev();
        variables
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_os_str())
    }

    /// The directories in which programs are found.
    #[must_use]
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// The program of this name in the directories, if there is one; on Windows, its name has `.exe` too.
    #[must_use]
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        let file = format!("{program}{}", env::consts::EXE_SUFFIX);
        self.directories
            .iter()
            .map(|dir| dir.join(&file))
            .find(|path| is_executable(path))
    }

    /// Runs a program, named by its absolute path, with these arguments and this standard input, until it has ended
    /// and closed its output. The working directory is `/`.
    ///
    /// The program runs in a process group of its own. At the first limit that it exceeds, and when the run is
    /// cancelled, the group is killed.
    ///
    /// # Errors
    ///
    /// [`ProgramError`]: it cannot be started, exceeds a limit, or was cancelled. A program that fails is no error.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
        limits: ProgramLimits<'_>,
    ) -> Result<ProgramOutput, ProgramError> {
        let mut command = self.command(program);
        command.args(arguments);
        program::run(command, input, StandardError::Read, limits)
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        // Without the entries that were left out: what a helper starts is not found there either.
        if let Ok(path) = env::join_paths(&self.directories) {
            command.env("PATH", path);
        }
        if cfg!(unix) {
            command.current_dir("/");
        }
        command
    }
}

/// Values may be secrets, such as those of a cloud provider.
impl fmt::Debug for HelperEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.variables.iter().map(|(name, _)| name).collect();
        f.debug_struct("HelperEnvironment")
            .field("directories", &self.directories)
            .field("variables", &names)
            .finish()
    }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}
