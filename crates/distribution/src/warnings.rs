//! Warnings of registries (distribution-spec, *Warnings*) and others. Each is reported once, and none
//! changes what the client does.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, header::WARNING};
use wharf_content::{Event, Progress};
use wharf_http::printable;

use crate::sync::LockExt as _;

/// The most bytes of warnings in one answer; the rest is ignored.
const MAX_BYTES: usize = 4096;
/// The most distinct warnings that are reported: a registry can make any number of them.
const MAX_TOLD: usize = 100;

/// Reports each distinct warning once, to a listener or to the log, and none after the first 100.
///
/// As a [`Progress`] it does so with the warnings among the events, and passes all other events on.
///
/// ```
/// use std::sync::Arc;
///
/// use wharf_content::{Event, Progress};
/// use wharf_distribution::WarnOnce;
///
/// #[derive(Debug)]
/// struct ToStderr;
///
/// impl Progress for ToStderr {
///     fn event(&self, event: Event<'_>) {
///         if let Event::Warning { message } = event {
///             eprintln!("warning: {message}");
///         }
///     }
/// }
///
/// let warnings = WarnOnce::to(Arc::new(ToStderr));
/// assert!(warnings.warn("the certificate expires tomorrow"));
/// assert!(!warnings.warn("the certificate expires tomorrow"));
/// ```
#[derive(Default)]
pub struct WarnOnce {
    told: Mutex<HashSet<String>>,
    listener: Option<Arc<dyn Progress>>,
}

impl WarnOnce {
    /// Reports to this listener. The default reports to the log.
    #[must_use]
    pub fn to(listener: impl Progress + 'static) -> Self {
        Self {
            told: Mutex::default(),
            listener: Some(Arc::new(listener)),
        }
    }

    /// Reports a warning, unless it was reported before. Returns true if it was new.
    pub fn warn(&self, message: &str) -> bool {
        let mut told = self.told.locked();
        if told.len() >= MAX_TOLD || !told.insert(message.to_owned()) {
            return false;
        }
        drop(told);
        if let Some(listener) = &self.listener {
            listener.event(Event::Warning { message });
        } else {
            tracing::warn!("{message}");
        }
        true
    }

    /// Reports the new warnings of an answer.
    pub(crate) fn warn_of_headers(&self, registry: &str, headers: &HeaderMap) {
        let mut bytes = 0;
        for value in headers.get_all(WARNING) {
            bytes += value.len();
            if bytes > MAX_BYTES {
                return;
            }
            if let Some(text) = value.to_str().ok().and_then(text_of) {
                self.warn(&format!("{registry} warns: {}", printable(&text, 500)));
            }
        }
    }
}

impl Progress for WarnOnce {
    fn event(&self, event: Event<'_>) {
        match (event, &self.listener) {
            (Event::Warning { message }, _) => {
                self.warn(message);
            }
            (event, Some(listener)) => listener.event(event),
            (_, None) => {}
        }
    }
}

impl fmt::Debug for WarnOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarnOnce")
            .field("listener", &self.listener.is_some())
            .finish_non_exhaustive()
    }
}

/// The text of `299 - "text"`; `None` for other values, which are no warnings of the specification.
fn text_of(value: &str) -> Option<String> {
    let quoted = value.strip_prefix("299 - \"")?.strip_suffix('"')?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_strict() {
        let table = [
            (r#"299 - "old tag""#, Some("old tag")),
            (r#"299 - "a \"b\" c""#, Some(r#"a "b" c"#)),
            (r#"299 - """#, None),
            (r#"299 - "a" "date""#, None),
            (r#"199 - "a""#, None),
            (r#"299 host "a""#, None),
            ("299 - a", None),
            (r#"299 - "a\""#, None),
        ];
        for (value, expected) in table {
            assert_eq!(text_of(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn each_is_told_once_and_few_in_all() {
        struct Heard(Mutex<Vec<String>>);
        impl Progress for Heard {
            fn event(&self, event: Event<'_>) {
                if let Event::Warning { message } = event {
                    self.0.lock().unwrap().push(message.to_owned());
                }
            }
        }
        let heard = Arc::new(Heard(Mutex::default()));
        let warnings = WarnOnce::to(Arc::clone(&heard));
        let mut headers = HeaderMap::new();
        headers.append(WARNING, r#"299 - "one""#.parse().unwrap());
        headers.append(WARNING, r#"299 - "one""#.parse().unwrap());
        headers.append(
            WARNING,
            format!("299 - \"{}\"", "x".repeat(MAX_BYTES)).parse().unwrap(),
        );
        headers.append(WARNING, r#"299 - "late""#.parse().unwrap());
        warnings.warn_of_headers("r.example", &headers);
        warnings.warn_of_headers("r.example", &headers);
        assert_eq!(*heard.0.lock().unwrap(), ["r.example warns: one"]);
    }
}
