//! The schemes of stores, and those that are written in their stead.

/// Schemes that other programs have for the same stores.
const OTHERS: [(&str, &str); 16] = [
    ("s3a", "s3"),
    ("s3n", "s3"),
    ("aws", "s3"),
    ("minio", "s3"),
    ("r2", "s3"),
    ("gcs", "gs"),
    ("gcp", "gs"),
    ("google", "gs"),
    ("azure", "az"),
    ("abfs", "az"),
    ("abfss", "az"),
    ("adl", "az"),
    ("wasb", "az"),
    ("wasbs", "az"),
    ("dir", "file"),
    ("local", "file"),
];
const SCHEMES: [&str; 4] = ["s3", "gs", "az", "file"];

/// The reason that a scheme cannot be used, with the one that is meant.
pub(super) fn unknown(scheme: &str) -> String {
    let other = OTHERS.iter().find(|(other, _)| *other == scheme);
    let near = || SCHEMES.iter().find(|known| is_near(scheme, known)).copied();
    let known = "s3://, gs://, az:// and file:// are supported";
    match other.map(|(_, meant)| *meant).or_else(near) {
        Some(meant) => format!("{meant}:// is meant: {known}"),
        None if matches!(scheme, "http" | "https") => {
            format!("a store is not named by the URL of its server, which is the option endpoint: {known}")
        }
        None => format!("the scheme is unknown: {known}"),
    }
}

/// Whether the texts differ by one letter that is missing, too many, another, or swapped with its neighbour, and begin
/// alike.
fn is_near(text: &str, known: &str) -> bool {
    let (text, known) = (text.as_bytes(), known.as_bytes());
    let same = text.iter().zip(known).take_while(|(a, b)| a == b).count();
    let (rest, known_rest) = (
        text.get(same..).unwrap_or_default(),
        known.get(same..).unwrap_or_default(),
    );
    let after = |bytes: &[u8], count: usize| bytes.get(count..).map(<[u8]>::to_vec);
    let swapped = match (rest, known_rest) {
        ([a, b, rest @ ..], [c, d, known @ ..]) => a == d && b == c && rest == known,
        _ => false,
    };
    swapped
        || same > 0
            && (after(rest, 1).as_deref() == Some(known_rest)
                || after(known_rest, 1).as_deref() == Some(rest)
                || after(rest, 1).is_some() && after(rest, 1) == after(known_rest, 1))
}
