//! The next page of a list (RFC 8288, distribution-spec *Listing Tags*).

use http::{HeaderMap, header};
use url::Url;

use crate::location::on_origin_of;

/// The target of the link with `rel=next`; `None` if there is none.
///
/// Fails if it is not on the list's own origin (N8).
pub(crate) fn next_page(base: &Url, headers: &HeaderMap) -> Result<Option<Url>, wharf_http::Error> {
    for value in headers.get_all(header::LINK) {
        let Ok(text) = value.to_str() else { continue };
        for (target, parameters) in links(text) {
            if is_next(parameters) {
                return on_origin_of(base, target.as_bytes()).map(Some);
            }
        }
    }
    Ok(None)
}

/// The links of a header: target and parameters. Text in front of a `<` is passed over.
fn links(mut text: &str) -> impl Iterator<Item = (&str, &str)> {
    std::iter::from_fn(move || {
        let (_, rest) = text.split_once('<')?;
        let (target, rest) = rest.split_once('>')?;
        let end = rest.find('<').unwrap_or(rest.len());
        let (parameters, following) = rest.split_at(end);
        text = following;
        Some((target, parameters))
    })
}

/// A link without a relation counts too: some registries leave it out.
fn is_next(parameters: &str) -> bool {
    let mut relations = parameters
        .split([';', ','])
        .filter_map(|parameter| parameter.trim().split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("rel"))
        .flat_map(|(_, value)| value.trim().trim_matches('"').split_ascii_whitespace())
        .peekable();
    relations.peek().is_none() || relations.any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let table = [
            (
                r#"</v2/a/tags/list?last=x&n=2>; rel="next""#,
                Ok(Some("https://r/v2/a/tags/list?last=x&n=2")),
            ),
            (
                r"<list?last=y>; rel=next",
                Ok(Some("https://r/v2/a/tags/list?last=y")),
            ),
            (
                r#"<https://r/z>; title="a"; rel="prev next""#,
                Ok(Some("https://r/z")),
            ),
            (r#"</p>; rel="prev", </n>; rel="next""#, Ok(Some("https://r/n"))),
            ("</x>", Ok(Some("https://r/x"))),
            (r#"</p>; rel="prev""#, Ok(None)),
            ("/x; rel=next", Ok(None)),
            ("", Ok(None)),
            ("<>; rel=next", Err(())),
            (r#"<https://evil/x>; rel="next""#, Err(())),
            (r#"<//evil/x>; rel="next""#, Err(())),
        ];
        let base = Url::parse("https://r/v2/a/tags/list").unwrap();
        for (value, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::LINK, value.parse().unwrap());
            let got = next_page(&base, &headers)
                .map(|url| url.map(String::from))
                .map_err(|_| ());
            assert_eq!(
                got,
                expected.map(|url: Option<&str>| url.map(str::to_owned)),
                "{value}"
            );
        }
    }
}
