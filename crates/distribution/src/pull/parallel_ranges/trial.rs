use tokio::time::Instant;

use crate::pull::limits::WORTHWHILE_GAIN;

/// Compares the rate of a number of connections with the rate of fewer, round by round.
pub(super) struct Trial {
    since: Instant,
    bytes: u64,
    /// The rate of fewer connections, in bytes per second.
    rate: f64,
    grown: bool,
    has_enough: bool,
}

/// The result of a round of a [`Trial`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrialResult {
    /// Undecided; measure another round.
    Undecided,
    /// More connections bring no more: no further round is measured.
    EnoughConnections,
    /// The single stream was as fast as several connections.
    NoFaster,
}

impl Trial {
    /// Begins the first round. `rate` is the rate of the single stream, in bytes per second.
    pub(super) fn new(rate: f64) -> Self {
        Self {
            since: Instant::now(),
            bytes: 0,
            rate,
            grown: false,
            has_enough: false,
        }
    }

    pub(super) const fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// The rate of this round in bytes per second, once it has brought `round` bytes.
    pub(super) fn measured(&self, round: u64) -> Option<f64> {
        if self.has_enough || self.bytes < round {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = self.bytes as f64 / self.since.elapsed().as_secs_f64().max(0.001);
        tracing::debug!(rate, before = self.rate, "parallel ranges");
        Some(rate)
    }

    /// Judges a round that had this rate, and begins the next.
    ///
    /// `grow` adds connections: `None` if the blob may not have more, else whether the client had some to
    /// spare. If it had none, the next round is compared with the rate of this one's predecessor again,
    /// because another blob may end.
    pub(super) fn judge(&mut self, rate: f64, grow: impl FnOnce() -> Option<bool>) -> TrialResult {
        self.since = Instant::now();
        self.bytes = 0;
        let result = if rate > self.rate * WORTHWHILE_GAIN {
            match grow() {
                Some(true) => {
                    self.rate = rate;
                    self.grown = true;
                    TrialResult::Undecided
                }
                Some(false) => TrialResult::Undecided,
                None => TrialResult::EnoughConnections,
            }
        } else if self.grown {
            TrialResult::EnoughConnections
        } else {
            TrialResult::NoFaster
        };
        self.has_enough = result == TrialResult::EnoughConnections;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn more_connections_are_taken_while_they_help() {
        /// Rates, and the result of taking more connections.
        type Rounds = &'static [(f64, Option<bool>)];
        let table: [(Rounds, TrialResult); 7] = [
            (&[(24., Some(true))], TrialResult::NoFaster),
            (&[(80., Some(true))], TrialResult::Undecided),
            (&[(80., Some(true)), (120., Some(true))], TrialResult::Undecided),
            (
                &[(80., Some(true)), (85., Some(true))],
                TrialResult::EnoughConnections,
            ),
            // The client has none to spare: the blob keeps its connections, and asks for more after the next
            // round.
            (&[(80., Some(false)), (75., Some(false))], TrialResult::Undecided),
            (
                &[(80., Some(false)), (75., Some(true)), (120., None)],
                TrialResult::EnoughConnections,
            ),
            (&[(80., Some(false)), (24., Some(true))], TrialResult::NoFaster),
        ];
        for (rounds, expected) in table {
            let mut trial = Trial::new(20.);
            let results = rounds.iter().map(|&(rate, free)| trial.judge(rate, || free));
            assert_eq!(results.last(), Some(expected), "{rounds:?}");
        }
    }
}
