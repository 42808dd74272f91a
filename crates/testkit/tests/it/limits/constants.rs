use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use crate::root;

/// A constant that bounds something.
#[derive(Debug)]
pub(super) struct Limit {
    /// The folder under `crates/`, or `wharf` for the facade.
    pub(super) package: String,
    /// From the root of the repository, with `/`.
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) value: Value,
    /// The doc comment, in one line, or that of the constant on the line above. Empty if there is none.
    pub(super) meaning: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Number(u128),
    Time(Duration),
}

/// The limits of all published crates: constants of a number or a time whose name begins or ends as that of a
/// limit, and those that a file `limits.rs` gives to others.
pub(super) fn all() -> Vec<Limit> {
    let mut files = Vec::new();
    collect(&root().join("src"), "wharf", &mut files);
    let mut crates: Vec<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name != "testkit")
        .collect();
    crates.sort();
    for name in crates {
        collect(&root().join("crates").join(&name).join("src"), &name, &mut files);
    }
    let known = files.iter().flat_map(File::constants).collect();
    let limits: Vec<Limit> = files.iter().flat_map(|file| file.limits(&known)).collect();
    assert!(
        limits.len() > 60,
        "{} constants were found: the scan is blind",
        limits.len()
    );
    limits
}

/// A source file without the tests in it.
struct File {
    package: String,
    path: String,
    text: String,
}

/// What constants are said to be, by package, module and name.
type Known = BTreeMap<(String, String, String), String>;

fn collect(directory: &Path, package: &str, files: &mut Vec<File>) {
    let mut paths: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, package, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let parts: Vec<_> = path
                .strip_prefix(root())
                .unwrap()
                .iter()
                .map(|part| part.to_str().unwrap())
                .collect();
            files.push(File {
                package: package.to_owned(),
                path: parts.join("/"),
                text: text.split("mod tests {").next().unwrap_or_default().to_owned(),
            });
        }
    }
}

impl File {
    fn module(&self) -> String {
        let path = self.path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        path.rsplit('/').next().unwrap_or_default().to_owned()
    }

    fn constants(&self) -> Vec<((String, String, String), String)> {
        let found = self.text.lines().filter_map(|line| constant(line.trim()));
        found
            .map(|(name, _, value)| {
                (
                    (self.package.clone(), self.module(), name.to_owned()),
                    value.to_owned(),
                )
            })
            .collect()
    }

    fn limits(&self, known: &Known) -> Vec<Limit> {
        let all_count = self.path.ends_with("/limits.rs");
        let mut comment = Vec::new();
        let mut above = String::new();
        let mut limits = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            let line = line.trim();
            if let Some(words) = line.strip_prefix("///").or_else(|| line.strip_prefix("// ")) {
                comment.push(words.trim());
                continue;
            }
            let said = std::mem::take(&mut comment).join(" ");
            let Some((name, kind, value)) = constant(line) else {
                above.clear();
                continue;
            };
            let meaning = if said.is_empty() { above.clone() } else { said };
            above.clone_from(&meaning);
            if (is_limit(name) || all_count && line.starts_with("pub"))
                && ["u8", "u16", "u32", "u64", "usize", "Duration"].contains(&kind)
            {
                let constant = |path: &str| {
                    let (module, name) = path.rsplit_once("::").unwrap_or(("", path));
                    let module = if module.is_empty() {
                        self.module()
                    } else {
                        module.to_owned()
                    };
                    known
                        .get(&(self.package.clone(), module, name.to_owned()))
                        .cloned()
                };
                let line = index + 1;
                let value = Value::of(value, &constant)
                    .unwrap_or_else(|| panic!("{}:{line}: cannot read {value}", self.path));
                limits.push(Limit {
                    package: self.package.clone(),
                    file: self.path.clone(),
                    line,
                    name: name.to_owned(),
                    value,
                    meaning,
                });
            }
        }
        limits
    }
}

/// Name, type and value of `const NAME: type = value;`, whatever stands before it.
fn constant(line: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = line.split_once("const ")?;
    if !(before.is_empty() || before.starts_with("pub")) {
        return None;
    }
    let (name, rest) = rest.split_once(": ")?;
    let (kind, rest) = rest.split_once(" = ")?;
    let (value, _) = rest.split_once(';')?;
    name.chars()
        .all(|c| c.is_ascii_uppercase() || c == '_')
        .then_some((name, kind, value))
}

fn is_limit(name: &str) -> bool {
    let first = name.split('_').next().unwrap_or_default();
    let last = name.rsplit('_').next().unwrap_or_default();
    ["MAX", "MIN", "MOST", "LONGEST", "LARGEST", "SMALLEST"].contains(&first)
        || ["TIMEOUT", "WAIT", "LIMIT", "LIFE"].contains(&last)
}

impl Value {
    pub(super) fn of(text: &str, constant: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let Some((unit, count)) = text
            .strip_prefix("Duration::from_")
            .and_then(|rest| rest.split_once('('))
        else {
            return number(text, constant).map(Self::Number);
        };
        let count = u64::try_from(number(count.strip_suffix(')')?, constant)?).ok()?;
        match unit {
            "secs" => Some(Self::Time(Duration::from_secs(count))),
            "millis" => Some(Self::Time(Duration::from_millis(count))),
            _ => None,
        }
    }
}

/// Sums, products and shifts of numbers and of other constants.
fn number(text: &str, constant: &dyn Fn(&str) -> Option<String>) -> Option<u128> {
    let text = text.trim();
    if let Some((left, right)) = text.split_once("<<") {
        return Some(number(left, constant)? << number(right, constant)?);
    }
    if let Some((left, right)) = text.split_once('+') {
        return Some(number(left, constant)? + number(right, constant)?);
    }
    if let Some((left, right)) = text.split_once('*') {
        return Some(number(left, constant)? * number(right, constant)?);
    }
    let plain = text.replace('_', "");
    plain.parse().ok().or_else(|| number(&constant(text)?, constant))
}
