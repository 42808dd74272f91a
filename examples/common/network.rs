//! Flags about the network, named as in Skopeo and Podman where those have them.

use std::time::Duration;

use clap::Args;
use wharf::{
    ClientBuilder,
    auth::RealmPolicy,
    http::{RetryPolicy, Timeouts},
};

/// How long to wait, how often to try again, and whom to tell what.
#[derive(Args)]
pub(crate) struct Network {
    /// Longest wait for an answer to begin, such as 90s, 20m, 1h; by default it depends on what is asked for
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// End the command after this time
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    command_timeout: Option<Duration>,
    /// How often to try again after a failure that may pass
    #[arg(long, visible_alias = "retry-times", value_name = "N")]
    retry: Option<u32>,
    /// Wait before the first new try; doubled before each further one
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    retry_delay: Option<Duration>,
    /// What to call this program to registries
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// Host of a token server that may receive logins, though it is in another domain than the registry
    #[arg(long, value_name = "HOST")]
    trust_realm: Vec<String>,
}

impl Network {
    pub(crate) fn command_timeout(&self) -> Option<Duration> {
        self.command_timeout
    }

    pub(crate) fn apply(&self, mut builder: ClientBuilder) -> ClientBuilder {
        if let Some(timeout) = self.timeout {
            let timeouts = Timeouts::default().with_head(timeout);
            builder = builder.with_timeouts(timeouts.with_idle(timeout));
        }
        let mut retry = RetryPolicy::default();
        if let Some(times) = self.retry {
            retry = retry.with_max_attempts(times.saturating_add(1));
        }
        if let Some(delay) = self.retry_delay {
            let longest = delay.max(retry.max_backoff());
            retry = retry.with_initial_backoff(delay).with_max_backoff(longest);
        }
        if self.retry.is_some() || self.retry_delay.is_some() {
            retry = retry.with_max_elapsed(Duration::MAX); // the number of tries is the limit
        }
        builder = builder.with_retry(retry);
        if let Some(text) = &self.user_agent {
            builder = builder.with_user_agent(text);
        }
        let realms = self.trust_realm.iter();
        builder.with_realms(realms.fold(RealmPolicy::default(), RealmPolicy::trust))
    }
}

/// Reads `90s`, `20m`, `1h`, `1m30s` or a number of seconds, as Go reads durations.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a duration such as 90s, 20m or 1h30m".to_owned();
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let one = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.saturating_mul(60)),
            "h" => Duration::from_secs(number.saturating_mul(3600)),
            _ => return Err(wrong()),
        };
        total = total.saturating_add(one);
        rest = tail;
    }
    if total.is_zero() { Err(wrong()) } else { Ok(total) }
}
