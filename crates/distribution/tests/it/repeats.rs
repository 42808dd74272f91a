//! The places that repeat an operation.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// All but the send loop repeat an operation of several requests, each for the reason in ARCHITECTURE.md.
/// Another one multiplies the attempts of the retry policy.
#[test]
fn one_loop_sends_and_six_callers_repeat_an_operation() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    assert!(files.len() > 40, "{files:?}");
    let repeating: Vec<_> = files
        .iter()
        .filter(|file| fs::read_to_string(file).unwrap().contains(".next_wait("))
        .map(|file| {
            let path = file.strip_prefix(&source).unwrap();
            let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
            parts.join("/")
        })
        .collect();
    assert_eq!(
        repeating,
        [
            "pull/download/resumes.rs",
            "push/chunks.rs",
            "push/mod.rs",
            "push/stream.rs",
            "push_manifest.rs",
            "send/mod.rs",
            "send/tokens.rs",
        ]
    );
}

/// The Rust files of a directory and of those in it, in order of their paths.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Every loop that awaits, with what it repeats. A loop that is missing here may send requests without
/// regard to the retry policy.
///
/// | kind | what one round does | bound |
/// |---|---|---|
/// | repeats | sends a request or an operation again | the retry policy |
/// | rewrites | reads, changes and writes a list of referrers or a manifest of attachments again | `MAX_ROUNDS` |
/// | challenges | sends a request with the authorization that the registry asked for | two per attempt |
/// | candidates | asks the next endpoint, or over the next scheme | each one once, and a silent one twice |
/// | items | does something for the next item of a list that the caller gave | the list |
/// | pages | requests the next page of a list | a limit for each list |
/// | bytes | takes the next bytes of a stream | the stream |
/// | waits | sends nothing | a time limit |
#[test]
fn every_loop_that_awaits_is_known() {
    let known = [
        ("catalog.rs catalog", "pages"),
        ("explain.rs explain", "items"),
        ("limiter.rs acquire", "waits"),
        ("pull/fetch/mod.rs part", "candidates"),
        ("pull/fetch/mod.rs part_from_urls", "candidates"),
        ("pull/prefetch.rs spawn", "bytes"),
        ("push/chunks.rs send", "repeats"),
        ("push/mod.rs send_blob", "repeats"),
        ("push/reader.rs skip", "bytes"),
        ("push/stream.rs spooled", "bytes"),
        ("push/stream.rs close", "repeats"),
        ("push/stream.rs send", "repeats"),
        ("push_manifest.rs push_manifest_tags", "items"),
        ("push_manifest.rs put_until_complete", "repeats"),
        ("push_manifest.rs has_content", "items"),
        ("referrers.rs referrers_at", "pages"),
        ("remote.rs first_of", "candidates"),
        ("send/attempt.rs attempt_over", "challenges"),
        ("send/mod.rs send_until_answered", "repeats"),
        ("send/mod.rs attempt", "candidates"),
        ("send/tokens.rs call", "repeats"),
        ("signatures/attachments.rs attachments", "items"),
        ("signatures/attachments.rs push_attachments", "rewrites"),
        ("signatures/attachments.rs push_attachments", "items"),
        ("signatures/bundles.rs bundles", "items"),
        ("signatures/bundles.rs bundles", "items"),
        ("signatures/bundles.rs push_bundles", "items"),
        ("signatures/bundles.rs push_bundles", "items"),
        ("signatures/extension.rs push_to_extension", "items"),
        ("signatures/lookaside.rs lookaside", "pages"),
        ("signatures/mod.rs signatures", "items"),
        ("single_flight/mod.rs join", "waits"),
        ("subject.rs update_list", "rewrites"),
        ("tags.rs next", "pages"),
        ("tags.rs collect", "items"),
    ];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    let mut found = Vec::new();
    for file in &files {
        let name = file
            .strip_prefix(&source)
            .unwrap()
            .to_str()
            .unwrap()
            .replace('\\', "/");
        if name.contains("/tests") {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        let code = without_comments_and_texts(text.split("#[cfg(test)]\nmod").next().unwrap());
        let functions = functions_with_loops_that_await(&code);
        assert_eq!(
            functions.is_empty() || !code.contains(".next_wait("),
            !known
                .iter()
                .any(|(place, kind)| place.starts_with(&name) && *kind == "repeats"),
            "{name}"
        );
        found.extend(functions.iter().map(|function| format!("{name} {function}")));
    }
    assert_eq!(found, known.map(|(place, _)| place));
}

#[test]
fn loops_that_await_are_found() {
    let code = r#"
        /// loop { x.await }
        impl Stream for Reader { fn poll(&self) -> Poll<()> { loop { next() } } }
        async fn one(&self) { loop { if is("}") { ask().await; } } }
        async fn two() { for tag in tags { push(tag).await?; } sleep().await }
        async fn three() { while let Some(page) = pages.next().await {} }
        async fn four() { for tag in tags { count(tag); } once().await }
        fn five() { let s = "loop { ask().await }"; }
    "#;
    let found = functions_with_loops_that_await(&without_comments_and_texts(code));
    assert_eq!(found, ["one", "two", "three"]);
}

/// The code with a blank in place of each comment, text and quoted brace.
fn without_comments_and_texts(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n')
        } else if let Some(text) = rest.strip_prefix("r#\"") {
            text.find("\"#").map(|end| end + "r#\"\"#".len())
        } else if first == '"' {
            end_of_text(rest)
        } else if ["'{'", "'}'", "'\"'"]
            .iter()
            .any(|quoted| rest.starts_with(quoted))
        {
            Some(3)
        } else {
            code.push(first);
            rest = rest.strip_prefix(first).unwrap();
            continue;
        };
        code.push(' ');
        rest = skipped.map_or("", |length| rest.split_at(length).1);
    }
    code
}

/// The length of the text literal that `source` begins with.
fn end_of_text(source: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, character) in source.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The functions with a loop that awaits, once for each such loop.
fn functions_with_loops_that_await(code: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut function = String::new();
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find(is_part) {
        let from = rest.split_at(start).1;
        let (word, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
        rest = after;
        let head = after.split(['{', ';']).next().unwrap();
        let is_loop = match word {
            "fn" => {
                function = head.trim_start().chars().take_while(|c| is_part(*c)).collect();
                false
            }
            "for" => head.contains(" in "),
            word => matches!(word, "loop" | "while"),
        };
        if is_loop && up_to_block(after).contains(".await") {
            found.push(function.clone());
        }
    }
    found
}

/// The text up to the end of its first block in braces.
fn up_to_block(code: &str) -> &str {
    let mut depth = 0;
    for (at, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return code.split_at(at).0,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code
}
