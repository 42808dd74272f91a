use std::{fmt, pin::Pin, sync::Arc};

use super::Step;
use crate::Request;

type Predicate = Arc<dyn Fn(&Request) -> bool + Send + Sync>;
pub(super) type Steps = Pin<Box<dyn Future<Output = Vec<Step>> + Send>>;
pub(super) type Reply = Arc<dyn Fn(Request) -> Steps + Send + Sync>;

/// Which requests a [`Rule`] is for. It sees the head only.
#[derive(Clone)]
pub struct Match(Predicate);

impl Match {
    /// Every request.
    pub fn any() -> Self {
        Self::when(|_| true)
    }

    /// Requests for which this is true.
    pub fn when(predicate: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(predicate))
    }

    /// Requests with this method whose path contains this text.
    pub fn on(method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self::when(move |request| request.method == method && request.path().contains(&path))
    }

    /// GET requests whose path contains this text.
    pub fn get(path: &str) -> Self {
        Self::on("GET", path)
    }

    /// GET and HEAD requests whose path contains this text.
    pub fn read(path: &str) -> Self {
        let path = path.to_owned();
        Self::when(move |request| {
            ["GET", "HEAD"].contains(&&*request.method) && request.path().contains(&path)
        })
    }

    /// Both this and the other.
    #[must_use]
    pub fn and(self, other: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        Self::when(move |request| (self.0)(request) && other(request))
    }

    pub(super) fn matches(&self, request: &Request) -> bool {
        (self.0)(request)
    }
}

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Match")
    }
}

/// How much of a request's body is read before the rule replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyUse {
    /// All of it.
    Whole,
    /// This many bytes, or the whole if it is shorter; the rest stays on the wire.
    UpTo(usize),
}

/// The reaction of an origin to the requests that the rule is for.
#[derive(Clone)]
pub struct Rule {
    pub(super) matching: Match,
    pub(super) reply: Reply,
    pub(super) left: Option<u64>,
    pub(super) body: BodyUse,
}

impl Rule {
    /// Replies with these steps or this answer, every time.
    pub fn new(matching: Match, reply: impl Into<Vec<Step>>) -> Self {
        let steps = reply.into();
        Self::call(matching, move |_| steps.clone())
    }

    /// Replies with what the function returns.
    pub fn call<S: Into<Vec<Step>>>(
        matching: Match,
        reply: impl Fn(&Request) -> S + Send + Sync + 'static,
    ) -> Self {
        Self::asynchronous(matching, move |request| {
            let steps = reply(&request).into();
            async move { steps }
        })
    }

    /// Replies with what the future returns.
    pub fn asynchronous<F>(matching: Match, reply: impl Fn(Request) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<Step>> + Send + 'static,
    {
        Self {
            matching,
            reply: Arc::new(move |request| Box::pin(reply(request))),
            left: None,
            body: BodyUse::Whole,
        }
    }

    /// Holds for so many requests only; later ones find the next rule.
    #[must_use]
    pub const fn times(mut self, count: u64) -> Self {
        self.left = Some(count);
        self
    }

    /// How much of the request's body is read first.
    #[must_use]
    pub const fn body(mut self, body: BodyUse) -> Self {
        self.body = body;
        self
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("left", &self.left)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
