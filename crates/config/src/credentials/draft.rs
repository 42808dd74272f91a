//! An auth file being changed: unknown members stay unchanged and in their order.

use zeroize::Zeroizing;

use super::entry;
use crate::json::{Member, Problem, Value, quote};

/// The text of a value; it may hold a secret.
type Raw = Zeroizing<String>;

/// A file in the form of auth.json or Docker's config.json, taken apart as far as changes need.
#[derive(Default)]
pub(super) struct Draft {
    members: Vec<(String, Raw)>,
    /// The number of members before `auths`.
    auths_at: Option<usize>,
    auths: Vec<(String, Raw)>,
}

impl Draft {
    /// Parses a file. Repeated `auths` become one, as Go reads them.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let mut draft = Self::default();
        let members = Value::parse(text)?.object("the file")?;
        for member in members.into_iter().flatten() {
            if !member.is("auths") {
                draft.members.push(raw(member));
                continue;
            }
            draft.auths_at.get_or_insert(draft.members.len());
            match member.value.object("`auths`")? {
                Some(entries) => draft.auths.extend(entries.into_iter().map(raw)),
                None => draft.auths.clear(),
            }
        }
        Ok(draft)
    }

    /// Puts these fields into the entry of that key, in place of every field that holds a credential. Other
    /// fields stay. No fields at all leave an entry that marks its key as known.
    pub(super) fn set(&mut self, key: &str, fields: &[(&str, Raw)]) -> Result<(), Problem> {
        let old = self.auths.iter().rfind(|(known, _)| known == key);
        let kept = match old {
            Some((_, text)) => Value::parse(text)?
                .object("an entry of `auths`")?
                .unwrap_or_default(),
            None => Vec::new(),
        };
        let kept = kept
            .into_iter()
            .filter(|member| !entry::holds_credential(&member.key))
            .map(raw);
        let new = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let entry = render(new.chain(kept).collect::<Vec<_>>().as_slice(), "\t\t");
        let index = self.auths.iter().position(|(known, _)| known == key);
        self.auths.retain(|(known, _)| known != key);
        self.auths
            .insert(index.unwrap_or(self.auths.len()), (key.to_owned(), entry));
        Ok(())
    }

    /// Removes every entry whose key satisfies the condition and says which those were.
    pub(super) fn remove(&mut self, condition: impl Fn(&str) -> bool) -> Vec<String> {
        let (removed, kept) = std::mem::take(&mut self.auths)
            .into_iter()
            .partition(|(key, _)| condition(key));
        self.auths = kept;
        let removed: Vec<(String, Raw)> = removed;
        removed.into_iter().map(|(key, _)| key).collect()
    }

    /// The whole file, indented with tabs as the other tools write it.
    pub(super) fn render(&self) -> Raw {
        let mut members = self.members.clone();
        let index = self.auths_at.unwrap_or(0);
        members.insert(
            index.min(members.len()),
            ("auths".to_owned(), render(&self.auths, "\t")),
        );
        let mut text = render(&members, "");
        text.push('\n');
        text
    }
}

fn raw(member: Member<'_>) -> (String, Raw) {
    (member.key, Zeroizing::new(member.value.text().to_owned()))
}

fn render(members: &[(String, Raw)], indent: &str) -> Raw {
    let length: usize = members
        .iter()
        .map(|(key, value)| key.len() + value.len() + 16)
        .sum();
    // Enough room from the start: growing would leave copies of secrets behind.
    let mut text = Zeroizing::new(String::with_capacity(length * 2));
    text.push('{');
    for (index, (key, value)) in members.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(indent);
        text.push('\t');
        text.push_str(&quote(key));
        text.push_str(": ");
        text.push_str(value);
    }
    if !members.is_empty() {
        text.push('\n');
        text.push_str(indent);
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(value: &str) -> [(&'static str, Raw); 1] {
        [("auth", Zeroizing::new(quote(value)))]
    }

    #[test]
    fn what_is_not_understood_survives_in_order() {
        let mut draft = Draft::parse(
            r#"{"z": [1, 1.10, 1e400], "auths": {"b": {"email": "e", "auth": "old", "x": {"y":  2}}, "a": {"auth": "keep"}}, "credHelpers": {"h": "s"}, "A": null}"#,
        )
        .unwrap();
        draft.set("b", &auth("new")).unwrap();
        draft.set("c", &auth("c")).unwrap();
        let expected = r#"{
	"z": [1, 1.10, 1e400],
	"auths": {
		"b": {
			"auth": "new",
			"email": "e",
			"x": {"y":  2}
		},
		"a": {"auth": "keep"},
		"c": {
			"auth": "c"
		}
	},
	"credHelpers": {"h": "s"},
	"A": null
}
"#;
        assert_eq!(draft.render().as_str(), expected);
    }

    #[test]
    fn repeated_keys_become_one() {
        let mut draft = Draft::parse(
            r#"{"auths": {"a": {"auth": "1"}, "b": {}, "a": {"auth": "2", "k": 1}}, "Auths": {"c": {}}}"#,
        )
        .unwrap();
        draft.set("a", &auth("3")).unwrap();
        let expected = "{\n\t\"auths\": {\n\t\t\"a\": {\n\t\t\t\"auth\": \"3\",\n\t\t\t\"k\": 1\n\t\t},\n\t\t\"b\": {},\n\t\t\"c\": {}\n\t}\n}\n";
        assert_eq!(draft.render().as_str(), expected);
    }

    #[test]
    fn removal_reports_the_keys() {
        let mut draft = Draft::parse(r#"{"auths": {"a": {}, "b": {}, "a": {}}}"#).unwrap();
        assert_eq!(draft.remove(|key| key == "a"), ["a", "a"]);
        assert_eq!(draft.remove(|key| key == "b"), ["b"]);
        assert_eq!(draft.render().as_str(), "{\n\t\"auths\": {}\n}\n");
    }
}
