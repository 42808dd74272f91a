//! The next page of a list (RFC 8288, distribution-spec *Listing Tags*).
//!
//! | `Link` | meaning |
//! |---|---|
//! | `<target>; rel="next"`; the relation may be without quotes, in single ones, or among others; in any header or link | the next page |
//! | `target; rel="next"`, without angle brackets | the next page |
//! | a link without a relation, if no link has the relation `next` | the next page: some registries leave it out |
//! | links with other relations only; an empty header | the end of the list |
//! | any other | an error: the list may continue |
//!
//! Only path and query of the target count. The next page is requested from the registry, whatever host the
//! target names: a registry behind a proxy does not know its own name (docs/threats.md, N8).

use http::{HeaderMap, header};
use url::Url;
use wharf_http::{Error, ErrorKind, Origin, printable, resolve_location};

/// The URL of the next page of a list that was requested at `asked`, by the headers of the answer from
/// `answered`; `None` after the last page. The URL is on the origin of `asked`, and also on its path if
/// another host answered.
pub(crate) fn next_page(asked: &Url, answered: &Url, headers: &HeaderMap) -> Result<Option<Url>, Error> {
    let Some(target) = next_target(headers)? else {
        return Ok(None);
    };
    let named = resolve_location(answered, target.as_bytes())?;
    let mut next = asked.clone();
    next.set_query(named.query());
    let is_home = Origin::of(answered)? == Origin::of(asked)?;
    // A proxy may shorten a longer path with the same end.
    if is_home && !named.path().ends_with(asked.path()) {
        next.set_path(named.path());
    }
    Ok(Some(next))
}

fn next_target(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let mut without_relation = None;
    let mut unreadable = None;
    for value in headers.get_all(header::LINK) {
        let text = String::from_utf8_lossy(value.as_bytes());
        for link in links(&text) {
            let target = link.target.to_owned();
            match link.relation() {
                Relation::Next if link.is_url => return Ok(Some(target)),
                Relation::None if link.is_url => _ = without_relation.get_or_insert(target),
                Relation::Other => {}
                Relation::Next | Relation::None | Relation::Unclear => {
                    unreadable = Some(printable(&text, 120));
                }
            }
        }
    }
    match (without_relation, unreadable) {
        (_, Some(text)) => {
            let message = format!("cannot parse the Link header of the list: {text}");
            Err(Error::new(ErrorKind::Protocol, message))
        }
        (target, None) => Ok(target),
    }
}

struct Link<'a> {
    target: &'a str,
    /// True if the target is in brackets or looks like a URL.
    is_url: bool,
    parameters: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
enum Relation {
    Next,
    Other,
    None,
    /// The parameters contain `next`, but not as a relation.
    Unclear,
}

impl Link<'_> {
    fn relation(&self) -> Relation {
        let parameters = split(self.parameters, |rest| rest.starts_with(';'));
        let relations: Vec<&str> = parameters
            .filter_map(|parameter| parameter.trim_matches([';', ' ', '\t']).split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("rel"))
            .flat_map(|(_, value)| value.split_whitespace())
            .map(|relation| relation.trim_matches(|c: char| !c.is_alphanumeric()))
            .filter(|relation| !relation.is_empty())
            .collect();
        let is_next = |relation: &&str| relation.eq_ignore_ascii_case("next");
        if relations.iter().any(is_next) {
            Relation::Next
        } else if self.parameters.to_ascii_lowercase().contains("next") {
            Relation::Unclear
        } else if relations.is_empty() {
            Relation::None
        } else {
            Relation::Other
        }
    }
}

/// The links of a header. They are separated by commas where a target follows; before a bracket the comma
/// may be missing.
fn links(text: &str) -> impl Iterator<Item = Link<'_>> {
    let begins = |rest: &str| match rest.strip_prefix(',').map(str::trim_start) {
        Some(rest) => rest.is_empty() || rest.starts_with('<') || looks_like_url(rest),
        None => rest.starts_with('<'),
    };
    split(text, begins)
        .map(|link| link.trim_matches([',', ' ', '\t']))
        .filter(|link| !link.is_empty())
        .map(|link| {
            let bracketed = link.strip_prefix('<').and_then(|rest| rest.split_once('>'));
            let (target, parameters) =
                bracketed.unwrap_or_else(|| link.split_once(';').unwrap_or((link, "")));
            Link {
                target: target.trim_matches([' ', '\t', '"']),
                is_url: bracketed.is_some() || looks_like_url(target),
                parameters,
            }
        })
}

fn looks_like_url(text: &str) -> bool {
    let is_absolute = |scheme| {
        text.get(..8)
            .is_some_and(|head| head.to_ascii_lowercase().starts_with(scheme))
    };
    text.starts_with(['/', '?']) || is_absolute("http://") || is_absolute("https://")
}

