//! Deserialising names: as strings, validated by their parsers.

use core::{fmt, marker::PhantomData};

use serde_core::de::{Error, Visitor};

use crate::ParseError;

pub(crate) fn text<'de, D, T>(
    deserializer: D,
    parse: fn(&str) -> Result<T, ParseError>,
) -> Result<T, D::Error>
where
    D: serde_core::Deserializer<'de>,
{
    struct Parse<T>(fn(&str) -> Result<T, ParseError>, PhantomData<T>);

    impl<T> Visitor<'_> for Parse<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a name as a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Parse(parse, PhantomData))
}
