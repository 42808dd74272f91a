//! Questions on the terminal.

use wharf::{Error, ErrorKind, Secret};

/// Asks for a secret that is not shown; `what` names it. An interrupt ends the question, after which the terminal shows
/// again what is typed.
pub(crate) fn secret(prompt: &str, what: &str) -> Result<Secret, Error> {
    // While nothing handles the signal, it would end the program with the terminal as it is.
    #[cfg(unix)]
    let _handled = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
    rpassword::prompt_password(prompt)
        .map(Secret::new)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::Interrupted => Error::new(
                ErrorKind::Cancelled,
                format!("the question for {what} was interrupted"),
            ),
            _ => Error::new(ErrorKind::Other, format!("cannot read {what}")).with_source(error),
        })
}
