//! The proxies that the environment names.

use wharf_config::ProxyVariables;
use wharf_content::{Error, ErrorKind};
use wharf_http::ProxySettings;

/// Fails for a value that is no proxy. Go ignores such a value and connects without the proxy.
pub(super) fn from_variables(variables: &ProxyVariables) -> Result<ProxySettings, Error> {
    let named = |name: &'static str| {
        move |error: wharf_http::Error| {
            Error::new(ErrorKind::Invalid, format!("{name} is not usable: {error}"))
        }
    };
    let mut proxies = ProxySettings::default();
    if let Some((name, value)) = variables.http() {
        proxies = proxies.with_http(value).map_err(named(name))?;
    }
    if let Some((name, value)) = variables.https() {
        proxies = proxies.with_https(value).map_err(named(name))?;
    }
    if let Some((_, value)) = variables.no_proxy() {
        proxies = proxies.with_no_proxy(value);
    }
    Ok(proxies)
}

#[cfg(test)]
mod tests {
    use wharf_config::Locations;

    use super::*;

    #[test]
    fn a_value_that_is_no_proxy_names_its_variable_and_nothing_else() {
        for (variable, value) in [
            ("HTTPS_PROXY", "ftp://CANARY@proxy.example"),
            ("https_proxy", "http://CANARY:@"),
            ("HTTP_PROXY", "http://CANARY@proxy example"),
            ("http_proxy", "socks4://CANARY.example"),
            ("HTTP_PROXY", "http://proxy.example:CANARY"),
        ] {
            let locations = Locations::from_vars([(variable, value)]);
            let error = from_variables(locations.proxies()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let text = format!("{error} {error:?}");
            assert!(text.contains(variable) && !text.contains("CANARY"), "{text}");
        }
    }
}
