use std::{fmt::Write as _, time::Duration};

use super::{
    constants::{Limit, Value},
    settings::Setting,
};

const HEAD: &str = "\
# Limits

This page lists what the crates accept, read, keep and wait for at most. It is made from the
sources, by the test `the_page_of_limits_is_what_the_sources_say` of `crates/testkit`, which also writes it anew:

```sh
WHARF_UPDATE_GOLDEN=1 cargo test -p wharf-testkit --test it limits
```

A constant is listed if it is a number or a time, and its name begins with `MAX`, `MIN`, `MOST`, `LONGEST`, `LARGEST` or `SMALLEST`, or ends with
`TIMEOUT`, `WAIT`, `LIMIT` or `LIFE`; in a file `limits.rs`, if it is public there. Its doc comment says what it bounds, and in which unit.

## Limits that can be set

The settings of a copy (blobs and bytes at a time, size of an image) are in `wharf_copy::Options`, the time limits of requests in
`wharf_http::Timeouts`, whose docs have a table of them. These have a field each:
";

/// The page, from the limits by crate and the settings by struct.
pub(super) fn render(limits: &[Limit], settings: &[Setting]) -> String {
    let mut page = HEAD.to_owned();
    page += "\n| setting | default | meaning |\n|---|---|---|\n";
    for setting in settings {
        let default = setting
            .default
            .map_or("none".to_owned(), |value| shown(value, &setting.meaning));
        writeln!(
            page,
            "| `{}::{}` | {default} | {} |",
            setting.owner,
            setting.field,
            cell(&setting.meaning)
        )
        .unwrap();
    }
    page += "\n## Limits that are fixed\n";
    let mut package = "";
    for limit in limits {
        if limit.package != package {
            package = &limit.package;
            let title = if package == "wharf" {
                "wharf".to_owned()
            } else {
                format!("wharf-{package}")
            };
            writeln!(
                page,
                "\n### {title}\n\n| name | value | meaning | in |\n|---|---|---|---|"
            )
            .unwrap();
        }
        let Limit {
            name, file, meaning, ..
        } = limit;
        let value = shown(limit.value, meaning);
        writeln!(
            page,
            "| `{name}` | {value} | {} | [{}](../{file}) |",
            cell(meaning),
            short(file)
        )
        .unwrap();
    }
    page
}

/// `challenge/scan.rs` of `crates/auth/src/challenge/scan.rs`.
fn short(file: &str) -> &str {
    file.split_once("src/").map_or(file, |(_, rest)| rest)
}

/// A doc comment in a cell: links become their text, and bars do not end the cell.
fn cell(meaning: &str) -> String {
    meaning.replace("[`", "`").replace("`]", "`").replace('|', "\\|")
}

/// A value with its unit, which for a number is the first one that the meaning names.
fn shown(value: Value, meaning: &str) -> String {
    match value {
        Value::Time(time) => of_time(time),
        Value::Number(number) => of_number(number, meaning),
    }
}

/// `24 h`, `10 min`, `30 s`, `20 ms`.
fn of_time(time: Duration) -> String {
    let (millis, seconds) = (time.subsec_millis(), time.as_secs());
    match seconds {
        _ if millis > 0 => format!("{} ms", time.as_millis()),
        _ if seconds >= 3600 && seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        _ if seconds > 120 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

/// `4 MiB` where the meaning speaks of bytes, `1,000` with another unit or none.
fn of_number(number: u128, meaning: &str) -> String {
    let sentence = meaning
        .split(". ")
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let words: Vec<&str> = sentence.split(|c: char| !c.is_alphanumeric()).collect();
    let unit = ["bytes", "characters", "seconds"]
        .into_iter()
        .filter_map(|unit| Some((words.iter().position(|word| *word == unit)?, unit)))
        .min();
    match unit {
        Some((_, "bytes")) => of_bytes(number),
        Some((_, "seconds")) => of_time(Duration::from_secs(u64::try_from(number).unwrap())),
        Some((_, unit)) => format!("{} {unit}", grouped(number)),
        None => grouped(number),
    }
}

fn of_bytes(number: u128) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if number > 0 && number.is_multiple_of(1 << shift) {
            return format!("{} {unit}", grouped(number >> shift));
        }
    }
    format!("{} bytes", grouped(number))
}

/// With a comma before each three digits.
fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