/// The parts of a text. All but the first begin where `begins` is true for the rest, outside quotes and
/// brackets.
fn split(text: &str, begins: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
    let mut cuts = vec![0];
    let (mut is_quoted, mut is_bracketed, mut is_escaped) = (false, false, false);
    for (at, character) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        if !is_quoted && !is_bracketed && begins(rest) {
            cuts.push(at);
        }
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' if !is_bracketed => is_quoted = !is_quoted,
            '<' if !is_quoted => is_bracketed = true,
            '>' if !is_quoted => is_bracketed = false,
            _ => {}
        }
    }
    cuts.push(text.len());
    let ends = cuts.iter().skip(1);
    let pieces: Vec<&str> = cuts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| text.get(*start..*end))
        .collect();
    pieces.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(asked: &str, answered: &str, links: &[&str]) -> Result<Option<String>, ()> {
        let mut headers = HeaderMap::new();
        for link in links {
            headers.append(
                header::LINK,
                http::HeaderValue::from_bytes(link.as_bytes()).unwrap(),
            );
        }
        let [asked, answered] = [asked, answered].map(|url| Url::parse(url).unwrap());
        let next = next_page(&asked, &answered, &headers).map_err(|_| ())?;
        Ok(next.map(String::from))
    }

    #[test]
    fn table() {
        let page = "https://r/v2/a/tags/list?last=x";
        let table = [
            (
                r#"</v2/a/tags/list?last=x&n=2>; rel="next""#,
                Ok(Some("https://r/v2/a/tags/list?last=x&n=2")),
            ),
            (r"<list?last=x>; rel=next", Ok(Some(page))),
            (r#"<?last=x>; title="a; b, <c>"; rel="prev next""#, Ok(Some(page))),
            (
                r#"</p>; rel="prev", </v2/a/tags/list?last=x>; rel="next""#,
                Ok(Some(page)),
            ),
            (
                r#"</p>; rel="prev" </v2/a/tags/list?last=x>; rel="next""#,
                Ok(Some(page)),
            ),
            ("</v2/a/tags/list?last=x>; rel='next'", Ok(Some(page))),
            ("</v2/a/tags/list?last=x>; rel='prev next'", Ok(Some(page))),
            ("</v2/a/tags/list?last=x> ;REL = NEXT ;", Ok(Some(page))),
            ("</v2/a/tags/list?last=x>; rel=\"next", Ok(Some(page))),
            (
                "</v2/a/tags/list?last=x>; rel=\u{201c}next\u{201d}",
                Ok(Some(page)),
            ),
            // Without brackets.
            ("/v2/a/tags/list?last=x; rel=\"next\"", Ok(Some(page))),
            ("https://r/v2/a/tags/list?last=x; rel=next", Ok(Some(page))),
            ("/p; rel=prev, /v2/a/tags/list?last=x; rel=next", Ok(Some(page))),
            (
                "/v2/a/tags/list?last=x,y; rel=next",
                Ok(Some("https://r/v2/a/tags/list?last=x,y")),
            ),
            ("/v2/a/tags/list?last=x", Ok(Some(page))),
            ("last=x; rel=next", Err(())),
            ("</v2/a/tags/list?last=x; rel=next", Err(())),
            // Without a relation.
            ("</v2/a/tags/list?last=x>", Ok(Some(page))),
            (
                "</v2/a/tags/list?last=y>, </v2/a/tags/list?last=x>; rel=next",
                Ok(Some(page)),
            ),
            ("</v2/a/tags/list?last=x>; rel=", Ok(Some(page))),
            // The end.
            (r#"</p>; rel="prev""#, Ok(None)),
            (
                "<https://r/style.css>; rel=preload; as=style, <https://cdn>; rel=preconnect",
                Ok(None),
            ),
            ("", Ok(None)),
            (" , ", Ok(None)),
            // A list that may go on.
            ("next", Err(())),
            ("</x>; next", Err(())),
            ("</x>; rel=nextpage", Err(())),
            ("<>; rel=next", Err(())),
            ("<>", Err(())),
            ("<https://r@evil/x>; rel=next", Err(())),
            ("<ftp://r/v2/a/tags/list?last=x>; rel=next", Err(())),
            ("<http://[/>; rel=next", Err(())),
            // Other hosts, which get nothing.
            ("<https://evil/v2/a/tags/list?last=x>; rel=next", Ok(Some(page))),
            (
                "<http://localhost:24817/v2/a/tags/list?last=x>; rel=next",
                Ok(Some(page)),
            ),
            ("<http://r/v2/a/tags/list?last=x>; rel=next", Ok(Some(page))),
            ("<https://r:8443/v2/a/tags/list?last=x>; rel=next", Ok(Some(page))),
            ("<//evil/v2/a/tags/list?last=x>; rel=next", Ok(Some(page))),
            // Other paths: what a proxy takes away before ours, and what the registry may mean.
            (
                "<https://back/prefix/v2/a/tags/list?last=x>; rel=next",
                Ok(Some(page)),
            ),
            (
                "</v2/a/tags/more?last=x>; rel=next",
                Ok(Some("https://r/v2/a/tags/more?last=x")),
            ),
        ];
        let base = "https://r/v2/a/tags/list";
        for (link, expected) in table {
            let expected = expected.map(|url: Option<&str>| url.map(str::to_owned));
            assert_eq!(next(base, base, &[link]), expected, "{link}");
        }
    }

    #[test]
    fn several_headers_are_one_list_of_links() {
        let base = "https://r/v2/a/tags/list";
        let links = [
            r#"</p>; rel="prev""#,
            "",
            r#"</v2/a/tags/list?last=x>; rel="next""#,
        ];
        assert_eq!(next(base, base, &links), Ok(Some(format!("{base}?last=x"))));
        assert_eq!(
            next(base, base, &[r#"</p>; rel="prev""#, "?"]),
            Ok(Some(base.to_owned() + "?"))
        );
        assert_eq!(next(base, base, &[r#"</p>; rel="prev""#, "more: next"]), Err(()));
    }

    #[test]
    fn another_host_chooses_the_query_alone() {
        let asked = "https://r/v2/a/tags/list?n=1000";
        let answered = "https://cdn.example/b/v2/project/a/tags/list?n=1000";
        for link in [
            "</b/v2/project/a/tags/list?n=1000&last=x>; rel=next",
            "<https://cdn.example/v2/other?n=1000&last=x>; rel=next",
            "<https://r/v2/private/tags/list?n=1000&last=x>; rel=next",
        ] {
            let expected = "https://r/v2/a/tags/list?n=1000&last=x".to_owned();
            assert_eq!(next(asked, answered, &[link]), Ok(Some(expected)), "{link}");
        }
    }
}
