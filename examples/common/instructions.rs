//! Instructions of a Dockerfile that change the config of an image.

use wharf::image::{Entries, Set};

/// The edits of one instruction.
#[derive(Clone)]
pub(crate) struct Sets(pub(crate) Vec<Set>);

/// Reads an instruction: its name, a space or `=`, and its arguments.
pub(crate) fn parse(text: &str) -> Result<Sets, String> {
    let text = text.trim();
    let split = text
        .split_once(char::is_whitespace)
        .or_else(|| text.split_once('='));
    let (name, rest) = split.unwrap_or((text, ""));
    let (name, rest) = (name.to_ascii_uppercase(), rest.trim());
    if rest.is_empty() {
        return Err(format!("{name} has no arguments, as in CMD [\"/bin/sh\"]"));
    }
    let one = |set: fn(Option<String>) -> Set| Ok(vec![set(Some(rest.to_owned()))]);
    let sets = match name.as_str() {
        "CMD" => Ok(vec![Set::Cmd(Some(command(rest)?))]),
        "ENTRYPOINT" => Ok(vec![Set::Entrypoint(Some(command(rest)?))]),
        "USER" => one(Set::User),
        "WORKDIR" => one(Set::WorkingDir),
        "STOPSIGNAL" => one(Set::StopSignal),
        "ENV" => pairs(rest, |pair| Set::Env(Entries::Add(pair))),
        "LABEL" => pairs(rest, |pair| Set::Label(Entries::Add(pair))),
        "EXPOSE" => Ok(words(rest)?
            .into_iter()
            .map(|port| Set::Port(Entries::Add(port)))
            .collect()),
        "VOLUME" => {
            let paths = list(rest).map_or_else(|| words(rest), Ok)?;
            Ok(paths
                .into_iter()
                .map(|path| Set::Volume(Entries::Add(path)))
                .collect())
        }
        "ONBUILD" => Err("ONBUILD has no member in an image of OCI's format".to_owned()),
        _ => Err(format!(
            "{name} is none of CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME and WORKDIR"
        )),
    };
    sets.map(Sets)
}

/// A command as a JSON list, or a line for the shell.
fn command(text: &str) -> Result<Vec<String>, String> {
    match list(text) {
        Some(arguments) if arguments.is_empty() => Err("the command has no arguments".to_owned()),
        Some(arguments) => Ok(arguments),
        None => Ok(["/bin/sh", "-c", text].map(str::to_owned).into()),
    }
}

fn list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// `NAME=VALUE` any number of times, or `NAME VALUE`, whose value has the rest of the line.
fn pairs(text: &str, set: impl Fn((String, String)) -> Set) -> Result<Vec<Set>, String> {
    let words = words(text)?;
    if let Some((name, value)) = text.split_once(char::is_whitespace)
        && words.first().is_some_and(|first| !first.contains('='))
    {
        return Ok(vec![set((name.to_owned(), value.trim().to_owned()))]);
    }
    let pairs = words.iter().map(|word| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(set((name.to_owned(), value.to_owned()))),
        _ => Err(format!("{word:?} is no NAME=VALUE")),
    });
    pairs.collect()
}

/// Words between spaces; quotes and backslashes keep spaces in a word.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(characters.next()),
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (end, Some(begin)) if end == begin => quote = None,
            (space, None) if space.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    match quote {
        Some(quote) => Err(format!("a quote {quote} is not closed")),
        None => Ok(words),
    }
}
